// The demonstration is the whole chain: card, libasound, runner, socket, receiver.

import Core
import Foundation
import Testing
import Tools

@Suite(.serialized) struct DemoTests {
  static let golden = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Golden")

  /// The picture of the README and the picks are what `make demo` draws and prints, to the byte. To
  /// change them on purpose: `onset demo --svg Tests/Golden/demo.svg | grep '^{' >
  /// Tests/Golden/demo.jsonl`, and look at both.
  @Test func demoTellsAndDrawsTheSameStoryEverywhere() throws {
    let svg = FileManager.default.temporaryDirectory
      .appendingPathComponent("onset-\(UUID().uuidString).svg")
    defer { try? FileManager.default.removeItem(at: svg) }
    var options = DemoOptions()
    options.svgPath = svg.path
    let demo = try Demo(options)
    let outcome = try demo.run()
    #expect(outcome.rejected == 0)
    #expect(outcome.frames == 480_000)
    let messages = outcome.messages.picks.map(\.message)
    #expect(messages.map(\.status) == [1, 2, 2], "P announced and confirmed, S confirmed")
    #expect(messages.map(\.phase) == [1, 1, 2])
    for (message, arrival) in zip(messages, [outcome.timeOfP, outcome.timeOfP, outcome.timeOfS]) {
      #expect(Double((message.time - arrival).magnitude) * 1e-9 < 0.1)
    }
    let first = try #require(outcome.messages.picks.first)
    #expect(Double(first.emitted - outcome.timeOfP) * 1e-9 < 0.5)
    let story = demo.story(outcome)
    #expect(story.contains("The first datagram left 4.6 s before the strong shaking."))
    #expect(
      try Data(contentsOf: svg)
        == Data(contentsOf: Self.golden.appendingPathComponent("demo.svg")))
    let picks = outcome.lines.filter { $0.hasPrefix("{\"type\":\"pick\"") }
    let stated = try String(
      contentsOf: Self.golden.appendingPathComponent("demo.jsonl"), encoding: .utf8)
    #expect(picks.joined(separator: "\n") + "\n" == stated)
  }
}
