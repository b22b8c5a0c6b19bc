// LineWriter: lines on their way to whoever reads them, who may be slow, stalled or gone.
//
// A pipe that nobody reads takes 64 KiB and then stops whoever writes to it. If the collector wrote
// its lines itself, a log viewer that somebody has paused would stop every station's
// acknowledgements.
//
// So lines go into a queue, and a thread of their own writes them. The queue is bounded. When it is
// full, or nothing can be written, lines are dropped and counted, which is said when it begins and
// when the reader has caught up.
//
//     let lines = LineWriter(STDOUT_FILENO, name: "standard output") { complain($0) }
//     lines.tell(json)
//     let unwritten = lines.finish()

import Foundation

/// SIGPIPE must be ignored: that the reader is gone is an error like others.
public final class LineWriter: @unchecked Sendable {
  /// An earthquake under a thousand stations, six messages each, and two minutes of their health:
  /// about 20,000 lines of 700 bytes.
  public static let queuedBytesMaximum = 16 << 20
  /// Containers are killed ten seconds after they were told to end. In that time two of these
  /// finish, and the commits before them where not too much waits.
  public static let patienceMilliseconds = 4000
  /// What a pipe holds. The thread says after each piece how much it has written.
  private static let pieceBytes = 1 << 16
  private static let newline = UInt8(ascii: "\n")

  private let descriptor: Int32
  private let name: String
  private let bytesMaximum: Int
  private let complain: @Sendable (String) -> Void
  private let ended = DispatchSemaphore(value: 0)

  /// Guards all that follows, up to the mark.
  private let condition = NSCondition()
  private var queued: [UInt8] = []
  private var queuedLines = 0
  /// What the thread has taken from the queue and not written yet.
  private var taken = (bytes: 0, lines: 0)
  private var lostLines = 0
  /// `lostLines` when lines began to be lost.
  private var lostBefore: Int?
  private var isFinishing = false
  // The thread's own: it has written the beginning of a line, and not its end.
  private var isTorn = false

  /// `complain` gets a sentence, from any thread, when lines begin to be lost and when that ends.
  public init(
    _ descriptor: Int32, name: String, bytesMaximum: Int = LineWriter.queuedBytesMaximum,
    complain: @escaping @Sendable (String) -> Void
  ) {
    (self.descriptor, self.name, self.bytesMaximum) = (descriptor, name, bytesMaximum)
    self.complain = complain
    Thread { [self] in
      while let bytes = take() { put(bytes) }
      ended.signal()
    }.start()
  }

  /// Lines that nobody has taken and nobody will.
  public var lost: Int { condition.withLock { lostLines } }

  /// A line without its end. It never waits for the reader.
  public func tell(_ line: String) {
    condition.withLock {
      let count = line.utf8.count + 1
      guard !isFinishing, queued.count + taken.bytes + count <= bytesMaximum else {
        lose(1, because: "\(bytesMaximum >> 10) KiB of them wait")
        return
      }
      queued.append(contentsOf: line.utf8)
      queued.append(LineWriter.newline)
      queuedLines += 1
      condition.signal()
    }
  }

  /// Writes what is queued, unless the reader stalls for so long; how many lines are left then.
  public func finish(patienceMilliseconds: Int = LineWriter.patienceMilliseconds) -> Int {
    condition.withLock {
      isFinishing = true
      condition.signal()
    }
    if ended.wait(timeout: .now() + .milliseconds(patienceMilliseconds)) == .success { return 0 }
    return condition.withLock { queuedLines + taken.lines }
  }

  /// Under the lock.
  private func lose(_ count: Int, because reason: String) {
    if lostBefore == nil {
      lostBefore = lostLines
      complain(
        "nobody takes the lines on \(name) (\(reason)): they are dropped and counted, and messages "
          + "are stored all the same")
    }
    lostLines += count
  }

  // MARK: The thread

  /// All that is queued, as soon as there is something; nil at the end.
  private func take() -> [UInt8]? {
    condition.withLock {
      while queued.isEmpty && !isFinishing { condition.wait() }
      guard !queued.isEmpty else { return nil }
      taken = (queued.count, queuedLines)
      queuedLines = 0
      defer { queued = [] }
      return queued
    }
  }

  private func put(_ bytes: [UInt8]) {
    var failure: Int32 = 0
    if isTorn {
      // The next line must be whole for whoever reads line by line.
      failure = write([LineWriter.newline]) { _ in }
      isTorn = failure != 0
    }
    if failure == 0 {
      failure = write(bytes[...]) { piece in
        let lines = piece.count { $0 == LineWriter.newline }
        isTorn = piece.last != LineWriter.newline
        condition.withLock { taken = (taken.bytes - piece.count, taken.lines - lines) }
      }
    }
    condition.withLock {
      if failure != 0 { lose(taken.lines, because: String(cString: strerror(failure))) }
      taken = (0, 0)
      // A slow reader is no reason to complain at every line: it has caught up, or it has not.
      if let before = lostBefore, failure == 0, queued.isEmpty {
        complain("lines on \(name) are taken again; \(lostLines - before) were dropped")
        lostBefore = nil
      }
    }
  }

  /// `written` gets each piece that was written; what it failed of, or 0.
  private func write(_ bytes: ArraySlice<UInt8>, written: (ArraySlice<UInt8>) -> Void) -> Int32 {
    var left = bytes
    while !left.isEmpty {
      let count = left.prefix(LineWriter.pieceBytes).withUnsafeBytes {
        Glibc.write(descriptor, $0.baseAddress, $0.count)
      }
      if count < 0 && errno == EINTR { continue }
      if count < 0 && errno == EAGAIN {
        // Whoever shares the pipe has made it one that does not block.
        var wanted = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        poll(&wanted, 1, -1)
        continue
      }
      guard count > 0 else { return count < 0 ? errno : EIO }
      written(left.prefix(count))
      left = left.dropFirst(count)
    }
    return 0
  }
}
