// Configuration: board, station, calibrations and key, read and checked together. Whatever is
// impossible is refused here, in one sentence, before anything starts; whatever can be recovered
// from is not.

import Board
import CLinux
import Conditioning
import Core
import Uplink

public struct Configuration: Sendable {
  public var board: BoardFile
  public var station: StationFile
  public var response: Response?
  public var relations: Relations
  public var key: Key

  /// `today` decides on calibrations. Where the date is not trusted (no clock chip, not
  /// synchronised yet), one that is not valid yet is let pass: such clocks are behind, never ahead.
  public init(
    boardPath: Path, stationPath: Path, today: CalendarDate, isDateTrusted: Bool = true
  ) throws(Diagnostic) {
    board = try Configuration.read(boardPath) { file throws(Diagnostic) in try BoardFile(&file) }
    station = try Configuration.read(stationPath) { file throws(Diagnostic) in
      try StationFile(&file)
    }
    response = try Configuration.response(station, board, today, isDateTrusted: isDateTrusted)
    relations = try Configuration.relations(station)
    key = try Key(file: station.uplink.keyFile)
  }

  /// Reads one file through a buffer that lives as long as `body` runs.
  public static func read<Value>(
    _ path: Path, _ body: (inout ConfigurationFile) throws(Diagnostic) -> Value
  ) throws(Diagnostic) -> Value {
    guard var arena = Arena(byteCount: ConfigurationFile.maximumByteCount) else {
      throw Diagnostic("out of memory before the first file was read")
    }
    let buffer = arena.take(UInt8.self, count: ConfigurationFile.maximumByteCount)
    guard let count = File.read(path, into: buffer) else {
      var diagnostic = Diagnostic()
      diagnostic.text.append(path)
      diagnostic.text.append(": cannot be read (")
      diagnostic.text.append(cString: UnsafePointer(strerror(clinux_errno())))
      diagnostic.text.append(")")
      throw diagnostic
    }
    var file = try ConfigurationFile(
      path: path, bytes: UnsafeBufferPointer(rebasing: buffer[0..<count]))
    return try body(&file)
  }

  public static func relations(_ station: StationFile) throws(Diagnostic) -> Relations {
    guard !station.relations.isEmpty else { return Relations() }
    return try read(station.relations) { file throws(Diagnostic) in try Relations(&file) }
  }

  /// The components' calibrations joined: one quantity and one response, a sensitivity for each.
  /// `board`: nil for a replay, where the record decides which components there are.
  public static func response(
    _ station: StationFile, _ board: BoardFile?, _ today: CalendarDate, isDateTrusted: Bool = true
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
      let isEarly = today.daysSince1970 < file.validFrom.daysSince1970
      guard file.isValid(on: today) || (isEarly && !isDateTrusted) else {
        var diagnostic = refusal(": is valid from ")
        diagnostic.text.append(file.validFrom)
        diagnostic.text.append(" to ")
        diagnostic.text.append(file.validUntil)
        diagnostic.text.append(", not on ")
        diagnostic.text.append(today)
        diagnostic.text.append(": calibrate the sensor and enter the new dates")
        throw diagnostic
      }
      var joined =
        response ?? Response(quantity: file.quantity, unitsPerCount: .zero, corner: file.corner)
      guard joined.quantity == file.quantity, joined.corner == file.corner else {
        throw refusal(": differs in quantity or response from that of another component")
      }
      joined.unitsPerCount[lane] = 1 / file.countsPerUnit
      response = joined
    }
    return response
  }

  public var conditioner: ConditionerSettings {
    var gains = Lanes.zero
    for lane in 0..<Component.count { gains[lane] = board.digitizer.lanes[lane].gain }
    return ConditionerSettings(
      rateMillihertz: board.digitizer.sampleRateMillihertz, presentLanes: presentLanes,
      gains: gains, clipCounts: board.digitizer.clipCounts, response: response)
  }

  public var presentLanes: UInt8 {
    var mask: UInt8 = 0
    for lane in 0..<Component.count where board.digitizer.lanes[lane].channel >= 0 {
      mask |= 1 << UInt8(lane)
    }
    return mask
  }
}
