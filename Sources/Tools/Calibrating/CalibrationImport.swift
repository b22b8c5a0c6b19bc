// CalibrationImport: a file of responses becomes instrument files, one a component, which the
// station's own parser has read before they are written (`onset calibration import`).
//
//     let imported = try CalibrationImport(path: "station.xml", station: "AM.R1234", time: nil)
//     print(try imported.write(folder: "."))

import Conditioning
import Core
import Foundation
import Settings

public struct CalibrationImport {
  public let instruments: [ImportedInstrument]
  private let source: String

  public init(path: String, station: String?, time: UTC?) throws {
    let channels = try ResponseFile.read(path: path)
    do {
      try self.init(
        channels, source: URL(fileURLWithPath: path).lastPathComponent, station: station,
        time: time)
    } catch let error as ToolError { throw ToolError("\(shown(path, limit: 256)): \(error)") }
  }

  public init(
    _ channels: [ChannelResponse], source: String, station: String?, time: UTC?
  ) throws {
    let choice = try ChannelChoice(channels, station: station, time: time)
    var made: [ImportedInstrument] = []
    for (component, channel) in choice.components {
      made.append(try ImportedInstrument(channel, component, common: made.first?.common))
    }
    instruments = made
    self.source = source
    for instrument in made { try instrument.check(instrument.text(from: source)) }
  }

  /// Writes CODE.toml for each component, none over another; what is to be known of them.
  public func write(folder: String) throws -> String {
    let paths = instruments.map {
      URL(fileURLWithPath: folder).appendingPathComponent($0.fileName).path
    }
    for path in paths where FileManager.default.fileExists(atPath: path) {
      throw ToolError(
        "\(shown(path, limit: 256)): exists, and is left alone: choose another --folder")
    }
    for (path, instrument) in zip(paths, instruments) {
      do {
        try Data(instrument.text(from: source).utf8).write(
          to: URL(fileURLWithPath: path), options: .withoutOverwriting)
      } catch { throw ToolError("\(shown(path, limit: 256)): cannot be written") }
    }
    return report
  }

  public var report: String {
    var lines = instruments.map(\.report)
    lines.append("station.toml, [sensor]:")
    lines += instruments.map { "  \($0.component.name)_calibration = \"\($0.fileName)\"" }
    let turned = instruments.filter { $0.polarity < 0 }
    if !turned.isEmpty {
      lines.append("board.toml, [digitizer]:")
      lines += turned.map { "  \($0.component.name)_polarity = -1" }
    }
    return lines.joined(separator: "\n")
  }
}

extension ImportedInstrument {
  private var unit: String { quantity == .velocity ? "m/s" : "m/s\u{B2}" }

  /// Letters alone that no folder and no shell has a use for.
  public var fileName: String {
    String(
      channel.code.map {
        $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "." || $0 == "-") ? $0 : "_"
      }) + ".toml"
  }

  private var errorSentence: String {
    let band = "from \(brief(deviation.lowHertz)) to \(brief(deviation.highHertz)) Hz"
    return "it says the file's response \(band) within \(decimal(deviation.decibels, 2)) dB "
      + "(at \(brief(deviation.decibelsHertz)) Hz) and \(decimal(deviation.degrees, 2)) degrees "
      + "(at \(brief(deviation.degreesHertz)) Hz)"
  }

  private var goodSentence: String? {
    guard deviation.decibels > 1 || deviation.degrees > 10 else { return nil }
    guard let good = deviation.good else { return "it is nowhere within 1 dB and 10 degrees" }
    return "within 1 dB and 10 degrees it is "
      + "from \(brief(good.lowerBound)) to \(brief(good.upperBound)) Hz"
  }

  private var sentences: [String] { [errorSentence] + (goodSentence.map { [$0] } ?? []) + remarks }

  public var report: String {
    let shape =
      corner.map {
        "corner \(brief($0.cornerHertz)) Hz, damping \(brief($0.damping))"
      } ?? "flat"
    let first =
      "\(fileName): \(component.name), \(model), \(brief(countsPerUnit)) counts per \(unit), \(shape), "
      + "valid \(validFrom.iso8601) to \(validUntil.iso8601)"
    return ([first] + sentences.map { "  - \($0)" }).joined(separator: "\n")
  }

  private var model: String {
    ImportedInstrument.plain(channel.sensor.isEmpty ? "unknown" : channel.sensor, limit: 64)
  }
  private var serial: String {
    ImportedInstrument.plain(channel.serial.isEmpty ? "unknown" : channel.serial, limit: 40)
  }

  /// What may stand between the quotes of a configuration file.
  private static func plain(_ text: String, limit: Int) -> String {
    let kept = text.filter { $0.isASCII && ($0 >= " " && $0 <= "~") && $0 != "\"" && $0 != "\\" }
    return kept.isEmpty ? "unknown" : String(kept.prefix(limit))
  }

  /// Volts per unit of the sensor and counts per volt of the rest, where the first stage ends in
  /// volts and both lie in a file's ranges.
  private var factors: (volts: Double, counts: Double, isSplit: Bool) {
    if let first = channel.stages.first, first.outputUnit?.uppercased() == "V",
      let unit = MotionUnit(channel.inputUnit), let gain = first.gain
    {
      let volts = abs(gain) * unit.perMetre
      let isDisplacement = if case .displacement = unit { true } else { false }
      if !isDisplacement, (1e-6...1e6).contains(volts),
        (1e-3...1e12).contains(countsPerUnit / volts)
      {
        return (volts, countsPerUnit / volts, true)
      }
    }
    // One of these lies in both ranges, because the product lies in theirs.
    let volts = [1.0, 1e-6, 1e6].first { (1e-3...1e12).contains(countsPerUnit / $0) } ?? 1
    return (volts, countsPerUnit / volts, false)
  }

  /// The instrument file.
  public func text(from source: String) -> String {
    let (volts, counts, isSplit) = factors
    let name = "sensitivity_volts_per_metre_per_second" + (quantity == .velocity ? "" : "_squared")
    var lines = [
      "# \(channel.code), \(channel.epoch), imported from \(shown(source)) by onset calibration import.",
      "#",
    ]
    lines += sentences.flatMap { ImportedInstrument.comment($0) }
    lines += [
      "", "[instrument]", "format = 1", "model = \"\(model)\"", "serial = \"\(serial)\"",
      "quantity = \"\(quantity == .velocity ? "velocity" : "acceleration")\"",
      "measured = \"\(measured.iso8601)\"", "valid_from = \"\(validFrom.iso8601)\"",
      "valid_until = \"\(validUntil.iso8601)\"", "",
      "# Counts per \(quantity == .velocity ? "m/s" : "m/s**2") are the product of this and "
        + "counts_per_volt: \(precise(countsPerUnit)), as the file has them at "
        + "\(brief(referenceHertz)) Hz.",
    ]
    if !isSplit { lines.append("# The file does not tell the sensor from what follows it.") }
    lines += [
      "\(name) = \(precise(volts))", "", "[digitizer]", "counts_per_volt = \(precise(counts))",
    ]
    if let corner {
      lines += [
        "", "[response]", "corner_hertz = \(precise(corner.cornerHertz))",
        "damping = \(precise(corner.damping))",
      ]
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func comment(_ sentence: String) -> [String] {
    var lines: [String] = []
    var line = "# -"
    for word in sentence.split(separator: " ") {
      if line.count + word.count >= 100 {
        lines.append(line)
        line = "#  "
      }
      line += " \(word)"
    }
    return lines + [line]
  }

  /// As the station reads it, before anybody has to.
  func check(_ text: String) throws {
    let bytes = Array(text.utf8)
    do throws(Diagnostic) {
      let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count)
      defer { buffer.deallocate() }
      _ = buffer.initialize(from: bytes)
      var file = try ConfigurationFile(path: Path(fileName), bytes: UnsafeBufferPointer(buffer))
      _ = try CalibrationFile(&file)
      try file.check()
    } catch {
      throw ToolError("\(channel.code): a station would refuse the instrument file: \(error)")
    }
  }
}

/// Ten digits: more than anybody has measured, and fewer than the 15 that a station reads.
private func precise(_ value: Double) -> String { String(format: "%.10g", value) }
