// NetworkFolder: networks that came over the air, in the state directory, so that a power cut at
// any moment leaves a station with a network that works.
//
//   network.part     what comes, piece by piece
//   network.trial    what the next boot tries, once: `network-trial` counts its boots
//   network.onet     what was accepted
//
//     let folder = NetworkFolder(in: directory)
//     let (path, start) = folder.beginBoot()
//     let isThere = folder.write(piece) && folder.finish(byteCount: count, checksum: checksum)

import CLinux
import Core
import Settings
import Station

struct NetworkFolder {
  /// What the counter says; a stored counter is never 0.
  private enum Boots {
    static let none = 1
    static let one = 2
    /// The trial is over, and nobody was told.
    static let rolledBack = 3
  }

  private let directory: Path
  private let boots: StoredCounter?
  let part: Path
  private let trial: Path
  private let accepted: Path

  @inline(never)
  init(in directory: Path) {
    func path(_ name: StaticString) -> Path {
      var path = directory
      path.append(name)
      return path
    }
    self.directory = directory
    boots = try? StoredCounter("network-trial", in: directory)
    (part, trial) = (path("/network.part"), path("/network.trial"))
    accepted = path("/network.onet")
  }

  private static func exists(_ path: Path) -> Bool {
    path.withCString { access($0, F_OK) } == 0
  }

  /// The network to begin with; nil for that of the station file.
  @inline(never)
  func beginBoot() -> (path: Path?, start: NetworkStart) {
    let state = boots.flatMap { try? $0.read(largest: Boots.rolledBack) }
    guard NetworkFolder.exists(trial) else {
      let last = NetworkFolder.exists(accepted) ? accepted : nil
      return (last, state == Boots.rolledBack ? .rolledBack : .usual)
    }
    // A boot that is not counted would be tried for ever.
    if let boots, state == Boots.none, boots.store(Boots.one) { return (trial, .trial) }
    return (rollBack(), .rolledBack)
  }

  /// The trial's file is no network, or has had its boot.
  @inline(never)
  func rollBack() -> Path? {
    _ = boots?.store(Boots.rolledBack)
    _ = File.remove(trial, directory: directory)
    return NetworkFolder.exists(accepted) ? accepted : nil
  }

  /// The start has come to its end, so that the station tells what became of a trial.
  func noteTold() { _ = boots?.store(Boots.none) }

  /// What had come when the program ended is of no use any more. Whether there was any.
  @inline(never)
  func removePart() -> Bool {
    guard NetworkFolder.exists(part) else { return false }
    _ = File.remove(part, directory: directory)
    return true
  }

  // MARK: What comes

  @inline(never)
  func write(_ piece: NetworkWrite) -> Bool {
    let descriptor = part.withCString { clinux_open_update($0) }
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    return piece.bytes.span.withUnsafeBufferPointer {
      pwrite(descriptor, $0.baseAddress, piece.count, off_t(piece.offset)) == piece.count
    }
  }

  /// On disk, and what it should be.
  @inline(never)
  func finish(byteCount: Int, checksum: UInt32) -> Bool {
    let descriptor = part.withCString { clinux_open_update($0) }
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    guard ftruncate(descriptor, off_t(byteCount)) == 0, fsync(descriptor) == 0 else {
      return false
    }
    var found = Checksum()
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 1024) { buffer in
      while true {
        let count = read(descriptor, buffer.baseAddress, buffer.count)
        guard count > 0 else { break }
        found.add(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count]))
      }
    }
    return found.value == checksum
  }

  /// The next boot tries what has come. The count is last: with that of an earlier trial there is
  /// none.
  @inline(never)
  func switchOver() -> Bool {
    guard let boots, boots.store(Boots.one), File.move(part, to: trial, directory: directory)
    else { return false }
    if boots.store(Boots.none) { return true }
    _ = File.move(trial, to: part, directory: directory)
    return false
  }

  @inline(never)
  func accept() -> Bool { File.move(trial, to: accepted, directory: directory) }

  @inline(never)
  func forget() -> Bool { File.remove(part, directory: directory) }

  @inline(never)
  func forgetAccepted() -> Bool { File.remove(accepted, directory: directory) }
}
