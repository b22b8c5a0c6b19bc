// Recording: the station over a file of raw frames, as the digitizer would have delivered them, in
// the board's format. Time is that of the frames, counted from 2026-01-01T00:00:00Z; nothing of
// this machine enters, so the datagrams are the same bytes wherever and whenever it runs. For
// comparing machines and builds, and for looking at what a station would have said.
//
//     try Recording.run(configuration, input: Path("frames.raw"), output: Path("out.bin"))

import Board
import CLinux
import Clock
import Core
import Decision
import Digitizer
import Estimator
import Kernels
import Picker
import Settings
import Station
import Uplink

public enum Recording {
  /// Writes one datagram after another to `output`. Epoch and boot are 0, which no live station has.
  /// A network that the station file names must be there: no bytes are made with another picker.
  public static func run(
    _ configuration: Configuration, input: Path, output: Path,
    kernels: KernelSelection = KernelVariant.select()
  ) throws(Diagnostic) {
    var settings = StationSettings(configuration, epoch: 0, bootCounter: 0, bootNonce: 0)
    // Nobody else is there to be waited for.
    (settings.peers, settings.quorum) = (Peers(), QuorumSettings())
    let networks = StationNetworks(configuration.station, kernels: kernels.variant)
    if let problem = networks.pickerProblem ?? networks.estimatorProblem { throw problem }
    let digitizer = configuration.board.digitizer
    let chunk = digitizer.periodFrames
    let source = input.withCString { clinux_open_read($0) }
    guard source >= 0 else { throw refusal(input, " cannot be read") }
    defer { close(source) }
    let sink = output.withCString { clinux_open_replace($0, 0o644) }
    guard sink >= 0 else { throw refusal(output, " cannot be written") }
    defer { close(sink) }
    guard
      var arena = Arena(
        byteCount: networks.arenaByteCount
          + FrameFeeder.byteCount(digitizer, chunkFrames: chunk) + 4096)
    else { throw Diagnostic("the kernel has no memory for the buffers") }
    var feeder = FrameFeeder(digitizer, chunkFrames: chunk, arena: &arena)
    var station = Station(
      settings,
      network: networks.makePicker(settings, arena: &arena),
      estimator: networks.makeEstimator(configuration.relations, settings, arena: &arena))
    arena.seal()

    var time = FrameClock(
      start: UTC(CalendarDate(year: 2026, month: 1, day: 1)),
      rateMillihertz: digitizer.sampleRateMillihertz)
    var clock = SampleClock(
      rateMillihertz: digitizer.sampleRateMillihertz,
      frameDelayNanoseconds: Int64(digitizer.delayMicroseconds) * 1000)
    var counters = DigitizerCounters()
    while true {
      let count = fill(feeder.raw, from: source) / feeder.bytesPerFrame
      guard count > 0 else { break }
      clock.observe(time.systemClock())
      counters.frames += UInt64(count)
      time.delivered(frames: count)
      let now = time.monotonicNanoseconds()
      let delivery = Delivery(count: count, stampedFrames: count, stamp: now)
      station.note(.digitizer(counters))
      station.process(feeder.block(delivery, &clock, monotonicNow: now))
      while let datagram = station.nextDatagram() {
        let isWritten = datagram.withBytes { write(sink, $0.baseAddress, $0.count) == $0.count }
        guard isWritten else { throw refusal(output, " cannot be written to its end") }
      }
    }
  }

  private static func refusal(_ path: Path, _ sentence: StaticString) -> Diagnostic {
    var diagnostic = Diagnostic()
    diagnostic.text.append(path)
    diagnostic.text.append(sentence)
    return diagnostic
  }

  /// Reads until the buffer is full or the file ends.
  private static func fill(_ buffer: UnsafeMutableRawBufferPointer, from source: Int32) -> Int {
    var count = 0
    while count < buffer.count {
      let got = read(source, buffer.baseAddress! + count, buffer.count - count)
      if got < 0 && clinux_errno() == EINTR { continue }
      guard got > 0 else { break }
      count += got
    }
    return count
  }
}
