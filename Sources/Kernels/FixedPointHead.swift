// FixedPointHead: softmax and sigmoid of a network's last layer in integers alone, the same on
// every processor.
//
// Logits are in units of 2⁻⁸ to base 2, which the importer makes of natural ones, so that e^x is a
// shift by the whole part of the distance to the largest logit and a look-up of its fraction.
// Probabilities are 0…32768 for 0…1. In terms of a group, d = largest logit − logit:
//   e = T[d mod 256] >> (d div 256), T[i] = round(2¹⁶ · 2^(−i/256))
//   softmax = (e · R + 2³¹) div 2³², R = 2⁴⁷ div S, S = Σ e over the group: one division a group
//   sigmoid = the softmax of each class against a second logit of 0
// S is 2¹⁶ at least, so that R has 31 bits and the product 47. Rounding, and what the shifts drop,
// leave an error of (classes + 1) / 2 units of 2⁻¹⁵ at most.
//
//     let head = FixedPointHead(table: table)
//     head.run(.softmax, layout, from: logits, to: probabilities)

import Core

public struct FixedPointHead {
  public static let classesAtMost = 8

  public enum Kind: Sendable {
    case softmax
    case sigmoid
  }

  /// Rows of several groups of logits each. Pitches are in values; in the output the groups of a
  /// row follow one another without a gap.
  public struct Layout: Sendable {
    public var rows: Int
    public var groups: Int
    public var classes: Int
    public var sourceRowPitch: Int
    public var sourceGroupPitch: Int
    public var outputRowPitch: Int

    public init(
      rows: Int, groups: Int, classes: Int, sourceRowPitch: Int, sourceGroupPitch: Int,
      outputRowPitch: Int
    ) {
      precondition(1...classesAtMost ~= classes, "a head has one to eight classes")
      self.rows = rows
      self.groups = groups
      self.classes = classes
      self.sourceRowPitch = sourceRowPitch
      self.sourceGroupPitch = sourceGroupPitch
      self.outputRowPitch = outputRowPitch
    }
  }

  public static let tableCount = 256

  /// T.
  private let powers: UnsafePointer<UInt32>

  /// Fills `table`, room for `tableCount` entries that outlives the head. The elementary function
  /// errs by less than 2⁻³⁶ here, and no entry is so close to a half.
  public init(table: UnsafeMutablePointer<UInt32>) {
    for index in 0..<FixedPointHead.tableCount {
      let power = Elementary.exponential(-Double(index) / 256 * 0.6931471805599453)  // ln 2
      table[index] = UInt32(Elementary.nearestInteger(65536 * power))
    }
    powers = UnsafePointer(table)
  }

  public func run(
    _ kind: Kind, _ layout: Layout, from source: UnsafePointer<Int16>,
    to output: UnsafeMutablePointer<UInt16>
  ) {
    for row in 0..<layout.rows {
      for group in 0..<layout.groups {
        let from = source + row * layout.sourceRowPitch + group * layout.sourceGroupPitch
        let to = output + row * layout.outputRowPitch + group * layout.classes
        switch kind {
        case .softmax: softmax(from, classes: layout.classes, into: to)
        case .sigmoid: sigmoid(from, classes: layout.classes, into: to)
        }
      }
    }
  }

  @inline(__always)
  private func softmax(
    _ logits: UnsafePointer<Int16>, classes: Int, into output: UnsafeMutablePointer<UInt16>
  ) {
    if classes == 3 { return softmaxOf3(logits, into: output) }
    var largest = Int32(logits[0])
    for index in 1..<max(1, classes) { largest = max(largest, Int32(logits[index])) }
    var sum: UInt32 = 0
    for index in 0..<classes { sum &+= power(largest - Int32(logits[index])) }
    let reciprocal = reciprocal(sum)
    for index in 0..<classes {
      output[index] = share(power(largest - Int32(logits[index])), reciprocal)
    }
  }

  /// Noise, P and S: the case that runs all the time, kept in registers.
  @inline(__always)
  private func softmaxOf3(
    _ logits: UnsafePointer<Int16>, into output: UnsafeMutablePointer<UInt16>
  ) {
    let (first, second, third) = (Int32(logits[0]), Int32(logits[1]), Int32(logits[2]))
    let largest = max(first, max(second, third))
    let powers = (power(largest - first), power(largest - second), power(largest - third))
    let reciprocal = reciprocal(powers.0 &+ powers.1 &+ powers.2)
    output[0] = share(powers.0, reciprocal)
    output[1] = share(powers.1, reciprocal)
    output[2] = share(powers.2, reciprocal)
  }

  @inline(__always)
  private func sigmoid(
    _ logits: UnsafePointer<Int16>, classes: Int, into output: UnsafeMutablePointer<UInt16>
  ) {
    for index in 0..<classes {
      let logit = Int32(logits[index])
      let own = power(max(logit, 0) - logit)
      output[index] = share(own, reciprocal(own &+ power(max(logit, 0))))
    }
  }

  /// 2¹⁶ · 2^(−distance/256).
  @inline(__always)
  private func power(_ distance: Int32) -> UInt32 {
    // Shifts of 17 and more leave nothing.
    powers[Int(distance & 255)] &>> UInt32(min(distance >> 8, 31))
  }

  @inline(__always)
  private func reciprocal(_ sum: UInt32) -> UInt64 { (1 << 47) / UInt64(sum) }

  @inline(__always)
  private func share(_ power: UInt32, _ reciprocal: UInt64) -> UInt16 {
    UInt16(truncatingIfNeeded: (UInt64(power) &* reciprocal &+ (1 << 31)) >> 32)
  }
}
