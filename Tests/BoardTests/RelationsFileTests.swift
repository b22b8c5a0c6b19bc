import Core
import Estimator
import Foundation
import Testing
import Tools

@Suite struct RelationsFileTests {
  private static let shipped: String = {
    let file = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("calibration/relations/on-site.toml")
    return (try? String(contentsOf: file, encoding: .utf8)) ?? ""
  }()

  private func read(_ text: String) throws(Diagnostic) -> Relations {
    try parse(text) { file throws(Diagnostic) in try Relations(&file) }
  }

  /// What the program carries is what the shipped file says, to the last digit.
  @Test func theDefaultsAreTheShippedFile() throws {
    #expect(try read(Self.shipped) == Relations())
  }

  /// Every key changes something, and none can be left out.
  @Test func everyKeyArrives() throws {
    let lines = Self.shipped.split(separator: "\n").map(String.init)
    var numbers = 0
    for index in lines.indices
    where lines[index].contains("=") && !lines[index].hasPrefix("#") && !lines[index].hasPrefix("[")
    {
      let key = lines[index].prefix { $0 != " " }
      guard key != "format" else { continue }
      var without = lines
      without.remove(at: index)
      let sentence = refusal(without.joined(separator: "\n")) { file throws(Diagnostic) in
        try Relations(&file)
      }
      #expect(sentence?.contains(key) == true, "\(key): \(sentence ?? "accepted")")
      guard !["paper", "region"].contains(String(key)) else { continue }
      numbers += 1
      var changed = lines
      let value = try #require(Double(lines[index].split(separator: " ")[2]))
      changed[index] = "\(key) = \(decimal(value * 0.99, 6))"
      #expect(try read(changed.joined(separator: "\n")) != Relations(), "\(key)")
    }
    #expect(numbers == 43)
  }

  @Test(arguments: [
    ("per_magnitude = 0.729", "per_magnitude = 0", "from 0.1 to 2"),
    ("per_log_kilometres = -1.374", "per_log_kilometres = 1.374", "from -4 to -0.1"),
    ("sigma_per_log_seconds = -0.12", "sigma_per_log_seconds = -0.48", "must leave a sigma"),
    ("s_kilometres_per_second = 3.5", "s_kilometres_per_second = 4.9", "1.3 times"),
    ("correlation_with_displacement = 0.8", "correlation_with_displacement = 1", "from 0 to 0.99"),
  ])
  func whatMakesNoSenseIsRefused(good: String, bad: String, reason: String) {
    let text = Self.shipped.replacingOccurrences(of: good, with: bad)
    #expect(text != Self.shipped)
    let sentence = refusal(text) { file throws(Diagnostic) in try Relations(&file) }
    #expect(sentence?.contains(reason) == true, "\(sentence ?? "accepted")")
  }
}
