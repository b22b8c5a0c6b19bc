// PulseLine: UTC of a monotonic time from the edges of a pulse a second.
//
// A pulse says exactly where a second begins, but not which second it is. The obvious way is to
// take every edge and to let the system clock name its second. A line that floats has edges as
// well: mains hum at 49.98 Hz has one near every second. And a system clock that is wrong by
// seconds would take all picks with it.
//
// So an edge counts after half a second of silence, and when it lies a whole number of seconds from
// those before it. The system clock labels the first edge, the others are counted on from it, and
// the labels are trusted once a synchronised system clock has agreed with them. Three readings in a
// row that differ by part of a second can disprove the edges, unless a sure clock has confirmed
// them before. A difference of whole seconds is doubt: trusted labels move only for a leap second
// that is announced, or for a sure clock that has insisted for 4096 s.
//
//   edge      a pulse's rising (or falling) flank, on the monotonic clock
//   label     the UTC second that an edge stands for
//   trusted   a synchronised system clock has agreed with the labels once
//   doubt     the whole seconds by which a synchronised system clock contradicts trusted labels

import Core

struct PulseLine: ~Copyable {
  private static let minimumEdges = 5
  /// A crystal beyond 200 ppm, or an edge beyond a millisecond of latency, is none (GPIO interrupts
  /// take tens of microseconds; crystals are sold at 50 ppm).
  private static let crystalErrorMaximum = 200e-6
  private static let latencyNanosecondsMaximum: Int64 = 1_000_000
  /// A rate that was known may drift by so much while there is no pulse: by temperature, and by its
  /// own error. Nobody is off by more than a fifth of a second by chance.
  private static let driftMaximum = 20e-6
  private static let driftNanosecondsMaximum: Int64 = 200_000_000
  private static let silenceNanoseconds: Int64 = nanosecondsPerSecond / 2
  private static let forgottenNanoseconds: Int64 = 10 * nanosecondsPerSecond
  /// Beyond this a system clock cannot tell one second from the next.
  private static let labelErrorMaximum: Int64 = 400_000_000
  /// A clock as sure as this tells a pulse's leading edge from the trailing one, 100 ms later in
  /// most receivers.
  private static let confirmingErrorMaximum: Int64 = 50_000_000
  /// After a longer hole an edge may be so far from the line that one in forty of somebody else's
  /// would be let by.
  private static let confirmedNanoseconds: Int64 = 600 * nanosecondsPerSecond
  /// Who insists on another second must be this sure, and for so long that systemd-timesyncd has
  /// asked its server twice more (it polls every 2048 s at the longest): a server that was wrong
  /// once does not move the labels, nor does a clock that is wrong for an hour.
  private static let insistingErrorMaximum: Int64 = 100_000_000
  private static let insistenceNanoseconds: Int64 = 4096 * nanosecondsPerSecond
  /// How many readings in a row must say the same before it is believed.
  private static let agreement = 3

  private(set) var edges: UInt32 = 0
  private(set) var rejectedEdges: UInt32 = 0
  private(set) var missedEdges: UInt32 = 0
  private(set) var lastEdge: Int64?
  private var line = LineFit()
  private var lastFlank: Int64?
  private var labelsAreTrusted = false
  /// A sure clock has seen that the edges are the second's. No other can deny it afterwards.
  private var isConfirmed = false
  /// Whole seconds by which a synchronised system clock contradicts labels that are trusted.
  private(set) var doubtNanoseconds: Int64 = 0
  private var pendingSeconds: Int64 = 0
  private var pendingCount = 0
  private var insistsSince: Int64?
  /// The leap second that is still announced has moved the labels.
  private var hasLeapt = false
  private var disagreements = 0
  /// The line has once had edges enough for a rate.
  private var knowsRate = false
  /// Since pulses came back; 0 when that is long ago.
  private var edgesSinceHole = 0

  /// There are edges enough for a rate, and somebody who knows the time has seen the labels.
  var isUsable: Bool { knowsRate && labelsAreTrusted }
  /// And nobody contradicts them, and a sure clock has seen that the edges are the second's.
  var isSure: Bool { isUsable && isConfirmed && doubtNanoseconds == 0 }
  var slopeError: Double { line.slopeError }
  /// Where the newest edge is further off, it may be the line that is wrong.
  var residualNanoseconds: Double {
    max(line.residualNanoseconds, line.newestResidualNanoseconds)
  }
  func time(atMonotonic monotonic: Int64) -> UTC { UTC(nanoseconds: line.y(at: monotonic)) }

  private static func nearestSecond(_ nanoseconds: Int64) -> Int64 {
    floorQuotient(nanoseconds + nanosecondsPerSecond / 2, nanosecondsPerSecond)
  }

  mutating func observe(edge: Int64, system: SystemClockReading) {
    let silence = lastFlank.map { edge - $0 } ?? .max
    lastFlank = edge
    guard silence >= PulseLine.silenceNanoseconds else {
      rejectedEdges &+= 1
      return
    }
    guard let last = lastEdge, edge - last < PulseLine.forgottenNanoseconds || isUsable else {
      begin(edge, system)
      return
    }
    let elapsed = edge - last
    let seconds = PulseLine.nearestSecond(elapsed)
    // From the line where it has a rate, else from the last edge.
    let place = knowsRate ? line.y(at: edge) : elapsed
    let deviation = (place - PulseLine.nearestSecond(place) * nanosecondsPerSecond).magnitude
    let rateError = knowsRate ? PulseLine.driftMaximum : PulseLine.crystalErrorMaximum
    let allowed =
      PulseLine.latencyNanosecondsMaximum
      + min(Int64(Double(elapsed) * rateError), PulseLine.driftNanosecondsMaximum)
    guard seconds >= 1, deviation < UInt64(allowed) else {
      rejectedEdges &+= 1
      // One edge has taught nothing, and a chip may have kept it from before the start.
      if line.count == 1 && !knowsRate { begin(edge, system) }
      // Silent for so long, or wrong from the start: begin anew at the next edge.
      if elapsed > PulseLine.forgottenNanoseconds { forget() }
      return
    }
    missedEdges &+= UInt32(clamping: seconds - 1)
    let second = PulseLine.nearestSecond(line.y(at: edge))
    if elapsed > PulseLine.forgottenNanoseconds { edgesSinceHole = 1 }
    if elapsed > PulseLine.confirmedNanoseconds { isConfirmed = false }
    // The crystal has gone its own way since: what is old would hold the line where it was.
    if edgesSinceHole == PulseLine.agreement { line.restart() }
    if edgesSinceHole > 0 { edgesSinceHole = (edgesSinceHole + 1) % (PulseLine.agreement + 1) }
    accept(edge, second: second)
    if isUsable && line.slopeError.magnitude > PulseLine.crystalErrorMaximum { forget() }
  }

  private mutating func begin(_ edge: Int64, _ system: SystemClockReading) {
    let label = system.realtime.nanoseconds + (edge - system.monotonicNanoseconds)
    forget()
    accept(edge, second: PulseLine.nearestSecond(label))
  }

  private mutating func accept(_ edge: Int64, second: Int64) {
    line.add(x: edge, y: second * nanosecondsPerSecond)
    lastEdge = edge
    edges &+= 1
    if line.count >= PulseLine.minimumEdges { knowsRate = true }
  }

  /// Nothing of the line is believed any longer, neither its rate nor its labels.
  private mutating func forget() {
    line = LineFit()
    lastEdge = nil
    labelsAreTrusted = false
    isConfirmed = false
    dispel()
    disagreements = 0
    knowsRate = false
    edgesSinceHole = 0
  }

  /// Compares with the system clock. Labels that nobody has confirmed follow it. Trusted ones move
  /// by a whole second only for a leap second that is announced, or for a clock that insists;
  /// until then the difference is doubt. Any other difference beyond what the system clock states
  /// of itself means that the edges are not the second's, unless a pulse was confirmed.
  mutating func observe(_ reading: SystemClockReading) {
    let isGood =
      reading.isSynchronised && reading.maximumErrorNanoseconds < PulseLine.labelErrorMaximum
    if labelsAreTrusted && !reading.isSynchronised { dispel() }
    guard line.count > 0, isGood || !labelsAreTrusted else { return }
    let difference = reading.realtime.nanoseconds - line.y(at: reading.monotonicNanoseconds)
    let seconds = PulseLine.nearestSecond(difference)
    let rest = (difference - seconds * nanosecondsPerSecond).magnitude
    let agrees =
      isGood
      && rest <= UInt64(reading.maximumErrorNanoseconds + PulseLine.latencyNanosecondsMaximum)
    let mayDisprove = isGood && !isConfirmed && !(labelsAreTrusted && reading.isErrorAssumed)
    disagreements = mayDisprove && !agrees ? disagreements + 1 : 0
    if disagreements >= PulseLine.agreement {
      forget()
      return
    }
    if agrees && knowsRate && reading.maximumErrorNanoseconds <= PulseLine.confirmingErrorMaximum {
      isConfirmed = true
    }
    if labelsAreTrusted {
      doubt(seconds, reading, agrees: agrees)
    } else {
      label(seconds, agrees: agrees)
    }
  }

  /// Labels that were never trusted go where three readings say.
  private mutating func label(_ seconds: Int64, agrees: Bool) {
    pendingCount = seconds == pendingSeconds ? pendingCount + 1 : 1
    pendingSeconds = seconds
    if agrees && seconds == 0 {
      labelsAreTrusted = true
      dispel()
      return
    }
    guard seconds != 0, pendingCount >= PulseLine.agreement else { return }
    line.shift(by: seconds * nanosecondsPerSecond)
    pendingCount = 0
  }

  private mutating func doubt(_ seconds: Int64, _ reading: SystemClockReading, agrees: Bool) {
    if reading.leapSeconds == 0 { hasLeapt = false }
    guard seconds != 0 else {
      dispel()
      return
    }
    if seconds != pendingSeconds { dispel() }
    doubtNanoseconds = Int64(min(seconds.magnitude, 1_000_000_000)) * nanosecondsPerSecond
    pendingSeconds = seconds
    pendingCount += 1
    let isLeap = seconds == reading.leapSeconds && !hasLeapt && pendingCount >= PulseLine.agreement
    let isSure = reading.maximumErrorNanoseconds < PulseLine.insistingErrorMaximum
    if isSure && !agrees { insistsSince = nil }
    let since = insistsSince ?? reading.monotonicNanoseconds
    if isSure && agrees { insistsSince = since }
    let hasInsisted =
      isSure && agrees
      && reading.monotonicNanoseconds - since >= PulseLine.insistenceNanoseconds
    guard isLeap || hasInsisted else { return }
    line.shift(by: seconds * nanosecondsPerSecond)
    if isLeap { hasLeapt = true }
    dispel()
  }

  /// Nobody says any longer that the labels are wrong.
  private mutating func dispel() {
    doubtNanoseconds = 0
    pendingSeconds = 0
    pendingCount = 0
    insistsSince = nil
  }
}
