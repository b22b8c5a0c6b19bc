// UplinkBenchmark: what one core takes of a fleet's datagrams (`onset bench uplink`): verified into
// memory, and committed to SQLite, beside a loop that only receives them.
//
//     let result = try UplinkBenchmark().run()
//     print(UplinkBenchmark.table(result))

import CCollector
import Core
import Devices
import Foundation
import Tools
import Uplink

public struct UplinkBenchmark {
  public struct Result: Sendable {
    /// Datagrams a second, medians.
    public var received = 0.0
    public var verified = 0.0
    public var committed = 0.0
    /// Memory that a station takes for good, of so many.
    public var bytesPerStation = 0.0
    public var stations = 0
  }

  private let stations: Int
  private let datagramsPerStation: Int
  private let repetitions: Int

  /// Each station sends health and detections by turns.
  public init(stations: Int = 20_000, datagramsPerStation: Int = 5, repetitions: Int = 5) {
    self.stations = stations
    self.datagramsPerStation = datagramsPerStation
    self.repetitions = repetitions
  }

  public func run() throws -> Result {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("onset-bench-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let master = Key(Octets(repeating: 1))
    let datagrams = makeDatagrams(master)
    var rates = (received: [Double](), verified: [Double](), committed: [Double]())
    var result = Result()
    for repetition in 0..<repetitions {
      rates.received.append(try received(datagrams))
      let intake = try Intake(
        databasePath: folder.appendingPathComponent("\(repetition).sqlite").path,
        keys: try KeyFolder(nil, master: master) { _ in }, told: MessageFilter("alert"),
        tell: { _ in }, complain: { _ in }, send: { _, _ in })
      let (verified, committed) = measure(intake, datagrams)
      rates.verified.append(verified)
      rates.committed.append(committed)
      guard intake.counts.stored == datagrams.count else {
        throw ToolError("\(intake.counts.stored) of \(datagrams.count) datagrams were stored")
      }
    }
    result.bytesPerStation = try bytesPerStation(folder, datagrams, master)
    result.stations = stations
    (result.received, result.verified, result.committed) = (
      median(rates.received), median(rates.verified), median(rates.committed)
    )
    return result
  }

  /// One message of each, committed as they come.
  private func bytesPerStation(
    _ folder: URL, _ datagrams: [Datagram], _ master: Key
  ) throws -> Double {
    let intake = try Intake(
      databasePath: folder.appendingPathComponent("memory.sqlite").path,
      keys: try KeyFolder(nil, master: master) { _ in }, told: MessageFilter("alert"),
      tell: { _ in }, complain: { _ in }, send: { _, _ in })
    let before = Int(ccollector_allocated_bytes())
    for (index, datagram) in datagrams.enumerated() {
      datagram.withBytes { intake.take($0, at: UTC(nanoseconds: 0), from: Sender()) }
      if index % 1000 == 999 { intake.commit(at: UTC(nanoseconds: 0)) }
    }
    while intake.waitingCount > 0, intake.commit(at: UTC(nanoseconds: 0)) {}
    return Double(Int(ccollector_allocated_bytes()) - before) / Double(stations)
  }

  private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

  private func seconds(_ body: () -> Void) -> Double {
    let begin = MachineClock().monotonicNanoseconds()
    body()
    return Double(MachineClock().monotonicNanoseconds() - begin) * 1e-9
  }

  private func makeDatagrams(_ master: Key) -> [Datagram] {
    var datagrams: [Datagram] = []
    for station in 0..<stations {
      let code = StationCode("XX.S\(station).00.HH")
      let key = Key.ofStation(code, master: master)
      for sequence in 0..<datagramsPerStation {
        let isHealth = sequence % 5 == 0
        let header = Header(
          type: isHealth ? .health : .pick, station: code, epoch: 7, bootCounter: 1,
          sequence: UInt32(sequence), emitted: UTC(nanoseconds: 1_800_000_000_000_000_000),
          clockState: 3, clockSource: 2, clockUncertaintyNanoseconds: 1000)
        datagrams.append(
          Datagram(header, key: key) {
            isHealth ? HealthMessage().write(to: &$0) : PickMessage().write(to: &$0)
          })
      }
    }
    var random = RandomGenerator(seed: 1)
    return datagrams.shuffled(using: &random)
  }

  private func measure(
    _ intake: Intake, _ datagrams: [Datagram]
  ) -> (verified: Double, committed: Double) {
    let now = UTC(nanoseconds: 1_800_000_000_000_000_000)
    let taking = seconds {
      for datagram in datagrams {
        datagram.withBytes { intake.take($0, at: now, from: Sender()) }
      }
    }
    let committing = seconds {
      while intake.waitingCount > 0, intake.commit(at: now) {}
    }
    let count = Double(datagrams.count)
    return (count / taking, count / (taking + committing))
  }

  /// Over the loopback, as fast as one thread sends and one receives; what is lost is not counted.
  private func received(_ datagrams: [Datagram]) throws -> Double {
    let socket = ccollector_open(0)
    guard socket >= 0 else { throw ToolError("no UDP socket can be had") }
    defer { close(socket) }
    let port = ccollector_port(socket)
    let batch = UnsafeMutablePointer<ccollector_batch>.allocate(capacity: 1)
    defer { batch.deallocate() }
    let sender = Thread {
      guard let endpoint = try? UdpEndpoint(listenPort: 0) else { return }
      let loopback = Address(ipv4: 0x7F00_0001, port: port)
      for datagram in datagrams { _ = endpoint.send(datagram, to: loopback) }
    }
    var count = 0
    sender.start()
    let elapsed = seconds {
      while true {
        let got = ccollector_receive(socket, batch, count == 0 ? 1000 : 20)
        guard got > 0 else { break }
        count += Int(got)
      }
    }
    return Double(count) / max(elapsed - 0.02, 1e-9)
  }

  public static func json(_ result: Result) -> String {
    "{\"stations\":\(result.stations),\"received_per_s\":\(decimal(result.received, 0)),"
      + "\"verified_per_s\":\(decimal(result.verified, 0)),"
      + "\"committed_per_s\":\(decimal(result.committed, 0)),"
      + "\"bytes_per_station\":\(decimal(result.bytesPerStation, 0))}"
  }

  public static func table(_ result: Result) -> String {
    func line(_ name: String, _ rate: Double) -> String {
      let ratio = result.received > 0 ? rate / result.received : 0
      return
        "\(name.padding(to: 44)) \(decimal(rate, 0)) a second, \(decimal(ratio, 2)) of the bare loop"
    }
    return """
      \(result.stations) stations on one core
      \(line("received with recvmmsg and nothing else", result.received))
      \(line("verified into memory", result.verified))
      \(line("verified and committed to SQLite", result.committed))
      \("memory".padding(to: 44)) \(decimal(result.bytesPerStation, 0)) bytes a station
      """
  }
}
