// NumpyArchive: arrays in an .npz file as NumPy's `savez` writes them: a ZIP archive (APPNOTE.TXT
// 6.3, stored members alone; ZIP64 sizes too) of .npy members (NEP 1), little-endian numbers in C
// order.
//
//     let archive = try NumpyArchive(path: "windows.npz")
//     let windows = try archive.array("windows")

import Foundation

public struct NumpyArray {
  public var shape: [Int]
  public var values: [Float]

  public init(shape: [Int], values: [Float]) {
    self.shape = shape
    self.values = values
  }
}

public struct NumpyArchive {
  private let data: Data
  /// By its name without ".npy".
  private var members: [String: Member] = [:]

  private struct Member {
    /// Where in `data` its bytes are.
    var range: Range<Int>
    /// CRC-32 of them, as the archive has it.
    var checksum: UInt32
  }

  /// What sentences call it.
  private var title = "the archive"

  public var names: [String] { members.keys.sorted() }

  public init(_ data: Data) throws {
    self.data = data
    try readDirectory()
  }

  public init(path: String) throws {
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe)
    else { throw ToolError("\(path): cannot be read") }
    do { try self.init(data) } catch { throw ToolError("\(path): \(error)") }
    title = path
  }

  public func array(_ name: String) throws -> NumpyArray {
    guard let member = members[name] else {
      let known = names.isEmpty ? "it is empty" : "there are \(names.joined(separator: " "))"
      throw ToolError("no array \(name) in \(title); \(known)")
    }
    let range = member.range
    do {
      let bytes = [UInt8](
        data[(data.startIndex + range.lowerBound)..<(data.startIndex + range.upperBound)])
      guard NumpyArchive.checksum(bytes) == member.checksum else {
        throw ToolError("the checksum is wrong: the archive is damaged")
      }
      return try NumpyArchive.parse(bytes)
    } catch {
      throw ToolError("array \(name): \(error)")
    }
  }

  // MARK: ZIP

  private func number(_ offset: Int, _ count: Int) throws -> Int {
    guard offset >= 0, offset + count <= data.count else {
      throw ToolError("damaged: its directory points outside the file")
    }
    var value = 0
    for index in (0..<count).reversed() {
      let byte = Int(data[data.startIndex + offset + index])
      guard value < 1 << 54 else { throw ToolError("a size beyond reason") }
      value = value << 8 | byte
    }
    return value
  }

  private mutating func readDirectory() throws {
    guard data.count >= 22, try number(0, 4) == 0x0403_4B50 else {
      throw ToolError("not an .npz archive: it does not begin as a ZIP file")
    }
    // The end record stands before a comment of at most 65535 bytes.
    var end = data.count - 22
    while try number(end, 4) != 0x0605_4B50 {
      end -= 1
      guard end >= max(0, data.count - 65_557) else {
        throw ToolError("cut off: a ZIP file ends with its directory")
      }
    }
    var (count, offset) = (try number(end + 10, 2), try number(end + 16, 4))
    if count == 0xFFFF || offset == 0xFFFF_FFFF {
      let record = try number(end - 12, 8)
      guard try number(record, 4) == 0x0606_4B50 else {
        throw ToolError("damaged: no ZIP64 record where its directory says")
      }
      (count, offset) = (try number(record + 32, 8), try number(record + 48, 8))
    }
    for _ in 0..<count { offset = try readEntry(offset) }
  }

  private mutating func readEntry(_ offset: Int) throws -> Int {
    guard try number(offset, 4) == 0x0201_4B50 else {
      throw ToolError("damaged: an entry of its directory does not begin as one")
    }
    let nameCount = try number(offset + 28, 2)
    let extraCount = try number(offset + 30, 2)
    let next = offset + 46 + nameCount + extraCount + (try number(offset + 32, 2))
    var (size, local) = (try number(offset + 24, 4), try number(offset + 42, 4))
    var extra = offset + 46 + nameCount
    while extra + 4 <= offset + 46 + nameCount + extraCount {
      let length = try number(extra + 2, 2)
      if try number(extra, 2) == 1 {
        var field = extra + 4
        if size == 0xFFFF_FFFF {
          size = try number(field, 8)
          field += try number(offset + 20, 4) == 0xFFFF_FFFF ? 16 : 8
        }
        if local == 0xFFFF_FFFF { local = try number(field, 8) }
      }
      extra += 4 + length
    }
    guard next <= data.count else { throw ToolError("damaged: its directory is cut off") }
    let start = data.startIndex + offset + 46
    let name = String(decoding: data[start..<(start + nameCount)], as: UTF8.self)
    guard name.hasSuffix(".npy") else { return next }
    guard try number(offset + 10, 2) == 0 else {
      throw ToolError("\(name) is compressed: write the archive with numpy.savez")
    }
    let begin = local + 30 + (try number(local + 26, 2)) + (try number(local + 28, 2))
    guard try number(local, 4) == 0x0403_4B50, begin + size <= data.count else {
      throw ToolError("\(name) lies outside the archive")
    }
    members[String(name.dropLast(4))] = Member(
      range: begin..<(begin + size), checksum: UInt32(try number(offset + 16, 4)))
    return next
  }

  /// CRC-32 as ZIP has it (APPNOTE.TXT 4.4.7): polynomial EDB88320 reflected, inverted at both
  /// ends.
  package static func checksum(_ bytes: [UInt8]) -> UInt32 {
    var remainder: UInt32 = 0xFFFF_FFFF
    for byte in bytes {
      remainder = checksumTable[Int(UInt8(truncatingIfNeeded: remainder) ^ byte)] ^ remainder >> 8
    }
    return ~remainder
  }

  private static let checksumTable: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { value, _ in value >> 1 ^ (value & 1 == 1 ? 0xEDB8_8320 : 0) }
  }

  // MARK: NPY

  private static func parse(_ bytes: [UInt8]) throws -> NumpyArray {
    guard bytes.count >= 12, bytes.starts(with: [0x93] + Array("NUMPY".utf8)) else {
      throw ToolError("not in NumPy's format")
    }
    let isFirstVersion = bytes[6] == 1
    let headerStart = isFirstVersion ? 10 : 12
    var headerCount = Int(bytes[8]) | Int(bytes[9]) << 8
    if !isFirstVersion { headerCount |= Int(bytes[10]) << 16 | Int(bytes[11]) << 24 }
    let start = headerStart + headerCount
    guard start <= bytes.count else { throw ToolError("cut off in its header") }
    let header = String(decoding: bytes[headerStart..<start], as: UTF8.self)
    guard header.contains("'fortran_order': False") else {
      throw ToolError("not in C order: save numpy.ascontiguousarray of it")
    }
    let shape = try self.shape(header)
    var count = 1
    for size in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      guard !overflow else { throw ToolError("a size beyond reason") }
      count = product
    }
    let body = bytes[start...]
    func values<Number: BitwiseCopyable>(_ type: Number.Type, _ convert: (Number) -> Float)
      throws -> [Float]
    {
      guard count <= body.count, body.count == count * MemoryLayout<Number>.size else {
        throw ToolError("its size does not fit its shape")
      }
      return body.withUnsafeBytes { raw in
        (0..<count).map {
          convert(raw.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Number>.size, as: type))
        }
      }
    }
    let type = try self.type(header)
    for (code, read) in [
      ("'<f4'", { try values(Float.self) { $0 } }),
      ("'<f8'", { try values(Double.self) { Float($0) } }),
      ("'<i4'", { try values(Int32.self) { Float($0) } }),
      ("'|u1'", { try values(UInt8.self) { Float($0) } }),
    ] where type == code {
      return NumpyArray(shape: shape, values: try read())
    }
    throw ToolError("numbers of type \(type); there must be '<f4', '<f8', '<i4' or '|u1'")
  }

  /// The type as NumPy writes it, with its quotation marks.
  private static func type(_ header: String) throws -> Substring {
    guard let open = header.range(of: "'descr': "),
      let close = header[open.upperBound...].range(of: ", 'fortran_order'")
    else { throw ToolError("no type in its header") }
    return header[open.upperBound..<close.lowerBound]
  }

  private static func shape(_ header: String) throws -> [Int] {
    guard let open = header.range(of: "'shape': ("),
      let close = header[open.upperBound...].firstIndex(of: ")")
    else { throw ToolError("no shape in its header") }
    return try header[open.upperBound..<close].split(separator: ",")
      .map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
      .map {
        guard let size = Int($0), size >= 0 else { throw ToolError("a broken shape") }
        return size
      }
  }
}
