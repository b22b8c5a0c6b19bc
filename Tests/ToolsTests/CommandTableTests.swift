// The table of commands: that help, parser and completion say the same, and that it contradicts
// itself nowhere.

import Core
import Foundation
import Testing
import Uplink

@testable import Tools

extension CommandDescription: CustomTestStringConvertible {
  public var testDescription: String { name }
}

@Suite struct CommandTableTests {
  private static let commands = CommandTable.commands

  /// Options that a text names.
  private func options(in text: String) -> Set<String> {
    Set(text.matches(of: /(?:^|[ \[(])(--?[a-z][a-z-]*)/).map { String($0.1) })
  }

  @Test func noNameIsThereTwice() {
    #expect(Set(Self.commands.map(\.name)).count == Self.commands.count)
    for command in Self.commands {
      #expect(Set(command.options.map(\.name)).count == command.options.count, "\(command.name)")
    }
  }

  @Test(arguments: commands) func helpTellsAllThatIsParsed(_ command: CommandDescription) throws {
    let help = try CommandTable.help(on: command.name.split(separator: " ").map(String.init))
    #expect(help.hasPrefix("onset \(command.name): \(command.summary)\n"))
    for option in command.options {
      #expect(help.contains("\n  \(option.signature)\n      "), "\(option.name)")
      let told = help.split(whereSeparator: \.isWhitespace).joined(separator: " ")
      for part in [option.meaning, option.initial, option.unit] where part?.isEmpty == false {
        #expect(told.contains(part!), "\(option.name)")
      }
    }
    for line in help.split(separator: "\n") { #expect(line.count <= 100, "\(line)") }
    // And nothing that is not parsed.
    let known = Set(command.options.map(\.name))
    let named = options(in: help)
    #expect(named.isSubset(of: known), "\(named.subtracting(known))")
  }

  @Test(arguments: commands) func examplesAreUnderstood(_ command: CommandDescription) throws {
    let words = command.example.filter { !"<()".contains($0) }.split(separator: " ")
    let typed = Array(words.map(String.init).drop { $0 != "onset" }.dropFirst())
    let (found, rest) = try CommandTable.find(typed)
    #expect(found.name == command.name)
    let parsed = try CommandLineArguments(rest, options: found.options)
    for option in found.options { _ = try number(option, parsed) }
  }

  private func number(_ option: CommandOption, _ parsed: CommandLineArguments) throws -> Double? {
    switch option.numbers {
    case .whole: try parsed.wholeNumber(option.name).map(Double.init)
    case .real: try parsed.number(option.name)
    case nil: nil
    }
  }

  /// Both ends of each range that the help tells are taken, and what lies beyond is not.
  @Test(arguments: commands) func rangesAreThoseOfTheHelp(_ command: CommandDescription) throws {
    func parse(_ option: CommandOption, _ text: String) throws -> Double? {
      try number(option, CommandLineArguments([option.name, text], options: command.options))
    }
    for option in command.options where option.numbers != nil {
      let ends = option.limits.split(separator: ";")[0].matches(of: /-?[0-9][0-9.e+-]*/)
      let (low, high) = (String(ends[0].0), String(ends[1].0))
      #expect(try parse(option, low) == Double(low) && parse(option, high) == Double(high))
      for text in ["\(Double(low)! - 1)", "\(Double(high)! * 2 + 1)", "many"] {
        #expect(throws: ToolError.self, "\(option.name) \(text)") { try parse(option, text) }
      }
      for word in option.words { #expect(try parse(option, word) == nil) }
    }
  }

  @Test func completionOffersEverything() {
    let script = CommandTable.bashCompletion
    for command in Self.commands where !command.options.isEmpty {
      let names = command.options.map(\.name).joined(separator: " ")
      #expect(script.contains("\"\(command.name)\") offered=\"\(names) --help\""))
    }
  }

  @Test func whatWasMeant() {
    let known = [
      "--announce", "--announce-unseen", "--seed", "--snr", "--split", "--strong-motion",
    ]
    func meant(_ typed: String) -> String? { Spelling.nearest(to: typed, among: known) }
    #expect(meant("--sede") == "--seed" && meant("--sed") == "--seed")
    #expect(meant("--anounce") == "--announce" && meant("--strong") == "--strong-motion")
    #expect(meant("--picker") == nil && meant("-x") == nil && meant("--") == nil)
    #expect(Spelling.distance("", "abc") == 3 && Spelling.distance("abc", "abc") == 0)
    #expect(Spelling.distance("ab", "ba") == 1 && Spelling.distance("kitten", "sitting") == 3)
  }

  @Test func unknownIsAnotherErrorThanWrong() {
    let options = [CommandOption("--seed", value: "N", in: .whole(0...9), "…")]
    func parse(_ words: String...) throws { _ = try CommandLineArguments(words, options: options) }
    #expect(throws: UsageError("--sede is not known here; did you mean --seed?")) {
      try parse("--sede", "1")
    }
    #expect(throws: UsageError("--x is not known here; there are --seed")) { try parse("--x") }
    #expect(throws: ToolError("--seed needs a value")) { try parse("--seed") }
    #expect(throws: ToolError("--seed is given twice")) { try parse("--seed", "1", "--seed", "2") }
  }

  @Test func everyTypeOfMessageCanBeChosen() throws {
    #expect(MessageFilter.types.count == 16 && MessageType(rawValue: 17) == nil)
    #expect(throws: ToolError.self) { try MessageFilter("pick,") }
  }

  /// Cut anywhere, the pieces give the same messages as the whole.
  @Test func aFileInPieces() throws {
    let header = Header(
      type: .acknowledgement, station: Text("XX.ONST1.00.EH"), epoch: 2, bootCounter: 3,
      sequence: 12,
      emitted: UTC(nanoseconds: 0), clockState: 3, clockSource: 2, clockUncertaintyNanoseconds: 0)
    let datagram = Datagram(header, key: replayKey) {
      AcknowledgementMessage(boot: 5, sequence: 1).write(to: &$0)
    }
    let one = datagram.withBytes { Array($0) }
    let file = one + one
    for cut in 0...file.count {
      var messages: [[UInt8]] = []
      func take(_ bytes: ArraySlice<UInt8>, from start: Int, isLast: Bool) throws -> Int {
        try bytes.withUnsafeBufferPointer { bytes in
          try DatagramFile.forEach(in: bytes, from: start, isLast: isLast) {
            messages.append(Array($0))
          }
        }
      }
      let count = try take(file[..<cut], from: 0, isLast: false)
      #expect(count == cut / one.count * one.count)
      let rest = try take(file[count...], from: count, isLast: true)
      #expect(rest == file.count - count)
      #expect(messages == [one, one])
    }
  }
}
