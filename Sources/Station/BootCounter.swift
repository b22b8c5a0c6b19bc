// The boot counter: a number in a file that grows by one at every start, so that (counter,
// sequence) orders all datagrams of a station for ever. It is on disk before the first datagram
// leaves.

import Board
import CLinux
import Core

public enum BootCounter {
  /// Reads, increments and stores. A missing file is the first boot; an unreadable or damaged one
  /// is refused, because guessing could repeat numbers.
  public static func advance(directory: Path) throws(Diagnostic) -> UInt32 {
    func refusal(_ sentence: StaticString) -> Diagnostic {
      var diagnostic = Diagnostic("state directory ")
      diagnostic.text.append(directory)
      diagnostic.text.append(sentence)
      return diagnostic
    }
    var path = directory
    path.append("/boot-counter")
    guard path.count < 250 else { throw refusal(": the path is too long") }
    var previous: UInt32 = 0
    let isFirst = path.withCString { access($0, F_OK) } != 0 && clinux_errno() == ENOENT
    if !isFirst {
      guard let stored = read(path) else {
        throw refusal(
          ": boot-counter does not hold a number of 1 to 4294967294; put the last one there")
      }
      previous = stored
    }
    let next = previous + 1
    var text = Text<16>()
    text.append(Int(next))
    text.append("\n")
    let isStored = text.withBytes { File.replace(path, directory: directory, with: $0) }
    guard isStored else {
      throw refusal(
        ": boot-counter cannot be written; make the directory and let onsetd write to it")
    }
    return next
  }

  private static func read(_ path: Path) -> UInt32? {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 16) { buffer in
      guard let count = File.read(path, into: buffer), count >= 2, count <= 11 else { return nil }
      var value = 0
      for index in 0..<(count - 1) {
        guard buffer[index] >= UInt8(ascii: "0"), buffer[index] <= UInt8(ascii: "9") else {
          return nil
        }
        value = value * 10 + Int(buffer[index] - UInt8(ascii: "0"))
      }
      guard buffer[count - 1] == UInt8(ascii: "\n"), value >= 1, value < Int(UInt32.max) else {
        return nil
      }
      return UInt32(value)
    }
  }
}
