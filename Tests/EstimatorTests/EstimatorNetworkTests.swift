// What the estimator's network sees, which files are one, and how what it says is taken in.

import Conditioning
import Core
import Foundation
import Kernels
import Network
import Testing
import Tools

@testable import Estimator

/// A second of a motion that is 10⁻³ m/s² at 2 Hz, on the vertical and half of it on the
/// horizontals.
private func window(seconds: Double = 1) -> WaveParameters {
  var window = WaveParameters()
  for index in 0...Int(seconds * 100) {
    let phase = 4 * Double.pi * Double(index) / 100
    let share = Lanes(1, 0.5, -0.5, 0)
    var motion = Motion()
    motion.acceleration = 1e-3 * Elementary.sine(phase) * share
    motion.velocity = -1e-3 / (4 * Double.pi) * Elementary.sine(phase + .pi / 2) * share
    motion.displacement = -1e-3 / (16 * Double.pi * Double.pi) * Elementary.sine(phase) * share
    window.step(motion, tauP: 0.5)
  }
  return window
}

private func codes(_ window: WaveParameters, shear: Double? = nil) -> [UInt8] {
  let codes = EstimatorFeatures.codes(window, noise: 1e-8, level: 1e-3, shearSeconds: shear)
  return codes.indices.map { codes[$0] }
}

@Suite struct EstimatorNetworkTests {
  /// By hand: 1 + round(16 · (log₁₀ x − lowest)), with 32, 42, 63 or 64 steps a decade where there
  /// are fewer.
  @Test func codesAreLogarithms() {
    let found = codes(window())
    #expect(found[0] == 39)  // 1 s: 64 · 0.6
    #expect(found[1] == 49 && found[4] == 49 && found[17] == 49)  // 10⁻³ m/s²
    #expect(found[2] == 63 && found[5] == 63)  // 7.96e-5 m/s
    #expect(found[3] == 62 && found[6] == 57)  // 6.33e-6 m, half of it
    #expect((found[9], found[10]) == (49, 49))  // 0.5 s
    #expect(found[12] == 75)  // V/H = 2
    #expect(found[14] == 62)  // 633 times the noise
    #expect(found[16] == 127 && found[19] == 1)
    #expect(found[18] == 0, "no S yet")
    #expect(codes(window(), shear: 1)[18] == 39)
    #expect(
      codes(WaveParameters()).dropFirst().dropLast().filter { $0 != 0 } == [49], "nothing is known")
  }

  @Test func otherNetworksAreNoEstimators() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../Golden/networks")
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      .filter { $0.hasSuffix(".onet") }
    #expect(files.count >= 9)
    for file in files {
      let bytes = try NetworkBytes(path: folder.appendingPathComponent(file).path)
      do throws(NetworkError) {
        _ = try EstimatorModel(bytes.raw)
        Issue.record("\(file) is taken for an estimator")
      } catch {
        #expect(error.description.string.hasPrefix("not an estimator: "), "\(file)")
      }
    }
    #expect(throws: NetworkError.self) {
      try EstimatorModel(PickerNetwork.standard.model.plan.bytes)
    }
  }

  @Test func theShippedOneComputesTheSameEverywhere() {
    let plan = StationNetwork<EstimatorModel>.standard.model.plan
    #expect(NetworkSelfTest.passes(plan, KernelVariant.select().variant))
    var functions = KernelVariant.scalar.functions
    functions.codes_to_samples = { call in
      KernelVariant.scalar.functions.codes_to_samples(call)
      call!.pointee.output.storeBytes(of: 1, as: UInt8.self)
    }
    #expect(!NetworkSelfTest.passes(plan, KernelVariant(name: "wrong", functions: functions)))
  }

  @Test func quantilesAreInOrderAndProbabilitiesAreSome() throws {
    let model = StationNetwork<EstimatorModel>.standard.model
    guard var arena = Arena(byteCount: model.arenaByteCount) else { throw ToolError("no memory") }
    var network = EstimatorNetwork(model, kernels: .scalar, arena: &arena)
    let input = EstimatorFeatures.codes(
      window(seconds: 3), noise: 1e-8, level: 1e-3, shearSeconds: nil)
    let first = network.answer(input)
    var other = input
    other[1] = 100
    let second = network.answer(other)
    let again = network.answer(input)
    #expect(first.magnitude == again.magnitude && first.magnitude != second.magnitude)
    #expect(
      first.logAccelerationGrowth == again.logAccelerationGrowth,
      "a row is a row, whatever was before")
    #expect((0...10).contains(first.magnitude.value) && first.magnitude.sigma >= 0.05)
    #expect((0...1).contains(first.earthquakeProbability))
    #expect(first.likeliestProbability >= first.earthquakeProbability)
    withExtendedLifetime(arena) {}
  }

  @Test func anOffsetIsAFaultWhateverTheNetworkSays() throws {
    let estimates = try Listener(model: StationNetwork<EstimatorModel>.standard.model, step: 0.3)
      .estimates
    let last = try #require(estimates.last)
    #expect(last.eventClass == .instrumentFault && last.earthquakeProbability == 0)
  }

  @Test func anEarthquakeIsOneAndWithoutANetworkNobodyKnows() throws {
    let model = StationNetwork<EstimatorModel>.standard.model
    let estimates = try Listener(model: model).estimates
    let third = try #require(estimates.first { $0.seconds == 3 })
    #expect(third.eventClass == .earthquake && third.classProbability! > 0.5)
    #expect(third.classProbability == third.earthquakeProbability)
    let alone = try #require(try Listener().estimates.first { $0.seconds == 3 })
    #expect(alone.eventClass == nil && alone.classProbability == nil)
    #expect(alone.magnitude != third.magnitude && alone.magnitude.sigma > third.magnitude.sigma)
  }
}
