// StoredCounter: a number above zero in a file of the state directory, which no power cut may take
// back.
//
//     let counter = try StoredCounter("boot-counter", in: directory)
//     let last = try counter.read(largest: .max)
//     let isStored = counter.store(last + 1)

import CLinux
import Core
import Settings

public struct StoredCounter {
  private let directory: Path
  private let name: StaticString
  private let path: Path

  @inline(never)
  public init(_ name: StaticString, in directory: Path) throws(Diagnostic) {
    self.name = name
    self.directory = directory
    var path = directory
    path.append("/")
    path.append(name)
    self.path = path
    // Cut at its capacity it would be another file.
    guard path.count < 250 else { throw refusal(": the path is too long") }
  }

  /// 0 when there is no file yet. A damaged one is refused, because guessing could repeat numbers.
  @inline(never)
  public func read(largest: Int) throws(Diagnostic) -> Int {
    let isAbsent = path.withCString { access($0, F_OK) } != 0 && clinux_errno() == ENOENT
    if isAbsent { return 0 }
    guard let value = storedValue(), value <= largest else {
      var diagnostic = refusal(": ")
      diagnostic.text.append(name)
      diagnostic.text.append(" does not hold a number of 1 to ")
      diagnostic.text.append(largest)
      diagnostic.text.append("; put the last one there")
      throw diagnostic
    }
    return value
  }

  /// False when it could not be made sure that the number is on disk.
  @inline(never)
  public func store(_ value: Int) -> Bool {
    var text = Text<24>()
    text.append(value)
    text.append("\n")
    return text.withBytes { File.replace(path, directory: directory, with: $0) }
  }

  @inline(never)
  func unwritable() -> Diagnostic {
    var diagnostic = refusal(": ")
    diagnostic.text.append(name)
    diagnostic.text.append(" cannot be written; make the directory and let onsetd write to it")
    return diagnostic
  }

  @inline(never)
  private func refusal(_ sentence: StaticString) -> Diagnostic {
    Diagnostic("state directory ", directory, sentence)
  }

  private func storedValue() -> Int? {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 24) { buffer in
      guard let count = File.read(path, into: buffer), count >= 2, count <= 20,
        buffer[count - 1] == UInt8(ascii: "\n")
      else { return nil }
      for index in 0..<(count - 1) {
        guard buffer[index] >= UInt8(ascii: "0"), buffer[index] <= UInt8(ascii: "9") else {
          return nil
        }
      }
      let digits = UnsafeBufferPointer(rebasing: buffer[..<(count - 1)])
      return File.integer(in: digits).flatMap { $0 >= 1 ? $0 : nil }
    }
  }
}
