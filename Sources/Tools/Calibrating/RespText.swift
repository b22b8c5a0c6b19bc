// RespText: the channels of a RESP file, the text into which rdseed, evalresp and the libraries of
// nominal responses put SEED's blockettes (SEED Reference Manual 2.4, chapters 5 and 6).
//
//     let channels = try RespText.read(bytes)
//
//     B053F07     A0 normalization factor:               3.468400E+17
//     B053F15-18    0 -3.700000e-02 -3.700000e-02  0.000000E+00  0.000000E+00
//
// A line names blockette and field. A header's value follows its colon. A row's first number counts
// the rows. Blockettes 41 to 48 say what 61 and 53 to 58 say, with the stage's number in the 60
// before them and the other fields one place later.

import Core

enum RespText {
  static func read(_ bytes: [UInt8]) throws -> [ChannelResponse] {
    var reader = RespReader()
    var start = 0
    var number = 0
    // A line ends with a line feed, a carriage return (old Macintosh) or both.
    while start < bytes.count {
      var end = start
      while end < bytes.count, bytes[end] != 0x0A, bytes[end] != 0x0D { end += 1 }
      number += 1
      reader.take(String(decoding: bytes[start..<end], as: UTF8.self), number)
      let isPair = end + 1 < bytes.count && bytes[end] == 0x0D && bytes[end + 1] == 0x0A
      start = end + (isPair ? 2 : 1)
    }
    reader.finishChannel()
    guard !reader.channels.isEmpty else {
      throw ToolError("has no channel: RESP begins one with B050F03, the station")
    }
    return reader.channels
  }
}

/// One blockette: its headers by field, and its rows by the first field of each.
private struct Blockette {
  var number = 0
  /// As the file has it: 48 where `number` is 58.
  var written = 0
  var line = 0
  var texts: [Int: String] = [:]
  var rows: [Int: [[Double]]] = [:]
}

private struct RespReader {
  var channels: [ChannelResponse] = []
  private var channel: ChannelResponse?
  private var blockette = Blockette()
  /// What the blockettes that follow a blockette 60 belong to.
  private var listedStage: Int?

  /// The first field of a row of numbers. Its rows need so many numbers, the row's own first.
  private static let rows: [Int: [Int: Int]] = [
    53: [10: 3, 15: 3], 54: [8: 2, 11: 2], 61: [9: 2],
  ]

  mutating func take(_ text: String, _ line: Int) {
    guard let first = text.first(where: { !$0.isWhitespace }), first != "#" else { return }
    guard let match = text.prefixMatch(of: /\s*B(\d\d\d)F(\d\d)(?:-\d\d)?(.*)/),
      var number = Int(match.1), var field = Int(match.2)
    else {
      channel?.note(
        "line \(line): \"\(shown(text))\" is no line of RESP, which begins as B053F07 or with #")
      return
    }
    let written = number
    (number, field) = RespReader.translated(number, field)
    if number == 50, field == 3 {
      finishChannel()
      channel = ChannelResponse()
      listedStage = nil
    }
    if written != blockette.written || isRepeated(field) {
      finishBlockette()
      blockette = Blockette(number: number, written: written, line: line)
    }
    if let needed = RespReader.rows[number]?[field] {
      takeRow(match.3, field, needed, line)
    } else {
      let parts = match.3.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      blockette.texts[field] = parts.count > 1 ? RespReader.trimmed(parts[1]) : ""
    }
    if number == 60, field == 4 { listedStage = Int(blockette.texts[4] ?? "") }
  }

  /// A blockette of the dictionary as the one without.
  private static func translated(_ number: Int, _ field: Int) -> (Int, Int) {
    // Below 5 are the entry's key and name, which no field has that it becomes.
    if (41...48).contains(number), field < 5 { return (number, field) }
    return switch (number, field) {
    case (41, _): (61, field)
    case (43, 5): (53, 3)
    case (44, 5): (54, 3)
    case (43, _): (53, field - 1)
    case (44, _): (54, field - 1)
    case (45, _): (55, field - 1)
    case (47, _): (57, field - 1)
    case (48, _): (58, field - 1)
    case (42, _): (62, field)
    default: (number, field)
    }
  }

  /// A field that begins a blockette, and not one of those that a blockette repeats.
  private func isRepeated(_ field: Int) -> Bool { field <= 5 && blockette.texts[field] != nil }

  private mutating func takeRow(_ text: Substring, _ field: Int, _ needed: Int, _ line: Int) {
    let numbers = text.split(whereSeparator: \.isWhitespace).map { responseNumber($0) }
    guard numbers.count >= needed, !numbers.prefix(needed).contains(nil) else {
      channel?.note(
        "line \(line): \"\(shown(RespReader.trimmed(text)))\" must be \(needed) finite numbers or more"
      )
      return
    }
    blockette.rows[field, default: []].append(numbers.compactMap { $0 })
  }

  private static func trimmed(_ text: Substring) -> String {
    text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
  }

  mutating func finishChannel() {
    finishBlockette()
    blockette = Blockette()
    if let last = channel?.stages.last(where: { $0.decimation != nil })?.decimation {
      channel!.sampleHertz = last.inputHertz / last.factor
    }
    if let channel { channels.append(channel) }
    channel = nil
  }

  // MARK: Blockettes

  private mutating func finishBlockette() {
    guard channel != nil else { return }
    switch blockette.number {
    case 50:
      channel!.station = code(3)
      channel!.network = code(16)
    case 52:
      let location = code(3)
      channel!.location = ["--", "??"].contains(location) ? "" : location
      channel!.channel = code(4)
      channel!.start = time(22)
      channel!.end = time(23)
    case 53: polesZeros()
    case 54:
      let isDigital = (blockette.texts[3] ?? "D").uppercased().hasPrefix("D")
      let numerators = values(8, count: 7)
      let denominators = values(11, count: 10)
      if !isDigital {
        setKind(.other("analog coefficients"), stageField: 4)
      } else if !numerators.isEmpty || !denominators.isEmpty {
        setKind(.digital(numerators: numerators, denominators: denominators), stageField: 4)
      }
      units(4, 5, 6)
    case 55: setKind(.other("a table of frequencies"), stageField: 3)
    case 57: decimation()
    case 58: gain()
    case 61:
      let symmetry = (blockette.texts[5] ?? "A").uppercased()
      let all = ResponseStage.unfolded(
        values(9, count: 8), isOdd: symmetry.hasPrefix("B"), isEven: symmetry.hasPrefix("C"))
      if !all.isEmpty {
        setKind(.digital(numerators: all, denominators: []), stageField: 3)
      }
      units(3, 6, 7)
    case 62: setKind(.other("a polynomial"), stageField: 4)
    default: break
    }
  }

  private mutating func polesZeros() {
    units(4, 5, 6)
    var value = ResponseStage.PolesZeros()
    switch (blockette.texts[3] ?? "").uppercased().first {
    case "A": break
    case "B": value.isHertz = true
    case "D":
      setKind(.other("digital poles and zeros"), stageField: 4)
      return
    default:
      channel!.note(
        "line \(blockette.line): poles and zeros of the type \(shown(blockette.texts[3] ?? "")); "
          + "known are A (rad/s) and B (Hz)")
    }
    value.a0 = number(7)
    value.normalisationHertz = number(8)
    value.zeros = pairs(10, count: 9)
    value.poles = pairs(15, count: 14)
    setKind(.polesZeros(value), stageField: 4)
  }

  private mutating func decimation() {
    guard let index = stage(3) else { return }
    var value = ResponseStage.Decimation()
    value.inputHertz = number(4) ?? 0
    value.factor = number(5) ?? 1
    value.delaySeconds = number(7) ?? 0
    value.correctionSeconds = number(8) ?? 0
    channel!.stages[index].decimation = value
  }

  private mutating func gain() {
    let (value, hertz) = (number(4), number(5))
    if Int(blockette.texts[3] ?? "") == 0 {
      if let there = channel!.sensitivity, there != value {
        channel!.note(
          "line \(blockette.line): the sensitivity (stage 0) is there twice and differs; one must go"
        )
      }
      (channel!.sensitivity, channel!.sensitivityHertz) = (value, hertz)
      return
    }
    guard let index = stage(3) else { return }
    if channel!.stages[index].gain != nil {
      channel!.note(
        "line \(blockette.line): stage \(channel!.stages[index].number) has two gains; one must go")
    }
    channel!.stages[index].gain = value
    channel!.stages[index].gainHertz = hertz
  }

  // MARK: Fields

  private mutating func stage(_ field: Int) -> Int? {
    let stated = blockette.texts[field].map { Int($0) } ?? listedStage
    guard let stated, (1...1000).contains(stated) else {
      channel!.note("line \(blockette.line): a blockette has no stage's number of 1 or more")
      return nil
    }
    return channel!.stage(stated)
  }

  private mutating func setKind(_ kind: ResponseStage.Kind, stageField: Int) {
    guard let index = stage(stageField) else { return }
    guard channel!.stages[index].kind == .flat else {
      channel!.note(
        "line \(blockette.line): stage \(channel!.stages[index].number) has two responses; "
          + "it must have one")
      return
    }
    channel!.stages[index].kind = kind
  }

  private mutating func units(_ stageField: Int, _ into: Int, _ out: Int) {
    guard let index = stage(stageField) else { return }
    func unit(_ field: Int) -> String? {
      blockette.texts[field].flatMap { $0.split(separator: " ").first.map(String.init) }
    }
    let there = channel!.stages[index]
    channel!.stages[index].inputUnit = there.inputUnit ?? unit(into)
    channel!.stages[index].outputUnit = there.outputUnit ?? unit(out)
  }

  private mutating func number(_ field: Int) -> Double? {
    guard let text = blockette.texts[field] else { return nil }
    if let value = responseNumber(text.split(separator: " ").first ?? "") { return value }
    channel!.note(
      "line \(blockette.line): field \(field) of blockette \(blockette.number) is \"\(shown(text))\" "
        + "and not a finite number")
    return nil
  }

  private mutating func count(_ field: Int, _ rows: [[Double]]) {
    guard let text = blockette.texts[field], Int(text) != rows.count else { return }
    channel!.note(
      "line \(blockette.line): field \(field) of blockette \(blockette.number) says \(shown(text)) rows "
        + "and \(rows.count) follow; the two must agree")
  }

  private mutating func values(_ field: Int, count field2: Int) -> [Double] {
    let rows = blockette.rows[field] ?? []
    count(field2, rows)
    return rows.map { $0[1] }
  }

  private mutating func pairs(_ field: Int, count field2: Int) -> [Complex] {
    let rows = blockette.rows[field] ?? []
    count(field2, rows)
    return rows.map { Complex($0[1], $0[2]) }
  }

  private func code(_ field: Int) -> String {
    shown((blockette.texts[field] ?? "").filter { !$0.isWhitespace })
  }

  /// "2006,001,00:00:00.0000": the year, its day, the time of day or a part of it.
  private mutating func time(_ field: Int) -> UTC? {
    guard let text = blockette.texts[field], !text.isEmpty,
      !text.lowercased().hasPrefix("no ending")
    else { return nil }
    let parts = text.split(separator: ",").map(String.init)
    if parts.count >= 2, let year = Int(parts[0]), let day = Int(parts[1]), (1...366).contains(day)
    {
      // An end so far away says that there is none; times here reach from 1678 to 2261.
      if year > 2261 { return nil }
      if year >= 1678 {
        let first = UTC(CalendarDate(year: year, month: 1, day: 1))
        var seconds = Double(day - 1) * 86_400
        let clock = parts.count > 2 ? parts[2].split(separator: ":").map(String.init) : []
        for (index, part) in clock.prefix(3).enumerated() {
          seconds += (responseNumber(part) ?? 0) * [3600.0, 60, 1][index]
        }
        return first + Int64((max(0, min(seconds, 367 * 86_400)) * 1e9).rounded())
      }
    }
    channel!.note(
      "line \(blockette.line): field \(field) of blockette 52 is \"\(shown(text))\" and not a time as "
        + "2026,334,12:00:00 or \"No Ending Time\"")
    return nil
  }
}
