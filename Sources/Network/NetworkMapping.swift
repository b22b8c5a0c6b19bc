// A network file in memory: mapped read-only, every page present, for as long as the mapping lives.

import CLinux
import Core

public struct NetworkMapping: ~Copyable {
  public let bytes: UnsafeRawBufferPointer

  /// Of no file.
  public init() { bytes = UnsafeRawBufferPointer(start: nil, count: 0) }

  public init(file path: Text<256>) throws(Diagnostic) {
    func refusal(_ sentence: StaticString) -> Diagnostic {
      Diagnostic("network file ", path, sentence)
    }
    let descriptor = path.withCString { clinux_open_read($0) }
    guard descriptor >= 0 else {
      var diagnostic = refusal(" cannot be read (")
      diagnostic.text.append(cString: UnsafePointer(strerror(clinux_errno())))
      diagnostic.text.append(")")
      throw diagnostic
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, clinux_mode_is_regular(status.st_mode) != 0,
      status.st_size >= NetworkHeader.byteCount, status.st_size <= NetworkPlan.maximumByteCount
    else { throw refusal(" is not a regular file of 80 bytes to 64 MiB") }
    let count = Int(status.st_size)
    guard let base = clinux_map_file(descriptor, count) else {
      throw refusal(" cannot be mapped: no memory")
    }
    bytes = UnsafeRawBufferPointer(start: base, count: count)
  }

  deinit {
    if let base = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: base), bytes.count) }
  }
}
