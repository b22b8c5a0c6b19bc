// [picker] of a station file: from when on something is a pick.

import Core
import Settings

/// Defaults for local earthquakes after Trnkoczy (2012, NMSOP-2, information sheet 8.1), with the
/// shorter windows of his range for the sake of speed. The ratio is one of energies: 6 is 2.4 in
/// amplitude, below his 4, because a pick that does not last is retracted. What they reach on
/// records is in Tests/README.md.
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

/// Probabilities from which on something is a pick. How they were chosen and what they reach is on
/// the model's card.
public struct NetworkPickerSettings: Equatable, Sendable {
  /// A threshold that is 0 or 1 would be none. What is asked for beside it may be anything.
  public static let probabilities = 0.01...0.99
  public static let doubts = 0...0.99
  /// A P is announced from this probability of the early stage on.
  public var announceProbability = 0.3
  /// A P is confirmed from this probability of the late stage on.
  public var confirmProbability = 0.5
  /// An S is told from this probability of the late stage on.
  public var shearProbability = 0.5
  /// A P is confirmed only with this probability of an event around it, in the late stage.
  public var eventProbability = 0.0
  /// A P that STA/LTA does not see is announced and confirmed from these on: what only one of two
  /// sees must be surer.
  public var announceUnseenProbability = 0.75
  public var unseenProbability = 0.75
  public init() {}

  /// So many P a day may be confirmed that nobody else would support.
  public static let unsupportedADay = 6.0...70
  /// P a day that no teacher supports, on stations that the shipped network has not learnt from or
  /// in streets, whichever are more, when it confirms from 0.3, 0.4 … 0.8 on (`operating.py`; its
  /// card). Half of them are events too small for the teachers.
  private static let unsupported: InlineArray<6, Double> = [71, 54, 38, 27, 11, 5.4]

  /// Confirms from the probability on that brings so many, and from half of what doubt that leaves
  /// where STA/LTA sees nothing.
  mutating func confirm(unsupportedADay rate: Double) {
    let curve = NetworkPickerSettings.unsupported
    var limit = 0.3
    for index in 0..<5 where rate < curve[index] {
      let (low, high) = (
        Elementary.logarithm(curve[index]), Elementary.logarithm(curve[index + 1])
      )
      let share = (low - Elementary.logarithm(rate)) / (low - high)
      limit = 0.3 + 0.1 * (Double(index) + min(share, 1))
    }
    confirmProbability = limit
    unseenProbability = 1 - (1 - limit) / 2
  }
}

extension PickerSettings {
  public init(_ file: inout ConfigurationFile) {
    bandLowHertz = file.decimal("picker", "band_low_hertz", in: 0.1...20, default: bandLowHertz)
    bandHighHertz = file.decimal(
      "picker", "band_high_hertz", in: 1...40, default: bandHighHertz)
    file.demand(
      bandHighHertz >= 2 * bandLowHertz, "picker",
      file.stated("picker", "band_high_hertz", or: "band_low_hertz"),
      "leaves no octave between band_low_hertz and band_high_hertz")
    shortTermSeconds = file.decimal(
      "picker", "short_term_seconds", in: 0.05...5, default: shortTermSeconds)
    longTermSeconds = file.decimal(
      "picker", "long_term_seconds", in: 1...120, default: longTermSeconds)
    file.demand(
      longTermSeconds >= 5 * shortTermSeconds, "picker",
      file.stated("picker", "long_term_seconds", or: "short_term_seconds"),
      "must leave long_term_seconds at least five times short_term_seconds")
    triggerRatio = file.decimal(
      "picker", "trigger_ratio", in: PickerSettings.triggerRatios, default: triggerRatio)
    releaseRatio = file.decimal("picker", "release_ratio", in: 1...500, default: releaseRatio)
    file.demand(
      releaseRatio < triggerRatio, "picker",
      file.stated("picker", "release_ratio", or: "trigger_ratio"),
      "must leave release_ratio below trigger_ratio")
    minimumDurationMilliseconds = file.integer(
      "picker", "minimum_duration_milliseconds", in: 10...1000,
      default: minimumDurationMilliseconds)
    refractoryMilliseconds = file.integer(
      "picker", "refractory_milliseconds", in: 3000...60_000, default: refractoryMilliseconds)
    network = NetworkPickerSettings(&file)
  }
}

extension NetworkPickerSettings {
  public init(_ file: inout ConfigurationFile) {
    announceProbability = file.decimal(
      "picker", "announce_probability", in: Self.probabilities, default: announceProbability)
    confirmProbability = file.decimal(
      "picker", "confirm_probability", in: Self.probabilities, default: confirmProbability)
    shearProbability = file.decimal(
      "picker", "shear_probability", in: Self.probabilities, default: shearProbability)
    announceUnseenProbability = file.decimal(
      "picker", "announce_unseen_probability", in: Self.doubts, default: announceUnseenProbability)
    unseenProbability = file.decimal(
      "picker", "unseen_probability", in: Self.doubts, default: unseenProbability)
    eventProbability = file.decimal(
      "picker", "event_probability", in: Self.doubts, default: eventProbability)
    guard file.has("picker", "unsupported_a_day") else { return }
    confirm(
      unsupportedADay: file.decimal(
        "picker", "unsupported_a_day", in: Self.unsupportedADay, default: 38))
    file.demand(
      !file.states("picker", "confirm_probability") && !file.states("picker", "unseen_probability"),
      "picker", "unsupported_a_day",
      "chooses confirm_probability and unseen_probability: state it or them")
  }
}
