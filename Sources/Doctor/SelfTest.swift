// SelfTest: each part of a station in turn, and in plain words what is wrong with it and what to
// do. For whoever stands before the station with a laptop: `onsetd --self-test`, or `onset doctor`.
//
// To start the station and to read what it says is the obvious test. It names the first part that
// is refused and none behind it. A loose cable, the wrong channel or a pulse pin that floats is not
// refused: such a station runs, and is deaf or has no pulse.
//
// So every part is tried, whatever became of the others, and the digitizer and the pulse are
// listened to for some seconds. The test opens what the station opens, so the station must not run
// meanwhile. It leaves everything as it was: it uses no boot counter up, and moves the relay with
// consent alone.
//
//     var test = SelfTest(board: boardPath, station: stationPath, mayMoveRelay: false)
//     test.run(MachineClock(), kernels: KernelVariant.select()) { $0.line.write(to: 1) }
//     if !test.isFit { exit(1) }

import Board
import CLinux
import Clock
import Conditioning
import Core
import Devices
import Digitizer
import Estimator
import Kernels
import Network
import Picker
import Pins
import Runtime
import Settings
import Station
import Uplink

public struct SelfTest: ~Copyable {
  private static let diskMebibytesMinimum: UInt32 = 100
  /// A healthy card stores a small file in tens of milliseconds, and in some hundreds while it
  /// tidies up.
  private static let storingNanosecondsMaximum = 2 * nanosecondsPerSecond
  /// Whoever visits a station once a year must hear of it before.
  public static let calibrationDaysMinimum = 90
  /// A clock that stands before this program was written was never set.
  private static let earliestYear = 2026

  private let boardPath: Path
  private let stationPath: Path
  /// The relay may move.
  private let mayMoveRelay: Bool
  /// Nothing that was tried is bad.
  public private(set) var isFit = true

  public init(board: Path, station: Path, mayMoveRelay: Bool) {
    boardPath = board
    stationPath = station
    self.mayMoveRelay = mayMoveRelay
  }

  /// Tells every finding as soon as it is there.
  public mutating func run(
    _ clock: MachineClock, kernels: KernelSelection, tell: (Finding) -> Void
  ) {
    let now = clock.systemClock()
    note(arithmetic(kernels), tell)
    var board: BoardFile?
    do throws(Diagnostic) {
      let read = try Configuration.read(boardPath) { file throws(Diagnostic) in
        try BoardFile(&file)
      }
      board = read
      var text = Text<320>("board ")
      text.append(read.name)
      note(Finding("board", .good, text), tell)
    } catch {
      note(Finding("board", error), tell)
    }
    var station: StationFile?
    do throws(Diagnostic) {
      let read = try Configuration.read(stationPath) { file throws(Diagnostic) in
        try StationFile(&file)
      }
      station = read
      var text = Text<320>("station ")
      text.append(read.code)
      note(Finding("station", .good, text), tell)
    } catch {
      note(Finding("station", error), tell)
    }
    var response: Response?
    if let station {
      do throws(Diagnostic) {
        response = try Configuration.response(station, board)
        _ = try Configuration.relations(station)
        note(calibration(response, now.realtime.date), tell)
      } catch {
        note(Finding("calibration", error), tell)
      }
      note(key(station), tell)
      tryNetworks(station, kernels.variant, tell)
    }
    if let board {
      listen(to: board, response, clock, tell)
      note(relay(board), tell)
    }
    note(
      SelfTest.time(
        now, hasPulse: board?.pulse != nil, hasTimesyncd: clinux_timesyncd_runs() != 0,
        datesItself: board?.digitizer.kind == .shake), tell)
    if let station {
      note(disk(station.stateDirectory), tell)
      let keeper = station.stateDirectory.withCString { clinux_keeper($0) }
      if let forgetful = SelfTest.state(keeper) { note(forgetful, tell) }
      note(uplink(station.uplink.first, station.uplink.listenPort), tell)
      if let second = station.uplink.second {
        note(uplink(second, station.uplink.listenPort), tell)
      }
    }
    note(privileges(), tell)
  }

  mutating func note(_ finding: Finding, _ tell: (Finding) -> Void) {
    if finding.verdict == .bad { isFit = false }
    tell(finding)
  }

  // MARK: Parts without hardware

  private func arithmetic(_ kernels: KernelSelection) -> Finding {
    var text = Text<320>("the processor computes with ")
    text.append(kernels.variant.name)
    guard kernels.hasRejectedBetter else { return Finding("processor", .good, text) }
    text.append(
      "; a faster way fails its self-test: results are right, the processor is to be doubted")
    return Finding("processor", .doubtful, text)
  }

  private func calibration(_ response: Response?, _ today: CalendarDate) -> Finding {
    guard let response else {
      return Finding(
        "calibration", .doubtful,
        "no component is calibrated: picks come, estimates and alarms do not; name calibrations in [sensor]"
      )
    }
    var count = 0
    for lane in 0..<3 where response.unitsPerCount[lane] != 0 { count += 1 }
    var text = Text<320>()
    text.append(count)
    text.append(" of 3 components calibrated as ")
    text.append(response.quantity == .velocity ? "velocity" : "acceleration")
    guard response.unitsPerCount[0] != 0 else {
      text.append(", the vertical not among them: estimates and alarms do not come")
      return Finding("calibration", .doubtful, text)
    }
    guard count == 3 else {
      text.append(": without both horizontals nothing is expected of the shaking")
      return Finding("calibration", .doubtful, text)
    }
    guard let end = response.validUntil else { return Finding("calibration", .good, text) }
    let days = end.daysSince1970 - today.daysSince1970
    text.append(days < 0 ? ", which ended on " : ", until ")
    text.append(end)
    if days < SelfTest.calibrationDaysMinimum {
      text.append(": calibrate the sensor and enter the new dates")
    }
    return Finding(
      "calibration", days < SelfTest.calibrationDaysMinimum ? .doubtful : .good, text)
  }

  private func key(_ station: StationFile) -> Finding {
    do throws(Diagnostic) {
      let keys = try UpstreamKeys.read(station.uplink)
      let directory = station.stateDirectory
      let isReplaced = KeptKey.read(0, replacing: keys.0, in: directory) != nil
      let isSecondUnused =
        KeptKey.isThere(1, in: directory)
        && keys.1.map { KeptKey.read(1, replacing: $0, in: directory) == nil } ?? false
      if isSecondUnused || (KeptKey.isThere(0, in: directory) && !isReplaced) {
        return Finding(
          "key", .doubtful,
          "a key that came over the air is of another key_file, or damaged, and does not count")
      }
      return Finding(
        "key", .good,
        isReplaced
          ? "another than key_file: one that came over the air"
          : "32 bytes that others cannot read")
    } catch {
      return Finding("key", error)
    }
  }

  private mutating func tryNetworks(
    _ station: StationFile, _ kernels: KernelVariant, _ tell: (Finding) -> Void
  ) {
    if station.network.isEmpty {
      note(Finding("picker", .doubtful, "no [picker] network is named: STA/LTA picks alone"), tell)
    } else {
      note(network("picker", station.network, station, PickerModel.self, kernels), tell)
    }
    if station.estimatorNetwork.isEmpty {
      note(
        Finding("estimator", .doubtful, "no [estimator] network is named: events have no class"),
        tell)
    } else {
      note(
        network("estimator", station.estimatorNetwork, station, EstimatorModel.self, kernels), tell)
    }
  }

  private func network<Model: NetworkModel>(
    _ part: StaticString, _ path: Path, _ station: StationFile, _ type: Model.Type,
    _ kernels: KernelVariant
  ) -> Finding {
    let file = ModelFile<Model>(path, signedBy: station.networkSigner, kernels: kernels)
    if let problem = file.problem { return Finding(part, problem) }
    var text = Text<320>("network ")
    if let model = file.model { text.append(model.plan.header.name) }
    text.append(" is whole and computes here what the reference does")
    return Finding(part, .good, text)
  }

  // MARK: The machine

  /// `hasTimesyncd`: systemd-timesyncd runs here. `datesItself`: the digitizer has its own clock.
  static func time(
    _ now: SystemClockReading, hasPulse: Bool, hasTimesyncd: Bool, datesItself: Bool = false
  ) -> Finding {
    var text = Text<320>("the machine's clock says ")
    text.append(now.realtime.date)
    guard now.realtime.date.year >= SelfTest.earliestYear else {
      text.append(
        ": it was never set. Give it a network with chrony, a GNSS receiver with gpsd, or a clock chip"
      )
      return Finding("clock", .bad, text)
    }
    guard now.isSynchronised else {
      text.append(" and nobody keeps it right: see chronyc tracking")
      guard !datesItself else {
        text.append(". Samples have the digitizer's time, which nothing here can contradict then")
        return Finding("clock", .doubtful, text)
      }
      text.append(
        hasPulse ? ". The pulse says when a second begins, the clock has to say which" : "")
      return Finding("clock", .bad, text)
    }
    let error = Int(now.maximumErrorNanoseconds / 1000)
    if hasTimesyncd || now.isErrorAssumed {
      text.append(", synchronised by ")
      text.append(hasTimesyncd ? "systemd-timesyncd" : "what seems to be systemd-timesyncd")
      text.append(", which does not say how far it is off: ")
      text.append(thousandths: error)
      text.append(" ms is assumed. Install chrony, which says it and comes nearer")
      text.append(hasPulse ? "; the pulse gives the rest" : "; there is no pulse to do better")
      return Finding("clock", .doubtful, text)
    }
    text.append(", synchronised, wrong by at most ")
    text.append(thousandths: error)
    text.append(" ms")
    text.append(hasPulse ? "; the pulse gives the rest" : "; there is no pulse to do better")
    // Half a second labels the pulse; without one it is the picks' own error.
    let isCoarse = now.maximumErrorNanoseconds > (hasPulse ? 400_000_000 : 20_000_000)
    return Finding("clock", isCoarse ? .doubtful : .good, text)
  }

  private func disk(_ directory: Path) -> Finding {
    var path = directory
    path.append("/self-test")
    let probe = Text<8>("probe\n")
    let begin = clinux_monotonic_nanoseconds()
    let isWritten = probe.withBytes { File.replace(path, directory: directory, with: $0) }
    let nanoseconds = clinux_monotonic_nanoseconds() - begin
    guard isWritten else {
      return Finding(
        "disk",
        Diagnostic(
          "state directory ", directory,
          " cannot be written: make the directory, let onsetd's user write to it, and look whether the disk is full"
        ))
    }
    _ = path.withCString { unlink($0) }
    let free = directory.withCString { clinux_disk_free_mebibytes($0) }
    var text = Text<320>("state is kept")
    guard nanoseconds < SelfTest.storingNanosecondsMaximum else {
      text.append(", after ")
      text.append(thousandths: Int(nanoseconds / 1_000_000))
      text.append(
        " s: the loop does not wait for it, commands do. A worn card, or something else that writes much?"
      )
      return Finding("disk", .doubtful, text)
    }
    guard free >= 0 else { return Finding("disk", .good, text) }
    text.append("; ")
    text.append(Int(free))
    text.append(" MiB are free")
    guard free >= Int64(SelfTest.diskMebibytesMinimum) else {
      text.append(": make room before it is full")
      return Finding("disk", .doubtful, text)
    }
    return Finding("disk", .good, text)
  }

  private func uplink(_ settings: UpstreamSettings, _ listenPort: Int) -> Finding {
    do throws(Diagnostic) {
      let socket = try UdpEndpoint(listenPort: listenPort)
      let address = try Address(host: settings.host, port: UInt16(settings.port))
      var text = Text<320>("datagrams to ")
      text.append(settings.host)
      text.append(" port ")
      text.append(settings.port)
      guard address.hasRoute else {
        text.append(" have no way (")
        text.append(cString: UnsafePointer(strerror(clinux_errno())))
        text.append("): look at the cable or modem, and at ip route")
        return Finding("uplink", .bad, text)
      }
      text.append(" have a way; whether they arrive is seen there. Pings are answered on port ")
      text.append(socket.boundPort)
      return Finding("uplink", .good, text)
    } catch {
      return Finding("uplink", error)
    }
  }

  private func privileges() -> Finding {
    let isLocked = clinux_lock_memory() == 0
    let isFirst = clinux_realtime_priority(50) == 0
    if isLocked && isFirst {
      return Finding("privileges", .good, "memory can be locked and the loop can have priority")
    }
    return Finding(
      "privileges", .doubtful,
      "without LimitMEMLOCK and LimitRTPRIO, as the unit file has them, a busy machine can delay the loop"
    )
  }

  private func holder(_ settings: RelaySettings) -> Diagnostic? {
    func find(_ line: LineSettings?) -> Diagnostic? {
      guard let line else { return nil }
      return LineHolder.find("relay", settings.chip, line.line)
    }
    return find(settings.relay) ?? find(settings.watchLamp) ?? find(settings.heartbeatLamp)
      ?? find(settings.inhibit)
  }

  private func relay(_ board: BoardFile) -> Finding {
    guard let settings = board.relay else {
      return Finding("relay", .skipped, "the board has no [relay]")
    }
    guard mayMoveRelay else {
      if let holder = holder(settings) { return Finding("relay", holder) }
      return Finding(
        "relay", .skipped,
        "not moved: with --relay it is actuated for a second; see first that what it drives may move"
      )
    }
    do throws(Diagnostic) {
      var lines = try RelayLines(settings)
      guard lines.report.inhibit != .unreadable else {
        return Finding(
          "relay", .bad,
          "its inhibiting switch cannot be read, so no alarm will move it: look at its wire and gpioinfo"
        )
      }
      guard !lines.report.inhibit.keepsRelayOpen else {
        return Finding(
          "relay", .doubtful,
          "not moved: its inhibiting switch is on or its wire is cut, so alarms would not move it either"
        )
      }
      let rest = settings.failSafeIsActive
      lines.set(relay: !rest)
      let obeys = lines.report.relay == .fitted
      _ = poll(nil, 0, 1000)
      lines.rest()
      guard obeys && lines.report.relay == .fitted else {
        return Finding("relay", .bad, "the relay's line does not obey: see gpioinfo and dmesg")
      }
      return Finding(
        "relay", .good, "the relay moved for a second and came back: it must have clicked")
    } catch {
      return Finding("relay", error)
    }
  }
}
