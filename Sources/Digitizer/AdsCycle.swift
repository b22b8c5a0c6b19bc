// AdsCycle: conversions of an ADS1256 that goes from input to input become frames.
//
// The converter runs on, by its crystal, and its multiplexer is set while it does. So samples are
// evenly spaced, whoever reads them may be late by half a millisecond, and two conversions an input
// are needed: the first still hears the input before. (Starting each conversion anew would need one,
// and then the reader's delays would be in the times of the samples.)
//
//   conversion   0      1         2      3         4 …
//   input        –      0         –      1         –
//   at its end          read it          read it
//                       select 1         select 2
//
// A sample counts when its input was selected before the conversion could hear it, and was read
// before the next conversion was over. A frame that lacks one is lost, and known to be. Its time is
// the middle of what the first input's conversion hears; the others are sampled two conversions
// later each.
//
//     let order = cycle.edge(stamp)
//     if case .exchange(let input) = order { cycle.read(value, doneAt: now) }
//     if let frame = cycle.takeFrame() { … }

import Core

public struct AdsFrame {
  public var samples = Frame.zero
  /// On the monotonic clock.
  public var time: Int64 = 0
  /// Frames that are missing before this one.
  public var lost: Int64 = 0
}

public struct AdsCycle {
  public enum Order: Equatable, Sendable {
    /// A conversion that nobody reads.
    case nothing
    /// Read the last conversion, and set the multiplexer to this byte.
    case exchange(UInt8)
    /// An edge at a time when no conversion can be over.
    case refused
  }

  /// What SPI, interrupts and the converter's own times (some 10 µs) may be off by.
  private static let marginNanoseconds: Int64 = 50_000

  private let settings: AdsSettings
  private let slots: Int64
  private var line: StampLine
  /// Of the last edge: its number, and when it came.
  private var conversion: Int64 = -1
  private var edgeTime: Int64 = 0
  /// What the multiplexer was set to, by the edge after which, and whether in time.
  private var selected: (slot: Int64, after: Int64)?
  private var samples = Frame.zero
  /// Slots of this round that have their sample: a bit each.
  private var present: UInt8 = 0
  private var round: Int64 = 0
  private var firstTime: Int64 = 0
  private var delivered: Int64 = -1
  private var whole: AdsFrame?
  public private(set) var refusedCount: UInt32 = 0
  /// Samples that were read too late, or whose input was selected too late.
  public private(set) var lateCount: UInt32 = 0

  public init(_ settings: AdsSettings) {
    self.settings = settings
    slots = Int64(settings.slotCount)
    line = StampLine(nominalNanoseconds: settings.conversionNanoseconds)
  }

  public mutating func restart() { self = AdsCycle(settings) }

  private var perRound: Int64 { slots * Int64(AdsSettings.conversionsPerInput) }
  private func input(_ slot: Int64) -> UInt8 {
    settings.inputs[min(Int(slot), settings.inputCount - 1)]
  }

  /// A conversion is over.
  public mutating func edge(_ time: Int64) -> Order {
    var steps: Int64 = 1
    if !line.isEmpty {
      let exact = line.steps(to: time)
      guard exact >= 0.5, exact < 1e12 else {
        refusedCount &+= 1
        return .refused
      }
      steps = Int64(Elementary.nearestInteger(exact))
    }
    line.note(time, after: steps)
    conversion += steps
    edgeTime = line.last
    if conversion / perRound > round { begin(conversion / perRound) }
    return conversion % 2 == 0 ? .nothing : .exchange(input(slot + 1 == slots ? 0 : slot + 1))
  }

  private mutating func begin(_ number: Int64) { (round, present) = (number, 0) }

  private var slot: Int64 { conversion % perRound / 2 }

  /// What was read at the edge that asked for an exchange, which was done by then.
  public mutating func read(_ value: Int32, doneAt now: Int64) {
    let period = settings.conversionNanoseconds
    let took = now - edgeTime
    let isRead = took < Int64(period) - AdsCycle.marginNanoseconds
    // Of what comes after a selection the conversion that counts begins a period after the edge,
    // and hears by how much settling is longer than a period before it does.
    let heardBefore = settings.rate.settlingNanoseconds - Int64(period)
    let isInTime = took < Int64(period) - heardBefore - AdsCycle.marginNanoseconds
    let wasSelected =
      slots == 1 || selected.map { $0.slot == slot && $0.after == conversion - 2 } ?? false
    if isRead && wasSelected {
      samples[Int(slot)] = value
      present |= 1 << UInt8(slot)
      if slot == 0 { firstTime = edgeTime - settings.rate.settlingNanoseconds / 2 }
    } else if conversion >= perRound {
      lateCount &+= 1
    }
    selected = isInTime ? ((slot + 1) % slots, conversion) : nil
    guard slot + 1 == slots, present == UInt8(1 << slots - 1) else { return }
    whole = AdsFrame(
      samples: samples, time: firstTime, lost: delivered < 0 ? 0 : round - delivered - 1)
    delivered = round
  }

  /// The frame that has just become whole.
  public mutating func takeFrame() -> AdsFrame? {
    defer { whole = nil }
    return whole
  }
}
