// Every configuration file that the package ships is right, and the grammar is TOML: what our
// reader accepts, another's reads as well.

import Core
import Foundation
import Testing
import Tools

/// The package's folder, from this file's own path.
private let package = URL(fileURLWithPath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

func shippedFiles() -> [String] {
  ["boards", "calibration"].flatMap { folder -> [String] in
    let root = package.appendingPathComponent(folder).path
    let names = FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []
    return names.filter { $0.hasSuffix(".toml") }.sorted().map { root + "/" + $0 }
  }
}

/// Runs a Python script with standard input; its exit status and output. nil without Python 3.11,
/// the first to have a TOML reader of its own.
private func python(_ script: String, input: Data = Data(), arguments: [String] = []) throws
  -> (status: Int32, output: String)?
{
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  let imports = "import sys\ntry: import tomllib\nexcept ImportError: sys.exit(77)\n"
  process.arguments = ["python3", "-c", imports + script] + arguments
  // From a file, because a pipe whose reader ends early would end this process by SIGPIPE.
  let file = FileManager.default.temporaryDirectory
    .appendingPathComponent("onset-board-\(UUID().uuidString)")
  try input.write(to: file)
  defer { try? FileManager.default.removeItem(at: file) }
  let fromPython = Pipe()
  process.standardInput = try FileHandle(forReadingFrom: file)
  process.standardOutput = fromPython
  process.standardError = fromPython
  try process.run()
  let output = fromPython.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  // 127: env found no python3.
  guard process.terminationStatus != 77, process.terminationStatus != 127 else { return nil }
  return (process.terminationStatus, String(decoding: output, as: UTF8.self))
}

@Suite struct ShippedFilesTests {
  @Test(arguments: shippedFiles())
  func isRight(_ path: String) {
    do {
      let sentence = try Check.file(path)
      #expect(!sentence.isEmpty)
    } catch {
      Issue.record("\(error.text.string)")
    }
  }

  /// A walk that finds nothing although there is something would pass everything above.
  @Test func theWalkFindsTheFiles() {
    let names = ["boards", "calibration"].map { package.appendingPathComponent($0).path }
    #expect(names.allSatisfy { FileManager.default.fileExists(atPath: $0) })
    let host = package.appendingPathComponent("boards/host/board.toml").path
    if FileManager.default.fileExists(atPath: host) { #expect(shippedFiles().contains(host)) }
  }

  @Test func anyTomlToolReadsThem() throws {
    let script = """
      for path in sys.argv[1:]:
        with open(path, 'rb') as file: tomllib.load(file)
      """
    guard let result = try python(script, arguments: shippedFiles()) else { return }
    #expect(result.status == 0, "\(result.output)")
  }

  /// A few thousand files made by mutating a good one, byte by byte: whichever our reader accepts,
  /// a TOML tool must read too. The opposite is not asked: we refuse most of TOML.
  @Test func whateverWeAcceptIsToml() throws {
    let seed = Array(
      """
      # A comment, 4 µm
      [first] # é
      number = -12.5e-3
      text = "a # b" # c
      [second]\r
      flag = true
      whole = +7
      """.utf8)
    let texts = ["\n", "\r", "\r\n", "[", "]", "[first]", "\"", "#", "=", "e", ".", "0", "-", "\t"]
    let oddities: [[UInt8]] = [[0x00], [0x7F], [0xC3], [0xA9], [0xC3, 0xA9], [0xED, 0xA0, 0x80]]
    let pieces = texts.map { Array($0.utf8) } + oddities
    var random = RandomGenerator(seed: 12)
    var accepted = Data()
    var count = 0
    for _ in 0..<20_000 {
      var bytes = seed
      for _ in 0...random.below(3) {
        let at = random.below(bytes.count)
        switch random.below(3) {
        case 0: bytes.remove(at: at)
        case 1: bytes.insert(contentsOf: pieces[random.below(pieces.count)], at: at)
        default: bytes[at] = bytes[random.below(bytes.count)]
        }
      }
      guard grammarRefusal(bytes) == nil else { continue }
      count += 1
      accepted.append(contentsOf: bytes.flatMap { String($0, radix: 16).leftPadded } + [0x0A])
    }
    #expect(count > 2000)
    let script = """
      for line in sys.stdin:
        data = bytes.fromhex(line)
        try: tomllib.loads(data.decode())
        except ValueError as error: sys.exit(f'{data}: {error}')
      """
    guard let result = try python(script, input: accepted) else { return }
    #expect(result.status == 0, "\(result.output)")
  }
}

extension String {
  /// Two hexadecimal digits.
  fileprivate var leftPadded: [UInt8] { Array((count < 2 ? "0" + self : self).utf8) }
}
