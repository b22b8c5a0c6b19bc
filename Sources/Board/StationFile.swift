// station.toml: what is true of one site: its code, its sensor, where its datagrams go.

import Core

/// "NET.STA.LOC.BS": FDSN network, station, location (may be empty), band and source.
public typealias StationCode = Text<24>

/// Defaults for local earthquakes after Trnkoczy (2012, NMSOP-2, information sheet 8.1), with the
/// shorter windows of his range for the sake of speed. The ratio is one of energies: 6 is 2.4 in
/// amplitude, below his 4, because a pick that does not last is retracted. What they reach on
/// records is in the README.
public struct PickerSettings: Equatable, Sendable {
  public static let triggerRatios = 1.5...1000
  public var bandLowHertz = 2.0
  public var bandHighHertz = 20.0
  public var shortTermSeconds = 0.3
  public var longTermSeconds = 10.0
  public var triggerRatio = 6.0
  public var releaseRatio = 1.5
  public var minimumDurationMilliseconds = 100
  public var refractoryMilliseconds = 3000
  public var network = NetworkPickerSettings()
  public init() {}
}

/// Probabilities from which on something is a pick. How they were chosen and what they reach is on the
/// model's card.
public struct NetworkPickerSettings: Equatable, Sendable {
  /// A threshold that is 0 or 1 would be none. What is asked for beside it may be anything.
  public static let probabilities = 0.01...0.99
  public static let doubts = 0...0.99
  /// Of a P, in the early stage, for it to be announced.
  public var announceProbability = 0.3
  /// Of a P, in the late stage, for it to be confirmed.
  public var confirmProbability = 0.5
  /// Of an S, in the late stage.
  public var shearProbability = 0.5
  /// Of an event around a P, in the late stage.
  public var eventProbability = 0.0
  /// The same for a P that STA/LTA does not see: what only one of two sees must be surer.
  public var announceUnseenProbability = 0.75
  public var unseenProbability = 0.85
  public init() {}
}

/// When the relay closes. Defaults: 0.05 g, from which on things fall from shelves (MMI V to VI).
public struct AlarmSettings: Equatable, Sendable {
  public static let accelerations = 0.001...20.0
  public var accelerationMetresPerSecondSquared = 0.49
  /// And, for what is expected: shaking that is all acceleration hurts nobody (MMI V by Worden et al. 2012).
  public var velocityMetresPerSecond = 0.02
  /// That the peaks here will be those.
  public var watchProbability = 0.2
  /// The same for an alarm: the table in the README has precision, recall and lead for each choice. Below it
  /// more alarms are wrong than that warn, above it the ground is first.
  public var alarmProbability = 0.7
  /// Or, where they are given, that it will be felt so strong, as JMA's intensity or the modified Mercalli one.
  public var jmaIntensity: Double?
  public var modifiedMercalli: Double?
  /// That it is an earthquake, where a network says how likely that is; what is measured needs no class.
  public var earthquakeProbability = 0.3
  /// Pd (Wu and Kanamori 2005, doi:10.1785/0120040193) and τc (Zollo et al. 2010,
  /// doi:10.1785/0120090184) of a damaging event.
  public var displacementMetres = 0.005
  public var periodSeconds = 0.6
  /// How long an alarm stands at least; and after it, how long expectation alone raises none.
  public var holdSeconds = 30
  public var refractorySeconds = 10
  /// An alarm stands until a command ends it.
  public var isLatched = false
  public init() {}

  public var holdNanoseconds: Int64 { Int64(holdSeconds) * nanosecondsPerSecond }
  public var refractoryNanoseconds: Int64 { Int64(refractorySeconds) * nanosecondsPerSecond }
}

public struct UplinkSettings: Sendable {
  public var host = Text<128>()
  public var port = 0
  public var listenPort = 0
  public var keyFile = Path()
}

public struct StationFile: Sendable {
  public var code = StationCode()
  /// One calibration a component; empty where none is given. The auxiliary lane has none.
  public var calibrations = InlineArray<3, Path>(repeating: Path())
  public var picker = PickerSettings()
  /// The network that picks; empty where STA/LTA is to.
  public var network = Path()
  /// Relations between P and shaking; empty for those that the program carries.
  public var relations = Path()
  /// The network that says what P means; empty for relations alone.
  public var estimatorNetwork = Path()
  public var alarm = AlarmSettings()
  public var uplink = UplinkSettings()
  /// Where the boot counter lives.
  public var stateDirectory = Path()

  public init(_ file: inout ConfigurationFile) throws(Diagnostic) {
    _ = try file.integer("station", "format", in: 1...1)
    code = try file.text("station", "code", StationCode.self)
    guard code.isStationCode else {
      throw file.contradiction(
        "station", "code",
        "must be NET.STA.LOC.BS such as \"XX.ONST1.00.EH\": capitals and digits, LOC may be empty")
    }
    calibrations[0] = try file.relativePath("sensor", "vertical_calibration")
    calibrations[1] = try file.relativePath("sensor", "north_calibration")
    calibrations[2] = try file.relativePath("sensor", "east_calibration")
    picker = try PickerSettings(&file)
    network = try file.relativePath("picker", "network")
    relations = try file.relativePath("estimator", "relations")
    estimatorNetwork = try file.relativePath("estimator", "network")
    alarm = try AlarmSettings(&file)
    uplink.host = try file.text("uplink", "host", Text<128>.self)
    uplink.port = try file.integer("uplink", "port", in: 1...65_535)
    uplink.listenPort = try file.integer("uplink", "listen_port", in: 1...65_535)
    guard file.has("uplink", "key_file") else {
      throw file.contradiction("uplink", "host", "needs a key_file beside it: 32 secret bytes")
    }
    uplink.keyFile = try file.relativePath("uplink", "key_file")
    guard file.has("state", "directory") else {
      throw file.contradiction("state", "directory", "missing key directory in [state]")
    }
    stateDirectory = try file.relativePath("state", "directory")
    try file.finish()
  }
}

extension PickerSettings {
  init(_ file: inout ConfigurationFile) throws(Diagnostic) {
    bandLowHertz = try file.decimal("picker", "band_low_hertz", in: 0.1...20, default: bandLowHertz)
    bandHighHertz = try file.decimal(
      "picker", "band_high_hertz", in: 1...40, default: bandHighHertz)
    guard bandHighHertz >= 2 * bandLowHertz else {
      throw file.contradiction(
        "picker", file.has("picker", "band_high_hertz") ? "band_high_hertz" : "band_low_hertz",
        "leaves no octave between band_low_hertz and band_high_hertz")
    }
    shortTermSeconds = try file.decimal(
      "picker", "short_term_seconds", in: 0.05...5, default: shortTermSeconds)
    longTermSeconds = try file.decimal(
      "picker", "long_term_seconds", in: 1...120, default: longTermSeconds)
    guard longTermSeconds >= 5 * shortTermSeconds else {
      throw file.contradiction(
        "picker",
        file.has("picker", "long_term_seconds") ? "long_term_seconds" : "short_term_seconds",
        "must leave long_term_seconds at least five times short_term_seconds")
    }
    triggerRatio = try file.decimal(
      "picker", "trigger_ratio", in: PickerSettings.triggerRatios, default: triggerRatio)
    releaseRatio = try file.decimal("picker", "release_ratio", in: 1...500, default: releaseRatio)
    guard releaseRatio < triggerRatio else {
      throw file.contradiction(
        "picker", file.has("picker", "release_ratio") ? "release_ratio" : "trigger_ratio",
        "must leave release_ratio below trigger_ratio")
    }
    minimumDurationMilliseconds = try file.integer(
      "picker", "minimum_duration_milliseconds", in: 10...1000,
      default: minimumDurationMilliseconds)
    refractoryMilliseconds = try file.integer(
      "picker", "refractory_milliseconds", in: 3000...60_000, default: refractoryMilliseconds)
    network = try NetworkPickerSettings(&file)
  }
}

extension NetworkPickerSettings {
  init(_ file: inout ConfigurationFile) throws(Diagnostic) {
    announceProbability = try file.decimal(
      "picker", "announce_probability", in: Self.probabilities, default: announceProbability)
    confirmProbability = try file.decimal(
      "picker", "confirm_probability", in: Self.probabilities, default: confirmProbability)
    shearProbability = try file.decimal(
      "picker", "shear_probability", in: Self.probabilities, default: shearProbability)
    announceUnseenProbability = try file.decimal(
      "picker", "announce_unseen_probability", in: Self.doubts, default: announceUnseenProbability)
    unseenProbability = try file.decimal(
      "picker", "unseen_probability", in: Self.doubts, default: unseenProbability)
    eventProbability = try file.decimal(
      "picker", "event_probability", in: Self.doubts, default: eventProbability)
  }
}

extension AlarmSettings {
  init(_ file: inout ConfigurationFile) throws(Diagnostic) {
    accelerationMetresPerSecondSquared = try file.decimal(
      "alarm", "acceleration_metres_per_second_squared", in: Self.accelerations,
      default: accelerationMetresPerSecondSquared)
    velocityMetresPerSecond = try file.decimal(
      "alarm", "velocity_metres_per_second", in: 1e-4...2, default: velocityMetresPerSecond)
    alarmProbability = try file.decimal(
      "alarm", "alarm_probability", in: 0.01...0.999, default: alarmProbability)
    watchProbability = try file.decimal(
      "alarm", "watch_probability", in: 0.01...0.999, default: watchProbability)
    guard watchProbability <= alarmProbability else {
      throw file.contradiction(
        "alarm", file.has("alarm", "watch_probability") ? "watch_probability" : "alarm_probability",
        "must leave watch_probability at or below alarm_probability")
    }
    if file.has("alarm", "jma_intensity") {
      jmaIntensity = try file.decimal("alarm", "jma_intensity", in: 0...7)
    }
    if file.has("alarm", "modified_mercalli") {
      modifiedMercalli = try file.decimal("alarm", "modified_mercalli", in: 2...10)
    }
    earthquakeProbability = try file.decimal(
      "alarm", "earthquake_probability", in: 0...0.99, default: earthquakeProbability)
    displacementMetres = try file.decimal(
      "alarm", "displacement_metres", in: 1e-5...1, default: displacementMetres)
    periodSeconds = try file.decimal(
      "alarm", "period_seconds", in: 0.1...10, default: periodSeconds)
    holdSeconds = try file.integer("alarm", "hold_seconds", in: 1...3600, default: holdSeconds)
    refractorySeconds = try file.integer(
      "alarm", "refractory_seconds", in: 0...3600, default: refractorySeconds)
    isLatched = try file.flag("alarm", "latch")
  }
}

extension ConfigurationFile {
  /// A path, taken relative to the folder of this file; empty when the key is absent.
  mutating func relativePath(
    _ section: StaticString, _ key: StaticString
  ) throws(Diagnostic) -> Path {
    let stated = try text(section, key, Path.self, default: Path())
    guard !stated.isEmpty, stated[0] != UInt8(ascii: "/") else { return stated }
    var folderCount = path.count
    while folderCount > 0 && path[folderCount - 1] != UInt8(ascii: "/") { folderCount -= 1 }
    guard folderCount + stated.count <= 256 else {
      throw contradiction(section, key, "is too long together with the folder of this file")
    }
    var result = Path()
    for index in 0..<folderCount { result.append(byte: path[index]) }
    result.append(stated)
    return result
  }
}

extension Text {
  /// Four fields between three dots; capitals and digits; at most 8, 8, 8 and exactly 2 characters.
  public var isStationCode: Bool {
    var field = 0
    var length = 0
    for index in 0..<count {
      switch self[index] {
      case UInt8(ascii: "."):
        guard length > 0 || field == 2, length <= 8 else { return false }
        field += 1
        length = 0
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
        length += 1
      default: return false
      }
    }
    return field == 3 && length == 2
  }
}
