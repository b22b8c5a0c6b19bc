// A network file in memory: copied into read-only pages of its own, so that a file that is
// overwritten in place, or cut short, changes nothing and kills nobody.
//
//     let mapping = try NetworkMapping(file: path)
//     let plan = try NetworkPlan(mapping.bytes, maximumRows: 4)

import CLinux
import Core

public struct NetworkMapping: ~Copyable {
  public let bytes: UnsafeRawBufferPointer

  /// A mapping of no file.
  public init() { bytes = UnsafeRawBufferPointer(start: nil, count: 0) }

  public init(file path: Text<256>) throws(Diagnostic) {
    let descriptor = path.withCString { clinux_open_read($0) }
    guard descriptor >= 0 else {
      var diagnostic = Diagnostic("network file ", path, " cannot be read (")
      diagnostic.text.append(cString: UnsafePointer(strerror(clinux_errno())))
      diagnostic.text.append(")")
      throw diagnostic
    }
    var mapped = UnsafeRawBufferPointer(start: nil, count: 0)
    let fault = NetworkMapping.map(descriptor, &mapped)
    close(descriptor)
    if let fault { throw Diagnostic("network file ", path, fault) }
    bytes = mapped
  }

  /// What is wrong with it; nil when it is there.
  private static func map(
    _ descriptor: Int32, _ mapped: inout UnsafeRawBufferPointer
  ) -> StaticString? {
    var status = stat()
    guard fstat(descriptor, &status) == 0, clinux_mode_is_regular(status.st_mode) != 0,
      status.st_size >= NetworkHeader.byteCount, status.st_size <= NetworkPlan.maximumByteCount
    else { return " is not a regular file of 80 bytes to 64 MiB" }
    let count = Int(status.st_size)
    guard let base = clinux_map_anonymous(count) else {
      return " has no room: the kernel gives no memory"
    }
    guard fill(UnsafeMutableRawBufferPointer(start: base, count: count), descriptor) else {
      munmap(base, count)
      return " cannot be read to its end"
    }
    mprotect(base, count, PROT_READ)
    mapped = UnsafeRawBufferPointer(start: base, count: count)
    return nil
  }

  private static func fill(_ buffer: UnsafeMutableRawBufferPointer, _ descriptor: Int32) -> Bool {
    var count = 0
    while count < buffer.count {
      let got = read(descriptor, buffer.baseAddress! + count, buffer.count - count)
      if got < 0 && clinux_errno() == EINTR { continue }
      guard got > 0 else { return false }
      count += got
    }
    return true
  }

  deinit {
    if let base = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: base), bytes.count) }
  }
}
