// FleetWorld: what FleetWaves needs of the world, so that a test can be one. FleetLink is the real
// one.

import Core

/// What a run needs of the world.
public protocol FleetWorld {
  /// What the collector tells of all stations now.
  mutating func look() throws -> FleetList
  /// Gives the order to a station; it returns when there is an answer, or none can be expected.
  mutating func give(_ station: String) -> FleetAnswer
  /// The start that a station is in; nil where it does not answer.
  mutating func boot(_ station: String) -> FleetBoot?
  /// Asks it to tell its health upstream, whatever becomes of that.
  mutating func askHealth(_ station: String)
  /// Whether it has ended the trial of a network; nil where it does not answer.
  mutating func hasEndedTrial(_ station: String) -> Bool?
  mutating func wait(seconds: Double)
  /// By a clock that nobody sets.
  var seconds: Double { mutating get }
  /// For the audit.
  var now: UTC { mutating get }
}

public struct FleetAnswer {
  let result: FleetRecord.Result
  /// The station's word, or why there is none.
  var text: String?
  /// What it says that now holds.
  var value: String?
  /// In which start it was when it was given.
  var boot: FleetBoot?
}
