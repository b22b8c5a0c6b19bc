// A reader that stalls, goes away or is slow: nothing waits for it, and what it misses is counted.

import Foundation
import Synchronization
import Testing

@testable import Collector

@Suite struct LineWriterTests {
  /// Sentences, from any thread; whoever waits for one wakes up when it comes.
  private final class Complaints: Sendable {
    private let sentences = Mutex<[String]>([])
    private let came = DispatchSemaphore(value: 0)

    var all: [String] { sentences.withLock { $0 } }

    func note(_ sentence: String) {
      sentences.withLock { $0.append(sentence) }
      came.signal()
    }

    /// The deadline is for a failure alone.
    func next() -> String {
      #expect(came.wait(timeout: .now() + .seconds(60)) == .success, "no complaint came")
      return all.last ?? ""
    }
  }

  private struct Ends {
    let reader: Int32
    let writer: Int32

    init() {
      signal(SIGPIPE, SIG_IGN)
      var ends: [Int32] = [0, 0]
      pipe(&ends)
      (reader, writer) = (ends[0], ends[1])
    }

    /// What is in the pipe already are empty lines.
    func fill() {
      let flags = fcntl(writer, F_GETFL)
      _ = fcntl(writer, F_SETFL, flags | O_NONBLOCK)
      let empty = [UInt8](repeating: UInt8(ascii: "\n"), count: 512)
      while write(writer, empty, empty.count) > 0 {}
      _ = fcntl(writer, F_SETFL, flags)
    }

    /// What has come; nothing at the end, or where nothing comes for a moment.
    func read() -> [UInt8] {
      var wanted = pollfd(fd: reader, events: Int16(POLLIN), revents: 0)
      guard poll(&wanted, 1, 100) > 0 else { return [] }
      var bytes = [UInt8](repeating: 0, count: 1 << 16)
      return Array(bytes[..<max(Foundation.read(reader, &bytes, bytes.count), 0)])
    }
  }

  private static func line(_ number: Int) -> String {
    "\(number) " + String(repeating: "x", count: 1000)
  }

  @Test func whatIsToldIsWrittenInOrder() {
    let ends = Ends()
    let writer = LineWriter(ends.writer, name: "a pipe") { _ in }
    for number in 0..<50 { writer.tell(Self.line(number)) }
    #expect(writer.finish() == 0)
    close(ends.writer)
    var text: [UInt8] = []
    while case let piece = ends.read(), !piece.isEmpty { text += piece }
    let expected = (0..<50).map { Self.line($0) + "\n" }.joined()
    #expect(String(decoding: text, as: UTF8.self) == expected)
    #expect(writer.lost == 0)
    close(ends.reader)
  }

  /// The queue takes 20 kB; the rest is lost until somebody reads.
  @Test func aStalledReaderLosesLinesAndNothingElse() {
    let (ends, complaints) = (Ends(), Complaints())
    ends.fill()
    let writer = LineWriter(ends.writer, name: "a pipe", bytesMaximum: 20_000) {
      complaints.note($0)
    }
    var told = 0
    while writer.lost < 30 && told < 1000 {
      writer.tell(Self.line(told))
      told += 1
    }
    #expect(complaints.next().contains("nobody takes the lines on a pipe (19 KiB of them wait)"))
    #expect(complaints.all.count == 1, "once")
    var text: [UInt8] = []
    for _ in 0..<1000 where complaints.all.count < 2 { text += ends.read() }
    #expect(complaints.all[1] == "lines on a pipe are taken again; 30 were dropped")
    writer.tell("the last")
    #expect(writer.finish() == 0)
    close(ends.writer)
    while case let piece = ends.read(), !piece.isEmpty { text += piece }
    let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
    #expect(lines.count == told - 30 + 1 && lines.last == "the last")
    #expect(lines.dropLast().allSatisfy { $0.utf8.count > 1000 }, "whole lines")
    #expect(writer.lost == 30)
    close(ends.reader)
  }

  @Test func aReaderThatIsGoneIsNotWaitedFor() {
    let (ends, complaints) = (Ends(), Complaints())
    close(ends.reader)
    let writer = LineWriter(ends.writer, name: "a pipe") { complaints.note($0) }
    writer.tell("first")
    #expect(complaints.next().contains("(Broken pipe)"))
    writer.tell("second")
    #expect(writer.finish() == 0)
    #expect(writer.lost == 2 && complaints.all.count == 1)
    close(ends.writer)
  }

  /// With no patience at all the program ends at once, and says how much was not taken.
  @Test func aStalledReaderDoesNotKeepTheProgramFromEnding() {
    let ends = Ends()
    ends.fill()
    let writer = LineWriter(ends.writer, name: "a pipe") { _ in }
    for number in 0..<200 { writer.tell(Self.line(number)) }
    #expect(writer.finish(patienceMilliseconds: 0) == 200)
    writer.tell("too late")
    #expect(writer.lost == 1)
    // The thread ends when the pipe does.
    close(ends.reader)
  }
}
