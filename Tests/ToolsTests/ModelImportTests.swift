// Quantized networks against the floating-point ones that they were made of.

import Core
import Foundation
import Kernels
import Network
import Testing

@testable import Tools

@Suite struct ModelImportTests {
  @Test(arguments: [1, 2, 4], [RangeRule.percentile, .meanSquare])
  func sixteenBitsAreNearlyExact(fold: Int, rule: RangeRule) throws {
    let imported = try Recipe.uNet(fold: fold).imported(rule)
    #expect(imported.layerErrors.allSatisfy { $0.relative < 1e-2 }, "\(imported.report)")
    #expect(imported.outputError < 2e-3)
  }

  @Test(arguments: [1, 2], [RangeRule.percentile, .meanSquare])
  func eightBitsAreClose(fold: Int, rule: RangeRule) throws {
    let imported = try Recipe.uNet(fold: fold, precision: "int8").imported(rule)
    #expect(imported.layerErrors.allSatisfy { $0.relative < 0.1 }, "\(imported.report)")
    #expect(imported.outputError < 0.02)
  }

  /// A fold says how a signal lies in memory and nothing else.
  @Test(arguments: ["int8", "int16"])
  func foldsChangeNoProbability(precision: String) throws {
    let recipes = [1, 2, 4].map { Recipe.uNet(fold: $0, precision: precision) }
    let window = recipes[0].windows(1)[0]
    let results = try recipes.map { recipe in
      let runner = try NetworkRunner(
        try recipe.imported().file, kernels: .scalar, maximumRows: 61)
      return Array(runner.window(runner.inputRows(window))[0].prefix(61 * 3))
    }
    #expect(results[0] == results[1])
    #expect(results[0] == results[2])
    #expect(Set(results[0]).count > 20)
  }

  @Test(arguments: [
    "\"relu\": true", "\"relu\": false", "\"relu_after_residual\": true",
    "\"relu\": true, \"relu_after_residual\": true",
  ])
  func residualsUpsamplingAndSigmoid(residual: String) throws {
    let fine = try Recipe.residual(precision: "int16", residual: residual).imported()
    #expect(fine.layerErrors.allSatisfy { $0.relative < 1e-2 }, "\(fine.report)")
    let coarse = try Recipe.residual(precision: "int8", residual: residual).imported(.meanSquare)
    #expect(coarse.layerErrors.allSatisfy { $0.relative < 0.15 }, "\(coarse.report)")
    #expect(fine.outputError < 2e-3 && coarse.outputError < 0.03)
  }

  /// Before the residual and after it a ReLU means different networks.
  @Test func theReluStandsWhereTheDescriptionSays() throws {
    func flags(_ residual: String) throws -> [Bool] {
      let recipe = Recipe.residual(precision: "int16", residual: residual)
      let layer = try recipe.imported().file.plan(maximumRows: 1).layers[1]
      return [layer.hasInnerRelu, layer.hasOuterRelu, layer.hasResidual]
    }
    #expect(try flags("\"relu\": true") == [true, false, true])
    #expect(try flags("\"relu_after_residual\": true") == [false, true, true])
    #expect(try flags("\"relu\": false") == [false, false, true])
  }

  /// Weights that cancel but for one in a thousand: the sums ask for a coarser scale than the
  /// values would. The repetition of rows behind them must know of it.
  @Test func upsamplingFollowsTheScaleOfItsSource() throws {
    var recipe = Recipe.residual(precision: "int16", residual: "\"relu\": true")
    recipe.arrays.members.removeAll { ["stem", "more"].contains($0.name) }
    // Sixteen times the same channel.
    let kernel = recipe.numbers(9)
    recipe.arrays.add("stem", [3, 3, 16], (0..<144).map { kernel[$0 / 16] })
    let weights = (0..<(3 * 16 * 16)).map { index in
      Float(index / 16 % 2 == 0 ? 1024 : -1024) + (index / 16 == 16 ? 1 : 0)
    }
    recipe.arrays.add("more", [3, 16, 16], weights)
    recipe.layers[1] = """
      "name": "more", "kind": "convolution", "from": "stem", "weights": "more", "before": 2
      """
    let imported = try recipe.imported()
    let named = imported.layerErrors.filter { ["more", "up"].contains($0.name) }
    #expect(named.count == 2 && named.allSatisfy { $0.relative < 0.01 }, "\(imported.report)")
  }

  @Test func theReportNamesEveryLayer() throws {
    let recipe = Recipe.uNet(fold: 2, precision: "int8")
    let imported = try recipe.imported()
    let names = ["in", "down", "up", "joined", "decoded", "logits", "output"]
    #expect(imported.layerErrors.map(\.name) == names)
    for name in names { #expect(imported.report.contains("\n  \(name) ")) }
    #expect(imported.report.contains("of the probabilities, mean magnitude: 0."))
    let info = try ModelInfo.text(imported.file, maximumRows: nil)
    #expect(info.contains("small: ENZ at 100.000 sps, windows of 61 rows, each normalized"))
    #expect(info.contains("2 steps a row") && info.contains("classes NPS"))
  }

  @Test func importingTwiceGivesTheSameBytes() throws {
    let recipe = Recipe.uNet(fold: 2)
    #expect(try recipe.imported().file.bytes == recipe.imported().file.bytes)
  }
}

@Suite struct ModelComparisonTests {
  /// Windows, and what the network itself makes of them, as a reference.
  private func reference(
    _ file: NetworkBytes, _ windows: [[Float]], shift: Int = 0, analyst: [Float]? = nil
  ) throws -> HandWrittenArchive {
    let rows = windows[0].count / 3
    let runner = try NetworkRunner(file, kernels: .scalar, maximumRows: rows)
    var probabilities: [Float] = []
    for window in windows {
      let found = runner.window(runner.inputRows(window))[0].prefix(rows * 3)
      let values = found.map { Float($0) / 32768 }
      // Later by some rows.
      probabilities += [Float](repeating: 0, count: shift * 3) + values.dropLast(shift * 3)
    }
    var archive = HandWrittenArchive()
    archive.add("windows", [windows.count, rows, 3], windows.flatMap { $0 })
    archive.add("probabilities", [windows.count, rows, 3], probabilities)
    archive.add("analyst", [windows.count], analyst ?? windows.map { _ in 1 })
    return archive
  }

  private func compare(_ file: NetworkBytes, _ archive: HandWrittenArchive) throws
    -> ModelComparison
  {
    try ModelComparison(file, kernels: .scalar, reference: try NumpyArchive(archive.data))
  }

  @Test func aNetworkAgreesWithItself() throws {
    let recipe = Recipe.uNet(fold: 2)
    let file = try recipe.imported().file
    let comparison = try compare(
      file, try reference(file, recipe.windows(4), analyst: [1, 0, 0, 1]))
    #expect(comparison.windowCount == 4 && comparison.meanDifference == 0)
    #expect(comparison.all.pickCount > comparison.analyst.pickCount)
    #expect(comparison.analyst.pickCount > 0)
    #expect(comparison.all.fraction == 1 && comparison.analyst.fraction == 1)
    #expect(comparison.report.contains("100.00 %"))
    #expect(comparison.json.hasPrefix("{\"windows\":4,\"picks\":\(comparison.all.pickCount),"))
  }

  /// Two samples are within 0.02 s; five are not.
  @Test func movedPicksDisagree() throws {
    let recipe = Recipe.uNet(fold: 2)
    let file = try recipe.imported().file
    let windows = recipe.windows(4)
    let near = try compare(file, try reference(file, windows, shift: 2))
    let far = try compare(file, try reference(file, windows, shift: 9))
    #expect(near.all.fraction > far.all.fraction)
    #expect(far.all.fraction < 1 && far.meanDifference > 0)
  }

  @Test func onePickMovedIsOneLess() throws {
    let recipe = Recipe.uNet(fold: 2)
    let file = try recipe.imported().file
    var archive = try reference(file, recipe.windows(4))
    let before = try compare(file, archive)
    // A pick in the middle of 30 rows where there was none, and nothing else is changed.
    var probabilities = try NumpyArchive(archive.data).array("probabilities")
    let place = try #require(
      (8..<50).first { row in
        (row - 4...row + 4).allSatisfy { probabilities.values[$0 * 3 + 1] < 0.5 }
      })
    probabilities.values[place * 3 + 1] = 0.9
    archive.members.removeAll { $0.name == "probabilities" }
    archive.add("probabilities", probabilities.shape, probabilities.values)
    let after = try compare(file, archive)
    #expect(after.all.pickCount == before.all.pickCount + 1)
    #expect(after.all.agreeing == before.all.agreeing)
  }

  @Test func picksAreTheLargestOfTheirStretch() {
    let values: [Float] = [0.1, 0.6, 0.9, 0.7, 0.4, 0.5, 0.5, 0.2, 0.8]
    #expect(ModelComparison.picks(values, place: 0, classes: 1) == [2, 5, 8])
    #expect(ModelComparison.picks([], place: 0, classes: 1) == [])
  }

  /// Two classes of three components: nothing says that there are as many.
  @Test func classesNeedNotBeAsManyAsComponents() throws {
    var recipe = Recipe.uNet(fold: 1)
    recipe.layers[5] = recipe.layers[5].replacingOccurrences(of: "\"out\"", with: "\"two\"")
      .replacingOccurrences(of: "\"bias\": \"bias\",", with: "")
    recipe.layers[6] = recipe.layers[6].replacingOccurrences(of: "NPS", with: "NP")
    recipe.add("two", [1, 8, 2])
    let file = try recipe.imported().file
    let windows = recipe.windows(1)
    let runner = try NetworkRunner(file, kernels: .scalar, maximumRows: 61)
    let values = runner.window(runner.inputRows(windows[0]))[0].map { Float($0) / 32768 }
    var archive = HandWrittenArchive()
    archive.add("windows", [1, 61, 3], windows[0])
    archive.add("probabilities", [1, 61, 2], values)
    archive.add("analyst", [1], [1])
    #expect(try compare(file, archive).meanDifference == 0)
  }

  @Test func referencesThatDoNotFitAreRefused() throws {
    let recipe = Recipe.uNet(fold: 2)
    let file = try recipe.imported().file
    let windows = recipe.windows(2)
    func said(_ change: (inout HandWrittenArchive) -> Void) throws -> String {
      var archive = try reference(file, windows)
      change(&archive)
      return refusal { _ = try compare(file, archive) } ?? "accepted"
    }
    #expect(try said { $0.members.removeAll { $0.name == "analyst" } }.contains("no array analyst"))
    let fewer = try said {
      $0.members.removeAll { $0.name == "analyst" }
      $0.add("analyst", [1], [1])
    }
    #expect(fewer == "analyst has 1 values, not 2")
    let other = try said {
      $0.members.removeAll { $0.name == "probabilities" }
      $0.add("probabilities", [2, 61, 2], [Float](repeating: 0, count: 244))
    }
    #expect(other == "probabilities have the shape [2, 61, 2], not [2, 61, 3]")
    let long = try said {
      $0.members.removeAll { $0.name == "windows" }
      $0.add("windows", [1, 65_537, 3], [Float](repeating: 0, count: 196_611))
    }
    #expect(long == "windows have 65536 rows at most, not 65537")
  }
}
