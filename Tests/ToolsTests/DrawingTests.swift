// The picture: well-formed, and every pick is in it where it belongs.

import Core
import Foundation
import Testing
import Tools
import Uplink

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite struct DrawingTests {
  private typealias Element = (name: String, attributes: [String: String])

  private final class Elements: NSObject, XMLParserDelegate {
    var all: [Element] = []
    var text = ""

    func parser(
      _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
      qualifiedName: String?, attributes: [String: String]
    ) { all.append((name, attributes)) }

    func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }
  }

  /// Ten seconds of trace from 2020-03-01 on.
  private static func trace(value: (Int) -> Double = { Double($0 % 7) - 3 }) -> [TracePoint] {
    (0...1000).map { index in
      TracePoint(
        time: UTC(nanoseconds: recordStart + Int64(index) * 10_000_000),
        counts: SIMD4(value(index), 2 * value(index), -value(index), 0),
        ratio: index == 500 ? 40 : 1)
    }
  }

  private static func pick(_ status: UInt8, second: Double, told: Double) -> Drawn<PickMessage> {
    var message = PickMessage()
    message.status = status
    message.time = UTC(nanoseconds: recordStart + Int64(second * 1e9))
    return Drawn(
      message: message, emitted: UTC(nanoseconds: recordStart + Int64(told * 1e9)))
  }

  private static func messages(_ picks: [Drawn<PickMessage>]) -> DrawnMessages {
    var messages = DrawnMessages()
    messages.picks = picks
    return messages
  }

  /// An estimate with its band, and the alarm, in a panel of their own.
  @Test func whatIsExpectedIsDrawnWhenItWasTold() throws {
    var messages = DrawnMessages()
    for (told, acceleration) in [(5.0, 0.1), (6.0, 0.3)] {
      var estimate = EstimateMessage()
      estimate.expectedAcceleration = WireFloat(acceleration)
      estimate.accelerationSigma = 400
      estimate.observedAcceleration = WireFloat(0.01)
      messages.estimates.append(
        Drawn(message: estimate, emitted: UTC(nanoseconds: recordStart + Int64(told * 1e9))))
    }
    var alert = AlertMessage()
    alert.level = .alarm
    messages.alerts = [
      Drawn(message: alert, emitted: UTC(nanoseconds: recordStart + 6_000_000_000))
    ]
    let svg = Drawing(
      trace: Self.trace(), messages: messages, title: "an alarm", triggerRatio: 6
    ).svg()
    let elements = try Self.elements(svg)
    let band = try #require(elements.all.first { $0.attributes["fill-opacity"] != nil })
    let outline = try #require(band.attributes["d"])
    #expect(outline.hasPrefix("M525.0 ") && outline.contains("L616.0 ") && outline.hasSuffix("Z"))
    #expect(elements.all.filter { $0.name == "path" }.count == 7)
    #expect(elements.text.contains("alarm"))
    let marks = elements.all.filter { $0.name == "line" && $0.attributes["x1"] == "616.0" }
    #expect(marks.count == 1)
  }

  private static func elements(_ svg: String) throws -> Elements {
    let parser = XMLParser(data: Data(svg.utf8))
    let elements = Elements()
    parser.delegate = elements
    try #require(parser.parse(), "line \(parser.lineNumber): \(svg.prefix(200))")
    return elements
  }

  @Test func everyPickIsDrawnAtItsTime() throws {
    let picks = [
      Self.pick(1, second: 5, told: 6), Self.pick(2, second: 5, told: 9),
      Self.pick(3, second: 0, told: 10),
    ]
    let svg = Drawing(
      trace: Self.trace(), messages: Self.messages(picks), title: #"A & B < C > "D""#,
      triggerRatio: 6
    ).svg()
    let elements = try Self.elements(svg)
    #expect(elements.all.first?.name == "svg")
    #expect(elements.text.contains(#"A & B < C > "D""#))
    // The picture's ten seconds lie between 70 and 980.
    let wanted = [
      ("#e08a00", "525.0", "616.0"), ("#c8102e", "525.0", "889.0"), ("#8a8f98", "70.0", "980.0"),
    ]
    let lines = elements.all.filter { $0.name == "line" }.map(\.attributes)
    for (color, onset, told) in wanted {
      let own = lines.filter { $0["stroke"] == color && $0["x1"] == $0["x2"] }
      #expect(own.contains { $0["x1"] == onset && $0["stroke-dasharray"] == nil })
      #expect(own.contains { $0["x1"] == told && $0["stroke-dasharray"] != nil })
      #expect(own.count == 2)
    }
    // Three components and the trigger function.
    #expect(elements.all.filter { $0.name == "path" }.count == 4)
  }

  @Test func nothingToDrawIsAPictureToo() throws {
    let empty = Drawing(trace: [], messages: DrawnMessages(), title: "", triggerRatio: 6).svg()
    #expect(try Self.elements(empty).all.count > 4)
    let silent = Drawing(
      trace: Self.trace { _ in 0 }, messages: DrawnMessages(), title: "silence", triggerRatio: 6
    ).svg()
    // Only the trigger function has a curve.
    #expect(try Self.elements(silent).all.filter { $0.name == "path" }.count == 1)
  }

  @Test func fullScaleStaysInThePicture() throws {
    let svg = Drawing(
      trace: Self.trace { $0 % 2 == 0 ? 2_147_483_647 : -2_147_483_648 },
      messages: DrawnMessages(),
      title: "full scale", triggerRatio: 6
    ).svg()
    let elements = try Self.elements(svg)
    #expect(!svg.contains("nan") && !svg.contains("inf") && !svg.contains("null"))
    #expect(elements.text.contains("±2.1 G"))
  }
}
