// Heads against the same functions in double precision, over all distances and over chance.

import Core
import Foundation
import Kernels
import Testing

@Suite struct FixedPointHeadTests {
  private let head: FixedPointHead

  init() {
    // Small, and needed until the tests end.
    head = FixedPointHead(table: .allocate(capacity: FixedPointHead.tableCount))
  }

  private func probabilities(_ kind: FixedPointHead.Kind, _ logits: [Int16]) -> [UInt16] {
    var output = [UInt16](repeating: 0, count: logits.count)
    let layout = FixedPointHead.Layout(
      rows: 1, groups: 1, classes: logits.count, sourceRowPitch: 0, sourceGroupPitch: 0,
      outputRowPitch: 0)
    logits.withUnsafeBufferPointer { from in
      output.withUnsafeMutableBufferPointer { to in
        head.run(kind, layout, from: from.baseAddress!, to: to.baseAddress!)
      }
    }
    return output
  }

  /// The powers show in the sigmoid: one for each distance of the logit from zero, both ways.
  @Test func everySigmoid() {
    for logit in Int16.min...Int16.max {
      let exact = 32768 / (1 + exp2(-Double(logit) / 256))
      #expect(abs(Double(probabilities(.sigmoid, [logit])[0]) - exact) <= 1)
    }
  }

  /// The table to the last unit: against a logit that is 2²⁴ times smaller, of whose power nothing
  /// is left, and with the definition's own rounding and truncation.
  @Test func theDefinitionToTheUnit() {
    let powers = (0..<256).map { UInt32((65536 * exp2(-Double($0) / 256)).rounded()) }
    for distance in 0..<65536 {
      let shift = distance >> 8
      let small = shift < 17 ? powers[distance & 255] >> UInt32(shift) : 0
      let sum = 65536 + small
      let logits = [Int16.max, Int16(32767 - distance)]
      let expected = [65536, small].map {
        UInt16((UInt64($0) * ((1 << 47) / UInt64(sum)) + (1 << 31)) >> 32)
      }
      #expect(probabilities(.softmax, logits) == expected)
    }
  }

  @Test(arguments: 1...8) func softmaxesByChance(classes: Int) {
    var random = RandomGenerator(seed: 1)
    for _ in 0..<2000 {
      let range = 1 << (1 + random.below(16))
      let logits = (0..<classes).map { _ in Int16(random.below(range) - range / 2) }
      let powers = logits.map { exp2(Double($0) / 256) }
      let sum = powers.reduce(0, +)
      let result = probabilities(.softmax, logits)
      for (value, power) in zip(result, powers) {
        #expect(abs(Double(value) - 32768 * power / sum) <= Double(classes + 1) / 2)
      }
      #expect(abs(result.reduce(0) { $0 + Int($1) } - 32768) <= classes)
    }
  }

  @Test func certaintyAndTies() {
    #expect(probabilities(.softmax, [32767, -32768]) == [32768, 0])
    #expect(probabilities(.softmax, [5, 5]) == [16384, 16384])
    #expect(probabilities(.softmax, [-32768]) == [32768])
    #expect(probabilities(.softmax, [Int16](repeating: -7, count: 8)).allSatisfy { $0 == 4096 })
    #expect(probabilities(.sigmoid, [0, 32767, -32768]) == [16384, 32768, 0])
  }

  @Test func groupsInsideRows() {
    let logits: [Int16] = [0, 256, 9, 512, 0, 9, 9, 256, 0, 9, 0, 512, 9, 9]
    var output = [UInt16](repeating: 7, count: 10)
    let layout = FixedPointHead.Layout(
      rows: 2, groups: 2, classes: 2, sourceRowPitch: 7, sourceGroupPitch: 3, outputRowPitch: 5)
    logits.withUnsafeBufferPointer { from in
      output.withUnsafeMutableBufferPointer { to in
        head.run(.softmax, layout, from: from.baseAddress!, to: to.baseAddress!)
      }
    }
    let first = probabilities(.softmax, [0, 256])
    let second = probabilities(.softmax, [512, 0])
    #expect(
      output
        == first + second + [7] + first.reversed() + second.reversed() + [7])
  }
}
