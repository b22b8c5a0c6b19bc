// stored: what a power cut, a failing card or a curious hand leaves in the state directory.
//
//   one byte     which file
//   the rest     what is in it
//
// Promised of every content: nothing traps; a number that is read is one that could have been
// stored, and all else is refused in a sentence; a station that starts with it has an epoch and a
// boot that no start before it had, and a site term within its limits.

import Core
import Estimator
import Foundation
import Runtime
import Settings
import Station
import Tools

final class StoredTarget: Target {
  private static let names: [StaticString] = [
    "boot-counter", "epoch", "site-term", "latch",
  ]
  private var random = RandomGenerator(seed: 1)

  let corpus: [[UInt8]]
  let dialect = Dialect(
    tokens: [
      "\n", "0", "1", "2", "-1", "+1", " ", "\r\n", "\0", "4294967294\n", "4294967295\n",
      "9223372036854775807\n", "9223372036854775808\n", "20000\n", "20001\n", "1e3", "0x10",
    ].map { Array($0.utf8) },
    maximumByteCount: 64)
  private let folder: URL

  /// In memory where there is a file system for it, because every start waits for its disk.
  init() throws {
    let memory = URL(fileURLWithPath: "/dev/shm")
    let isThere = FileManager.default.isWritableFile(atPath: memory.path)
    folder = (isThere ? memory : FileManager.default.temporaryDirectory)
      .appendingPathComponent("onset-stored-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    corpus = (0..<4).flatMap { file in
      ["1\n", "2\n", "12345\n", "1780272000\n", "9223372036854775807\n", ""].map {
        [UInt8(file)] + Array($0.utf8)
      }
    }
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  func finish(_ bytes: inout [UInt8], _ random: inout RandomGenerator) {}

  func test(_ bytes: UnsafeBufferPointer<UInt8>, iteration: Int) throws -> Bool {
    guard let first = bytes.first else { return false }
    let name = Self.names[Int(first) % Self.names.count]
    let content = UnsafeBufferPointer(rebasing: bytes[1...])
    for other in Self.names where "\(other)" != "\(name)" {
      unlink(folder.appendingPathComponent("\(other)").path)
    }
    // An epoch without its count of boots is none.
    if "\(name)" == "epoch" {
      try Data("5\n".utf8).write(to: folder.appendingPathComponent("boot-counter"))
    }
    try Data(content).write(to: folder.appendingPathComponent("\(name)"))
    let value = try read(name, content)
    try start(with: name, value)
    return value != nil
  }

  /// What the file holds, if it is a number.
  private func read(_ name: StaticString, _ content: UnsafeBufferPointer<UInt8>) throws -> Int? {
    do throws(Diagnostic) {
      let value = try StoredCounter(name, in: Path(folder.path)).read(largest: .max)
      let text = String(decoding: content, as: UTF8.self)
      let digits = text.dropLast().drop { $0 == "0" }
      try Self.promise(value >= 1 && text == text.dropLast() + "\n", "it reads \(value)")
      try Self.promise("\(value)" == digits, "it reads \(value) of \(digits)")
      return value
    } catch {
      try require(error.text.count > 0, "it refuses without a word")
      return nil
    }
  }

  private static func promise(_ isKept: Bool, _ sentence: String) throws(Diagnostic) {
    precondition(isKept, sentence)
  }

  private func start(with name: StaticString, _ value: Int?) throws {
    var drawn: [UInt64] = []
    let state = KeptState(in: Path(folder.path)) {
      drawn.append(random.next())
      return drawn.last!
    }
    let isDrawn = drawn.contains { max($0 >> 1, 1) == state.epoch }
    switch "\(name)" {
    case "boot-counter":
      let isUsable = value.map { $0 < Int(UInt32.max) } ?? false
      try require(isUsable == (state.problem == nil), "it does not say what it could not read")
      try require(
        isDrawn && Int(state.bootCounter) == (isUsable ? value! + 1 : 1),
        "boot \(state.bootCounter) may have been before")
    case "epoch":
      try require(
        (value == nil) == (state.problem != nil), "it does not say what it could not read")
      try require(
        value.map { state.epoch == UInt64($0) } ?? isDrawn, "epoch \(state.epoch) is not its own")
    case "site-term":
      let term = Station.siteTerm(stored: state.siteTerm)
      try require(term.value.magnitude <= SiteTerm.limit + 1e-9, "a term of \(term.value)")
    default:
      try require(state.isAlarmStanding == (value == 2), "the latch is not what was stored")
    }
  }
}
