// KeyFolder: the keys of the stations that may speak: one file of 32 bytes a station, named after
// it, XX.ONST1.00.EH.key. What is put into the folder counts within seconds, without a restart.
// While a key is being replaced the new one lies beside it, XX.ONST1.00.EH.next.key, and both
// count.
//
// Keys of stations that are made of a master key (`onset key station`) need no files here.
//
//     let keys = try KeyFolder("keys", master: nil) { complain($0) }
//     let key = keys.key(of: "XX.ONST1.00.EH", at: now) { sealed.isSealed(with: $0) }

import Core
import Foundation
import Tools
import Uplink

public final class KeyFolder {
  /// Datagrams of stations without a key must not make the disk busy.
  private static let rereadNanoseconds: Int64 = 5_000_000_000
  private static let suffixes = [".next.key", ".key"]

  private let folder: String?
  private let master: Key?
  private let complain: (String) -> Void
  /// Each station's, those of its own file first.
  private var keys: [String: [Key]] = [:]
  /// Those with a file of their own, for which the master's does not count.
  private var ownFiles: Set<String> = []
  private var complaints: Set<String> = []
  private var lastRead: Int64?

  /// `complain` gets a sentence, once, for each file that is no key.
  public init(
    _ folder: String?, master: Key?, complain: @escaping (String) -> Void
  ) throws {
    (self.folder, self.master, self.complain) = (folder, master, complain)
    do { try read() } catch {
      throw ToolError(
        "\(folder ?? "") is no folder that can be read: it holds a key a station, "
          + "XX.ONST1.00.EH.key")
    }
  }

  public var count: Int { keys.count }

  public func has(_ station: String) -> Bool { master != nil || keys[station] != nil }

  /// The station's key that fits; where none does, the folder may have got a new one.
  public func key(of station: String, at now: UTC, fits: (Key) -> Bool) -> Key? {
    if let key = known(station).first(where: fits) { return key }
    guard lastRead.map({ abs(now.nanoseconds - $0) >= KeyFolder.rereadNanoseconds }) ?? true else {
      return nil
    }
    lastRead = now.nanoseconds
    // A folder that is gone for a moment takes no key away.
    try? read()
    return known(station).first(where: fits)
  }

  /// Those in the folder, and that of the master where the station has no file of its own.
  func known(_ station: String) -> [Key] {
    let derived = master.map { Key.ofStation(StationCode(station), master: $0) }
    guard let files = keys[station] else { return derived.map { [$0] } ?? [] }
    return ownFiles.contains(station) ? files : files + (derived.map { [$0] } ?? [])
  }

  private func read() throws {
    guard let folder else { return }
    for name in try FileManager.default.contentsOfDirectory(atPath: folder).sorted() {
      guard let suffix = KeyFolder.suffixes.first(where: { name.hasSuffix($0) }) else { continue }
      let path = "\(folder)/\(name)"
      let station = String(name.dropLast(suffix.count))
      guard path.utf8.count <= 256 else {
        note("\(path): longer than 256 bytes")
        continue
      }
      do throws(Diagnostic) {
        let key = try Key(file: Text<256>(path))
        // What was there at the start stays until the next one, and what has replaced it joins it.
        if !(keys[station] ?? []).contains(key) { keys[station, default: []].append(key) }
        if suffix == KeyFolder.suffixes.last { ownFiles.insert(station) }
      } catch {
        note(error.description)
      }
    }
  }

  private func note(_ complaint: String) {
    if complaints.insert(complaint).inserted { complain(complaint) }
  }
}
