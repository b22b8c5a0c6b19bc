// A campaign: many mutants of a corpus into one target, watched.

import Core
import Foundation

/// What a target promises of every input, broken by this one.
struct Violation: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// Throws the sentence unless the promise is kept.
func require(_ isKept: Bool, _ sentence: @autoclosure () -> String) throws {
  guard isKept else { throw Violation(sentence()) }
}

protocol Target: ~Copyable {
  var corpus: [[UInt8]] { get }
  var dialect: Dialect { get }
  /// What the blind mutations are completed with, for instance a valid signature.
  mutating func finish(_ bytes: inout [UInt8], _ random: inout RandomGenerator)
  /// Feeds the input to what reads it. Returns whether it was accepted; throws a Violation.
  mutating func test(_ bytes: UnsafeBufferPointer<UInt8>, iteration: Int) throws -> Bool
  /// What else is to be said of a campaign, such as "40 run"; empty for nothing.
  var summary: String { get }
  /// So many inputs take a fraction of a second; one that hangs takes for ever.
  var inputsPerAlarm: Int { get }
}

extension Target where Self: ~Copyable {
  var summary: String { "" }
  var inputsPerAlarm: Int { 64 }
}

struct Campaign {
  private static let alarmSeconds: UInt32 = 10

  let name: String
  let seed: UInt64

  func run<Input: Target & ~Copyable>(
    _ target: inout Input, iterations: Int, input: [UInt8]?
  ) throws {
    let path = "onset-fuzz-\(name)-\(seed).input"
    Watch.start(path: path)
    var mutator = Mutator(
      seed: seed, corpus: target.corpus, dialect: target.dialect)
    let region = GuardedRegion(byteCount: mutator.maximumByteCount)
    var accepted = 0
    let count = input == nil ? iterations : 1
    let begin = Date()
    for iteration in 0..<count {
      if iteration % target.inputsPerAlarm == 0 { alarm(Campaign.alarmSeconds) }
      if let input {
        mutator.bytes = input
      } else {
        mutator.mutate()
        target.finish(&mutator.bytes, &mutator.random)
      }
      let bytes = region.place(mutator.bytes)
      Watch.input(bytes)
      do {
        if try target.test(bytes, iteration: iteration) { accepted += 1 }
      } catch {
        Watch.writeInput()
        throw Violation("\(name), seed \(seed), input \(iteration): \(error)")
      }
    }
    alarm(0)
    Watch.end()
    let seconds = Date().timeIntervalSince(begin)
    let line =
      "\(name): \(count) inputs from seed \(seed), \(accepted) accepted, "
      + "\(count - accepted) refused, \(target.summary.isEmpty ? "" : target.summary + ", ")"
      + "\(Int(Double(count) / max(seconds, 1e-6))) a second\n"
    FileHandle.standardOutput.write(Data(line.utf8))
  }
}

/// Memory whose end is followed by a page that must not be touched. Reading past an input faults
/// even in libraries that the sanitizer does not instrument.
final class GuardedRegion {
  private let base: UnsafeMutableRawPointer
  private let byteCount: Int

  init(byteCount: Int) {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let rounded = (byteCount + page - 1) / page * page
    base = mmap(
      nil, rounded + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
    precondition(base != MAP_FAILED && mprotect(base + rounded, page, PROT_NONE) == 0)
    self.byteCount = rounded
  }

  /// Copies the bytes so that they end where the region does.
  func place(_ bytes: [UInt8]) -> UnsafeBufferPointer<UInt8> {
    precondition(bytes.count <= byteCount)
    let start = base + (byteCount - bytes.count)
    bytes.withUnsafeBytes {
      if $0.count > 0 { start.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    }
    return UnsafeBufferPointer(
      start: start.assumingMemoryBound(to: UInt8.self), count: bytes.count)
  }
}
