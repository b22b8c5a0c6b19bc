// AlarmTable: what each input makes of each state. The decision is this table and nothing else,
// unless a latched alarm is restored at a start. What becomes an input, and when, is said in
// AlarmDecision.
//
//   quiet    nothing is expected
//   watch    shaking may come
//   alarm    the relay is to be closed
//   blind    an alarm stands, and the digitizer is lost: nothing can be seen until it is back
//   called   this station has decided, and waits for the others of its site (Quorum). Where there are
//            none, what calls is agreed to in the same step
//
//     let transition = AlarmTable.transition(.watch, .expected)
//     if let level = transition.told { … }

public enum AlarmState: Int, Sendable {
  case quiet, watch, alarm, blind, called
}

public enum AlarmInput: Int, Sendable {
  /// Shaking is measured that is the ground's.
  case measured
  /// An alarm's worth of shaking is expected.
  case expected
  /// P has the amplitude and period of a damaging event.
  case amplitude
  /// A watch's worth of shaking is expected.
  case promising
  /// Hardly anything is expected any longer of what was watched.
  case fell
  /// The pick that is watched was taken back.
  case retracted
  /// The watch has lasted long enough.
  case watchIsOver
  /// The alarm has stood as long as it must, it is not latched, and the ground is still.
  case stilled
  /// The same, but of the ground nothing is known.
  case holdIsOver
  /// The digitizer is gone.
  case lost
  /// The digitizer delivers again.
  case found
  /// An operator ends it.
  case released
  /// Enough stations have decided, or too few are heard and the station file says that one is enough.
  case agreed
  /// Too few have decided in time.
  case outvoted
}

extension AlarmInput {
  /// What this station decides by itself, on what it sees of the ground.
  var isDecision: Bool { self == .measured || self == .expected || self == .amplitude }
}

public struct AlarmTransition: Equatable, Sendable {
  public var next: AlarmState
  /// What is to be told; nil where nothing is.
  public var told: Alert.Level?
  /// nil: that of the call.
  public var reason: Alert.Reason? = .timeIsOver

  init(_ next: AlarmState, _ told: Alert.Level? = nil, _ reason: Alert.Reason? = .timeIsOver) {
    self.next = next
    self.told = told
    self.reason = reason
  }
}

public enum AlarmTable {
  private typealias Row = InlineArray<14, AlarmTransition>

  private static let quiet: Row = [
    AlarmTransition(.called, .watch, .measuredShaking),  // measured
    AlarmTransition(.called, .watch, .expectedShaking),  // expected
    AlarmTransition(.called, .watch, .amplitudeOfP),  // amplitude
    AlarmTransition(.watch, .watch, .expectedShaking),  // promising
    AlarmTransition(.quiet),  // fell
    AlarmTransition(.quiet),  // retracted
    AlarmTransition(.quiet),  // watchIsOver
    AlarmTransition(.quiet),  // stilled
    AlarmTransition(.quiet),  // holdIsOver
    AlarmTransition(.quiet),  // lost
    AlarmTransition(.quiet),  // found
    AlarmTransition(.quiet),  // released
    AlarmTransition(.quiet),  // agreed: nothing was decided here
    AlarmTransition(.quiet),  // outvoted
  ]
  private static let watch: Row = [
    AlarmTransition(.called, .watch, .measuredShaking),  // measured
    AlarmTransition(.called, .watch, .expectedShaking),  // expected
    AlarmTransition(.called, .watch, .amplitudeOfP),  // amplitude
    AlarmTransition(.watch),  // promising
    AlarmTransition(.quiet, .clear, .estimateFell),  // fell
    AlarmTransition(.quiet, .clear, .pickRetracted),  // retracted
    AlarmTransition(.quiet, .clear, .timeIsOver),  // watchIsOver
    AlarmTransition(.watch),  // stilled
    AlarmTransition(.watch),  // holdIsOver
    AlarmTransition(.quiet, .clear, .blind),  // lost
    AlarmTransition(.watch),  // found
    AlarmTransition(.quiet, .clear, .command),  // released
    AlarmTransition(.watch),  // agreed: nothing was decided here
    AlarmTransition(.watch),  // outvoted
  ]
  private static let alarm: Row = [
    AlarmTransition(.alarm),  // measured
    AlarmTransition(.alarm),  // expected
    AlarmTransition(.alarm),  // amplitude
    AlarmTransition(.alarm),  // promising
    AlarmTransition(.alarm),  // fell
    AlarmTransition(.alarm),  // retracted: who has run for a door runs on
    AlarmTransition(.alarm),  // watchIsOver
    AlarmTransition(.quiet, .clear, .timeIsOver),  // stilled
    AlarmTransition(.alarm),  // holdIsOver: the ground is seen, and may still shake
    AlarmTransition(.blind),  // lost
    AlarmTransition(.alarm),  // found
    AlarmTransition(.quiet, .clear, .command),  // released
    AlarmTransition(.alarm),  // agreed
    AlarmTransition(.alarm),  // outvoted
  ]
  private static let blind: Row = [
    AlarmTransition(.blind),  // measured: by nobody, without frames
    AlarmTransition(.blind),  // expected
    AlarmTransition(.blind),  // amplitude
    AlarmTransition(.blind),  // promising
    AlarmTransition(.blind),  // fell
    AlarmTransition(.blind),  // retracted
    AlarmTransition(.blind),  // watchIsOver
    AlarmTransition(.blind),  // stilled
    AlarmTransition(.quiet, .clear, .blind),  // holdIsOver
    AlarmTransition(.blind),  // lost
    AlarmTransition(.alarm),  // found
    AlarmTransition(.quiet, .clear, .command),  // released
    AlarmTransition(.blind),  // agreed
    AlarmTransition(.blind),  // outvoted
  ]
  private static let called: Row = [
    AlarmTransition(.called),  // measured
    AlarmTransition(.called),  // expected
    AlarmTransition(.called),  // amplitude
    AlarmTransition(.called),  // promising
    AlarmTransition(.called),  // fell: it has its own time
    AlarmTransition(.called),  // retracted: as in an alarm
    AlarmTransition(.called),  // watchIsOver
    AlarmTransition(.called),  // stilled
    AlarmTransition(.called),  // holdIsOver
    AlarmTransition(.called),  // lost: by what had been seen until then
    AlarmTransition(.called),  // found
    AlarmTransition(.quiet, .clear, .command),  // released
    AlarmTransition(.alarm, .alarm, nil),  // agreed
    AlarmTransition(.quiet, .clear, .outvoted),  // outvoted
  ]

  public static func transition(_ state: AlarmState, _ input: AlarmInput) -> AlarmTransition {
    switch state {
    case .quiet: quiet[input.rawValue]
    case .watch: watch[input.rawValue]
    case .alarm: alarm[input.rawValue]
    case .blind: blind[input.rawValue]
    case .called: called[input.rawValue]
    }
  }
}
