// KernelSelfTest: a few seeded calls of every function of a variant against the scalar reference.
// At start it costs a third of a millisecond, and what it proves is that this processor, or
// whatever emulates it, computes what the station was tested with.
//
//     guard KernelSelfTest.passes(variant) else { … }

import CLinux
import Core

public enum KernelSelfTest {
  /// Enough for the largest of the shapes below; on the stack.
  private typealias Scratch = InlineArray<1800, UInt64>

  public static func passes(_ variant: KernelVariant) -> Bool {
    var random = RandomGenerator(seed: 0x4b65_726e_656c_73)
    var scratch = Scratch(repeating: 0)
    return withUnsafeMutableBytes(of: &scratch) { bytes in
      for index in 0..<4 * 3 * 3 {
        var shape = KernelShape()
        shape.kind = KernelKind.all[index / 9]
        shape.taps = 1 + random.below(3)
        shape.dilation = 1 + random.below(2)
        shape.channelsIn = 4 * (1 + random.below(5))
        shape.channelsOut = 16 * (1 + random.below(3))
        shape.steps = 1 + random.below(9)
        let operands = KernelTrial.Operands.all[index / 3 % 3]
        let scales = KernelTrial.Scales.all[index % 3]
        guard agrees(variant, shape, operands, scales, bytes, &random) else { return false }
      }
      return true
    }
  }

  private static func agrees(
    _ variant: KernelVariant, _ shape: KernelShape, _ operands: KernelTrial.Operands,
    _ scales: KernelTrial.Scales, _ scratch: UnsafeMutableRawBufferPointer,
    _ random: inout RandomGenerator
  ) -> Bool {
    // Swift aligns to 16 bytes at most; the kernels want 64.
    var used = -Int(bitPattern: scratch.baseAddress!) & 63
    func take(_ bytes: Int) -> UnsafeMutableRawPointer {
      defer { used += (bytes + 63) & ~63 }
      precondition(used + bytes <= scratch.count, "the scratch is too small for the shape")
      return scratch.baseAddress! + used
    }
    let memory = KernelMemory(
      input: take(shape.inputBytes), weights: take(shape.weightBytes),
      bias: take(shape.channelBytes), scale: take(shape.channelBytes),
      residual: take(shape.outputBytes), output: take(shape.outputBytes))
    let expected = take(shape.outputBytes)
    let trial = KernelTrial(shape, operands, scales, in: memory, random: &random)
    memory.output.initializeMemory(as: UInt8.self, repeating: 0xAA, count: shape.outputBytes)
    expected.initializeMemory(as: UInt8.self, repeating: 0x55, count: shape.outputBytes)
    trial.run(variant)
    trial.run(.scalar, output: expected)
    return memcmp(memory.output, expected, shape.outputBytes) == 0
  }
}
