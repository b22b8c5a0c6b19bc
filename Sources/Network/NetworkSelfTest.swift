// NetworkSelfTest: a window of noise through a whole network, with the kernels that were chosen and
// with the reference. It costs a few milliseconds at start.
//
//     guard NetworkSelfTest.passes(model.plan, kernels) else { … }

import CLinux
import Core
import Kernels

public enum NetworkSelfTest {
  /// Enough for every layer to compute something; late heads have rows of what came so far.
  private static let rows = 48

  /// Whether a network that takes codes computes what the scalar reference does. False as well
  /// where there is no memory for it.
  public static func passes(_ plan: NetworkPlan, _ kernels: KernelVariant) -> Bool {
    guard let found = checksum(plan, kernels), let expected = checksum(plan, .scalar) else {
      return false
    }
    return found == expected
  }

  /// The checksum of all rows of every output that are there at the end.
  private static func checksum(_ plan: NetworkPlan, _ kernels: KernelVariant) -> UInt32? {
    let width = plan.buffers[0].width
    guard var arena = Arena(byteCount: plan.arenaByteCount + width + 64) else { return nil }
    let codes = arena.take(UInt8.self, count: width)
    var network = Network(plan, kernels: kernels, arena: &arena)
    // The end of a window lets a late stage see it through.
    network.reset(windowRows: rows)
    var random = RandomGenerator(seed: 0x5069_636b_6572)
    var checksum = Checksum()
    for _ in 0..<rows {
      for channel in 0..<width { codes[channel] = UInt8(random.below(128)) }
      network.push(codes.baseAddress!, count: 1)
      var more = true
      while more {
        more = network.advance()
        for buffer in 0..<plan.header.bufferCount where plan.isOutput(buffer) {
          let output = network.output(buffer)
          checksum.add(
            UnsafeRawBufferPointer(
              start: output.values, count: output.rowCount * output.width * 2))
        }
      }
    }
    return checksum.value
  }
}
