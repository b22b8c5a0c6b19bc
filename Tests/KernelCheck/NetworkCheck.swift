// A network over an input file, in one window and as a stream in uneven pushes: the CRC-32C of all
// outputs, by every variant that this processor supports.

import CLinux
import Core
import Kernels
import Network

struct NetworkCheck: ~Copyable {
  private let file: NetworkMapping
  private let input: UnsafeMutableBufferPointer<UInt8>
  private let plan: NetworkPlan
  private let inputArena: Arena

  init?(networkPath: Text<256>, inputPath: Text<256>) {
    guard let file = try? NetworkMapping(file: networkPath),
      let plan = try? NetworkPlan(file.bytes, maximumRows: 4000),
      var arena = Arena(byteCount: 1 << 20)
    else { return nil }
    let room = arena.take(UInt8.self, count: 1 << 19)
    guard let count = File.read(inputPath, into: room), count > 0 else { return nil }
    input = UnsafeMutableBufferPointer(rebasing: room[0..<count])
    self.file = file
    self.plan = plan
    inputArena = arena
  }

  /// nil without memory for the network.
  func checksum(_ variant: KernelVariant) -> UInt32? {
    guard var arena = Arena(byteCount: plan.arenaByteCount) else { return nil }
    var network = Network(plan, kernels: variant, arena: &arena)
    var checksum = Checksum()
    let rows = input.count / plan.buffers[0].rowByteCount
    network.reset(windowRows: rows)
    push(&network, rows, of: rows, &checksum)
    network.reset()
    push(&network, 7, of: rows, &checksum)
    return checksum.value
  }

  private func push(
    _ network: inout Network, _ chunk: Int, of rows: Int, _ checksum: inout Checksum
  ) {
    let rowBytes = plan.buffers[0].rowByteCount
    for row in stride(from: 0, to: rows, by: chunk) {
      network.push(
        UnsafeRawPointer(input.baseAddress! + row * rowBytes), count: min(chunk, rows - row))
      var more = true
      while more {
        more = network.advance()
        for buffer in 0..<plan.header.bufferCount where plan.isOutput(buffer) {
          let output = network.output(buffer)
          let bytes = output.rowCount * plan.buffers[buffer].rowByteCount
          checksum.add(UnsafeRawBufferPointer(start: output.values, count: bytes))
        }
      }
    }
  }
}
