// Questions on a terminal.

import Foundation
import Tools

/// Puts a question again until the answer is right. `orElse`: what is said where the answers end.
func ask<Value>(
  _ question: String, _ understand: (String) throws -> Value,
  orElse end: () -> ToolError = { ToolError("the answers ended before the questions") }
) throws -> Value {
  while true {
    print("\(question)\n> ", terminator: "")
    fflush(nil)
    guard let line = readLine() else { throw end() }
    do { return try understand(line.trimmingCharacters(in: .whitespaces)) } catch { print(error) }
  }
}
