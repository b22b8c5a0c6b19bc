// mseed: files of ground motion, a few records each, through the reader and now and then through a
// station.
//
// Promised of every file: it is refused in a sentence, or its frames are in order, each gap as many
// frames long as its time says, and no more than the bytes can hold.

import CMseed
import Conditioning
import Core
import Foundation
import Tools
import Uplink

struct MiniSeedTarget: Target {
  private static let replayEvery = 64
  private static let replayFramesMaximum = 400
  /// The most that `--counts-per-unit` takes.
  private static let unitsPerCount = 1e9
  let corpus: [[UInt8]]
  let dialect = Dialect(
    tokens: [
      Array("EHZ".utf8), Array("LHZ".utf8), Array("000001D ".utf8), [0, 9], [0x03, 0xE8],
      [0x07, 0xD0],
      [0, 100, 0, 1], [0x7F, 0xFF, 0x7F, 0xFF], [0x80, 0x00, 0x80, 0x00], [0, 64, 0, 48],
      [0x03, 0xE8, 0, 0, 11, 1, 9, 0], [0x07, 0xD0, 0, 0, 0, 1], [0, 100, 0, 0, 0x7F, 0x80, 0, 0],
      [0x7F, 0xC0, 0, 0], [0x7F, 0xF8, 0, 0, 0, 0, 0, 0], [0x7E, 0xF0, 0, 0], [0, 0, 0, 1],
    ],
    unitByteCount: 512, headByteCount: 72, maximumByteCount: 4096)

  init() throws {
    cmseed_silence()
    corpus = try Self.makeCorpus()
  }

  mutating func finish(_ bytes: inout [UInt8], _ random: inout RandomGenerator) {}

  mutating func test(_ bytes: UnsafeBufferPointer<UInt8>, iteration: Int) throws -> Bool {
    guard let base = UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count > 0 else {
      return false
    }
    let data = Data(bytesNoCopy: base, count: bytes.count, deallocator: .none)
    // The same file twice overlaps itself from end to end.
    let files = iteration % 8 == 0 ? [data, data] : [data]
    let instruments: [InstrumentRecord]
    do {
      instruments = try MiniSeed.read(files).instruments
    } catch let error as ToolError {
      try require(!error.description.isEmpty, "a refusal without a word")
      return false
    }
    try require(!instruments.isEmpty, "neither instruments nor a refusal")
    for instrument in instruments { try check(instrument, fileBytes: bytes.count * files.count) }
    if iteration % Self.replayEvery == 0 {
      for instrument in instruments { try replay(instrument) }
    }
    return true
  }

  private func check(_ instrument: InstrumentRecord, fileBytes: Int) throws {
    try require(
      (20_000...1_000_000).contains(instrument.rateMillihertz), "\(instrument.rateMillihertz) mHz")
    try require(
      !instrument.presentLanes.isEmpty && instrument.presentLanes.isSubset(of: .components),
      "lanes \(instrument.presentLanes)")
    try require(!instrument.segments.isEmpty, "no segments")
    let factor = instrument.countsPerValue
    try require(factor.isNormal && factor.significand == 1, "counts are values times \(factor)")
    let period = 1e12 / Double(instrument.rateMillihertz)
    var end: Int64 = 0
    var endTime = 0.0
    var count = 0
    for segment in instrument.segments {
      try require(!segment.frames.isEmpty, "an empty segment")
      try require(
        segment.firstFrame >= end && (count == 0 || segment.firstFrame > end),
        "segments overlap or touch at frame \(segment.firstFrame)")
      let start = Double(segment.anchors[0].nanoseconds)
      let gap = (start - endTime) / period - Double(segment.firstFrame - end)
      // Doubles of 200 years in nanoseconds are a microsecond apart; a gap is one frame at least.
      try require(
        count == 0 || gap.magnitude <= 0.501 || (segment.firstFrame == end + 1 && gap > -1.001),
        "frame \(segment.firstFrame) is \(gap) frames off its time")
      try check(segment.anchors, frames: segment.frames.count)
      let last = segment.anchors[segment.anchors.count - 1]
      endTime = Double(last.nanoseconds) + Double(segment.frames.count - last.offset) * period
      end = segment.firstFrame + Int64(segment.frames.count)
      count += segment.frames.count
    }
    // Steim2 is the densest encoding: 105 differences in 64 bytes.
    try require(count <= 2 * fileBytes, "\(count) frames from \(fileBytes) bytes")
  }

  private func check(_ anchors: [TimeAnchor], frames: Int) throws {
    try require(anchors[0].offset == 0, "no time for the first frame")
    for (earlier, later) in zip(anchors, anchors.dropFirst()) {
      try require(earlier.offset < later.offset, "anchors out of order at \(later.offset)")
    }
    try require(anchors[anchors.count - 1].offset < frames, "an anchor beyond the frames")
  }

  private func replay(_ instrument: InstrumentRecord) throws {
    var short = instrument
    var left = Self.replayFramesMaximum
    short.segments = short.segments.prefix(4).compactMap { segment in
      guard left > 0 else { return nil }
      var part = segment
      part.frames = Array(segment.frames.prefix(left))
      left -= part.frames.count
      return part
    }
    var options = ReplayOptions()
    options.network = nil
    options.response = Response(
      quantity: .acceleration, unitsPerCount: Lanes(repeating: Self.unitsPerCount))
    options.collectsTrace = true
    var replay = Replay(options)
    try replay.run(short) { datagram in
      let isWellFormed = try datagram.withBytes { bytes throws in
        var line = try JsonLine.text(try OpenedDatagram(bytes, key: replayKey))
        return line.withUTF8 { JsonText.isObject($0) }
      }
      try require(isWellFormed, "the replay says what is not JSON")
    }
  }
}

// MARK: Corpus

extension MiniSeedTarget {
  private static let start: Int64 = 1_577_934_245_000_000_000

  private static func makeCorpus() throws -> [[UInt8]] {
    let noise = wave(count: 160)
    let z = try packed("EHZ", start, noise)
    let later = try packed("EHZ", start + 1_600_000_000, noise)
    let muchLater = try packed("EHZ", start + 90_000_000_000, noise)
    let files = [
      z + (try packed("EHN", start, noise)) + (try packed("EHE", start, noise)),
      z + later + muchLater,
      muchLater + z + z,
      z + (try packed("HNZ", start, noise, rate: 200)) + (try packed("LHZ", start, noise, rate: 1)),
      try packed("EHZ", start, wave(count: 900), rate: 31.25),
      z + Array("no record at all\n".utf8) + Array(repeating: 0, count: 47) + later,
    ]
    let encodings: [HandWrittenRecord.Encoding] = [.int16, .int32, .float32, .float64, .ascii]
    let written = encodings.map { encoding in
      var record = HandWrittenRecord()
      record.encoding = encoding
      record.values = (0..<56).map { Double(($0 * 37) % 100) }
      var next = record
      next.tenThousandths = 5600
      return record.bytes + next.bytes
    }
    let floats = [[0.25, -1e-9, 3e-320], [7, .nan, 8, .infinity], [1e18, 1e-3, -1e19]].map {
      values in
      var record = HandWrittenRecord()
      record.encoding = .float64
      record.values = (0..<14).flatMap { _ in values }
      var horizontal = record
      horizontal.channel = "EHN"
      horizontal.encoding = .float32
      horizontal.values = (0..<56).map { Double($0) * 0.3 }
      return record.bytes + horizontal.bytes
    }
    var short = HandWrittenRecord()
    short.lengthExponent = 7
    short.rateFactor = -10
    short.rateMultiplier = 1000
    short.values = Array(repeating: 3, count: 16)
    return files + written + floats + [short.bytes + short.bytes + z]
  }

  private static func wave(count: Int) -> [Int32] {
    var random = RandomGenerator(seed: 5)
    return (0..<count).map { Int32(random.gaussian() * ($0 > count / 2 ? 3000 : 30)) }
  }

  private static func packed(
    _ channel: String, _ start: Int64, _ samples: [Int32], rate: Double = 100
  ) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 8192)
    let count = cmseed_pack(
      "XX", "ONST1", "00", channel, start, rate, samples, Int64(samples.count), &bytes, bytes.count)
    guard count > 0 else { throw ToolError("the corpus cannot be packed") }
    return Array(bytes[..<count])
  }
}
