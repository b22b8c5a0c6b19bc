// StationXml: the channels of an FDSN StationXML file (schema 1.0 to 1.2). Raspberry Shake's are of
// this kind, network AM.
//
//     let channels = try StationXml.read(bytes)

import Core

enum StationXml {
  static func read(_ bytes: [UInt8]) throws -> [ChannelResponse] {
    var follower = StationXmlFollower()
    var reader = try XmlReader(bytes)
    try reader.read(into: &follower)
    return follower.channels
  }
}

/// Follows the elements down to a channel's stages; what is elsewhere is passed by.
private struct StationXmlFollower: XmlFollower {
  var channels: [ChannelResponse] = []

  private var path: [String] = []
  /// What elements of the schema begin with, as "fsx:".
  private var prefix = ""
  /// The depth of an element of another name space, in which nothing is ours.
  private var foreignDepth: Int?
  private var text = ""
  private var network = ""
  private var station = ""
  private var channel: ChannelResponse?
  private var stage: Int?
  private var real: Double?
  private var imaginary: Double?
  private var symmetry = ""
  private var coefficients: [Double] = []
  private var denominators: [Double] = []

  private static let textMaximum = 1024

  mutating func begin(_ element: String, _ attributes: [String: String], line: Int) throws {
    if path.isEmpty {
      if let colon = element.firstIndex(of: ":") { prefix = String(element[...colon]) }
      guard element == prefix + "FDSNStationXML" else {
        throw ToolError("is XML of \(shown(element)) and not of FDSNStationXML: ask for StationXML")
      }
    }
    let isOurs = prefix.isEmpty ? !element.contains(":") : element.hasPrefix(prefix)
    if foreignDepth == nil, !isOurs { foreignDepth = path.count }
    path.append(String(element.dropFirst(isOurs ? prefix.count : 0)))
    text = ""
    if foreignDepth == nil { enter(attributes, line: line) }
  }

  mutating func characters(_ string: String) {
    guard channel != nil, text.utf8.count < StationXmlFollower.textMaximum else { return }
    text += string.prefix(StationXmlFollower.textMaximum)
  }

  mutating func end(line: Int) {
    if foreignDepth == nil { leave(line: line) }
    path.removeLast()
    if let depth = foreignDepth, path.count == depth { foreignDepth = nil }
    text = ""
  }

  // MARK: Elements

  private mutating func enter(_ attributes: [String: String], line: Int) {
    switch (path.count, path.last!) {
    case (2, "Network"): network = attributes["code"] ?? ""
    case (3, "Station"): station = attributes["code"] ?? ""
    case (4, "Channel"):
      var found = ChannelResponse()
      found.network = shown(network.filter { !$0.isWhitespace })
      found.station = shown(station.filter { !$0.isWhitespace })
      let location = (attributes["locationCode"] ?? "").filter { !$0.isWhitespace }
      found.location = location == "--" ? "" : shown(location)
      found.channel = shown((attributes["code"] ?? "").filter { !$0.isWhitespace })
      found.start = StationXmlFollower.time(attributes["startDate"], "startDate", &found, line)
      found.end = StationXmlFollower.time(attributes["endDate"], "endDate", &found, line)
      channel = found
    case (6, "Stage"):
      guard let number = Int(attributes["number"] ?? ""), (1...1000).contains(number) else {
        channel?.note("line \(line): a stage has no number of 1 or more")
        return
      }
      if channel?.stages.contains(where: { $0.number == number }) == true {
        channel?.note("line \(line): stage \(number) is there twice; it must be there once")
      }
      stage = channel?.stage(number)
    case (7, "PolesZeros"): setKind(.polesZeros(ResponseStage.PolesZeros()), line)
    case (7, "Coefficients"), (7, "FIR"): (coefficients, denominators, symmetry) = ([], [], "")
    case (7, "ResponseList"): setKind(.other("a table of frequencies"), line)
    case (7, "Polynomial"): setKind(.other("a polynomial"), line)
    case (7, "Decimation"): change { $0.decimation = ResponseStage.Decimation() }
    case (8, "Pole"), (8, "Zero"): (real, imaginary) = (nil, nil)
    default: break
    }
  }

  private mutating func leave(line: Int) {
    guard channel != nil else { return }
    let inner = path.dropFirst(4)
    if inner.isEmpty {
      channels.append(channel!)
      channel = nil
    } else if inner.first != "Response" {
      ofChannel(Array(inner), line)
    } else {
      let rest = Array(inner.dropFirst())
      if rest.first == "InstrumentSensitivity" { ofSensitivity(rest, line) }
      if rest.first == "Stage", stage != nil {
        ofStage(Array(rest.dropFirst()), line)
        if rest.count == 1 { stage = nil }
      }
    }
  }

  private mutating func ofChannel(_ path: [String], _ line: Int) {
    switch path {
    case ["Azimuth"]: channel!.azimuth = number(path, line)
    case ["Dip"]: channel!.dip = number(path, line)
    case ["SampleRate"]: channel!.sampleHertz = number(path, line)
    case ["Sensor", "Model"]: channel!.sensor = words
    case ["Sensor", "Description"]: if channel!.sensor.isEmpty { channel!.sensor = words }
    case ["Sensor", "Type"]: if channel!.sensor.isEmpty { channel!.sensor = words }
    case ["Sensor", "SerialNumber"]: channel!.serial = words
    case ["Sensor", "CalibrationDate"]:
      var found = channel!
      found.calibrated = StationXmlFollower.time(words, "CalibrationDate", &found, line)
      channel = found
    default: break
    }
  }

  private mutating func ofSensitivity(_ path: [String], _ line: Int) {
    switch path.dropFirst() {
    case ["Value"]: channel!.sensitivity = number(path, line)
    case ["Frequency"]: channel!.sensitivityHertz = number(path, line)
    case ["InputUnits", "Name"]: channel!.sensitivityUnit = words
    default: break
    }
  }

  private mutating func ofStage(_ path: [String], _ line: Int) {
    switch path {
    case ["StageGain", "Value"]: set(number(path, line)) { $0.gain = $1 }
    case ["StageGain", "Frequency"]: set(number(path, line)) { $0.gainHertz = $1 }
    case ["Decimation", "InputSampleRate"]: decimation(path, line) { $0.inputHertz = $1 }
    case ["Decimation", "Factor"]: decimation(path, line) { $0.factor = $1 }
    case ["Decimation", "Delay"]: decimation(path, line) { $0.delaySeconds = $1 }
    case ["Decimation", "Correction"]: decimation(path, line) { $0.correctionSeconds = $1 }
    case ["Coefficients", "Numerator"], ["FIR", "NumeratorCoefficient"]:
      if let value = number(path, line) { coefficients.append(value) }
    case ["Coefficients", "Denominator"]:
      if let value = number(path, line) { denominators.append(value) }
    case ["Coefficients", "CfTransferFunctionType"]:
      if !words.uppercased().hasPrefix("DIGITAL") {
        setKind(.other("analog coefficients"), line)
      }
    case ["FIR", "Symmetry"]: symmetry = words.uppercased()
    case ["Coefficients"], ["FIR"]:
      let all = ResponseStage.unfolded(
        coefficients, isOdd: symmetry == "ODD", isEven: symmetry == "EVEN")
      if !all.isEmpty || !denominators.isEmpty {
        setKind(.digital(numerators: all, denominators: denominators), line)
      }
    default:
      if path.count == 3, path[1] == "InputUnits", path[2] == "Name" {
        set(words) { $0.inputUnit = $1 }
      } else if path.count == 3, path[1] == "OutputUnits", path[2] == "Name" {
        set(words) { $0.outputUnit = $1 }
      } else if path.first == "PolesZeros" {
        ofPolesZeros(Array(path.dropFirst()), line)
      }
    }
  }

  private mutating func ofPolesZeros(_ path: [String], _ line: Int) {
    switch path {
    case ["PzTransferFunctionType"]:
      switch words.uppercased() {
      case "LAPLACE (RADIANS/SECOND)": break
      case "LAPLACE (HERTZ)": polesZeros { $0.isHertz = true }
      case "DIGITAL (Z-TRANSFORM)":
        change { $0.kind = .other("digital poles and zeros") }
      default:
        channel!.note(
          "line \(line): poles and zeros of the type \(shown(words)); known are "
            + "LAPLACE (RADIANS/SECOND) and LAPLACE (HERTZ)")
      }
    case ["NormalizationFactor"]:
      let value = number(path, line)
      polesZeros { $0.a0 = value }
    case ["NormalizationFrequency"]:
      let value = number(path, line)
      polesZeros { $0.normalisationHertz = value }
    case ["Pole", "Real"], ["Zero", "Real"]: real = number(path, line)
    case ["Pole", "Imaginary"], ["Zero", "Imaginary"]: imaginary = number(path, line)
    case ["Pole"], ["Zero"]:
      guard let real, let imaginary else {
        channel!.note("line \(line): a \(path[0]) needs Real and Imaginary, each a number")
        return
      }
      let value = Complex(real, imaginary)
      let isPole = path[0] == "Pole"
      polesZeros { isPole ? $0.poles.append(value) : $0.zeros.append(value) }
    default: break
    }
  }

  // MARK: Values

  private var words: String {
    text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
  }

  private mutating func number(_ path: [String], _ line: Int) -> Double? {
    if let value = responseNumber(text) { return value }
    channel!.note("line \(line): \(path.last!) is \"\(shown(words))\" and not a finite number")
    return nil
  }

  private static func time(
    _ text: String?, _ name: String, _ channel: inout ChannelResponse, _ line: Int
  ) -> UTC? {
    guard let text, !text.isEmpty else { return nil }
    let plain = text.hasSuffix("+00:00") ? String(text.dropLast(6)) : text
    if let time = UTC(iso8601: plain) { return time }
    // An end so far away says that there is none.
    if let year = Int(text.prefix(4)), year > 2261 { return nil }
    channel.note(
      "line \(line): \(name) is \"\(shown(text))\" and not a time as 2026-11-30T12:00:00")
    return nil
  }

  private mutating func change(_ body: (inout ResponseStage) -> Void) {
    guard let stage else { return }
    body(&channel!.stages[stage])
  }

  private mutating func set<Value>(
    _ value: Value, _ body: (inout ResponseStage, Value) -> Void
  ) {
    change { body(&$0, value) }
  }

  private mutating func setKind(_ kind: ResponseStage.Kind, _ line: Int) {
    guard let stage else { return }
    let there = channel!.stages[stage]
    guard there.kind == .flat else {
      if case .other = there.kind { return }
      channel!.note("line \(line): stage \(there.number) has two responses; it must have one")
      return
    }
    channel!.stages[stage].kind = kind
  }

  private mutating func polesZeros(_ body: (inout ResponseStage.PolesZeros) -> Void) {
    change {
      guard case .polesZeros(var value) = $0.kind else { return }
      body(&value)
      $0.kind = .polesZeros(value)
    }
  }

  private mutating func decimation(
    _ path: [String], _ line: Int, _ body: (inout ResponseStage.Decimation, Double) -> Void
  ) {
    guard let value = number(path, line) else { return }
    change { if $0.decimation != nil { body(&$0.decimation!, value) } }
  }
}

extension ResponseStage {
  /// All coefficients of a filter of which a file states one half.
  static func unfolded(_ half: [Double], isOdd: Bool, isEven: Bool) -> [Double] {
    if isOdd { return half + half.dropLast().reversed() }
    return isEven ? half + half.reversed() : half
  }
}
