// StandardError: complaints, and on a terminal how far long work has come. In a pipe there is no
// progress, because a pipe keeps every line.

import Foundation

enum StandardError {
  private static let isTerminal = isatty(2) == 1
  /// Back to the line's beginning, and whatever stood there is gone.
  private static let fresh = isTerminal ? "\r\u{1B}[K" : ""

  static func say(_ text: String) { write(fresh + text + "\n") }

  /// One line in place, written again when another hundredth is done; gone after the last.
  @Sendable static func note(_ done: Int, of all: Int) {
    guard isTerminal, done * 100 / all != (done - 1) * 100 / all else { return }
    write(done < all ? "\(fresh)\(done) of \(all)" : fresh)
  }

  private static func write(_ text: String) {
    FileHandle.standardError.write(Data(text.utf8))
  }
}

func say(_ text: String) { StandardError.say(text) }
