// Configuration: board, station, calibrations, relations and key, read and checked together.
// Whatever is impossible is refused here, in a sentence each, before anything starts; whatever can
// be recovered from is not.
//
//     let configuration = try Configuration(boardPath: board, stationPath: station)
//     let settings = StationSettings(configuration, epoch: 7, bootCounter: 3, bootNonce: random())

import Board
import CLinux
import Conditioning
import Core
import Digitizer
import Estimator
import Settings
import Station
import Uplink

public struct Configuration: Sendable {
  public var board: BoardFile
  public var station: StationFile
  public var response: Response?
  /// Where the station stands and what it measures with, as its files say.
  public var instrument = InstrumentMessage()
  public var relations: Relations
  public var keys: UpstreamKeys
  public var secondKeys: UpstreamKeys?

  public init(boardPath: Path, stationPath: Path) throws(Diagnostic) {
    let board = try Configuration.board(boardPath)
    try self.init(board, stationPath: stationPath)
  }

  public static func board(_ path: Path) throws(Diagnostic) -> BoardFile {
    try read(path) { file throws(Diagnostic) in try BoardFile(&file) }
  }

  /// The board is known already: its relay comes before everything else.
  public init(_ board: BoardFile, stationPath: Path) throws(Diagnostic) {
    self.board = board
    station = try Configuration.read(stationPath) { file throws(Diagnostic) in
      try StationFile(&file)
    }
    response = try Configuration.response(station, board, &instrument)
    relations = try Configuration.relations(station)
    (keys, secondKeys) = try UpstreamKeys.read(station.uplink)
    try Configuration.check(peers: station, keys, stationPath)
    describeSite()
  }

  /// Reads one file through a buffer that lives as long as `body` runs. Where several things are
  /// wrong with it, the last is thrown and those before it are told on standard error.
  public static func read<Value>(
    _ path: Path, _ body: (inout ConfigurationFile) throws(Diagnostic) -> Value
  ) throws(Diagnostic) -> Value {
    guard var arena = Arena(byteCount: ConfigurationFile.maximumByteCount) else {
      throw Diagnostic("out of memory before the first file was read")
    }
    var file = try open(path, &arena)
    do {
      return try body(&file)
    } catch {
      file.errorsBefore.write(to: STDERR_FILENO)
      throw error
    }
  }

  /// Apart from `read`, because the firmware has a copy of that for each kind of file.
  @inline(never)
  private static func open(
    _ path: Path, _ arena: inout Arena
  ) throws(Diagnostic) -> ConfigurationFile {
    let buffer = arena.take(UInt8.self, count: ConfigurationFile.maximumByteCount)
    guard let count = File.read(path, into: buffer) else {
      var diagnostic = Diagnostic()
      diagnostic.text.append(path)
      diagnostic.text.append(": cannot be read (")
      diagnostic.text.append(cString: UnsafePointer(strerror(clinux_errno())))
      diagnostic.text.append(")")
      throw diagnostic
    }
    return try ConfigurationFile(
      path: path, bytes: UnsafeBufferPointer(rebasing: buffer[0..<count]))
  }

  /// A station that counted itself twice would agree with itself.
  public static func check(
    peers station: StationFile, _ keys: UpstreamKeys, _ path: Path
  ) throws(Diagnostic) {
    guard station.peers.count > 0 else { return }
    let own = SigningKey(ofStation: keys.filed).publicKey
    guard station.peers.place(of: own.name) == nil else {
      throw Diagnostic(
        "", path,
        ": [quorum] names this station's own key as a peer's: leave it out, needed counts this station already"
      )
    }
  }

  public static func relations(_ station: StationFile) throws(Diagnostic) -> Relations {
    guard !station.relations.isEmpty else { return Relations() }
    return try read(station.relations) { file throws(Diagnostic) in try Relations(&file) }
  }

  /// The components' calibrations joined: one quantity and one response, a sensitivity for each.
  /// One whose dates are over, or to come, is used: a sensor does not stop on a day, and its
  /// estimates are told with the days that are left. `board`: nil for a replay, where the record
  /// decides which components there are.
  public static func response(
    _ station: StationFile, _ board: BoardFile?
  ) throws(Diagnostic) -> Response? {
    var instrument = InstrumentMessage()
    return try response(station, board, &instrument)
  }

  /// `instrument`: learns of the sensors.
  private static func response(
    _ station: StationFile, _ board: BoardFile?, _ instrument: inout InstrumentMessage
  ) throws(Diagnostic) -> Response? {
    var response: Response?
    for lane in 0..<3 where !station.calibrations[lane].isEmpty {
      let path = station.calibrations[lane]
      func refusal(_ sentence: StaticString) -> Diagnostic {
        var diagnostic = Diagnostic()
        diagnostic.text.append(path)
        diagnostic.text.append(sentence)
        return diagnostic
      }
      guard board == nil || board!.digitizer.lanes[lane].channel >= 0 else {
        throw refusal(": is for a component to which the board gives no channel")
      }
      let file = try read(path) { file throws(Diagnostic) in try CalibrationFile(&file) }
      var joined =
        response ?? Response(quantity: file.quantity, unitsPerCount: .zero, corner: file.corner)
      guard joined.quantity == file.quantity, joined.corner == file.corner else {
        throw refusal(": differs in quantity or response from that of another component")
      }
      joined.unitsPerCount[lane] = 1 / file.countsPerUnit
      let end = file.validUntil
      if joined.validUntil.map({ end.daysSince1970 < $0.daysSince1970 }) ?? true {
        joined.validUntil = end
      }
      response = joined
      instrument.note(file, lane: lane)
    }
    return response
  }

  private mutating func describeSite() {
    let site = station.site
    instrument.latitude = site.latitude
    instrument.longitude = site.longitude
    instrument.elevationCentimetres = site.elevationCentimetres
    instrument.depthCentimetres = site.depthCentimetres
    instrument.northAzimuthCentidegrees = site.northAzimuthCentidegrees
    instrument.presentLanes = presentLanes
    instrument.rateMillihertz = UInt32(board.digitizer.sampleRateMillihertz)
    instrument.board = board.name
    instrument.boardSerial = board.serial
    instrument.software.append(softwareVersion)
  }

  public var conditioner: ConditionerSettings {
    var gains = Lanes.zero
    for lane in 0..<Component.count { gains[lane] = board.digitizer.lanes[lane].gain }
    var settings = ConditionerSettings(
      rateMillihertz: board.digitizer.sampleRateMillihertz, presentLanes: presentLanes,
      gains: gains, clipCounts: board.digitizer.clipCounts, response: response)
    settings.hasSecondSensor = board.digitizer.hasSecondSensor
    settings.hasQuietVertical = board.digitizer.hasQuietVertical
    return settings
  }

  public var presentLanes: LaneSet {
    var present = LaneSet()
    for lane in 0..<Component.count where board.digitizer.lanes[lane].channel >= 0 {
      present.insert(lane: lane)
    }
    return present
  }
}

extension StationSettings {
  @inline(never)
  public init(
    _ configuration: Configuration, epoch: UInt64, bootCounter: UInt32, bootNonce: UInt64
  ) {
    self.init(
      code: configuration.station.code, epoch: epoch, bootCounter: bootCounter,
      bootNonce: bootNonce, keys: configuration.keys, conditioner: configuration.conditioner,
      picker: configuration.station.picker, alarm: configuration.station.alarm)
    secondKeys = configuration.secondKeys
    operators = configuration.station.operators
    peers = configuration.station.peers
    quorum = configuration.station.quorum
  }
}

extension InstrumentMessage {
  fileprivate mutating func note(_ file: CalibrationFile, lane: Int) {
    if sensor.isEmpty { sensor.append(file.model) }
    quantity = file.quantity == .velocity ? .velocity : .acceleration
    var component = ComponentDescription()
    component.serial.append(file.serial)
    component.measuredDay = UInt16(clamping: file.measured.daysSince1970)
    component.validUntilDay = UInt16(clamping: file.validUntil.daysSince1970)
    component.countsPerUnit = WireFloat(file.countsPerUnit)
    switch lane {
    case 0: vertical = component
    case 1: north = component
    default: east = component
    }
  }
}
