// PickerSelfTest: half a second of noise through the whole network, with the kernels that were chosen
// and with the reference. It costs a few milliseconds at start.

import CLinux
import Core
import Kernels
import Network

public enum PickerSelfTest {
  /// Enough for every layer to compute something; the late heads have rows of what came so far.
  private static let rows = 48

  /// False as well where there is no memory for it.
  public static func passes(_ model: PickerModel, _ kernels: KernelVariant) -> Bool {
    guard let found = checksum(model, kernels), let expected = checksum(model, .scalar) else {
      return false
    }
    return found == expected
  }

  /// Of all rows of every buffer that are there at the end.
  private static func checksum(_ model: PickerModel, _ kernels: KernelVariant) -> UInt32? {
    guard var arena = Arena(byteCount: model.arenaByteCount) else { return nil }
    var network = Network(model.plan, kernels: kernels, arena: &arena)
    // The end of a window lets the late stage see it through.
    network.reset(windowRows: rows)
    var random = RandomGenerator(seed: 0x5069_636b_6572)
    var checksum = Checksum()
    for _ in 0..<rows {
      var codes = FeatureExtractor.Codes(repeating: FeatureExtractor.blank)
      for channel in 0..<7 { codes[channel] = UInt8(random.below(128)) }
      withUnsafeBytes(of: &codes) { network.push($0.baseAddress!, count: 1) }
      var more = true
      while more {
        more = network.advance()
        for buffer in 0..<model.plan.header.bufferCount where model.plan.isOutput(buffer) {
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
