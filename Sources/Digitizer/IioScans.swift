// IioScans: what an IIO device delivers, in whatever pieces it comes, becomes frames.
//
// Each scan says when it was taken. So a lost one is a gap of known length: as many frames as fit
// in, by a line that follows the stamps, because a sensor's own oscillator may be a percent off.
// Interrupts are held up now and then, which makes a scan late and those after it not; whether one
// is late or follows a gap, the next two tell, and are waited for.
//
//     scans.begin(layout)
//     scans.came(read(descriptor, scans.room))
//     while let found = scans.next(into: raw, monotonicNow: now) { … }

import Core

public struct IioScans {
  private static let bufferByteCount = 16_384
  /// What has come since whoever reads looked at the clock.
  private static let aheadNanoseconds: Int64 = 100_000_000
  /// Who is that much later than the line, in steps, may follow a lost one. Interrupts that are
  /// held up for longer are rarer than three in a row.
  private static let suspiciousSteps = 0.75
  private static let witnesses = 2

  public static var byteCount: Int { bufferByteCount + 64 }

  private let channelCount: Int
  private let buffer: UnsafeMutableRawBufferPointer
  private var layout = IioLayout()
  /// Bytes in the buffer.
  private var count = 0
  private var lastTime: Int64?
  private var line: StampLine
  /// Scans whose time is none.
  public private(set) var refusedCount: UInt32 = 0

  public struct Found {
    public var count: Int
    /// When the last of them was taken; nil where the device does not tell.
    public var time: Int64?
    public var gap: Gap
    public var hasMore: Bool
  }

  public init(channels: Int, rateMillihertz: Int, arena: inout Arena) {
    channelCount = channels
    line = StampLine(nominalNanoseconds: 1e12 / Double(rateMillihertz))
    buffer = UnsafeMutableRawBufferPointer(arena.take(UInt8.self, count: IioScans.bufferByteCount))
  }

  /// The device was opened, and delivers scans of this form.
  public mutating func begin(_ layout: IioLayout) {
    self.layout = layout
    (count, lastTime) = (0, nil)
    line.restart()
  }

  /// Where the next bytes go.
  public var room: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
  }

  public mutating func came(_ bytes: Int) { count += bytes }

  /// The next frames in a row, interleaved; nil where there are none.
  public mutating func next(
    into raw: UnsafeMutableRawBufferPointer, monotonicNow now: Int64
  ) -> Found? {
    let capacity = raw.count / (channelCount * 4)
    var found = Found(count: 0, time: nil, gap: .none, hasMore: false)
    var begin = 0
    while found.count < capacity, let scan = scan(at: begin) {
      if let time = layout.time(of: scan) {
        guard time <= now + IioScans.aheadNanoseconds, time > lastTime ?? 0 else {
          refusedCount &+= 1
          begin += layout.byteCount
          continue
        }
        guard time <= now, let lost = lost(before: time, at: begin, now) else { break }
        if lost > 0 {
          guard found.count == 0 else { break }
          found.gap = .frames(lost)
        }
        line.note(time, after: lost + 1)
        lastTime = time
        found.time = time
      }
      for channel in 0..<channelCount {
        raw.storeBytes(
          of: layout.sample(of: channel, in: scan).littleEndian,
          toByteOffset: (found.count * channelCount + channel) * 4, as: Int32.self)
      }
      found.count += 1
      begin += layout.byteCount
    }
    drop(begin)
    found.hasMore = count >= layout.byteCount
    return found.count > 0 ? found : nil
  }

  private func scan(at place: Int) -> UnsafeRawBufferPointer? {
    let size = layout.byteCount
    guard size > 0, place + size <= count else { return nil }
    return UnsafeRawBufferPointer(rebasing: buffer[place..<(place + size)])
  }

  private mutating func drop(_ bytes: Int) {
    guard bytes > 0 else { return }
    count -= bytes
    buffer.baseAddress!.copyMemory(from: buffer.baseAddress! + bytes, byteCount: count)
  }

  /// How many frames are missing before this one; nil where those after it have to tell.
  private func lost(before time: Int64, at place: Int, _ now: Int64) -> Int64? {
    guard lastTime != nil else { return 0 }
    var late = line.steps(to: time) - 1
    guard late >= IioScans.suspiciousSteps else { return 0 }
    var before = time
    for number in 1...IioScans.witnesses {
      guard let scan = scan(at: place + number * layout.byteCount),
        let next = layout.time(of: scan)
      else { return nil }
      // It will be refused itself.
      guard next > before, next <= now + IioScans.aheadNanoseconds else { break }
      late = min(late, line.steps(to: next) - 1 - Double(number))
      before = next
    }
    return max(Int64(late + 1 - IioScans.suspiciousSteps), 0)
  }
}
