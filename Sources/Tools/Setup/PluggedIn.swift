// PluggedIn: digitizers that this machine has or hears: sound cards, accelerometers that the kernel
// has a driver for, serial lines, and a Raspberry Shake that casts to it. Each with the board that fits and what is to be changed in it.
//
//     let found = PluggedIn.devices() + PluggedIn.shakes(port: 8888, seconds: 3)

import CLinux
import Core
import Devices
import Digitizer
import Foundation

public struct PluggedIn: Equatable, Sendable {
  /// A folder of boards.
  public let board: String
  /// Values of [digitizer], as they are written.
  public let changes: [Change]
  /// What it is, for whoever chooses.
  public let text: String

  public struct Change: Equatable, Sendable {
    public let key: String
    public let value: String
    public init(_ key: String, _ value: String) { (self.key, self.value) = (key, value) }
  }

  public init(board: String, changes: [Change], text: String) {
    (self.board, self.changes, self.text) = (board, changes, text)
  }

  /// Cards that are named by their drivers, and the boards that have them.
  private static let cards = [
    "seeed4micvoicec": "raspberry-pi-4-hat", "sndrpihifiberry": "raspberry-pi-5-hat",
  ]

  /// Sound cards that can record, drivers' accelerometers, and serial lines by the names that stay.
  public static func devices(root: String = "/") -> [PluggedIn] {
    soundCards(root) + accelerometers(root) + serialLines(root)
  }

  private static func accelerometers(_ root: String) -> [PluggedIn] {
    let folder = root + "sys/bus/iio/devices"
    let entries = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return entries.sorted().compactMap { entry in
      guard let word = try? String(contentsOfFile: "\(folder)/\(entry)/name", encoding: .utf8),
        FileManager.default.fileExists(
          atPath: "\(folder)/\(entry)/scan_elements/in_accel_z_en")
      else { return nil }
      let name = word.trimmingCharacters(in: .whitespacesAndNewlines)
      return PluggedIn(
        board: "adxl355", changes: [Change("device", "\"\(name)\"")],
        text: "accelerometer \(name)")
    }
  }

  private static func soundCards(_ root: String) -> [PluggedIn] {
    // "00-00: name : name : capture 1", and the card's own word in a file of its folder.
    let list = (try? String(contentsOfFile: root + "proc/asound/pcm", encoding: .utf8)) ?? ""
    var seen: Set<String> = []
    return list.split(separator: "\n").filter { $0.contains(": capture") }.compactMap { line in
      guard let number = Int(line.prefix { $0 != "-" }),
        let device = Int(line.dropFirst(3).prefix(2)),
        let id = try? String(contentsOfFile: root + "proc/asound/card\(number)/id", encoding: .utf8)
      else { return nil }
      let card = id.trimmingCharacters(in: .whitespacesAndNewlines)
      guard seen.insert(card).inserted else { return nil }
      return PluggedIn(
        board: cards[card] ?? "usb-audio",
        changes: [Change("device", "\"hw:CARD=\(card),DEV=\(device)\"")],
        text: "sound card \(card)")
    }
  }

  private static func serialLines(_ root: String) -> [PluggedIn] {
    let folder = root + "dev/serial/by-id"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.sorted().map { name in
      PluggedIn(
        board: "anyshake-explorer", changes: [Change("device", "\"/dev/serial/by-id/\(name)\"")],
        text: "serial line \(name)")
    }
  }

  /// Shakes whose casts come to this machine within so many seconds.
  public static func shakes(port: Int, seconds: Double) throws(Diagnostic) -> [PluggedIn] {
    let socket = try UdpEndpoint(at: Address(ipv4: 0, port: UInt16(port)), for: "setup")
    var heard = HeardCasts()
    var buffer = [UInt8](repeating: 0, count: ShakeDatagram.byteMaximum + 1)
    var waiting = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
    let clock = MachineClock()
    let end = clock.monotonicNanoseconds() + Int64(seconds * 1e9)
    while true {
      let left = end - clock.monotonicNanoseconds()
      guard left > 0 else { return heard.found(port) }
      _ = poll(&waiting, 1, Int32(clamping: left / 1_000_000 + 1))
      buffer.withUnsafeMutableBufferPointer { buffer in
        while clock.monotonicNanoseconds() < end,
          let (count, sender) = socket.receive(into: buffer)
        {
          heard.take(UnsafeBufferPointer(rebasing: buffer[0..<min(count, buffer.count)]), sender)
        }
      }
    }
  }
}

/// What was heard of casts: from where, which channels, and how many samples a second.
struct HeardCasts {
  private struct Channel {
    var first: UTC
    var last: UTC
    /// Samples of the newest datagram, and of all before it.
    var newest: Int
    var before = 0
  }
  private var senders: [(address: String, channels: [String: Channel])] = []
  private var samples = [Int32](repeating: 0, count: ShakeDatagram.sampleMaximum)

  mutating func take(_ bytes: UnsafeBufferPointer<UInt8>, _ sender: Address) {
    let read = samples.withUnsafeMutableBufferPointer { buffer in
      ShakeDatagram(bytes, samples: buffer).map { ($0.name, $0.time, $0.samples.count) }
    }
    guard let (number, time, count) = read else { return }
    let letters = (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) }
    let name = String(decoding: letters.filter { $0 > 0 }, as: UTF8.self)
    let address = sender.host
    let place = senders.firstIndex { $0.address == address } ?? senders.endIndex
    if place == senders.endIndex { senders.append((address, [:])) }
    var channel =
      senders[place].channels[name] ?? Channel(first: time, last: time, newest: 0)
    channel.before += channel.newest
    (channel.newest, channel.last) = (count, time)
    senders[place].channels[name] = channel
  }

  /// Vertical, north, east; the geophone of a Shake that has both as a fourth.
  static func order(_ names: Set<String>) -> [String] {
    let kinds = ["EN", "EH", "SH"]
    let kind =
      kinds.first { kind in names.contains(kind + "Z") && names.contains(kind + "N") }
      ?? kinds.first { names.contains($0 + "Z") }
    guard let kind else { return [] }
    let own = ["Z", "N", "E"].map { kind + $0 }.filter(names.contains)
    return own + (kind == "EN" && names.contains("EHZ") ? ["EHZ"] : [])
  }

  func found(_ port: Int) -> [PluggedIn] {
    senders.compactMap { sender in
      let names = HeardCasts.order(Set(sender.channels.keys))
      guard let first = names.first, let one = sender.channels[first], one.last > one.first
      else { return nil }
      let rate = Double(one.before) / (Double(one.last - one.first) * 1e-9)
      let hertz = rate < 75 ? 50 : 100
      var changes = [
        PluggedIn.Change("source", "\"\(sender.address)\""),
        PluggedIn.Change("port", "\(port)"),
        PluggedIn.Change("sample_rate_millihertz", "\(hertz * 1000)"),
        PluggedIn.Change("clock_uncertainty_microseconds", "\(1_000_000 / hertz)"),
        PluggedIn.Change("channel_names", "\"\(names.joined(separator: ","))\""),
      ]
      let lanes = ["vertical_channel", "north_channel", "east_channel", "auxiliary_channel"]
      for (number, lane) in lanes.enumerated() {
        changes.append(PluggedIn.Change(lane, number < names.count ? "\(number)" : ""))
      }
      changes.append(PluggedIn.Change("auxiliary_picks", names.count > 3 ? "true" : ""))
      return PluggedIn(
        board: "raspberry-shake", changes: changes,
        text:
          "Raspberry Shake at \(sender.address), \(names.joined(separator: " ")), \(hertz) a second"
      )
    }
  }
}
