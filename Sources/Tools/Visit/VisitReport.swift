// VisitReport: what a visit found, as a text for people that is TOML for programs, signed.
//
// The signature is Ed25519 over every byte before the last line, which begins with "signature". An
// operator signs with a key of their own; without one the station does, which proves less: whoever
// has its key, such as the collector, can do so too. The report says which.
//
//     let text = report.text(signedBy: key, as: .anOperator)
//     let visit = try VisitReport.verify(bytes, trusted: [key.publicKey])

import Core
import Foundation
import Uplink

public struct VisitReport {
  public enum Signer: String {
    case anOperator = "an operator"
    case theStation = "the station itself"
  }

  public struct Measured: Equatable {
    public var part: String
    /// "good: 3 channels, 600 frames".
    public var text: String
    public init(_ part: String, _ text: String) { (self.part, self.text) = (part, text) }
    var isGood: Bool { text.hasPrefix("good") || text.hasPrefix("skipped") }
  }

  /// A visit whose report is as it was signed.
  public struct Verified: Equatable {
    public let station: String
    public let visitor: String
    public let ended: String
    /// What the report says of who signed it, and whose key it was.
    public let signer: String
    public let key: PublicKey
    public let toMend: String
  }

  /// The first line, which no datagram and no network begins with: what is signed here is no order to
  /// a station.
  static let mark = "# onset visit, format 1\n"
  static let byteMaximum = 1 << 16
  private static let keyLine = "public_key = \""
  private static let signatureLine = "signature = \""

  public var station: String
  /// What measured: "self-test" or "health of the running station".
  public var means: String
  public var version: String
  public var begun: String
  public var ended: String
  public var answers: [(VisitQuestion, VisitAnswer)]
  public var measured: [Measured]

  public init(
    station: String, means: String, version: String, begun: String, ended: String,
    answers: [(VisitQuestion, VisitAnswer)], measured: [Measured]
  ) {
    (self.station, self.means, self.version) = (station, means, version)
    (self.begun, self.ended, self.answers, self.measured) = (begun, ended, answers, measured)
  }

  /// What is not as it should be, by the keys of questions and parts.
  public var toMend: [String] {
    answers.filter { $0.1.isNo && $0.0.kind == .yesNo }.map(\.0.key)
      + measured.filter { !$0.isGood }.map(\.part)
  }

  // MARK: Writing

  public func text(signedBy key: SigningKey, as signer: Signer) -> String {
    let mending = toMend.isEmpty ? "nothing" : toMend.joined(separator: ", ")
    var lines = [
      "# Is it as it was signed? onset doctor --verify-visit THIS-FILE --public SIGNER.pub", "",
      "[visit]", "station = \(Self.quoted(station))", "begun = \(Self.quoted(begun))",
      "ended = \(Self.quoted(ended))", "software = \(Self.quoted(version))",
      "# What is not as it should be, of all that stands below",
      "to_mend = \(Self.quoted(mending))",
    ]
    var section = "visit"
    for (question, answer) in answers {
      if question.section != section {
        section = question.section
        lines += ["", "[\(section)]"]
      }
      lines.append("# \(question.question)")
      if case .number(let number) = answer {
        lines.append("\(question.key) = \(shortest(number))")
      } else {
        lines.append("\(question.key) = \(Self.quoted(answer.words))")
      }
    }
    lines += ["", "[measured]", "by = \(Self.quoted(means))"]
    for (number, one) in measured.enumerated() {
      // A second upstream is a second "uplink".
      let before = measured[..<number].count { $0.part == one.part }
      let name = before == 0 ? one.part : "\(one.part)_\(before + 1)"
      lines.append("\(name) = \(Self.quoted(one.text))")
    }
    lines += [
      "", "[signature]", "# Ed25519, over every byte before the last line",
      "by = \(Self.quoted(signer.rawValue))",
      Self.keyLine + key.publicKey.withBytes { hexadecimal($0) } + "\"",
    ]
    let body = Self.mark + lines.joined(separator: "\n") + "\n"
    var signature = [UInt8](repeating: 0, count: Signature.byteCount)
    Array(body.utf8).withUnsafeBufferPointer { message in
      signature.withUnsafeMutableBufferPointer { key.sign(message, into: $0) }
    }
    return body + Self.signatureLine + hexadecimal(signature) + "\"\n"
  }

  /// A basic string of TOML.
  static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": quoted += "\\\(scalar)"
      case _ where scalar.value < 0x20 || scalar.value == 0x7F: quoted += " "
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }

  // MARK: Verifying

  /// `trusted`: whose reports are believed. Throws a sentence for every other byte string.
  public static func verify(_ bytes: [UInt8], trusted: [PublicKey]) throws -> Verified {
    guard bytes.count <= byteMaximum else {
      throw ToolError("it is larger than \(byteMaximum) bytes: it is no report of a visit")
    }
    let mark = Array(mark.utf8)
    guard bytes.starts(with: mark) else {
      throw ToolError("it is no report of a visit: its first line is another, or was changed")
    }
    let (body, signature) = try hexadecimalLine(
      bytes[...], signatureLine, count: Signature.byteCount)
    let (_, stated) = try hexadecimalLine(body, keyLine, count: PublicKey.byteCount)
    guard let key = trusted.first(where: { $0.withBytes { Array($0) } == stated }) else {
      throw ToolError(
        "it is signed by the key \(hexadecimal(stated.prefix(8)))…, which is none of those that "
          + "were named: give the signer's with --public FILE.pub")
    }
    let isRight = body.withUnsafeBufferPointer { message in
      signature.withUnsafeBufferPointer { key.verifies(message, signature: $0) }
    }
    guard isRight else {
      throw ToolError("it is not as it was signed: something was changed, added or taken away")
    }
    let text = String(decoding: body, as: UTF8.self)
    return Verified(
      station: value("station", text), visitor: value("visitor", text),
      ended: value("ended", text), signer: value("by", text, isLast: true), key: key,
      toMend: value("to_mend", text))
  }

  /// What comes before the last line, and the bytes that this line has; a refusal where it has another form.
  private static func hexadecimalLine(
    _ bytes: ArraySlice<UInt8>, _ name: String, count: Int
  ) throws -> (before: ArraySlice<UInt8>, bytes: [UInt8]) {
    let length = name.utf8.count + 2 * count + 2
    let problem = ToolError(
      "its end is missing or was changed: the last line is \(signatureLine)…\", after \(keyLine)…\""
    )
    guard bytes.count > length else { throw problem }
    let line = bytes.suffix(length)
    let digits = line.dropFirst(name.utf8.count).prefix(2 * count)
    // Capitals would be the same number, and not the same bytes.
    guard line.starts(with: name.utf8), line.suffix(2).elementsEqual("\"\n".utf8),
      bytes.dropLast(length).last == UInt8(ascii: "\n"),
      digits.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }),
      let read = Tools.bytes(hexadecimal: String(decoding: digits, as: UTF8.self))
    else { throw problem }
    return (bytes.dropLast(length), read)
  }

  /// A line's value, in a text that the signer's program has written.
  private static func value(_ key: String, _ text: String, isLast: Bool = false) -> String {
    let lines = text.split(separator: "\n").filter { $0.hasPrefix("\(key) = \"") }
    guard let line = isLast ? lines.last : lines.first else { return "not said" }
    var value = "", isEscaped = false
    for character in line.dropFirst(key.count + 4).dropLast() {
      if character == "\\" && !isEscaped {
        isEscaped = true
      } else {
        value.append(character)
        isEscaped = false
      }
    }
    return value
  }
}
