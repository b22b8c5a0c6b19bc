// FleetRecord: one line of what was done to a fleet: of the audit's file, and of what `onset fleet`
// prints as it goes.
//
//   begin      a run, or the going on of one
//   intent     before anything is sent: the station's health as it was, so that whoever goes on
//              after an interruption can compare with it
//   result     what came of it: done, refused, not reached (nothing was sent), unknown (it was
//              sent, and no answer came)
//   verdict    whether the station is as well as before
//   skip       a station that was left out, and why
//   end        finished or stopped, why, and what is untouched

import Core
import Foundation

/// A start of a station, as it tells of it.
public struct FleetBoot: Equatable, Sendable {
  let epoch: UInt64
  let counter: UInt32
  let nonce: UInt64

  /// Numbers of 64 bits are more than JSON's readers hold.
  fileprivate var json: String {
    JsonLine.object([
      ("epoch", "\"\(String(epoch, radix: 16))\""), ("counter", "\(counter)"),
      ("nonce", "\"\(String(nonce, radix: 16))\""),
    ])
  }
}

extension FleetBoot: Decodable {
  private enum CodingKeys: CodingKey { case epoch, counter, nonce }

  public init(from decoder: any Decoder) throws {
    let members = try decoder.container(keyedBy: CodingKeys.self)
    func number(_ key: CodingKeys) throws -> UInt64 {
      guard let value = UInt64(try members.decode(String.self, forKey: key), radix: 16) else {
        throw DecodingError.dataCorruptedError(
          forKey: key, in: members, debugDescription: "no hexadecimal number")
      }
      return value
    }
    (epoch, nonce) = (try number(.epoch), try number(.nonce))
    counter = try members.decode(UInt32.self, forKey: .counter)
  }
}

public struct FleetRecord: Sendable {
  public enum Kind: String, Sendable { case begin, intent, result, verdict, skip, end }

  public enum Result: String, Sendable {
    case done, refused, unknown
    case notReached = "not reached"
  }

  public let kind: Kind
  public let time: UTC
  public let run: String
  /// The file of whose key signs, and that key's name, as stations tell it upstream.
  public let operatorName: String
  public let operatorKey: String
  public let parameter: String
  public var value: String?
  public var network: String?
  public var shadowSeconds: Int?
  public var station: String?
  /// From 1 on; 0 is what an interrupted run had given.
  public var wave: Int?
  public var result: Result?
  /// What a verdict says.
  public var isWell: Bool?
  /// What an end says: whether all was done that could be.
  public var isFinished: Bool?
  /// What there is to say, in words.
  public var text: String?
  /// What the station says that now holds.
  public var answer: String?
  public var before: FleetStation?
  public var boot: FleetBoot?
  /// Stations that have nothing of it, at the end.
  public var untouched: [String]?

  init(
    _ kind: Kind, _ order: FleetOrder, run: String, by settings: FleetWaveSettings, at time: UTC,
    station: String? = nil, wave: Int? = nil, text: String? = nil
  ) {
    (self.kind, self.run, self.time) = (kind, run, time)
    (operatorName, operatorKey) = (settings.operatorName, settings.operatorKey)
    (parameter, value) = (order.parameter, order.value)
    (network, shadowSeconds) = (order.checksum, order.shadowSeconds)
    (self.station, self.wave, self.text) = (station, wave, text)
  }

  // MARK: As JSON

  public var json: String {
    var fields: [JsonLine.Field] = [
      ("type", "\"\(kind.rawValue)\""), ("time", "\"\(time.iso8601)\""),
      ("run", Terminal.quoted(run)), ("operator", Terminal.quoted(operatorName)),
      ("key", Terminal.quoted(operatorKey)),
      ("parameter", Terminal.quoted(parameter)),
    ]
    func add(_ name: String, _ text: String?) {
      if let text { fields.append((name, Terminal.quoted(text))) }
    }
    func add(_ name: String, number: (some CustomStringConvertible)?) {
      if let number { fields.append((name, "\(number)")) }
    }
    add("value", value)
    add("network", network)
    add("shadow_s", number: shadowSeconds)
    add("station", station)
    add("wave", number: wave)
    add("result", result?.rawValue)
    add("well", number: isWell)
    add("finished", number: isFinished)
    add("holds", answer)
    add("text", text)
    if let boot { fields.append(("boot", boot.json)) }
    if let before { fields.append(("before", before.json)) }
    if let untouched {
      fields.append(
        ("untouched", "[" + untouched.map(Terminal.quoted).joined(separator: ",") + "]"))
    }
    return JsonLine.object(fields)
  }

  private struct Line: Decodable {
    let type, time, run, `operator`, key, parameter: String
    let value, network, station, result, holds, text: String?
    let shadow, wave: Int?
    let well, finished: Bool?
    let boot: FleetBoot?
    let untouched: [String]?

    private enum CodingKeys: String, CodingKey {
      case type, time, run, `operator`, key, parameter, value, network, station, result, holds, text
      case shadow = "shadow_s"
      case wave, well, finished, boot, untouched
    }
  }

  init(json: [UInt8], from source: String) throws {
    let line: Line
    do { line = try JSONDecoder().decode(Line.self, from: Data(json)) } catch {
      throw ToolError("\(source): it is no line of an audit; name the file of an earlier run")
    }
    guard let kind = Kind(rawValue: line.type), let time = UTC(iso8601: line.time) else {
      throw ToolError("\(source): it is no line of an audit that this version knows")
    }
    (self.kind, self.time, run, operatorName) = (kind, time, line.run, line.operator)
    operatorKey = line.key
    (parameter, value, network) = (line.parameter, line.value, line.network)
    (shadowSeconds, station, wave) = (line.shadow, line.station, line.wave)
    result = line.result.flatMap { Result(rawValue: $0) }
    (isWell, isFinished, text, answer) = (line.well, line.finished, line.text, line.holds)
    (boot, untouched) = (line.boot, line.untouched)
    before = try JsonSlices.member("before", of: json[...]).map {
      try FleetStation($0, from: source)
    }
  }

  // MARK: In words

  /// A line for people; nil for what is only kept.
  public var line: String? {
    let place = "wave \((wave ?? 0))  \((station ?? "").padding(to: 16))"
    let said = text.map { ": \($0)" } ?? ""
    switch kind {
    case .begin: return text
    case .intent: return nil
    case .skip: return "left out  \((station ?? "").padding(to: 16)) \(text ?? "")"
    case .result:
      let holds = answer.map { ", \(parameter) is \($0)" } ?? ""
      return
        "\(place) \(result == .done ? "done\(holds)\(said)" : result!.rawValue.uppercased() + said)"
    case .verdict:
      return "\(place) " + (isWell == true ? "as well as before" : "NOT AS WELL AS BEFORE\(said)")
    case .end: return text
    }
  }
}
