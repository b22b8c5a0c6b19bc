// KeptKey: keys that came over the air, in the state directory; each counts for as long as the key
// file that it has replaced is there.
//
//     KeptKey.apply(to: &settings, in: directory)
//     let isDone = KeptKey.store(order, in: directory)

import CLinux
import Core
import Settings
import Station
import Uplink

public enum KeptKey {
  private static func path(_ upstream: Int, in directory: Path) -> Path {
    var path = directory
    path.append(upstream == 0 ? "/uplink.key" : "/second-uplink.key")
    return path
  }

  static func store(_ order: KeyOrder, in directory: Path) -> Bool {
    order.record.bytes.withBytes {
      File.replace(path(order.upstream, in: directory), directory: directory, with: $0)
    }
  }

  @inline(never)
  static func apply(to settings: inout StationSettings, in directory: Path) {
    if let key = read(0, replacing: settings.keys, in: directory) { settings.keys.replace(by: key) }
    if let second = settings.secondKeys, let key = read(1, replacing: second, in: directory) {
      settings.secondKeys?.replace(by: key)
    }
  }

  public static func isThere(_ upstream: Int, in directory: Path) -> Bool {
    path(upstream, in: directory).withCString { access($0, F_OK) } == 0
  }

  /// nil where there is none, or it does not count any more.
  @inline(never)
  public static func read(
    _ upstream: Int, replacing keys: UpstreamKeys, in directory: Path
  ) -> Key? {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: KeyRecord.byteCount + 1) { bytes in
      guard let count = File.read(path(upstream, in: directory), into: bytes) else { return nil }
      return KeyRecord.key(
        UnsafeBufferPointer(rebasing: bytes[..<count]), replacing: keys.filed)
    }
  }
}
