// Pulse-per-second edges of a GPIO line, with the kernel's own time stamps.

import Board
import CGpiod
import CLinux
import Core

public struct PulseInput: ~Copyable {
  private let edges: OpaquePointer
  public let descriptor: Int32

  public init(_ settings: PulseSettings) throws(Diagnostic) {
    let opened = settings.chip.withCString {
      cgpiod_edges_open($0, UInt32(settings.line), settings.isFallingEdge ? 1 : 0)
    }
    guard let opened else {
      var diagnostic = Diagnostic("pps: line ")
      diagnostic.text.append(settings.line)
      diagnostic.text.append(" of ")
      diagnostic.text.append(settings.chip)
      diagnostic.text.append(" cannot be taken (")
      diagnostic.text.append(cString: UnsafePointer(strerror(clinux_errno())))
      diagnostic.text.append("): see gpioinfo for its name and who holds it")
      throw diagnostic
    }
    edges = opened
    descriptor = cgpiod_edges_descriptor(opened)
  }

  deinit { cgpiod_edges_close(edges) }

  /// The next edge that waits; nil when there is none.
  public mutating func next() -> Int64? {
    var stamp: Int64 = 0
    return cgpiod_edges_read(edges, &stamp) == 1 ? stamp : nil
  }
}
