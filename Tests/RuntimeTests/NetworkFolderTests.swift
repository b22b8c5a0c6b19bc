// Networks that came over the air, at every moment at which the power may have gone.

import Core
import Foundation
import Settings
import Station
import Testing

@testable import Runtime

@Suite struct NetworkFolderTests {
  private final class Disk {
    let files: StationFolder
    init() throws { files = try StationFolder() }
    var folder: NetworkFolder { NetworkFolder(in: Path(files.folder.path)) }

    func write(_ name: String, _ text: String) throws { try files.write(name, text) }

    func has(_ name: String) -> Bool {
      FileManager.default.fileExists(atPath: files.folder.appendingPathComponent(name).path)
    }

    /// What a boot begins with, by the last part of its path.
    func boot() -> String {
      let (path, start) = folder.beginBoot()
      let name = path.map { URL(fileURLWithPath: $0.string).lastPathComponent } ?? "station file"
      return "\(name) \(start)"
    }
  }

  @Test func aTrialIsBootedOnceAndThenAccepted() throws {
    let disk = try Disk()
    #expect(disk.boot() == "station file usual")
    try disk.write("network.part", "new")
    #expect(disk.boot() == "station file usual", "nobody has switched over")
    #expect(disk.folder.switchOver())
    #expect(!disk.has("network.part"))
    #expect(disk.boot() == "network.trial trial")
    #expect(disk.folder.accept())
    #expect(disk.boot() == "network.onet usual")
    #expect(disk.boot() == "network.onet usual")
    #expect(disk.folder.forget())
    #expect(disk.boot() == "network.onet usual")
    #expect(disk.folder.forgetAccepted())
    #expect(disk.boot() == "station file usual")
  }

  /// Nobody accepted it: it crashed, the power went, or the upstream stayed away.
  @Test func aTrialThatWasNotAcceptedIsRolledBack() throws {
    let disk = try Disk()
    try disk.write("network.onet", "accepted before")
    try disk.write("network.part", "new")
    _ = disk.folder.switchOver()
    #expect(disk.boot() == "network.trial trial")
    #expect(disk.boot() == "network.onet rolledBack")
    #expect(!disk.has("network.trial"))
    #expect(disk.boot() == "network.onet rolledBack", "that start came to no end, and told nobody")
    disk.folder.noteTold()
    #expect(disk.boot() == "network.onet usual")
    // The next one has its own trial.
    try disk.write("network.part", "newer")
    _ = disk.folder.switchOver()
    #expect(disk.boot() == "network.trial trial")
    #expect(disk.folder.rollBack()?.string.hasSuffix("network.onet") == true)
    disk.folder.noteTold()
    #expect(disk.boot() == "network.onet usual")
  }

  /// Between the move and the counter, and with a counter that is damaged: in doubt, no trial.
  @Test(arguments: ["2\n", "x", "0\n", "-1\n", "3\n", "4\n"])
  func aTrialThatIsNotCountedIsNone(_ counter: String) throws {
    let disk = try Disk()
    try disk.write("network-trial", counter)
    try disk.write("network.trial", "new")
    #expect(disk.boot() == "station file rolledBack")
    #expect(!disk.has("network.trial"))
    let other = try Disk()
    try other.write("network.trial", "new")
    #expect(other.boot() == "station file rolledBack", "no counter at all")
  }

  /// What had come is of no use to the next boot, and somebody is to know.
  @Test func whatHadComeIsRemovedAtTheNextStart() throws {
    let disk = try Disk()
    #expect(!disk.folder.removePart())
    try disk.write("network.part", "half")
    #expect(disk.folder.removePart() && !disk.has("network.part"))
  }

  @Test func aDiskThatTakesNothingHasNoTrial() throws {
    let nowhere = NetworkFolder(in: Path("/proc/onset"))
    #expect(nowhere.beginBoot().path == nil)
    #expect(!nowhere.switchOver() && !nowhere.accept())
    #expect(!nowhere.finish(byteCount: 1, checksum: 0))
  }
}
