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
    var lines: [[String: String]] { all.filter { $0.name == "line" }.map(\.attributes) }

    func parser(
      _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
      qualifiedName: String?, attributes: [String: String]
    ) { all.append((name, attributes)) }

    func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }
  }

  private static let start = UTC(nanoseconds: recordStart)

  private static func drawing(
    _ messages: DrawnMessages, trace: [TracePoint] = trace()
  ) -> Drawing {
    Drawing(trace: trace, messages: messages, title: "", triggerRatio: 6)
  }

  /// Ten seconds of trace from 2020-03-01 on.
  private static func trace(value: (Int) -> Float = { Float($0 % 7) - 3 }) -> [TracePoint] {
    (0...1000).map { index in
      TracePoint(
        time: UTC(nanoseconds: recordStart + Int64(index) * 10_000_000),
        values: SIMD4(value(index), 2 * value(index), -value(index), 0),
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
    #expect(outline.hasPrefix("M540.0 ") && outline.contains("L630.0 ") && outline.hasSuffix("Z"))
    #expect(elements.all.filter { $0.name == "path" }.count == 7)
    #expect(elements.text.contains("alarm"))
    let marks = elements.lines.filter { $0["stroke"] == "#c8102e" && $0["x1"] == "630.0" }
    // Above and below the strip of what was told.
    #expect(marks.filter { $0["y1"] != $0["y2"] }.count == 2)
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
    // The picture's ten seconds lie between 90 and 990.
    let wanted = [
      ("#e08a00", "540.0", "630.0"), ("#1a8a3a", "540.0", "900.0"), ("#8a8f98", "90.0", "990.0"),
    ]
    let lines = elements.lines
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

  /// Six things told within half a second, each on a row of its own, and what it is.
  @Test func labelsDoNotOverlap() throws {
    var messages = DrawnMessages()
    for number in 0..<6 {
      var pick = Self.pick(1, second: 5, told: 5.1 + Double(number) * 0.1)
      pick.message.id = UInt32(number)
      pick.message.phase = number == 0 ? 1 : 2
      pick.message.quality = 2
      messages.picks.append(pick)
    }
    let elements = try Self.elements(Self.drawing(messages).svg())
    let told = elements.all.filter { $0.name == "circle" }.compactMap { $0.attributes["cy"] }
    #expect(told.count == 6 && Set(told).count == 6)
    #expect(elements.text.contains("P B") && elements.text.contains("S B"))
    #expect(elements.text.contains("P provisional, 0.10 s after it"))
  }

  @Test func gapsAreNotDrawnAcross() throws {
    let trace = Self.trace().filter { !(3...4).contains(Double($0.time - Self.start) * 1e-9) }
    let elements = try Self.elements(Self.drawing(DrawnMessages(), trace: trace).svg())
    let curves = elements.all.filter { $0.name == "path" }.compactMap { $0.attributes["d"] }
    #expect(curves.count == 4)
    #expect(curves.allSatisfy { $0.filter { $0 == "M" }.count == 2 })
    #expect(elements.text.contains("no data"))
  }

  /// What one component lacks is no ramp from its last value either.
  @Test func holesOfOneComponentAreNotDrawnAcross() throws {
    let (instruments, _) = try read(
      packed(0..<2000),
      packed(0..<500, channel: "EHN", lane: 1) + packed(900..<2000, channel: "EHN", lane: 1))
    var options = ReplayOptions()
    options.network = nil
    options.collectsTrace = true
    var replay = Replay(options)
    try replay.run(instruments[0]) { _ in }
    let missing = replay.trace.filter { $0.values[1].isNaN }
    #expect((399...401).contains(missing.count))
    #expect(replay.trace.allSatisfy { !$0.values[0].isNaN })
    let elements = try Self.elements(Self.drawing(DrawnMessages(), trace: replay.trace).svg())
    let curves = elements.all.filter { $0.name == "path" }.compactMap { $0.attributes["d"] }
    #expect(curves.map { $0.filter { $0 == "M" }.count } == [1, 2, 1])
    #expect(elements.text.contains("no data"))
  }

  @Test func theAxisHasClockTimesWhereTheRecordHas() throws {
    let dated = try Self.elements(Self.drawing(DrawnMessages()).svg())
    #expect(dated.text.contains("00:00:07") && dated.text.contains("2020-03-01"))
    let undated = Self.trace().map {
      TracePoint(time: UTC(nanoseconds: $0.time - Self.start), values: $0.values, ratio: 1)
    }
    let elements = try Self.elements(Self.drawing(DrawnMessages(), trace: undated).svg())
    #expect(!elements.text.contains("00:00:07") && elements.text.contains("7 s"))
  }

  /// What was last told stands until ten seconds after P; the class beside it.
  @Test func estimatesGoOnToTenSeconds() throws {
    var estimate = EstimateMessage()
    estimate.expectedAcceleration = WireFloat(0.1)
    estimate.eventClass = 2
    estimate.classProbability = 9000
    estimate.pickTime = Self.start + -2 * nanosecondsPerSecond
    var messages = DrawnMessages()
    messages.estimates = [Drawn(message: estimate, emitted: Self.start + nanosecondsPerSecond)]
    let elements = try Self.elements(Self.drawing(messages).svg())
    let band = try #require(
      elements.all.first { $0.name == "path" && $0.attributes["fill"] != "none" })
    let outline = try #require(band.attributes["d"])
    #expect(outline.hasPrefix("M180.0 ") && outline.contains("L900.0 "))
    #expect(elements.text.contains("blast") && elements.text.contains("90 %"))
  }

  /// An hour: the picks are marks, and each event is drawn again with its lines.
  @Test func eventsOfAnHourAreDrawnAgain() throws {
    let trace = (0..<360_000).map {
      TracePoint(
        time: Self.start + Int64($0) * 10_000_000, values: SIMD4(Float($0 % 7) - 3, 0, 0, 0),
        ratio: 1)
    }
    var messages = DrawnMessages()
    for (number, second) in [600.0, 605, 2000].enumerated() {
      var pick = Self.pick(2, second: second, told: second + 1)
      pick.message.id = UInt32(number)
      pick.message.phase = number == 1 ? 2 : 1
      messages.picks.append(pick)
    }
    let svg = Self.drawing(messages, trace: trace).svg()
    let elements = try Self.elements(svg)
    #expect(elements.all.filter { $0.name == "path" }.count == 4)
    #expect(elements.text.contains("00:10:00") && elements.text.contains("00:33:20"))
    #expect(svg.utf8.count < 300_000)
  }
}
