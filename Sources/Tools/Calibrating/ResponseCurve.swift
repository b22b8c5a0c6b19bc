// ResponseCurve: the full response of a channel: counts for a unit of ground velocity or
// acceleration, at any frequency, all stages together.
//
//     let curve = try ResponseCurve(channel)
//     let countsPerMetrePerSecond = curve.value(hertz: 5).magnitude
//
// A stage's gain holds at the gain's own frequency, and its poles and zeros or its filter give the
// shape. A0 is checked; where all frequencies of the file agree it is believed, as the SEED manual
// has it, and otherwise it is not needed. A symmetric filter delays all frequencies alike. Such a
// delay is a matter of time stamps (`lateSeconds`), and its phase is taken as zero. Another FIR filter
// has its own phase after the correction that the file states, and a recursive one its own phase.
// All three are as in evalresp (EarthScope), against which it is tested through ObsPy.

import Conditioning
import Foundation

public struct ResponseCurve: Sendable {
  private struct Part: Sendable {
    var stage: ResponseStage
    var factor: Double
    var isSymmetric = false
  }

  public let quantity: MotionQuantity
  /// What the counts stand for is a displacement: velocity by one division by iω.
  private let isDisplacement: Bool
  private let perMetre: Double
  private var parts: [Part] = []
  /// What is to be known and does not keep the response from being evaluated.
  public private(set) var remarks: [String] = []
  /// By how much samples are late after all filters and all corrections.
  public private(set) var lateSeconds = 0.0

  private static let twoPi = 6.283185307179586
  /// evalresp warns of sensitivities that differ by more.
  private static let sensitivityTolerance = 0.05
  /// A0 is published with three digits at least.
  private static let a0Tolerance = 0.01
  /// A quarter of what picks are judged by in the board's tests, 2 ms.
  private static let lateTolerance = 0.0005

  public init(_ channel: ChannelResponse) throws {
    if let problem = channel.problem { throw ToolError("\(channel.code): \(problem)") }
    guard let unit = MotionUnit(channel.inputUnit) else {
      throw ToolError(
        "\(channel.code): measures \(channel.inputUnit.map { shown($0) } ?? "nothing that is named"): "
          + "a station needs \(MotionUnit.examples)")
    }
    quantity = if case .acceleration = unit { .acceleration } else { .velocity }
    isDisplacement = if case .displacement = unit { true } else { false }
    perMetre = unit.perMetre
    guard !channel.stages.isEmpty else {
      throw ToolError(
        "\(channel.code): has no stages of a response: ask for the file with level=response")
    }
    for stage in channel.stages {
      do { parts.append(try part(stage, channel.sensitivityHertz)) } catch let error as ToolError {
        throw ToolError("\(channel.code): stage \(stage.number) \(error)")
      }
    }
    let numbers = channel.stages.map(\.number)
    if numbers != Array(1...numbers.count) {
      throw ToolError(
        "\(channel.code): has stages \(numbers.prefix(12).map(String.init).joined(separator: ", ")): "
          + "they must be numbered from 1 without a gap")
    }
    if let out = channel.stages.last(where: { $0.outputUnit != nil })?.outputUnit,
      !["COUNT", "COUNTS", "DIGITAL COUNTS"].contains(out.uppercased())
    {
      throw ToolError(
        "\(channel.code): ends in \(shown(out)) and not in COUNTS: the digitizer's stages are missing"
      )
    }
    checkUnits(channel)
    checkSensitivity(channel)
    tellFilters()
  }

  /// Counts per m/s or per m/s².
  public func value(hertz: Double) -> Complex {
    parts.reduce(unity(hertz)) { $0 * (ResponseCurve.shape($1, hertz) * $1.factor) }
  }

  /// The same without what digital filters do to the phase, but for their sign: whether counts rise
  /// with the ground is a question to the sensor.
  func analogValue(hertz: Double) -> Complex {
    parts.reduce(unity(hertz)) {
      guard case .digital(let numerators, let denominators) = $1.stage.kind else {
        return $0 * (ResponseCurve.shape($1, hertz) * $1.factor)
      }
      let sign = numerators.reduce(0, +) < 0 ? -1.0 : 1
      return $0 * ($1.factor * sign * (denominators.reduce(0, +) < 0 ? -1 : 1))
    }
  }

  private func unity(_ hertz: Double) -> Complex {
    isDisplacement ? Complex(perMetre) / Complex(0, ResponseCurve.twoPi * hertz) : Complex(perMetre)
  }

  // MARK: Stages

  private mutating func part(_ stage: ResponseStage, _ sensitivityHertz: Double?) throws -> Part {
    var part = Part(stage: stage, factor: stage.gain ?? 1)
    switch stage.kind {
    case .other(let name):
      throw ToolError(
        "is \(name): needed are poles and zeros (A or B), coefficients or a FIR filter")
    case .flat: break
    case .digital(let numerators, let denominators):
      part.isSymmetric =
        denominators.isEmpty && numerators.elementsEqual(numerators.reversed())
      guard denominators.isEmpty && numerators.count <= 1 || rate(stage) > 0 else {
        throw ToolError("is a digital filter without an input sample rate above 0")
      }
    case .polesZeros: break
    }
    if stage.gain == nil, stage.kind == .flat {
      remarks.append("stage \(stage.number) has neither gain nor response and is taken as 1")
      return part
    }
    if stage.gain == 0 { throw ToolError("has a gain of 0: nothing would be recorded") }
    // The shape becomes 1 where the gain holds.
    var reference = stage.gainHertz ?? 0
    var height = ResponseCurve.shape(part, reference).magnitude
    if case .polesZeros(let value) = stage.kind {
      if value.a0 ?? 1 < 0 { part.factor = -part.factor }
      let isAgreed =
        stage.gainHertz == value.normalisationHertz && stage.gainHertz == sensitivityHertz
      checkA0(value, stage, isBelieved: isAgreed)
      if isAgreed, let a0 = value.a0, a0 != 0 {
        part.factor *= abs(a0)
        return part
      }
      let isDefined = height > 0 && height.isFinite
      if !isDefined || stage.gain == nil, let other = value.normalisationHertz, other > 0 {
        reference = other
        height = ResponseCurve.shape(part, reference).magnitude
      }
    }
    guard height > 0, height.isFinite, (1 / height).isFinite else {
      throw ToolError(
        "lets nothing through at \(brief(reference)) Hz, where its gain is stated: it must be stated "
          + "where the response is not 0")
    }
    part.factor /= height
    return part
  }

  private mutating func checkA0(
    _ value: ResponseStage.PolesZeros, _ stage: ResponseStage, isBelieved: Bool
  ) {
    guard let a0 = value.a0, let hertz = value.normalisationHertz else { return }
    let scale = value.isHertz ? hertz : ResponseCurve.twoPi * hertz
    let wanted = 1 / ResponseCurve.ratio(value, Complex(0, scale)).magnitude
    guard wanted.isFinite, abs(abs(a0) - wanted) > ResponseCurve.a0Tolerance * wanted else {
      return
    }
    remarks.append(
      "stage \(stage.number) states an A0 of \(brief(a0)); its poles and zeros make \(brief(wanted)) "
        + "at \(brief(hertz)) Hz, and \(isBelieved && a0 != 0 ? "A0" : "the stage's gain alone") is believed"
    )
  }

  /// A stage without its gain, as the file's numbers have it.
  private static func shape(_ part: Part, _ hertz: Double) -> Complex {
    switch part.stage.kind {
    case .flat, .other: return Complex(1)
    case .polesZeros(let value):
      return ratio(value, Complex(0, value.isHertz ? hertz : twoPi * hertz))
    case .digital(let numerators, let denominators):
      if numerators.count <= 1, denominators.isEmpty { return Complex(numerators.first ?? 1) }
      let decimation = part.stage.decimation!
      let angle = twoPi * hertz / decimation.inputHertz
      let above = numerators.isEmpty ? Complex(1) : polynomial(numerators, angle)
      if part.isSymmetric {
        return above * turn(angle * Double(numerators.count - 1) / 2)
      }
      if !denominators.isEmpty { return above / polynomial(denominators, angle) }
      return above * turn(twoPi * hertz * decimation.correctionSeconds)
    }
  }

  /// Zeros' factors and poles' in turn, so that neither product leaves what a number can hold.
  private static func ratio(_ value: ResponseStage.PolesZeros, _ s: Complex) -> Complex {
    var result = Complex(1)
    for index in 0..<max(value.zeros.count, value.poles.count) {
      if index < value.zeros.count { result = result * (s - value.zeros[index]) }
      if index < value.poles.count { result = result / (s - value.poles[index]) }
    }
    return result
  }

  /// Σ cₖ e^(−ikα)
  private static func polynomial(_ coefficients: [Double], _ angle: Double) -> Complex {
    var sum = Complex(0)
    for (index, value) in coefficients.enumerated() {
      sum = sum + turn(-angle * Double(index)) * value
    }
    return sum
  }

  private static func turn(_ angle: Double) -> Complex {
    Complex(cos(angle), sin(angle))
  }

  private func rate(_ stage: ResponseStage) -> Double { stage.decimation?.inputHertz ?? 0 }

  // MARK: What the file says of the whole

  private mutating func checkUnits(_ channel: ChannelResponse) {
    guard let stated = channel.sensitivityUnit, let first = channel.stages.first?.inputUnit,
      MotionUnit(stated) != MotionUnit(first)
    else { return }
    remarks.append(
      "the sensitivity is per \(shown(stated)) and the first stage takes \(shown(first)), which is "
        + "believed")
  }

  private mutating func checkSensitivity(_ channel: ChannelResponse) {
    guard let stated = channel.sensitivity, let hertz = channel.sensitivityHertz,
      MotionUnit(channel.sensitivityUnit ?? channel.inputUnit) == MotionUnit(channel.inputUnit)
    else { return }
    var made = value(hertz: hertz).magnitude / perMetre
    if isDisplacement { made *= ResponseCurve.twoPi * hertz }
    guard made.isFinite,
      abs(made - abs(stated)) > ResponseCurve.sensitivityTolerance * max(made, abs(stated))
    else { return }
    remarks.append(
      "the file states a sensitivity of \(brief(stated)) at \(brief(hertz)) Hz; its stages make "
        + "\(brief(made)), which is believed")
  }

  private mutating func tellFilters() {
    var (delay, correction, count) = (0.0, 0.0, 0)
    for part in parts {
      guard let seconds = ResponseCurve.delay(part.stage) else { continue }
      count += 1
      delay += seconds
      correction += part.stage.decimation?.correctionSeconds ?? 0
    }
    guard count > 0 else { return }
    lateSeconds = delay - correction
    let filters = count == 1 ? "a digital filter delays" : "\(count) digital filters delay"
    let side = lateSeconds > 0 ? "late" : "early"
    remarks.append(
      "\(filters) by \(brief(delay)) s, of which the file takes \(brief(correction)) s off the times: "
        + (abs(lateSeconds) < ResponseCurve.lateTolerance
          ? "they are right"
          : "by that samples are \(brief(abs(lateSeconds))) s \(side), and so are picks")
    )
  }

  /// By how much a digital filter delays what is at 5 Hz, where P is, or at a tenth of its rate.
  private static func delay(_ stage: ResponseStage) -> Double? {
    guard case .digital(let numerators, let denominators) = stage.kind,
      numerators.count > 1 || !denominators.isEmpty, let decimation = stage.decimation
    else { return nil }
    if denominators.isEmpty, numerators.elementsEqual(numerators.reversed()) {
      return Double(numerators.count - 1) / 2 / decimation.inputHertz
    }
    let middle = min(twoPi * 5 / decimation.inputHertz, twoPi / 10)
    func value(_ angle: Double) -> Complex {
      let below = denominators.isEmpty ? Complex(1) : polynomial(denominators, angle)
      return (numerators.isEmpty ? Complex(1) : polynomial(numerators, angle)) / below
    }
    let ratio = value(middle * 1.001) / value(middle * 0.999)
    return -atan2(ratio.imaginary, ratio.real) / (0.002 * middle * decimation.inputHertz)
  }
}

/// Four digits, as one reads them: "0.008326", "4.194e+09".
func brief(_ value: Double) -> String { String(format: "%.4g", value) }
