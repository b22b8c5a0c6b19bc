// AdsConverter: an ADS1256 on the SPI bus, and the line on which it says that a conversion is over.
//
//     let converter = try AdsConverter(settings)
//     converter.configure()
//     let value = converter.exchange(selecting: input)

import CGpiod
import CLinux
import Core
import Digitizer

// Public, because whoever destroys a Capture in Embedded Swift must see how this ends.
public struct AdsConverter: ~Copyable {
  let descriptor: Int32
  private let bus: Int32
  private let edges: OpaquePointer
  private let settings: AdsSettings

  /// A quarter of the converter's clock of 7.68 MHz is its limit (SBAS288K, page 6: t1).
  private static let busHertz: UInt32 = 1_500_000
  /// Between a register's order and the next (t11, 0.5 µs), and between an order to read and the
  /// first bit (t6, 6.5 µs).
  private static let orderMicroseconds: UInt16 = 1
  private static let answerMicroseconds: UInt16 = 7
  /// After a reset until it answers, and for its own calibration at 500 a second (table 21: 6.6 ms).
  private static let resetMicroseconds: UInt32 = 5000
  private static let calibrationMicroseconds: UInt32 = 20_000

  init(_ settings: DigitizerSettings) throws(Diagnostic) {
    self.settings = settings.ads
    let bus = settings.device.withCString { clinux_spi_open($0, AdsConverter.busHertz) }
    guard bus >= 0 else {
      var diagnostic = Diagnostic("digitizer: ", settings.device, " cannot be opened (")
      diagnostic.text.append(cString: UnsafePointer(strerror(clinux_errno())))
      diagnostic.text.append(
        "): dtparam=spi=on makes /dev/spidev0.0; give onsetd the group spi")
      throw diagnostic
    }
    let edges = settings.ads.chip.withCString {
      cgpiod_edges_open(Int32(CGPIOD_DATA_READY.rawValue), $0, UInt32(settings.ads.line), 1)
    }
    guard let edges else {
      var diagnostic = Diagnostic("digitizer: data_ready_line of ", settings.ads.chip, " (")
      diagnostic.text.append(cString: UnsafePointer(strerror(clinux_errno())))
      close(bus)
      diagnostic.text.append(") cannot be taken: see gpioinfo for its name and who holds it")
      throw diagnostic
    }
    self.bus = bus
    self.edges = edges
    descriptor = cgpiod_edges_descriptor(edges)
  }

  deinit {
    cgpiod_edges_close(edges)
    close(bus)
  }

  /// When the next conversion that was waited for was over; nil when none waits.
  func edge() -> Int64? {
    var stamp: Int64 = 0
    return cgpiod_edges_read(edges, &stamp) == 1 ? stamp : nil
  }

  /// Sets it up and asks whether it is so. Takes some tens of milliseconds.
  func configure() -> AdsRegisters.Answer {
    _ = order(AdsRegisters.reset)
    clinux_sleep_microseconds(AdsConverter.resetMicroseconds)
    _ = order(AdsRegisters.stopReading)
    var setting = clinux_spi_part()
    let bytes = AdsRegisters.setting(settings)
    AdsConverter.put(bytes, into: &setting)
    _ = exchange(&setting)
    _ = order(AdsRegisters.calibrate)
    clinux_sleep_microseconds(AdsConverter.calibrationMicroseconds)
    return ask()
  }

  /// Whether its registers are as they were set. A converter whose supply dropped has forgotten.
  func ask() -> AdsRegisters.Answer {
    withUnsafeTemporaryAllocation(of: clinux_spi_part.self, capacity: 2) { parts in
      parts.initialize(repeating: clinux_spi_part())
      AdsConverter.put(AdsRegisters.question, into: &parts[0])
      parts[0].pause_microseconds = AdsConverter.answerMicroseconds
      parts[1].count = UInt8(AdsRegisters.count)
      guard clinux_spi_exchange(bus, AdsConverter.busHertz, parts.baseAddress, 2) == 0 else {
        return .nobody
      }
      let answer = parts[1].in
      return AdsRegisters.judge([answer.0, answer.1, answer.2, answer.3], settings)
    }
  }

  /// Sets the multiplexer, and reads the conversion that has just ended; nil when the bus fails.
  func exchange(selecting input: UInt8) -> Int32? {
    withUnsafeTemporaryAllocation(of: clinux_spi_part.self, capacity: 3) { parts in
      parts.initialize(repeating: clinux_spi_part())
      AdsConverter.put(AdsRegisters.selection(input), into: &parts[0])
      parts[0].pause_microseconds = AdsConverter.orderMicroseconds
      AdsConverter.put([AdsRegisters.readData], into: &parts[1])
      parts[1].pause_microseconds = AdsConverter.answerMicroseconds
      parts[2].count = 3
      guard clinux_spi_exchange(bus, AdsConverter.busHertz, parts.baseAddress, 3) == 0 else {
        return nil
      }
      let answer = parts[2].in
      return AdsRegisters.sample([answer.0, answer.1, answer.2])
    }
  }

  private func order(_ byte: UInt8) -> Bool {
    var part = clinux_spi_part()
    AdsConverter.put([byte], into: &part)
    return exchange(&part)
  }

  private func exchange(_ part: inout clinux_spi_part) -> Bool {
    part.pause_microseconds = AdsConverter.orderMicroseconds
    return clinux_spi_exchange(bus, AdsConverter.busHertz, &part, 1) == 0
  }

  private static func put<let count: Int>(
    _ bytes: InlineArray<count, UInt8>, into part: inout clinux_spi_part
  ) {
    part.count = UInt8(count)
    withUnsafeMutableBytes(of: &part.out) { out in
      for index in 0..<count { out[index] = bytes[index] }
    }
  }
}
