// KeyFolder: the keys of the stations that may speak: one file of 32 bytes a station, named after
// it, XX.ONST1.00.EH.key. What is put into the folder counts within seconds, without a restart.
//
// Keys of stations that are made of a master key (`onset key station`) need no files here.
//
//     let keys = try KeyFolder("keys", master: nil) { complain($0) }
//     let key = keys.key(of: "XX.ONST1.00.EH", at: now)

import Core
import Foundation
import Tools
import Uplink

public final class KeyFolder {
  /// Datagrams of stations without a key must not make the disk busy.
  private static let rereadNanoseconds: Int64 = 5_000_000_000
  private static let suffix = ".key"

  private let folder: String?
  private let master: Key?
  private let complain: (String) -> Void
  private var keys: [String: Key] = [:]
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

  public func key(of station: String, at now: UTC) -> Key? {
    keyInFolder(of: station, at: now)
      ?? master.map { Key.ofStation(StationCode(station), master: $0) }
  }

  private func keyInFolder(of station: String, at now: UTC) -> Key? {
    if let key = keys[station] { return key }
    guard lastRead.map({ abs(now.nanoseconds - $0) >= KeyFolder.rereadNanoseconds }) ?? true else {
      return nil
    }
    lastRead = now.nanoseconds
    // A folder that is gone for a moment takes no key away.
    try? read()
    return keys[station]
  }

  private func read() throws {
    guard let folder else { return }
    var found: [String: Key] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    where name.hasSuffix(KeyFolder.suffix) {
      let path = "\(folder)/\(name)"
      guard path.utf8.count <= 256 else {
        note("\(path): longer than 256 bytes")
        continue
      }
      do throws(Diagnostic) {
        found[String(name.dropLast(KeyFolder.suffix.count))] = try Key(file: Text<256>(path))
      } catch {
        note(error.description)
      }
    }
    // What was there at the start stays until the next one.
    keys.merge(found) { old, _ in old }
  }

  private func note(_ complaint: String) {
    if complaints.insert(complaint).inserted { complain(complaint) }
  }
}
