// The table of variants: one row for each instruction set, the best first. Selection, self-test,
// tests and benchmarks all walk it, in one binary for all processors.

import CKernels

public typealias KernelFunction = @convention(c) (UnsafePointer<ckernels_convolution>?) -> Void

public struct KernelVariant {
  public let name: StaticString
  /// By the processor that this runs on.
  public let isSupported: Bool
  public let codesToCodes: KernelFunction
  public let samplesToCodes: KernelFunction
  public let codesToLogits: KernelFunction

  public init(
    name: StaticString, isSupported: Bool, codesToCodes: @escaping KernelFunction,
    samplesToCodes: @escaping KernelFunction, codesToLogits: @escaping KernelFunction
  ) {
    self.name = name
    self.isSupported = isSupported
    self.codesToCodes = codesToCodes
    self.samplesToCodes = samplesToCodes
    self.codesToLogits = codesToLogits
  }

  private init(_ name: StaticString, _ variant: ckernels_variant) {
    self.init(
      name: name, isSupported: variant.is_supported != 0,
      codesToCodes: variant.codes_to_codes ?? KernelVariant.absent,
      samplesToCodes: variant.samples_to_codes ?? KernelVariant.absent,
      codesToLogits: variant.codes_to_logits ?? KernelVariant.absent)
  }

  private static let absent: KernelFunction = { _ in
    preconditionFailure("a kernel of another processor")
  }

  public static var scalar: KernelVariant {
    KernelVariant(
      name: "scalar", isSupported: true, codesToCodes: ScalarConvolution.codesToCodes,
      samplesToCodes: ScalarConvolution.samplesToCodes,
      codesToLogits: ScalarConvolution.codesToLogits)
  }

  /// Best first; the last one is supported everywhere.
  public static var all: InlineArray<5, KernelVariant> {
    [
      KernelVariant("avx512vnni", ckernels_avx512vnni()), KernelVariant("avx2", ckernels_avx2()),
      KernelVariant("neon-dot", ckernels_neon_dot()), KernelVariant("neon", ckernels_neon()),
      .scalar,
    ]
  }

  public func function(_ kind: KernelKind) -> KernelFunction {
    switch kind {
    case .codesToCodes: codesToCodes
    case .samplesToCodes: samplesToCodes
    case .codesToLogits: codesToLogits
    }
  }
}

public enum KernelKind: CaseIterable, Sendable {
  case codesToCodes
  case samplesToCodes
  case codesToLogits
}

/// What the station computes with.
public struct KernelSelection {
  public let variant: KernelVariant
  /// A better variant is supported, but its self-test failed: a fault of the processor, its
  /// emulator or the compiler, to be told.
  public let hasRejectedBetter: Bool

  /// The best supported variant that passes its self-test.
  public static func best() -> KernelSelection { best(of: KernelVariant.all) }

  /// The same over a table that ends with the scalar variant, which is not tested against itself.
  public static func best<let count: Int>(
    of table: InlineArray<count, KernelVariant>
  ) -> KernelSelection {
    var hasRejectedBetter = false
    for index in 0..<count - 1 where table[index].isSupported {
      if KernelSelfTest.passes(table[index]) {
        return KernelSelection(variant: table[index], hasRejectedBetter: hasRejectedBetter)
      }
      hasRejectedBetter = true
    }
    return KernelSelection(variant: table[count - 1], hasRejectedBetter: hasRejectedBetter)
  }
}
