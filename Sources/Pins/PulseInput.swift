// PulseInput: edges of a pulse a second, with the kernel's own time stamps: of a GPIO line that nobody
// else has, or of a pulse device that chrony and gpsd may watch as well.
//
// A pulse device is asked each turn of the loop, because it cannot be waited on. One that is gone is
// opened again, once a second.
//
//     var pulse = try PulseInput(settings)
//     while let edge = pulse.next() { clock.observe(edgeMonotonicNanoseconds: edge) }

import CGpiod
import CLinux
import Core

public struct PulseInput: ~Copyable {
  private let settings: PulseSettings
  /// The line of a chip.
  private let edges: OpaquePointer?
  /// The pulse device; −1 while it is gone.
  private var device: Int32
  private var stamps = PpsStamps()
  private var triedMonotonic: Int64 = 0
  /// What to wait on; −1 where nothing is.
  public let descriptor: Int32

  /// A look at two clocks that took longer was held up, and says too little.
  private static let lookNanosecondsMaximum: Int64 = 10_000
  private static let looksMaximum = 3

  public init(_ settings: PulseSettings) throws(Diagnostic) {
    let opened = try PulseInput.open(settings)
    self.settings = settings
    (edges, device) = opened
    descriptor = opened.edges.map { cgpiod_edges_descriptor($0) } ?? -1
  }

  private static func open(
    _ settings: PulseSettings
  ) throws(Diagnostic) -> (edges: OpaquePointer?, device: Int32) {
    guard settings.device.isEmpty else {
      let device = settings.device.withCString { clinux_open_read($0) }
      guard device >= 0 else { throw PulseInput.refusal(settings.device) }
      return (nil, device)
    }
    let edges = settings.chip.withCString {
      cgpiod_edges_open(
        Int32(CGPIOD_PULSE.rawValue), $0, UInt32(settings.line), settings.isFallingEdge ? 1 : 0)
    }
    guard let edges else { throw Diagnostic("pps", line: settings.line, of: settings.chip) }
    return (edges, -1)
  }

  private static func refusal(_ device: Text<64>) -> Diagnostic {
    var diagnostic = Diagnostic("pps: ", device, " cannot be opened (")
    diagnostic.text.append(cString: UnsafePointer(strerror(clinux_errno())))
    diagnostic.text.append(
      "): dtoverlay=pps-gpio,gpiopin=18 makes it on a Pi; the package's udev rule gives onsetd the right"
    )
    return diagnostic
  }

  deinit {
    if let edges { cgpiod_edges_close(edges) }
    if device >= 0 { close(device) }
  }

  /// The next edge that waits; nil when there is none.
  public mutating func next() -> Int64? {
    guard let edges else { return fetch() }
    var stamp: Int64 = 0
    return cgpiod_edges_read(edges, &stamp) == 1 ? stamp : nil
  }

  private mutating func fetch() -> Int64? {
    guard device >= 0 else { return reopen() }
    var edge = clinux_pps_edge()
    guard clinux_pps_fetch(device, settings.isFallingEdge ? 1 : 0, &edge) == 0 else {
      close(device)
      device = -1
      return nil
    }
    for _ in 0..<PulseInput.looksMaximum {
      var took: Int64 = 0
      let offset = clinux_realtime_offset_nanoseconds(&took)
      guard took <= PulseInput.lookNanosecondsMaximum else { continue }
      return stamps.edge(
        sequence: edge.sequence, realtime: edge.realtime_nanoseconds, offset: offset)
    }
    return nil
  }

  private mutating func reopen() -> Int64? {
    let now = clinux_monotonic_nanoseconds()
    guard now - triedMonotonic >= nanosecondsPerSecond else { return nil }
    triedMonotonic = now
    device = settings.device.withCString { clinux_open_read($0) }
    stamps.restart()
    return nil
  }
}
