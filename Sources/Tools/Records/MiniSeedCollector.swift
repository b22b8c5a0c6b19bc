// Records to pieces of channels. Whole numbers are counts as they are, whatever their encoding.
// Other floating-point samples, as ObsPy writes what was filtered or is in m/s, become counts by a
// power of two, one for all components of an instrument; what is no number is missing.

import CMseed
import Core
import Foundation

struct MiniSeedCollector {
  typealias Channel = MiniSeed.Channel
  typealias ChannelKey = MiniSeed.ChannelKey

  /// Marks of a missing sample lie beyond: 1e20, 9.97e36, the largest float.
  private static let valueMaximum = 1e18
  /// The greatest sample becomes so many bits: half of the converter's range, which is not clipped.
  private static let bits = 30

  private(set) var channels: [ChannelKey: Channel] = [:]
  private(set) var report = MiniSeedReport()
  private var peaks: [String: Double] = [:]
  private var fractional: Set<String> = []

  init(_ files: [Data], countsPerValue: [String: Double]) {
    report.countsPerValue = countsPerValue
    for file in files {
      file.withUnsafeBytes { collect($0.bindMemory(to: UInt8.self)) }
    }
  }

  /// What each instrument's samples must be multiplied by, where they are no counts yet.
  var countsPerValue: [String: Double] {
    Dictionary(
      uniqueKeysWithValues: fractional.map { code in
        let exponent = Self.bits - 1 - Int(peaks[code, default: 1].exponent)
        // Below 2^-170 nothing is left to resolve.
        return (code, Double(sign: .plus, exponent: min(exponent, 200), significand: 1))
      })
  }

  private mutating func collect(_ bytes: UnsafeBufferPointer<UInt8>) {
    var offset = 0
    while offset < bytes.count {
      var record = cmseed_record()
      let result = Int(cmseed_next(bytes.baseAddress! + offset, bytes.count - offset, &record))
      switch result {
      case CMSEED_OK:
        add(record)
        offset += Int(record.record_bytes)
      case CMSEED_UNDECODABLE:
        report.undecodable += 1
        offset += Int(record.record_bytes)
      default:
        // Records begin at multiples of 64 bytes from each other; look for the next one there.
        let skipped = min(64, bytes.count - offset)
        report.foreignBytes += skipped
        offset += skipped
      }
    }
  }

  private static func lane(of channel: String) -> Int? {
    switch channel.last {
    case "Z", "3": 0
    case "N", "1": 1
    case "E", "2": 2
    default: nil
    }
  }

  private mutating func add(_ record: cmseed_record) {
    func text<T>(_ tuple: T) -> String {
      withUnsafeBytes(of: tuple) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        .filter { $0.isASCII && ($0.isLetter || $0.isNumber) }.uppercased()
    }
    report.records += 1
    let channel = text(record.channel)
    // A sample every fifty years, or a billion a second, is damage.
    guard record.rate_hertz >= 0.001, record.rate_hertz <= 1e6 else {
      report.undecodable += 1
      return
    }
    guard let lane = Self.lane(of: channel) else {
      report.unknownChannels.insert(channel)
      return
    }
    let key = ChannelKey(
      instrument: [
        text(record.network), text(record.station), text(record.location), "\(channel.prefix(2))",
      ].joined(separator: "."), lane: lane)
    let rate = Int((record.rate_hertz * 1000).rounded())
    guard channels[key].map({ $0.rateMillihertz == rate }) ?? true else {
      report.otherRate += 1
      return
    }
    if let last = channels[key]?.pieces.last, record.start_nanoseconds < last.start {
      report.outOfOrder += 1
    }
    add(record, to: key, rate)
  }

  /// Whole records where they are counts already, else each stretch between missing samples.
  private mutating func add(_ record: cmseed_record, to key: ChannelKey, _ rate: Int) {
    let count = Int(record.sample_count)
    let factor = report.countsPerValue[key.instrument]
    if let samples = record.samples, factor == nil {
      let counts = UnsafeBufferPointer(start: samples, count: count)
      let peak = counts.reduce(0) { max($0, $1.magnitude) }
      peaks[key.instrument] = max(peaks[key.instrument] ?? 0, Double(peak))
      channels[key, default: Channel(rateMillihertz: rate)]
        .append(counts, at: record.start_nanoseconds)
      return
    }
    let values = (0..<count).map { record.values?[$0] ?? Double(record.samples[$0]) }
    let present = { (value: Double) in value.magnitude <= Self.valueMaximum }
    var first = 0
    while first < count {
      guard present(values[first]) else {
        report.missingSamples += 1
        channels[key]?.isInterrupted = true
        first += 1
        continue
      }
      let stretch = values[first...].prefix(while: present)
      measure(stretch, key.instrument)
      let counts = stretch.map { Int32(clamping: Int64(($0 * (factor ?? 1)).rounded())) }
      let start = record.start_nanoseconds + Int64((Double(first) * 1e12 / Double(rate)).rounded())
      counts.withUnsafeBufferPointer {
        channels[key, default: Channel(rateMillihertz: rate)].append($0, at: start)
      }
      first = stretch.endIndex
    }
  }

  private mutating func measure(_ values: ArraySlice<Double>, _ code: String) {
    let peak = values.reduce(0) { max($0, $1.magnitude) }
    peaks[code] = max(peaks[code] ?? 0, peak)
    if values.contains(where: { $0 != Double(Int32(clamping: Int64($0))) }) {
      fractional.insert(code)
    }
  }
}

extension MiniSeed.Channel {
  /// Records that continue the last piece extend it: a day of one channel is one piece, not 20,000.
  /// A digitizer whose clock drifts is never more than a fraction of a sample off from one record
  /// to the next, however much that becomes in a day: what counts is the end of the last record.
  mutating func append(_ samples: UnsafeBufferPointer<Int32>, at start: Int64) {
    let period = 1e12 / Double(rateMillihertz)
    if let last = pieces.indices.last, !isInterrupted {
      let distance = abs(Double(start - pieces[last].end(period)))
      // The first sample counts as well, where times wobble from record to record around the
      // nominal rate.
      let sinceStart =
        Double(start - pieces[last].start) - Double(pieces[last].samples.count) * period
      if distance < 0.5 * period || (distance < 1.5 * period && abs(sinceStart) < 0.5 * period) {
        if distance >= 1000 { pieces[last].anchor(start) }
        pieces[last].samples.append(contentsOf: samples)
        return
      }
    }
    isInterrupted = false
    pieces.append(
      MiniSeed.Piece(
        anchors: [TimeAnchor(offset: 0, nanoseconds: start)], samples: Array(samples),
        arrival: pieces.count))
  }
}
