// ChannelResponse: what a file of responses (StationXML, RESP) says of one channel in one epoch, as
// it says it. Nothing is judged here but whether a number is one.
//
//     let channels = try ResponseFile.read(path: "station.xml")
//     let curve = try ResponseCurve(channels[0])
//     let countsPerMetrePerSecond = curve.value(hertz: 5).magnitude
//
// Words: a stage is a part of the chain from the ground to the count, with a gain at one frequency;
// A0 makes the poles and zeros of a stage 1 at their frequency of normalisation; an epoch is the
// time for which an entry holds.

import Core

public struct Complex: Equatable, Sendable {
  public var real: Double
  public var imaginary: Double

  public init(_ real: Double, _ imaginary: Double = 0) {
    self.real = real
    self.imaginary = imaginary
  }

  public var magnitude: Double { (real * real + imaginary * imaginary).squareRoot() }

  static func + (a: Complex, b: Complex) -> Complex {
    Complex(a.real + b.real, a.imaginary + b.imaginary)
  }

  static func - (a: Complex, b: Complex) -> Complex {
    Complex(a.real - b.real, a.imaginary - b.imaginary)
  }

  static func * (a: Complex, b: Complex) -> Complex {
    Complex(
      a.real * b.real - a.imaginary * b.imaginary, a.real * b.imaginary + a.imaginary * b.real)
  }

  static func * (a: Complex, b: Double) -> Complex { Complex(a.real * b, a.imaginary * b) }

  static func / (a: Complex, b: Complex) -> Complex {
    let square = b.real * b.real + b.imaginary * b.imaginary
    return Complex(
      (a.real * b.real + a.imaginary * b.imaginary) / square,
      (a.imaginary * b.real - a.real * b.imaginary) / square)
  }
}

public struct ResponseStage: Equatable, Sendable {
  public struct PolesZeros: Equatable, Sendable {
    /// Poles, zeros and A0 are in hertz, and in rad/s otherwise.
    public var isHertz = false
    public var poles: [Complex] = []
    public var zeros: [Complex] = []
    public var a0: Double?
    public var normalisationHertz: Double?
  }

  public enum Kind: Equatable, Sendable {
    /// A gain alone.
    case flat
    case polesZeros(PolesZeros)
    case digital(numerators: [Double], denominators: [Double])
    /// What cannot be evaluated here, as "a polynomial".
    case other(String)
  }

  public struct Decimation: Equatable, Sendable {
    public var inputHertz = 0.0
    public var factor = 1.0
    public var delaySeconds = 0.0
    public var correctionSeconds = 0.0
  }

  public var number: Int
  public var kind = Kind.flat
  public var inputUnit: String?
  public var outputUnit: String?
  public var gain: Double?
  public var gainHertz: Double?
  public var decimation: Decimation?

  public init(number: Int) { self.number = number }
}

public struct ChannelResponse: Equatable, Sendable {
  public var network = ""
  public var station = ""
  public var location = ""
  public var channel = ""
  public var start: UTC?
  /// Nil without an end, and for one beyond what a time here can say, as 2599.
  public var end: UTC?
  /// Degrees clockwise from north; degrees down from the horizontal.
  public var azimuth: Double?
  public var dip: Double?
  public var sampleHertz: Double?
  public var sensor = ""
  public var serial = ""
  public var calibrated: UTC?
  /// The whole chain's, as the file states it.
  public var sensitivity: Double?
  public var sensitivityHertz: Double?
  public var sensitivityUnit: String?
  public var stages: [ResponseStage] = []
  /// The first thing that is wrong with the entry; it is told when the entry is wanted.
  public var problem: String?

  public init() {}

  /// "IU.ANMO.10.BHZ"
  public var code: String { "\(network).\(station).\(location).\(channel)" }

  /// What an instrument has in common: "IU.ANMO.10.BH".
  public var group: String { String(code.dropLast(channel.isEmpty ? 0 : 1)) }

  /// What goes in: the first stage's unit, or that of the sensitivity where a stage names none.
  public var inputUnit: String? { stages.first?.inputUnit ?? sensitivityUnit }

  public var epoch: String {
    "\(start?.date.iso8601 ?? "always") to \(end?.date.iso8601 ?? "now")"
  }

  public func holds(at time: UTC) -> Bool {
    (start.map { $0 <= time } ?? true) && (end.map { time < $0 } ?? true)
  }

  mutating func note(_ sentence: String) { problem = problem ?? sentence }

  /// The place of a stage, which is made where it is missing. Files number from 1, in any order.
  mutating func stage(_ number: Int) -> Int {
    if let index = stages.firstIndex(where: { $0.number == number }) { return index }
    let index = stages.firstIndex { $0.number > number } ?? stages.count
    stages.insert(ResponseStage(number: number), at: index)
    return index
  }
}

/// What a channel measures, and how many of its units make one of ours.
public enum MotionUnit: Equatable, Sendable {
  case displacement(perMetre: Double)
  case velocity(perMetre: Double)
  case acceleration(perMetre: Double)

  public static let examples = "M, M/S or M/S**2, in any spelling, or with NM, UM, MM or CM"

  /// "M/S", "m/sec", "nm/s", "M/S**2", "m/s^2", "m/s/s", "M/(SEC**2)"; nil for anything else.
  public init?(_ name: String?) {
    guard let name else { return nil }
    var text = name.uppercased().filter { $0 != " " && $0 != "(" && $0 != ")" }
    text = text.replacing("SEC", with: "S").replacing("^", with: "**")
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    let lengths: [String: Double] = [
      "M": 1, "CM": 1e2, "MM": 1e3, "UM": 1e6, "\u{39C}M": 1e6, "NM": 1e9,
    ]
    guard let factor = lengths[String(parts[0])] else { return nil }
    switch parts.count == 1 ? "" : String(parts[1]) {
    case "": self = .displacement(perMetre: factor)
    case "S": self = .velocity(perMetre: factor)
    case "S**2", "S2", "S/S": self = .acceleration(perMetre: factor)
    default: return nil
    }
    if text.hasSuffix("/") { return nil }
  }

  public var perMetre: Double {
    switch self {
    case .displacement(let factor), .velocity(let factor), .acceleration(let factor): factor
    }
  }
}

/// A number of a file, which is finite; "1.5E+03", " -7 ", also "+.5" as Fortran writes it.
func responseNumber(_ text: some StringProtocol) -> Double? {
  let trimmed = String(text).filter { !$0.isWhitespace }
  guard let value = Double(trimmed), value.isFinite,
    trimmed.utf8.allSatisfy({ "+-.0123456789eE".utf8.contains($0) })
  else { return nil }
  return value
}

/// What a text of a file looks like in a sentence: printable ASCII, and not the whole of it.
func shown(_ text: some StringProtocol, limit: Int = 60) -> String {
  let bytes = text.utf8.prefix(limit + 1).map { (0x20...0x7E).contains($0) ? $0 : 0x3F }
  let kept = String(decoding: bytes.prefix(limit), as: UTF8.self)
  return bytes.count > limit ? kept + "..." : kept
}
