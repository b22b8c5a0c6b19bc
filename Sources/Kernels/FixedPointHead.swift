// Softmax and sigmoid of a network's last layer in integers alone, the same on every processor.
//
// Logits are in units of 2⁻⁸ to base 2, which the importer makes of natural ones, so that e^x is a
// shift by the whole part of the distance to the largest logit and a look-up of its fraction.
// Probabilities are 0…32768 for 0…1. In terms of a group, d = largest logit − logit:
//   e = T[d mod 256] >> (d div 256), T[i] = round(2¹⁶ · 2^(−i/256))
//   softmax = (e · 2¹⁵ + S div 2) div S, S = Σ e over the group
//   sigmoid = the softmax of each class against a second logit of 0
// With eight classes at most S is below 2²⁰ and the dividend below 2³². Rounding, and what the shifts
// drop, leave an error of (classes + 1) / 2 units of 2⁻¹⁵ at most.

import Core

public struct FixedPointHead {
  public static let classesAtMost = 8

  public enum Kind: Sendable {
    case softmax
    case sigmoid
  }

  /// Rows of several groups of logits each. Pitches are in values; in the output the groups of a row
  /// follow one another without a gap.
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

  /// T. The elementary function errs by less than 2⁻³⁶ here, and no entry is so close to a half.
  private var powers = InlineArray<256, UInt32>(repeating: 0)

  public init() {
    for index in 0..<256 {
      let power = Elementary.exponential(-Double(index) / 256 * 0.6931471805599453)  // ln 2
      powers[index] = UInt32(Elementary.nearestInteger(65536 * power))
    }
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
  public func softmax(
    _ logits: UnsafePointer<Int16>, classes: Int, into output: UnsafeMutablePointer<UInt16>
  ) {
    var largest = Int32(logits[0])
    for index in 1..<max(1, classes) { largest = max(largest, Int32(logits[index])) }
    var sum: UInt32 = 0
    var powers = SIMD8<UInt32>(repeating: 0)
    for index in 0..<classes {
      powers[index] = power(largest - Int32(logits[index]))
      sum &+= powers[index]
    }
    for index in 0..<classes { output[index] = share(powers[index], of: sum) }
  }

  @inline(__always)
  public func sigmoid(
    _ logits: UnsafePointer<Int16>, classes: Int, into output: UnsafeMutablePointer<UInt16>
  ) {
    for index in 0..<classes {
      let logit = Int32(logits[index])
      let own = power(max(logit, 0) - logit)
      output[index] = share(own, of: own &+ power(max(logit, 0)))
    }
  }

  /// 2¹⁶ · 2^(−distance/256).
  @inline(__always)
  private func power(_ distance: Int32) -> UInt32 {
    powers[Int(distance & 255)] >> UInt32(distance >> 8)
  }

  @inline(__always)
  private func share(_ power: UInt32, of sum: UInt32) -> UInt16 {
    UInt16(truncatingIfNeeded: (power &<< 15 &+ sum / 2) / sum)
  }
}
