// Seeded calls of every variant that this processor supports, against the scalar reference.
// Operands end or begin at inaccessible pages, so that a kernel which reads or writes beyond them
// dies; around the output, gaps between rows included, every byte must stay what it was. As
// Embedded Swift too, because the same calls run on an emulated AArch64, where the outputs must
// have the same hash.

import CKernels
import CLinux
import Core
import Kernels

/// Memory between two inaccessible pages.
struct GuardedMemory: ~Copyable {
  /// A multiple of every page size there is.
  private static let page = 1 << 16
  private let mapped: UnsafeMutableRawPointer
  private let byteCount: Int

  init(byteCount: Int) {
    let whole = (byteCount + Self.page - 1) / Self.page * Self.page
    guard let mapped = clinux_map_anonymous(whole + 2 * Self.page) else {
      preconditionFailure("no memory")
    }
    mprotect(mapped, Self.page, PROT_NONE)
    mprotect(mapped + Self.page + whole, Self.page, PROT_NONE)
    self.mapped = mapped
    self.byteCount = whole
  }

  deinit { munmap(mapped, byteCount + 2 * Self.page) }

  /// The first bytes, or the last ones.
  func take(_ count: Int, atEnd: Bool) -> UnsafeMutableRawPointer {
    precondition(count <= byteCount, "a case larger than its memory")
    return mapped + Self.page + (atEnd ? byteCount - count : 0)
  }
}

package struct KernelCheck: ~Copyable {
  /// The checksum of all outputs so far: FNV-1a (Fowler, Noll and Vo), over bytes.
  package private(set) var hash: UInt64 = 0xCBF2_9CE4_8422_2325
  package private(set) var count = 0

  private let variant: KernelVariant
  private var random: RandomGenerator
  private let input = GuardedMemory(byteCount: 1 << 20)
  private let weights = GuardedMemory(byteCount: 1 << 19)
  private let bias = GuardedMemory(byteCount: 4 * 128)
  private let scale = GuardedMemory(byteCount: 4 * 128)
  private let residual = GuardedMemory(byteCount: 1 << 17)
  private let output = GuardedMemory(byteCount: 1 << 17)
  private let expected = GuardedMemory(byteCount: 1 << 17)

  package init(_ variant: KernelVariant, seed: UInt64) {
    self.variant = variant
    random = RandomGenerator(seed: seed)
  }

  /// A shape of at most so many multiplications, because the reference takes its time.
  private mutating func chosenShape(_ multiplicationsAtMost: Int) -> KernelShape {
    let channels: InlineArray<8, Int> = [4, 8, 16, 20, 32, 48, 64, 128]
    while true {
      var shape = KernelShape()
      shape.kind = KernelKind.all[random.below(4)]
      shape.taps = random.below(3) == 0 ? 1 + random.below(15) : 1 + random.below(3)
      shape.stride = 1 + random.below(4)
      shape.dilation = random.below(2) == 0 ? 1 : random.below(8) == 0 ? 256 : 1 + random.below(16)
      shape.channelsIn = channels[random.below(8)]
      shape.channelsOut = 16 * (1 + random.below(random.below(4) == 0 ? 8 : 3))
      shape.steps = 1 + random.below(random.below(2) == 0 ? 4 : 40)
      shape.inputGap = max(0, random.below(6) - 3)
      shape.outputGap = max(0, random.below(6) - 3)
      if shape.multiplications <= multiplicationsAtMost && shape.inputBytes <= 1 << 20 {
        return shape
      }
    }
  }

  /// One call with a shape by chance. False when an output differs, or when a byte changed that is
  /// no output.
  package mutating func runNext(multiplicationsAtMost: Int = 40_000) -> Bool {
    run(chosenShape(multiplicationsAtMost))
  }

  package mutating func run(_ shape: KernelShape) -> Bool {
    run(
      shape, KernelTrial.Operands.all[random.below(3)],
      KernelTrial.Scales.all[random.below(3)])
  }

  package mutating func run(
    _ shape: KernelShape, _ operands: KernelTrial.Operands, _ scales: KernelTrial.Scales
  ) -> Bool {
    let guardBytes = 64
    let bytes = shape.outputBytes
    // At the end of a page the guard bytes lie before the output, else behind it; then what is not
    // at a page's end starts anywhere.
    let atEnd = random.below(2) == 0
    let misalignment = random.below(64)
    let wholeBytes = bytes + guardBytes + (atEnd ? 0 : misalignment)
    let before = atEnd ? guardBytes : misalignment
    let outputs = output.take(wholeBytes, atEnd: atEnd)
    let references = expected.take(wholeBytes, atEnd: atEnd)
    memset(outputs, 0xA5, wholeBytes)
    memset(references, 0xA5, wholeBytes)
    let trial = KernelTrial(
      shape, operands, scales,
      in: KernelMemory(
        input: input.take(shape.inputBytes, atEnd: random.below(4) > 0),
        weights: weights.take(shape.weightBytes, atEnd: random.below(4) > 0),
        bias: bias.take(shape.channelBytes, atEnd: atEnd),
        scale: scale.take(shape.channelBytes, atEnd: atEnd),
        residual: residual.take(bytes, atEnd: random.below(4) > 0), output: outputs + before),
      random: &random)
    trial.run(variant)
    trial.run(.scalar, output: references + before)
    for index in 0..<bytes {
      hash = (hash ^ UInt64((outputs + before).load(fromByteOffset: index, as: UInt8.self)))
      hash = hash &* 0x100_0000_01B3
    }
    count += 1
    return memcmp(outputs, references, wholeBytes) == 0
  }
}
