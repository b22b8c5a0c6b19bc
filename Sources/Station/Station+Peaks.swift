// Peaks of each second, for networks that see shaking spread: while an event lasts, and for as long
// as an operator asks for them. What is lost is not sent again: the next is on its way.

import Conditioning
import Core
import Estimator
import Uplink

extension Station {
  /// Long enough to watch a swarm; who forgets to end it has not opened a tap for ever.
  public static var peaksSeconds: ClosedRange<Int64> { 0...3600 }
  /// As long as the estimator waits for what shaking there is after a P.
  private static var eventNanoseconds: Int64 { 60 * nanosecondsPerSecond }

  /// A P begins an event, or makes it longer.
  mutating func notePeaks(of pick: UInt32) {
    eventEnd = moment.monotonicNanoseconds + Station.eventNanoseconds
    eventPick = pick
  }

  mutating func take(_ peaks: PeaksOfSecond) {
    let now = moment.monotonicNanoseconds
    let isWanted = eventEnd.map { now < $0 } ?? false || peaksEnd.map { now < $0 } ?? false
    guard isWanted || hasAlert else {
      lastPeaks = peaks
      return
    }
    // The second of the onset is over when its P is known.
    if let last = lastPeaks.take() { send(last) }
    send(peaks)
  }

  /// For so many seconds from now; 0 ends it.
  mutating func setPeaks(_ seconds: Int64) -> (CommandResult, Int64) {
    guard estimator != nil else { return (.impossible, CommandMessage.noValue) }
    var result = CommandResult.done
    if seconds != CommandMessage.noValue {
      if Station.peaksSeconds.contains(seconds) {
        peaksEnd = moment.monotonicNanoseconds + seconds * nanosecondsPerSecond
      } else {
        result = .outOfRange
      }
    }
    let left = peaksEnd.map { max($0 - moment.monotonicNanoseconds, 0) } ?? 0
    return (result, (left + nanosecondsPerSecond - 1) / nanosecondsPerSecond)
  }

  private mutating func send(_ peaks: PeaksOfSecond) {
    var message = PeaksMessage()
    message.time = UTC(nanoseconds: peaks.second * nanosecondsPerSecond)
    message.sampleCount = min(UInt16(clamping: peaks.sampleCount), PeaksMessage.samplesMaximum)
    message.clippedLanes = peaks.clipped
    let lanes = estimator?.pointee.calibratedLanes ?? LaneSet()
    if lanes.contains(lane: 0) {
      message.verticalAcceleration = WireFloat(peaks.acceleration[0])
      message.verticalVelocity = WireFloat(peaks.velocity[0])
      message.verticalDisplacement = WireFloat(peaks.displacement[0])
    }
    if !lanes.intersection(.horizontals).isEmpty {
      message.horizontalAcceleration = WireFloat(max(peaks.acceleration[1], peaks.acceleration[2]))
      message.horizontalVelocity = WireFloat(max(peaks.velocity[1], peaks.velocity[2]))
      message.horizontalDisplacement = WireFloat(max(peaks.displacement[1], peaks.displacement[2]))
    }
    if let intensity = peaks.intensity {
      message.jmaIntensityHundredths = Int16(
        clamping: Elementary.nearestInteger(intensity * 100))
    }
    send(.peaks) { message.write(to: &$0) }
  }
}
