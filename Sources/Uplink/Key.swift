// Key: the 32 secret bytes that a station shares with its upstream.
//
//     let key = try Key(file: path)
//     let datagram = Datagram(header, key: key) { message.write(to: &$0) }

import CLinux
import CSodium
import Core

public struct Key: Equatable, Sendable {
  public static let byteCount = 32
  private var bytes = Octets<4>()

  public static func == (a: Key, b: Key) -> Bool {
    a.withBytes { a in
      b.withBytes { csodium_differs(a.baseAddress, $0.baseAddress, byteCount) == 0 }
    }
  }

  public init(_ bytes: Octets<4>) { self.bytes = bytes }

  /// Reads a key file: a regular file of exactly 32 bytes that others cannot read.
  public init(file path: Text<256>) throws(Diagnostic) {
    guard csodium_start() >= 0 else {
      throw Diagnostic("libsodium does not start: the kernel gives no random numbers")
    }
    let descriptor = path.withCString { clinux_open_read($0) }
    guard descriptor >= 0 else {
      var diagnostic = Diagnostic("key file ", path, " cannot be read (")
      diagnostic.text.append(cString: UnsafePointer(strerror(clinux_errno())))
      diagnostic.text.append("): make one with head -c 32 /dev/urandom, readable by onsetd alone")
      throw diagnostic
    }
    let fault = read(descriptor)
    close(descriptor)
    if let fault { throw Diagnostic("key file ", path, fault) }
  }

  /// What is wrong with it; nil when it is right.
  private mutating func read(_ descriptor: Int32) -> StaticString? {
    var status = stat()
    guard fstat(descriptor, &status) == 0, clinux_mode_is_regular(status.st_mode) != 0 else {
      return " is not a regular file: a key is 32 bytes in a file"
    }
    guard status.st_mode & 0o007 == 0 else {
      return " is open to everyone on this machine: chmod o-rwx it, and make a new key"
    }
    guard status.st_size == Key.byteCount else {
      return " does not have exactly 32 bytes: make one with head -c 32 /dev/urandom"
    }
    let got = bytes.withMutableBytes {
      CLinux.read(descriptor, $0.baseAddress, Key.byteCount)
    }
    guard got == Key.byteCount else { return " could not be read to its end" }
    return isZero ? " is all zeros: make one with head -c 32 /dev/urandom" : nil
  }

  var isZero: Bool { bytes.isZero }

  /// The key of one station, of a master key that only its collector has: whoever takes a station
  /// has that station's key and no other. WIRE-FORMAT.md has the rule.
  public static func ofStation(_ code: Text<24>, master: Key) -> Key {
    var text = InlineArray<41, UInt8>(repeating: 0)
    var span = text.mutableSpan
    span.withUnsafeMutableBufferPointer { buffer in
      var writer = ByteWriter(buffer)
      writer.write(Text<17>("onset station key"))
      writer.write(code)
    }
    var derived = Octets<4>()
    text.span.withUnsafeBufferPointer { message in
      derived.withMutableBytes { master.sign(message, into: $0) }
    }
    return Key(derived)
  }

  /// For whoever writes it into a file.
  public func withBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
    bytes.withBytes(body)
  }

  func sign(
    _ message: UnsafeBufferPointer<UInt8>, into tag: UnsafeMutableBufferPointer<UInt8>
  ) {
    bytes.withBytes { key in
      _ = csodium_tag(
        tag.baseAddress, tag.count, message.baseAddress, message.count, key.baseAddress, key.count)
    }
  }

  func verifies(_ message: UnsafeBufferPointer<UInt8>, tag: UnsafeBufferPointer<UInt8>) -> Bool {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Wire.tagByteCount) { expected in
      sign(message, into: expected)
      return csodium_differs(expected.baseAddress, tag.baseAddress, Wire.tagByteCount) == 0
    }
  }
}

/// What the station shares with one upstream.
public struct UpstreamKeys: Sendable {
  public var key: Key
  /// What the upstream seals with it is believed as well.
  public var previous: Key?
  /// The key that the station file names. Another may have replaced it over the air.
  public let filed: Key

  public init(_ key: Key, previous: Key? = nil) {
    (self.key, self.previous, filed) = (key, previous, key)
  }

  /// One that came over the air; those before it are not believed any more.
  public mutating func replace(by key: Key) { (self.key, previous) = (key, nil) }

  /// Those of the first upstream, and of the second where there is one.
  public static func read(
    _ settings: UplinkSettings
  ) throws(Diagnostic) -> (UpstreamKeys, UpstreamKeys?) {
    let first = try UpstreamKeys(settings.first)
    guard let second = settings.second else { return (first, nil) }
    let keys = try UpstreamKeys(second)
    guard !keys.isMixed(with: first) else {
      throw Diagnostic(
        "key file ", second.keyFile,
        ", or the one before it, has a key of the first upstream: make this one a key of its own with onset key"
      )
    }
    return (first, keys)
  }

  @inline(never)
  private init(_ settings: UpstreamSettings) throws(Diagnostic) {
    key = try Key(file: settings.keyFile)
    filed = key
    if !settings.previousKeyFile.isEmpty { previous = try Key(file: settings.previousKeyFile) }
  }

  /// By its key an acknowledgement says whose it is.
  func isMixed(with other: UpstreamKeys) -> Bool {
    has(other.key) || other.previous.map { has($0) } ?? false
  }

  public func has(_ other: Key) -> Bool {
    key == other || previous.map { $0 == other } ?? false
  }

  public func haveSealed(_ sealed: SealedBytes) -> Bool {
    sealed.isSealed(with: key) || previous.map { sealed.isSealed(with: $0) } ?? false
  }
}
