// Configuration files out of string literals, and the sentence with which one is refused.

import Core
import Settings
import Tools

/// Parses `text` as the file `path` and hands it to `body`; the bytes live as long as `body` runs.
func parse<Value>(
  _ text: String, path: String = "t.toml",
  _ body: (inout ConfigurationFile) throws(Diagnostic) -> Value
) throws(Diagnostic) -> Value {
  var errorsBefore = ""
  return try parse(Array(text.utf8), path: path, errorsBefore: &errorsBefore, body)
}

func parse<Value>(
  _ bytes: [UInt8], path: String = "t.toml", errorsBefore: inout String,
  _ body: (inout ConfigurationFile) throws(Diagnostic) -> Value
) throws(Diagnostic) -> Value {
  let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count)
  defer { buffer.deallocate() }
  _ = buffer.initialize(from: bytes)
  var file = try ConfigurationFile(path: Path(path), bytes: UnsafeBufferPointer(buffer))
  do {
    let value = try body(&file)
    try file.check()
    return value
  } catch {
    errorsBefore = file.errorsBefore.string
    throw error
  }
}

/// All that the reader says about a file that it refuses; nil when it accepts it.
func refusal<Value>(
  _ text: String, path: String = "t.toml",
  _ body: (inout ConfigurationFile) throws(Diagnostic) -> Value
) -> String? {
  var errorsBefore = ""
  do {
    _ = try parse(Array(text.utf8), path: path, errorsBefore: &errorsBefore, body)
    return nil
  } catch {
    return errorsBefore + error.text.string
  }
}

/// The grammar alone, without a question about any key.
func grammarRefusal(_ bytes: [UInt8]) -> String? {
  var errorsBefore = ""
  do {
    try parse(bytes, errorsBefore: &errorsBefore) { _ throws(Diagnostic) in }
    return nil
  } catch {
    return errorsBefore + error.text.string
  }
}

func grammarRefusal(_ text: String) -> String? { grammarRefusal(Array(text.utf8)) }

/// A good file, as lines that a test drops, changes or adds to.
struct Lines {
  private var lines: [String]

  init(_ text: String) {
    lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }

  var text: String { lines.joined(separator: "\n") }

  private func index(of key: String) -> Int {
    guard let index = lines.firstIndex(where: { $0.hasPrefix(key + " =") || $0 == key }) else {
      preconditionFailure("the good file has no line \(key)")
    }
    return index
  }

  /// The 1-based number of the line of a key or of a "[section]".
  func number(of key: String) -> Int { index(of: key) + 1 }

  func without(_ keys: String...) -> Lines {
    var copy = self
    for key in keys { copy.lines.remove(at: copy.index(of: key)) }
    return copy
  }

  func with(_ key: String, _ value: String) -> Lines {
    var copy = self
    copy.lines[copy.index(of: key)] = "\(key) = \(value)"
    return copy
  }

  func adding(_ line: String, after key: String) -> Lines {
    var copy = self
    copy.lines.insert(line, at: copy.index(of: key) + 1)
    return copy
  }
}
