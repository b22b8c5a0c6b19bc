// When rows come: what the plan says of every layer, and what `model info` tells of every output.

import Core
import Foundation
import Testing
import Tools

@testable import Network

@Suite struct TimingTests {
  /// A row at a time: after n of them each layer has written between (n − latest) / p and
  /// (n − earliest) / p rows.
  @Test(arguments: [UInt64](9000..<9080)) func boundsHold(seed: UInt64) throws {
    let engine = try Engine(RandomPlan(seed: seed).draft.file(), maximumRows: 1)
    let plan = engine.plan
    let input = randomRows(700, of: plan.buffers[0], seed: seed)
    for n in 1...700 {
      _ = engine.push(Array(input[((n - 1) * engine.rowBytes)..<(n * engine.rowBytes)])) { 1 }
      for layer in 0..<plan.header.layerCount {
        let timing = plan.layerTimings[layer]
        let span =
          engine.rowsDone(byLayer: layer)
          * plan.buffers[plan.layers[layer].destination].period
        #expect(span >= n - timing.latest, "seed \(seed), layer \(layer) after \(n) rows")
        #expect(
          span == 0 || span <= n - timing.earliest,
          "seed \(seed), layer \(layer) after \(n) rows")
      }
    }
  }

  /// Input rows beyond r · period that had come when row r of each output did, at most.
  private func delays(_ engine: Engine, rows: Int) -> [Int] {
    let input = randomRows(rows, of: engine.plan.buffers[0], seed: 1)
    var done = engine.outputs.map { _ in 0 }
    var delays = engine.outputs.map { _ in 0 }
    for n in 1...rows {
      let new = engine.push(Array(input[((n - 1) * engine.rowBytes)..<(n * engine.rowBytes)])) { 1 }
      for (index, buffer) in engine.outputs.enumerated() {
        let record = engine.plan.buffers[buffer]
        for _ in 0..<(new[index].count / (2 * record.width)) {
          delays[index] = max(delays[index], n - 1 - done[index] * record.period)
          done[index] += 1
        }
      }
    }
    return delays
  }

  /// No row comes later than the look-ahead says, which is no more than a bound has to be.
  @Test(arguments: [UInt64](9000..<9080)) func noRowComesLater(seed: UInt64) throws {
    let engine = try Engine(RandomPlan(seed: seed).draft.file(), maximumRows: 1)
    let longest = (0..<engine.plan.header.bufferCount).map { engine.plan.buffers[$0].period }.max()!
    let lookaheads = engine.outputs.map { engine.plan.lookahead(ofBuffer: $0) }
    let delays = self.delays(engine, rows: 400 + 3 * lookaheads.max()!)
    for (delay, lookahead) in zip(delays, lookaheads) {
      #expect(delay <= lookahead, "seed \(seed)")
      // Where strides follow on several rows a step, the worst of each does not come together.
      #expect(delay > lookahead - 4 * longest, "seed \(seed)")
    }
  }

  /// The shapes that networks really have come to what is said of them, whatever the period of the
  /// output.
  @Test(arguments: ["strides", "heads", "dilated", "elements", "temporal", "unet", "steps"])
  func theLookaheadIsReached(name: String) throws {
    let path = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Golden/networks/\(name).onet").path
    let engine = try Engine(try NetworkBytes(path: path), maximumRows: 1)
    let lookaheads = engine.outputs.map { engine.plan.lookahead(ofBuffer: $0) }
    #expect(delays(engine, rows: 400 + 3 * lookaheads.max()!) == lookaheads)
  }

  /// By hand, for the file of DamagedFile.swift: a layer at half the rate looks one row ahead,
  /// which is 2; a trim delays by a row.
  @Test func lookaheadsByHand() throws {
    var file = DamagedFile()
    #expect(try lookahead(file) == 1 * 2 + 1)
    // Causal throughout, but for the trim.
    file.set(.layer(2, 22), UInt16(4))
    #expect(try lookahead(file) == 1)
    file.set(.layer(4, 24), UInt16(0))
    #expect(try lookahead(file) == 0)
    file.set(.layer(2, 22), UInt16(0))
    #expect(try lookahead(file) == 4 * 2)
  }

  private func lookahead(_ file: DamagedFile) throws -> Int {
    var file = file
    file.mendChecksum()
    let plan = try NetworkBytes(file.bytes).plan(maximumRows: 1)
    #expect(plan.lookahead(ofBuffer: 5) == plan.lookahead(ofBuffer: 6))
    return plan.lookahead(ofBuffer: 5)
  }
}
