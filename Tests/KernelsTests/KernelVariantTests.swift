// Every variant that this processor supports gives the bytes of the scalar reference, and one that
// does not is not chosen. (make test-aarch64 runs the same calls on the others, emulated.)

import CKernels
import Core
import KernelCheck
import Kernels
import Testing

/// Those of the table that run here, but for the reference itself.
private var variants: [KernelVariant] {
  let table = KernelVariant.all
  return table.indices.map { table[$0] }.filter { $0.isSupported && "\($0.name)" != "scalar" }
}

private let kinds = [
  KernelKind.codesToCodes, .samplesToCodes, .codesToSamples, .samplesToSamples,
]

@Suite struct KernelVariantTests {
  @Test func seededCalls() {
    for variant in variants {
      var check = KernelCheck(variant, seed: 2)
      for _ in 0..<4000 {
        guard check.runNext(multiplicationsAtMost: 30_000) else {
          Issue.record("\(variant.name): call \(check.count) differs")
          break
        }
      }
    }
  }

  /// Every number of rows, for one block, two and three, an odd and an even number of lines, with
  /// neighbouring taps and with others.
  @Test(arguments: kinds) func everyRemainder(kind: KernelKind) {
    for variant in variants {
      var check = KernelCheck(variant, seed: 3)
      var shape = KernelShape()
      shape.kind = kind
      for steps in 1...40 {
        for channelsOut in [16, 32, 48] {
          for (channelsIn, taps, dilation) in [(4, 1, 1), (8, 3, 1), (12, 2, 5)] {
            shape.steps = steps
            shape.channelsOut = channelsOut
            shape.channelsIn = channelsIn
            shape.taps = taps
            shape.dilation = dilation
            let agrees = check.run(shape)
            #expect(agrees, "\(variant.name): \(shape)")
          }
        }
      }
    }
  }

  /// Every content of operands with every kind of scale, for each width and each number of taps.
  @Test(arguments: kinds) func everyContent(kind: KernelKind) {
    for variant in variants {
      var check = KernelCheck(variant, seed: 4)
      var shape = KernelShape()
      shape.kind = kind
      shape.steps = 5
      for operands in [KernelTrial.Operands.uniform, .corners, .saturated] {
        for scales in [KernelTrial.Scales.ordinary, .ties, .extreme] {
          for channels in [16, 64, 128] {
            shape.channelsIn = channels
            shape.channelsOut = channels == 128 ? 32 : channels
            shape.taps = 1
            let agrees = check.run(shape, operands, scales)
            #expect(agrees, "\(variant.name): \(shape)")
          }
          for taps in 1...15 {
            shape.channelsIn = 4
            shape.channelsOut = 16
            shape.taps = taps
            let agrees = check.run(shape, operands, scales)
            #expect(agrees, "\(variant.name): \(shape)")
          }
        }
      }
    }
  }

  @Test func theBestSupportedVariantIsSelected() {
    let selection = KernelVariant.select()
    #expect("\(selection.variant.name)" == "\((variants.first ?? .scalar).name)")
    #expect(!selection.hasRejectedBetter)
  }

  /// A table whose first row computes everything but the last output.
  @Test func aBrokenVariantIsRejectedAndTheNextTaken() {
    var broken = KernelVariant.scalar.functions
    broken.samples_to_codes = { call in
      var shortened = call!.pointee
      shortened.steps -= 1
      KernelVariant.scalar.functions.samples_to_codes!(&shortened)
    }
    let selection = KernelVariant.select(
      from: [
        KernelVariant(name: "broken", functions: broken),
        KernelVariant(name: "next", functions: KernelVariant.scalar.functions), .scalar,
      ])
    #expect("\(selection.variant.name)" == "next")
    #expect(selection.hasRejectedBetter)
  }

  @Test func anUnsupportedVariantIsPassedOver() {
    var absent = KernelVariant.scalar.functions
    absent.is_supported = 0
    let selection = KernelVariant.select(
      from: [KernelVariant(name: "absent", functions: absent), .scalar])
    #expect("\(selection.variant.name)" == "scalar")
    #expect(!selection.hasRejectedBetter)
  }

  @Test func theReferenceAlone() {
    #expect("\(KernelVariant.select(from: [.scalar]).variant.name)" == "scalar")
  }
}
