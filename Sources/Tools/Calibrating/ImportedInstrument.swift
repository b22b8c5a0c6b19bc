// ImportedInstrument: a channel's response as an instrument file says it, and what it cannot say.
//
//     let instrument = try ImportedInstrument(channel, .vertical, corner: nil)
//     print(instrument.report(file: "vertical.toml"))
//     try instrument.text(from: "station.xml").write(…)
//
// The problem: a file has any number of poles, zeros and filters. A station has one second-order
// corner, counts for a unit above it, and nothing else. The idea: each pair of poles is tried as
// the corner, and so is no corner at all. The one with which the station errs least from 0.1 to
// 20 Hz is written, and by how much it still errs is told.

import Conditioning
import Core
import Foundation
import Settings

public struct ImportedInstrument: Sendable {
  public let channel: ChannelResponse
  public let component: ChannelChoice.Component
  public let quantity: MotionQuantity
  public let corner: SensorCorner?
  public let countsPerUnit: Double
  /// Where the counts of model and file are the same.
  public let referenceHertz: Double
  /// −1 where counts fall when the ground moves up, north or east.
  public let polarity: Int
  public let deviation: ResponseDeviation
  public private(set) var remarks: [String]

  /// `corner`: that of another component, because a station has one for all of them.
  public init(
    _ channel: ChannelResponse, _ component: ChannelChoice.Component, common: Common?
  ) throws {
    self.channel = channel
    self.component = component
    let curve = try ResponseCurve(channel)
    quantity = curve.quantity
    if let common, common.quantity != curve.quantity {
      throw ToolError(
        "\(channel.code): measures another quantity than the components before it: "
          + "a station needs one for all, so import them apart")
    }
    let band = ComparisonBand(sampleHertz: channel.sampleHertz)
    let grid = band.hertz
    let values = grid.map { curve.value(hertz: $0) }
    guard values.allSatisfy({ $0.magnitude.isFinite && $0.magnitude > 0 }) else {
      throw ToolError(
        "\(channel.code): its response is 0 or beyond all numbers somewhere from "
          + "\(brief(grid[0])) to \(brief(grid.last!)) Hz: its poles, zeros or gains are wrong")
    }
    func fit(_ corner: SensorCorner?) -> Fit {
      Fit(corner, curve, channel, grid: grid, values: values)
    }
    let candidates =
      common.map { [$0.corner] }
      ?? [nil] + (quantity == .velocity ? ImportedInstrument.corners(channel) : [])
    let best = candidates.map(fit).min { $0.deviation.cost < $1.deviation.cost }!
    corner = best.corner
    countsPerUnit = best.counts.magnitude
    referenceHertz = best.referenceHertz
    deviation = best.deviation
    remarks = curve.remarks
    let orientation = Orientation(channel, component)
    polarity = (best.counts < 0 ? -1 : 1) * orientation.sign
    remarks += orientation.remarks + band.remarks
    remarks += polesLeft()
    if best.counts < 0 { remarks.append("the gain is negative") }
    if polarity < 0 {
      remarks.append(
        "counts fall when the ground moves \(["up", "north", "east"][component.rawValue]): "
          + "board.toml needs \(component.name)_polarity = -1")
    }
    remarks += validity() + extendable()
    guard (1e-9...1e18).contains(countsPerUnit) else {
      throw ToolError(
        "\(channel.code): \(brief(countsPerUnit)) counts per unit; a station takes 1e-9 to 1e18")
    }
  }

  /// What all components of a station have in common.
  public struct Common: Sendable {
    public let quantity: MotionQuantity
    public let corner: SensorCorner?
  }

  public var common: Common { Common(quantity: quantity, corner: corner) }

  // MARK: The corner

  /// A corner for each pair of poles that can be one, by the bounds of an instrument file.
  private static func corners(_ channel: ChannelResponse) -> [SensorCorner] {
    let poles = channel.stages.flatMap(\.analogPoles).filter { $0.real <= 0 }
    var found: [SensorCorner] = []
    // The order of a sensor and its electronics; more would be a file to keep a machine busy.
    let some = poles.prefix(24)
    for (index, first) in some.enumerated() {
      for second in some.dropFirst(index + 1) {
        let isReal = first.imaginary == 0 && second.imaginary == 0
        let gap = (first - Complex(second.real, -second.imaginary)).magnitude
        // Published with three digits or more, each by itself.
        guard isReal || gap < 0.01 * first.magnitude else { continue }
        let angular = (first.magnitude * second.magnitude).squareRoot()
        let hertz = angular / (2 * Double.pi)
        let damping = -(first.real + second.real) / (2 * angular)
        guard (0.001...20).contains(hertz), (0.05...5).contains(damping) else { continue }
        found.append(
          SensorCorner(cornerHertz: hertz, damping: damping, extendedCornerHertz: hertz))
      }
    }
    return found
  }

  /// s² / (s² + 2hω₀s + ω₀²)
  static func shape(_ corner: SensorCorner?, hertz: Double) -> Complex {
    guard let corner else { return Complex(1) }
    let ratio = hertz / corner.cornerHertz
    return Complex(-ratio * ratio)
      / Complex(1 - ratio * ratio, 2 * corner.damping * ratio)
  }

  private struct Fit {
    let corner: SensorCorner?
    var counts: Double
    let referenceHertz: Double
    let deviation: ResponseDeviation

    init(
      _ corner: SensorCorner?, _ curve: ResponseCurve, _ channel: ChannelResponse, grid: [Double],
      values: [Complex]
    ) {
      self.corner = corner
      // The file's own frequency where the model is flat there, and otherwise 5 Hz, where P is.
      let inside = channel.sensitivityHertz.flatMap { hertz in
        (grid[0]...grid.last!).contains(hertz) && hertz >= 2 * (corner?.cornerHertz ?? 0)
          ? hertz : nil
      }
      referenceHertz = inside ?? min(5, grid.last! / 2)
      let ratio =
        curve.value(hertz: referenceHertz)
        / ImportedInstrument.shape(corner, hertz: referenceHertz)
      let sensor =
        curve.analogValue(hertz: referenceHertz)
        / ImportedInstrument.shape(corner, hertz: referenceHertz)
      let value = sensor.real < 0 ? -ratio.magnitude : ratio.magnitude
      counts = value
      deviation = ResponseDeviation(
        zip(grid, values).map { hertz, full in
          (hertz, full / (ImportedInstrument.shape(corner, hertz: hertz) * value))
        }, referenceHertz: referenceHertz)
    }
  }

  // MARK: What is told

  private func polesLeft() -> [String] {
    var poles = channel.stages.flatMap(\.analogPoles).count
    let zeros = channel.stages.flatMap(\.analogZeros).count
    if corner != nil { poles -= 2 }
    let origin = channel.stages.flatMap(\.analogZeros).filter { $0.magnitude == 0 }.count
    let left = zeros - (corner == nil ? 0 : min(2, origin))
    guard poles > 0 || left > 0 else { return [] }
    func counted(_ count: Int, _ name: String) -> String {
      "\(count) \(name)\(count == 1 ? "" : "s")"
    }
    return [
      "\(counted(poles, "pole")) and \(counted(max(0, left), "zero")) have no place in an instrument "
        + "file and are in the error"
    ]
  }

  private func validity() -> [String] {
    guard validUntil == ImportedInstrument.lastDay else { return [] }
    return [
      "the epoch has no end: valid_until is \(ImportedInstrument.lastDay.iso8601); "
        + "write there when you will measure again"
    ]
  }

  private func extendable() -> [String] {
    guard let corner, corner.cornerHertz > MotionFilter.highPassCornerHertz else { return [] }
    return [
      "below \(brief(corner.cornerHertz)) Hz the station takes the ground to move less than it does, "
        + "unless extended_corner_hertz says how far down to raise the response, "
        + "\(brief(corner.cornerHertz / 10)) Hz at the lowest"
    ]
  }

  // MARK: Dates

  /// The last that an instrument file can say.
  static let lastDay = CalendarDate(year: 9999, month: 12, day: 31)
  private static let firstDay = CalendarDate(year: 1970, month: 1, day: 1)

  var validFrom: CalendarDate { channel.start?.date ?? ImportedInstrument.firstDay }
  var validUntil: CalendarDate {
    // An end at midnight is that of the day before.
    guard let end = channel.end else { return ImportedInstrument.lastDay }
    let last = (end + -1).date
    return last.daysSince1970 < validFrom.daysSince1970 ? validFrom : last
  }
  var measured: CalendarDate { channel.calibrated?.date ?? validFrom }
}

extension ResponseStage {
  private var analog: PolesZeros? {
    if case .polesZeros(let value) = kind { value } else { nil }
  }

  private func angular(_ roots: [Complex]) -> [Complex] {
    analog?.isHertz == true ? roots.map { $0 * (2 * Double.pi) } : roots
  }

  /// In rad/s.
  var analogPoles: [Complex] { angular(analog?.poles ?? []) }
  var analogZeros: [Complex] { angular(analog?.zeros ?? []) }
}

/// How far a file's full response is from the model's, over a band.
public struct ResponseDeviation: Sendable {
  /// The largest magnitudes, and where they are.
  public private(set) var decibels = 0.0
  public private(set) var decibelsHertz = 0.0
  public private(set) var degrees = 0.0
  public private(set) var degreesHertz = 0.0
  /// The root mean square of the error as a share of the signal, amplitude and phase together. The
  /// largest is often that of a filter at the band's end, whatever the corner is.
  public private(set) var cost = 0.0
  public private(set) var lowHertz = 0.0
  public private(set) var highHertz = 0.0
  /// The widest stretch within a decibel and ten degrees.
  public private(set) var good: ClosedRange<Double>?

  /// Phases go on past 180 degrees, up and down from those at the frequency of reference.
  private static func angles(
    _ ratios: [(hertz: Double, ratio: Complex)], from referenceHertz: Double
  ) -> [Double] {
    var angles = ratios.map { atan2($0.ratio.imaginary, $0.ratio.real) }
    func join(_ index: Int, to other: Int) {
      let turns = ((angles[index] - angles[other]) / (2 * Double.pi)).rounded()
      angles[index] -= 2 * Double.pi * turns
    }
    let start = ratios.firstIndex { $0.hertz >= referenceHertz } ?? ratios.count - 1
    for index in stride(from: start + 1, to: angles.count, by: 1) { join(index, to: index - 1) }
    for index in stride(from: start - 1, through: 0, by: -1) { join(index, to: index + 1) }
    return angles
  }

  init(_ ratios: [(hertz: Double, ratio: Complex)], referenceHertz: Double) {
    lowHertz = ratios.first!.hertz
    highHertz = ratios.last!.hertz
    decibelsHertz = lowHertz
    degreesHertz = lowHertz
    var start: Double?
    let angles = ResponseDeviation.angles(ratios, from: referenceHertz)
    for ((hertz, ratio), angle) in zip(ratios, angles) {
      let nepers = log(ratio.magnitude)
      let level = abs(nepers) * 20 / log(10)
      let phase = abs(angle) * 180 / Double.pi
      if level > decibels { (decibels, decibelsHertz) = (level, hertz) }
      if phase > degrees { (degrees, degreesHertz) = (phase, hertz) }
      cost += nepers * nepers + angle * angle
      guard level <= 1, phase <= 10 else {
        start = nil
        continue
      }
      let from = start ?? hertz
      start = from
      if good == nil || hertz / from > good!.upperBound / good!.lowerBound { good = from...hertz }
    }
    cost = (cost / Double(ratios.count)).squareRoot()
  }
}

/// Where a station listens: 0.1 to 20 Hz, as far as the channel's rate goes.
struct ComparisonBand {
  var hertz: [Double] = []
  var remarks: [String] = []

  private static let (low, high) = (0.1, 20.0)
  /// Digitizers' filters fall from 0.8 of half the rate on.
  private static let shareOfRate = 0.4
  /// The lowest rate that a board file can say.
  private static let rateMinimum = 20.0
  private static let points = 241

  init(sampleHertz: Double?) {
    var top = ComparisonBand.high
    if let rate = sampleHertz, rate > 0 {
      top = min(top, max(ComparisonBand.shareOfRate * rate, 2 * ComparisonBand.low))
      if rate < ComparisonBand.rateMinimum {
        remarks.append("it has \(brief(rate)) samples a second; a station needs 20 and more")
      }
    }
    let ratio = log(top / ComparisonBand.low)
    hertz = (0..<ComparisonBand.points).map {
      ComparisonBand.low * exp(ratio * Double($0) / Double(ComparisonBand.points - 1))
    }
  }
}

/// How a component is turned against up, north and east.
private struct Orientation {
  var sign = 1
  var remarks: [String] = []

  /// Within five degrees a channel may be called N and E (SEED Reference Manual 2.4, appendix A).
  private static let tolerance = 5.0

  init(_ channel: ChannelResponse, _ component: ChannelChoice.Component) {
    func isNear(_ angle: Double, _ other: Double) -> Bool {
      let turns = ((angle - other) / 360).rounded()
      return abs(angle - other - 360 * turns) <= Orientation.tolerance
    }
    guard component != .vertical else {
      guard let dip = channel.dip else { return }
      if isNear(dip, 90) { sign = -1 }
      if !isNear(dip, 90), !isNear(dip, -90) {
        remarks.append("it is inclined by \(brief(dip)) degrees and is taken as vertical")
      }
      return
    }
    if let dip = channel.dip, !isNear(dip, 0) {
      remarks.append("it dips by \(brief(dip)) degrees and is taken as horizontal")
    }
    guard let azimuth = channel.azimuth else { return }
    let wanted = component == .north ? 0.0 : 90
    if isNear(azimuth, wanted + 180) {
      sign = -1
    } else if !isNear(azimuth, wanted) {
      remarks.append(
        "its azimuth is \(brief(azimuth)) degrees and it is taken as \(component.name): station.toml's "
          + "north_azimuth_degrees says by how much both horizontals are turned")
    }
  }
}
