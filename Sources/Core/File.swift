// File: small files read whole into a fixed buffer at start, small files replaced so that a power
// cut leaves one whole, and the few numbers that /proc and /sys give while running. Nothing here
// allocates.
//
//     let count = File.read(path, into: buffer)
//     let isReplaced = File.replace(path, directory: folder, with: bytes)
//     let pages = File.readInteger("/proc/self/statm", skippingFields: 1)

import CLinux

public enum File {
  /// Reads at most `buffer.count` bytes. Returns the number read; nil when the file cannot be
  /// opened or read, with `errno` telling why. A result of `buffer.count` means that the file may
  /// be longer.
  public static func read<let capacity: Int>(
    _ path: Text<capacity>, into buffer: UnsafeMutableBufferPointer<UInt8>
  ) -> Int? {
    let descriptor = path.withCString { clinux_open_read($0) }
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var count = 0
    while count < buffer.count {
      let got = CLinux.read(descriptor, buffer.baseAddress! + count, buffer.count - count)
      if got < 0 && clinux_errno() == EINTR { continue }
      guard got >= 0 else { return nil }
      if got == 0 { break }
      count += got
    }
    return count
  }

  /// Replaces a file so that a power cut leaves the old content or the new, never a part: written
  /// beside it, flushed, renamed, and the directory flushed. Its owner alone can read it.
  public static func replace<let capacity: Int>(
    _ path: Text<capacity>, directory: Text<capacity>, with bytes: UnsafeBufferPointer<UInt8>
  ) -> Bool {
    // Cut at the capacity, the temporary name would be the file's own.
    guard path.count + 4 <= capacity else { return false }
    var temporary = Text<capacity>()
    temporary.append(path)
    temporary.append(".new")
    let descriptor = temporary.withCString { clinux_open_replace($0, 0o600) }
    guard descriptor >= 0 else { return false }
    let written = CLinux.write(descriptor, bytes.baseAddress, bytes.count) == bytes.count
    let flushed = fsync(descriptor) == 0
    close(descriptor)
    return written && flushed && move(temporary, to: path, directory: directory)
  }

  /// In one step, which no power cut takes back.
  @inline(never)
  public static func move<let capacity: Int>(
    _ path: Text<capacity>, to other: Text<capacity>, directory: Text<capacity>
  ) -> Bool {
    path.withCString { from in other.withCString { rename(from, $0) } } == 0 && flush(directory)
  }

  /// True also where there is none.
  @inline(never)
  public static func remove<let capacity: Int>(
    _ path: Text<capacity>, directory: Text<capacity>
  ) -> Bool {
    let isGone = path.withCString { unlink($0) } == 0 || clinux_errno() == ENOENT
    return isGone && flush(directory)
  }

  /// What was made, moved or removed in it is on disk.
  public static func flush<let capacity: Int>(_ directory: Text<capacity>) -> Bool {
    let folder = directory.withCString { clinux_open_directory($0) }
    guard folder >= 0 else { return false }
    defer { close(folder) }
    return fsync(folder) == 0
  }

  /// The first decimal integer in the first 128 bytes of a file such as
  /// /sys/class/thermal/thermal_zone0/temp, skipping `fields` of them before it; nil when there is
  /// none.
  public static func readInteger(_ path: StaticString, skippingFields fields: Int = 0) -> Int? {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 128) { buffer in
      var text = Text<96>()
      text.append(path)
      guard let count = read(text, into: buffer) else { return nil }
      return integer(in: UnsafeBufferPointer(rebasing: buffer[0..<count]), skippingFields: fields)
    }
  }

  /// `readInteger` on bytes in memory. A minus right before the digits belongs to them: winter
  /// stations have chips below zero. nil also when the number does not fit.
  public static func integer(
    in bytes: UnsafeBufferPointer<UInt8>, skippingFields fields: Int = 0
  ) -> Int? {
    var skip = fields
    var value: Int?
    var isNegative = false
    var fits = true
    for byte in bytes {
      if byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") {
        let (scaled, overflow) = (value ?? 0).multipliedReportingOverflow(by: 10)
        let (sum, carry) = scaled.addingReportingOverflow(Int(byte - UInt8(ascii: "0")))
        value = sum
        fits = fits && !overflow && !carry
      } else {
        if value != nil {
          if skip == 0 { break }
          skip -= 1
          value = nil
          fits = true
        }
        isNegative = byte == UInt8(ascii: "-")
      }
    }
    guard skip == 0, fits, let value else { return nil }
    return isNegative ? -value : value
  }
}
