// What a push costs besides arithmetic: no allocation, and no page that was not there before.

import CAllocationGuard
import CLinux
import Core
import Kernels
import Network
import Testing
import Tools

/// Page faults of this thread that no disk was needed for.
private func minorFaults() -> Int {
  var usage = rusage()
  // RUSAGE_THREAD, which only the GNU headers name.
  guard getrusage(__rusage_who_t(1), &usage) == 0 else { return -1 }
  return usage.ru_minflt
}

@Suite(.serialized) struct StillnessTests {
  /// Runs `rows` in pushes of `chunk`, several times over: streams, windows and silence.
  private func run(
    _ network: inout Network, _ rows: UnsafeRawBufferPointer, rowBytes: Int, chunk: Int,
    output: Int
  ) -> Int {
    var seen = 0
    let count = rows.count / rowBytes
    for turn in 0..<3 {
      network.reset(windowRows: turn == 1 ? count : nil)
      var row = 0
      while row < count {
        let rowsNow = min(chunk, count - row)
        network.push(rows.baseAddress! + row * rowBytes, count: rowsNow)
        row += rowsNow
        seen += drain(&network, output)
      }
      if turn != 1 {
        network.pushBlank(count: chunk)
        seen += drain(&network, output)
      }
    }
    return seen
  }

  private func drain(_ network: inout Network, _ output: Int) -> Int {
    var seen = 0
    var more = true
    while more {
      more = network.advance()
      seen += network.output(output).rowCount
    }
    return seen
  }

  /// Several plans, among them all kinds of layers.
  private var files: [NetworkBytes] {
    (0..<6).map { RandomPlan(seed: 8000 + $0).draft.file() } + [NetworkBytes(DamagedFile.sound)]
  }

  private func withNetwork(
    _ file: NetworkBytes, chunk: Int,
    _ body: (inout Network, UnsafeRawBufferPointer, Int, Int) -> Void
  ) throws {
    let plan = try file.plan(maximumRows: chunk)
    guard var arena = Arena(byteCount: plan.arenaByteCount) else { throw ToolError("no memory") }
    var network = Network(plan, kernels: fastest, arena: &arena)
    let rows = randomRows(3000, of: plan.buffers[0], seed: 4)
    let output = (0..<plan.header.bufferCount).first { plan.isOutput($0) }!
    rows.withUnsafeBytes { body(&network, $0, plan.buffers[0].rowByteCount, output) }
    withExtendedLifetime(file) {}
  }

  @Test func guardIsActive() {
    #expect(allocation_guard_is_active() == 1, "without it the next test means nothing")
  }

  @Test func pushesAllocateNothing() throws {
    for file in files {
      for chunk in [1, 40] {
        try withNetwork(file, chunk: chunk) { network, rows, rowBytes, output in
          // Debug builds make generic metadata once.
          _ = run(&network, rows, rowBytes: rowBytes, chunk: chunk, output: output)
          allocation_guard_begin()
          let seen = run(&network, rows, rowBytes: rowBytes, chunk: chunk, output: output)
          let count = allocation_guard_end()
          #expect(count.allocations == 0 && count.releases == 0, "\(count)")
          #expect(seen > 0)
        }
      }
    }
  }

  /// The negative control: one allocation among as many rows is seen.
  @Test func theGuardSeesOneAllocation() throws {
    try withNetwork(files[6], chunk: 40) { network, rows, rowBytes, output in
      _ = run(&network, rows, rowBytes: rowBytes, chunk: 40, output: output)
      var values: [Int] = []
      allocation_guard_begin()
      values.append(run(&network, rows, rowBytes: rowBytes, chunk: 40, output: output))
      let count = allocation_guard_end()
      #expect(count.allocations >= 1)
      #expect(values.count == 1)
    }
  }

  /// Other threads and the kernel may take a page from under this one, at times; not every time.
  @Test func pushesCauseNoPageFaults() throws {
    for file in files {
      for chunk in [1, 40] {
        try withNetwork(file, chunk: chunk) { network, rows, rowBytes, output in
          var fewest = Int.max
          for _ in 0..<20 where fewest > 0 {
            let before = minorFaults()
            let seen = run(&network, rows, rowBytes: rowBytes, chunk: chunk, output: output)
            fewest = min(fewest, minorFaults() - before)
            #expect(seen > 0 && before >= 0)
          }
          #expect(fewest == 0)
        }
      }
    }
  }

  /// A new network has all of its pages: the first rows after the program's own first ones come
  /// without a fault too.
  @Test func aNewNetworkHasItsPages() throws {
    let file = files[6]
    // The code that runs, and what it keeps on the stack.
    try withNetwork(file, chunk: 2000) { network, rows, rowBytes, output in
      _ = run(&network, rows, rowBytes: rowBytes, chunk: 2000, output: output)
    }
    var fewest = Int.max
    for _ in 0..<20 where fewest > 0 {
      try withNetwork(file, chunk: 2000) { network, rows, rowBytes, output in
        let pages = rows.reduce(0) { $0 &+ Int($1) }
        let before = minorFaults()
        let seen = run(&network, rows, rowBytes: rowBytes, chunk: 2000, output: output)
        fewest = min(fewest, minorFaults() - before)
        #expect(seen > 0 && pages > 0)
      }
    }
    #expect(fewest == 0)
  }

  /// The negative control: fresh pages are counted.
  @Test func theCounterSeesFreshPages() throws {
    let before = minorFaults()
    let count = 64 << 12
    let memory = try #require(clinux_map_anonymous(count))
    for page in 0..<64 { memory.storeBytes(of: 1, toByteOffset: page << 12, as: UInt8.self) }
    let faults = minorFaults() - before
    munmap(memory, count)
    #expect(faults >= 1)
  }
}
