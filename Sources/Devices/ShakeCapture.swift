// ShakeCapture: frames from a Raspberry Shake's data cast, which comes in UDP datagrams.
//
// The cast has no number and no seal. So datagrams are believed by the address that they come from
// alone, and where they could close a relay they must come over an interface whose wire only the
// Shake is on (`private_interface`), or from this machine. A cast that stops is no device that is
// gone: the port stays open, and health says that nothing comes.
//
//     var capture = try ShakeCapture(settings)
//     let result = capture.read(raw, monotonicNow: now)

import CLinux
import Clock
import Core
import Digitizer

struct ShakeCapture: ~Copyable, DigitizerSource {
  private(set) var counters = DigitizerCounters()
  private let socket: UdpEndpoint
  private let source: Address
  private let settings: ShakeSettings
  private let arena: Arena
  private let received: UnsafeMutableBufferPointer<UInt8>
  private let samples: UnsafeMutableBufferPointer<Int32>
  private var joiner: FrameJoiner
  private var refusedCount: UInt32 = 0
  /// Datagrams of channels that nobody asked for, and which of those that are wanted have come.
  private var otherNames: UInt32 = 0
  private var heardChannels: UInt8 = 0

  /// A second of four channels, twenty times over: what is beyond waits in the socket.
  private static let receivesMaximum = 320

  init(_ settings: DigitizerSettings) throws(Diagnostic) {
    let shake = settings.shake
    guard let source = Address(numeric: shake.source, port: 0) else {
      throw Diagnostic(
        "digitizer: source ", shake.source,
        " is no address such as 192.0.2.7: give that of the Shake, which its page shows")
    }
    let socket = try UdpEndpoint(at: Address(ipv4: 0, port: UInt16(shake.port)), for: "digitizer")
    if !shake.interface.isEmpty, !socket.hears(only: shake.interface) {
      throw Diagnostic(
        "digitizer: private_interface ", shake.interface,
        " cannot be listened to alone: ip link shows which there are")
    }
    let byteCount =
      FrameJoiner.byteCount(channels: shake.channelCount) + ShakeDatagram.byteMaximum + 1
      + ShakeDatagram.sampleMaximum * 4 + 256
    guard var arena = Arena(byteCount: byteCount) else {
      throw Diagnostic("the kernel has no memory for the Shake's frames")
    }
    received = arena.take(UInt8.self, count: ShakeDatagram.byteMaximum + 1)
    samples = arena.take(Int32.self, count: ShakeDatagram.sampleMaximum)
    joiner = FrameJoiner(
      channels: shake.channelCount, rateMillihertz: shake.sampleRateMillihertz,
      patienceMilliseconds: shake.patienceMilliseconds, arena: &arena)
    arena.seal()
    self.arena = arena
    self.socket = socket
    self.source = source
    self.settings = shake
  }

  func pollDescriptors(_ buffer: UnsafeMutableBufferPointer<pollfd>) -> Int {
    wait(on: socket.descriptor, buffer)
  }
  /// The port stays open.
  var needsRetry: Bool { false }
  func reopenIfDue(monotonicNow: Int64) -> Bool { true }

  /// Takes what has come, and delivers what is whole.
  mutating func read(
    _ raw: UnsafeMutableRawBufferPointer, monotonicNow: Int64
  ) -> CaptureResult {
    for _ in 0..<ShakeCapture.receivesMaximum where !joiner.isHalfFull {
      guard let (count, sender) = socket.receive(into: received) else { break }
      take(min(count, received.count), from: sender, monotonicNow)
    }
    counters.shortReads = refusedCount &+ joiner.refusedCount
    guard let found = joiner.take(into: raw, monotonicNow: monotonicNow) else {
      return .nothingYet
    }
    counters.frames &+= UInt64(found.count)
    let stated = StatedTime(
      utc: found.time,
      uncertaintyNanoseconds: Int64(settings.clockUncertaintyMicroseconds) * 1000)
    return .frames(
      Delivery(
        count: found.count, stampedFrames: found.count, stamp: nil, gap: found.gap,
        stated: stated, hasMore: true))
  }

  /// Why no frame comes, as far as it is known.
  var complaint: Text<320> {
    var text = Text<320>()
    for channel in 0..<settings.channelCount where heardChannels != 0 {
      guard heardChannels & (1 << channel) == 0 else { continue }
      text.append(settings.name(of: channel))
      text.append(" does not come, and others do: is it a channel of this Shake (channel_names)?")
      return text
    }
    if otherNames > 0 {
      text.append("the Shake casts, and none of channel_names: its page says which it has")
    } else if refusedCount > 0 {
      text.append("datagrams come, and none from source that is a Shake's: is that its address?")
    } else {
      text.append(
        "no datagram comes: does the Shake's data cast go to this machine and port, does a firewall let it in?"
      )
    }
    return text
  }

  private mutating func take(_ count: Int, from sender: Address, _ now: Int64) {
    let bytes = UnsafeBufferPointer(rebasing: received[0..<count])
    guard sender.isSameHost(as: source), let datagram = ShakeDatagram(bytes, samples: samples)
    else {
      refusedCount &+= 1
      return
    }
    // What is not asked for, such as the pressure of a Boom, is no mistake.
    guard let channel = settings.channel(of: datagram.name) else {
      otherNames &+= 1
      return
    }
    heardChannels |= 1 << channel
    joiner.put(datagram.samples, channel: channel, at: datagram.time, monotonicNow: now)
  }

  mutating func countGap(frames: Int64) { counters.countGap(frames: frames) }
}
