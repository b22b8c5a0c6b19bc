// PulseInput: pulse-per-second edges of a GPIO line, with the kernel's own time stamps.
//
//     var pulse = try PulseInput(settings)
//     while let edge = pulse.next() { clock.observe(edgeMonotonicNanoseconds: edge) }

import CGpiod
import Core

public struct PulseInput: ~Copyable {
  private let edges: OpaquePointer
  public let descriptor: Int32

  public init(_ settings: PulseSettings) throws(Diagnostic) {
    let opened = settings.chip.withCString {
      cgpiod_edges_open(
        Int32(CGPIOD_PULSE.rawValue), $0, UInt32(settings.line), settings.isFallingEdge ? 1 : 0)
    }
    guard let opened else { throw Diagnostic("pps", line: settings.line, of: settings.chip) }
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
