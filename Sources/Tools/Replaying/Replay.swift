// Replay: a record through the same Station as the firmware's, as fast as it goes or paced.
//
// What would the station have said of that earthquake? A picker of its own for whole records would
// answer for another program: one that knows what comes after each sample, has its own filters, and
// has never seen a block or a gap.
//
// So a record is cut into blocks as a digitizer delivers them, with its gaps and its own time, and
// goes through Station itself. Datagrams come out, in the order in which they leave. A replay has
// no relay and no disk, so what is asked of these counts as done. The key is all zeros, because
// what is replayed is no detection.
//
//     var replay = Replay(ReplayOptions())
//     for record in try RecordFiles.read("record.mseed").instruments {
//       try replay.run(record) { datagrams.append($0) }
//     }

import Board
import Clock
import Conditioning
import Core
import Decision
import Digitizer
import Estimator
import Foundation
import Picker
import Runtime
import Settings
import Station
import Uplink

/// One instant of what the picker sees. Small, because a day has millions.
public struct TracePoint {
  /// NaN where a component has no data.
  public var values: SIMD4<Float>
  public var time: UTC
  public var ratio: Float
  public init(time: UTC, values: SIMD4<Float>, ratio: Float) {
    self.time = time
    self.values = values
    self.ratio = ratio
  }
}

extension Array where Element == TracePoint {
  /// The index of the first point at this time or after it.
  func place(of time: UTC) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle].time < time { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// No values where a component had none: what is held, and what filters make of it, was not
  /// recorded.
  fileprivate mutating func remove(_ hole: ComponentHole) {
    for index in place(of: hole.from)..<Swift.max(place(of: hole.to), place(of: hole.from)) {
      self[index].values[hole.lane] = .nan
    }
  }
}

/// The conditioned trace and the trigger function beside a station, for drawing: the same filters
/// and the same picker on the same blocks.
public struct TraceRecorder: ~Copyable {
  public private(set) var points: [TracePoint] = []
  private let unitsPerCount: Lanes
  private var conditioner: Conditioner
  private var picker: Picker

  public init(
    _ settings: ConditionerSettings, _ picker: PickerSettings,
    unitsPerCount: Lanes = Lanes(repeating: 1)
  ) {
    self.unitsPerCount = unitsPerCount
    conditioner = Conditioner(settings)
    self.picker = Picker(picker, presentLanes: settings.presentLanes)
  }

  public mutating func process(_ block: Block) {
    _ = conditioner.begin(block)
    for frame in block.frames {
      for index in 0..<conditioner.push(frame) {
        let sample = conditioner.sample(index)
        picker.step(sample)
        while picker.next() != nil {}
        points.append(
          TracePoint(
            time: sample.time, values: SIMD4<Float>(sample.counts * unitsPerCount),
            ratio: Float(picker.ratio)))
      }
    }
  }
}

public struct ReplayOptions: Sendable {
  public var response: Response?
  public var picker = PickerSettings()
  public var relations = Relations()
  public var alarm = AlarmSettings()
  /// The network that picks; nil for STA/LTA.
  public var network: PickerNetwork? = .standard
  /// The one that estimates beside the relations; nil for relations alone.
  public var estimatorNetwork: StationNetwork<EstimatorModel>? = .standard
  /// 0: as fast as it goes.
  public var speed = 0.0
  public var collectsTrace = false
  /// How often what is measured after a P is told, beside the datagrams; nil: never.
  public var parameterSeconds: Double?
  public init() {}
}

extension ReplayOptions {
  /// A calibration that had run out when the record was made marks its estimates, as on a station.
  fileprivate func host(on day: CalendarDate) -> HostStatus {
    var host = HostStatus()
    if let end = response?.validUntil {
      host.calibrationDays = Int16(clamping: min(end.daysSince1970 - day.daysSince1970, 32_766))
    }
    return host
  }
}

/// The key of replays: all zeros, because what is replayed is not a detection.
public let replayKey = Key(Octets())

public struct Replay {
  public private(set) var trace: [TracePoint] = []
  public private(set) var unit = TraceUnit.counts
  private let options: ReplayOptions

  public init(_ options: ReplayOptions) { self.options = options }

  /// Runs one instrument's record; calls `emit` for every datagram, in the order in which they
  /// leave.
  public mutating func run(
    _ record: InstrumentRecord, emit: (Datagram) throws -> Void,
    measured: (String) -> Void = { _ in }
  ) throws {
    let conditioner = ConditionerSettings(
      rateMillihertz: record.rateMillihertz, presentLanes: record.presentLanes,
      response: options.response.map(record.scaled))
    // After the station, which works in it.
    var arena = try options.arena()
    defer { withExtendedLifetime(options) { arena.seal() } }
    var station = options.station(
      StationSettings(
        code: StationCode(record.code), epoch: 0, bootCounter: 0, bootNonce: 0,
        keys: UpstreamKeys(replayKey),
        conditioner: conditioner,
        picker: options.picker, alarm: options.alarm),
      arena: &arena)
    station.note(.host(options.host(on: record.segments[0].start.date)))
    let estimator = station.estimator
    var parameters = options.parameterSeconds.map {
      ParameterLines(station: record.code, seconds: $0)
    }
    let isScaled = record.countsPerValue != 1
    unit = options.response.map { TraceUnit($0.quantity) } ?? (isScaled ? .file : .counts)
    var recorder = TraceRecorder(
      conditioner, options.picker,
      unitsPerCount: conditioner.response?.unitsPerCount
        ?? Lanes(repeating: 1 / record.countsPerValue))
    defer {
      trace = recorder.points
      for hole in record.holes { trace.remove(hole) }
    }
    var counters = DigitizerCounters()
    let pacer = Pacer(speed: options.speed, start: record.segments[0].start)
    try record.forEachBlock { block, gap in
      if gap > 0 {
        counters.gaps += 1
        counters.gapFrames += UInt64(gap)
      }
      let duration = Double(block.frames.count) * block.nanosecondsPerFrame
      counters.frames += UInt64(block.frames.count)
      station.note(.digitizer(counters))
      // A block is there when its last frame has arrived.
      pacer.wait(until: block.firstFrameTime + Int64(duration))
      station.process(block)
      if options.collectsTrace {
        recorder.process(block)
      }
      while let datagram = station.nextDatagram() { try emit(datagram) }
      if let line = parameters?.next(estimator) { measured(line) }
    }
  }
}

extension InstrumentRecord {
  /// A record arrives as from a digitizer that sends 25 packets a second.
  public static let blocksPerSecond = 25

  public var nanosecondsPerFrame: Double { 1e12 / Double(rateMillihertz) }

  /// What a response to the file's own numbers is to the record's counts.
  func scaled(_ response: Response) -> Response {
    var scaled = response
    scaled.unitsPerCount /= countsPerValue
    return scaled
  }

  /// The record block by block, each with the number of frames that are missing before it.
  public func forEachBlock(_ body: (Block, Int64) throws -> Void) rethrows {
    var clock = ClockReading()
    clock.state = .locked
    clock.source = .record
    clock.uncertaintyNanoseconds = 0
    let blockFrames = max(rateMillihertz / 1000 / InstrumentRecord.blocksPerSecond, 1)
    var nextFrame = segments[0].firstFrame
    for segment in segments {
      var gap = segment.firstFrame - nextFrame
      try segment.frames.withUnsafeBufferPointer { frames in
        var index = 0
        var anchor = 0
        while index < frames.count {
          let end = min(index + blockFrames, frames.count)
          let time = segment.anchors.time(of: index, nanosecondsPerFrame, from: &anchor)
          let block = Block(
            frames: UnsafeBufferPointer(rebasing: frames[index..<end]),
            firstFrame: segment.firstFrame + Int64(index), firstFrameTime: UTC(nanoseconds: time),
            nanosecondsPerFrame: nanosecondsPerFrame, clock: clock)
          try body(block, gap)
          gap = 0
          index = end
        }
      }
      nextFrame = segment.firstFrame + Int64(segment.frames.count)
    }
  }
}

/// Waits so that stream time passes at `speed` times real time.
struct Pacer {
  let speed: Double
  let start: UTC
  private let begin = Date()

  init(speed: Double, start: UTC) {
    self.speed = speed
    self.start = start
  }

  func wait(until time: UTC) {
    guard speed > 0 else { return }
    let due = Double(time - start) * 1e-9 / speed
    let remaining = due - Date().timeIntervalSince(begin)
    if remaining > 0 { Thread.sleep(forTimeInterval: remaining) }
  }
}
