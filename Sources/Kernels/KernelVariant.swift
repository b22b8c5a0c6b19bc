// KernelVariant: the table of the kernels, one row for each instruction set, the best first.
//
// One program is to be fast on every processor of an architecture. Variants that are chosen by
// `#if` need a program for each, and cannot be compared in one. To trust what a processor says of
// itself is not enough either: one that claims an instruction set, or what emulates it, may compute
// something else with it.
//
// So all variants of an architecture are in one binary. At start the best one is chosen that the
// processor supports and that passes its self-test against the scalar reference, and a better one
// that has failed is told (hasRejectedBetter). Selection, self-test, tests and benchmarks all walk
// this table.
//
//     let selection = KernelVariant.select()
//     var network = Network(plan, kernels: selection.variant, arena: &arena)

import CKernels

public struct KernelVariant {
  public let name: StaticString
  public let functions: ckernels_variant

  public init(name: StaticString, functions: ckernels_variant) {
    self.name = name
    self.functions = functions
  }

  /// By the processor that this runs on.
  public var isSupported: Bool { functions.is_supported != 0 }

  public static var scalar: KernelVariant {
    KernelVariant(name: "scalar", functions: ScalarConvolution.variant)
  }

  /// Best first; the last one is supported everywhere.
  public static var all: InlineArray<5, KernelVariant> {
    [
      KernelVariant(name: "avx512vnni", functions: ckernels_avx512vnni()),
      KernelVariant(name: "avx2", functions: ckernels_avx2()),
      KernelVariant(name: "neon-dot", functions: ckernels_neon_dot()),
      KernelVariant(name: "neon", functions: ckernels_neon()),
      .scalar,
    ]
  }

  /// Nil where the program was built for another processor.
  public func function(_ kind: KernelKind) -> ckernels_function? {
    switch kind {
    case .codesToCodes: functions.codes_to_codes
    case .samplesToCodes: functions.samples_to_codes
    case .codesToSamples: functions.codes_to_samples
    case .samplesToSamples: functions.samples_to_samples
    }
  }

  /// The best supported variant that passes its self-test.
  public static func select() -> KernelSelection { select(from: all) }

  /// The same from a table that ends with the scalar variant, the one that is tested against
  /// nothing.
  public static func select<let count: Int>(
    from table: InlineArray<count, KernelVariant>
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

/// What the station computes with.
public struct KernelSelection {
  public let variant: KernelVariant
  /// A better variant is supported and failed its self-test: a fault of the processor, of what
  /// emulates it, or of a compiler. Worth telling.
  public let hasRejectedBetter: Bool

  public init(variant: KernelVariant, hasRejectedBetter: Bool) {
    self.variant = variant
    self.hasRejectedBetter = hasRejectedBetter
  }
}

/// The four functions of a variant, by the elements of their rows.
public enum KernelKind: Sendable {
  case codesToCodes
  case samplesToCodes
  case codesToSamples
  case samplesToSamples

  public static var all: InlineArray<4, KernelKind> {
    [.codesToCodes, .samplesToCodes, .codesToSamples, .samplesToSamples]
  }

  public var readsSamples: Bool { self == .samplesToCodes || self == .samplesToSamples }
  public var writesSamples: Bool { self == .codesToSamples || self == .samplesToSamples }
}
