import CLinux
import Core
import Foundation
import Testing

@Suite struct FileTests {
  private func read(_ path: String, capacity: Int) -> [UInt8]? {
    var storage = [UInt8](repeating: 0, count: capacity)
    let count = storage.withUnsafeMutableBufferPointer {
      File.read(Text<256>(string: path), into: $0)
    }
    return count.map { Array(storage[0..<$0]) }
  }

  private func replace(_ path: String, in folder: String, with bytes: [UInt8]) -> Bool {
    bytes.withUnsafeBufferPointer {
      File.replace(Text<256>(string: path), directory: Text<256>(string: folder), with: $0)
    }
  }

  @Test func readsAWholeFile() throws {
    try withTemporaryFolder { folder in
      let content = Data((0..<1000).map { UInt8($0 & 0xFF) })
      try content.write(to: URL(fileURLWithPath: folder + "/a"))
      #expect(read(folder + "/a", capacity: 2000) == Array(content))
      #expect(read(folder + "/a", capacity: 1000)?.count == 1000)
      #expect(read(folder + "/a", capacity: 10) == Array(content[0..<10]))
    }
  }

  @Test func aMissingFileIsNilAndTellsWhy() throws {
    try withTemporaryFolder { folder in
      var storage = [UInt8](repeating: 0, count: 8)
      let (count, reason) = storage.withUnsafeMutableBufferPointer {
        (File.read(Text<256>(string: folder + "/none"), into: $0), clinux_errno())
      }
      #expect(count == nil)
      #expect(reason == ENOENT)
    }
  }

  @Test func aFolderIsNoFile() throws {
    try withTemporaryFolder { #expect(read($0, capacity: 8) == nil) }
  }

  @Test func replacingCreatesAndReplaces() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/counter"
      #expect(replace(path, in: folder, with: Array("a long first content".utf8)))
      #expect(read(path, capacity: 100) == Array("a long first content".utf8))
      #expect(replace(path, in: folder, with: Array("42".utf8)))
      #expect(read(path, capacity: 100) == Array("42".utf8))
      let names = try FileManager.default.contentsOfDirectory(atPath: folder)
      #expect(names == ["counter"])
    }
  }

  /// A reader that opened the old file keeps the old content: the new one is another file, renamed
  /// over it, and at no moment is there a part of either.
  @Test func aReaderOfTheOldFileKeepsIt() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/counter"
      #expect(replace(path, in: folder, with: Array("old".utf8)))
      let handle = try #require(FileHandle(forReadingAtPath: path))
      #expect(replace(path, in: folder, with: Array("new".utf8)))
      #expect(try handle.readToEnd() == Data("old".utf8))
    }
  }

  /// What a power cut during an earlier replacement left behind is written over.
  @Test func aLeftoverDoesNoHarm() throws {
    try withTemporaryFolder { folder in
      try Data("a half-written leftover".utf8).write(to: URL(fileURLWithPath: folder + "/c.new"))
      #expect(replace(folder + "/c", in: folder, with: Array("7".utf8)))
      #expect(read(folder + "/c", capacity: 100) == Array("7".utf8))
      let names = try FileManager.default.contentsOfDirectory(atPath: folder)
      #expect(names == ["c"])
    }
  }

  @Test func aFolderThatIsNotThereIsAFailure() throws {
    try withTemporaryFolder { folder in
      #expect(!replace(folder + "/none/counter", in: folder + "/none", with: [1]))
    }
  }

  /// With the name cut at the capacity, the temporary file would be the file itself.
  @Test func aNameWithoutRoomForTheTemporaryOneIsRefused() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/" + String(repeating: "x", count: 256 - folder.utf8.count - 1)
      #expect(path.utf8.count == 256)
      try Data("old".utf8).write(to: URL(fileURLWithPath: path))
      #expect(!replace(path, in: folder, with: Array("new".utf8)))
      #expect(read(path, capacity: 10) == Array("old".utf8))
    }
  }

  @Test(
    arguments: [
      ("42\n", 0, 42), ("42", 0, 42), ("  7 8 9", 0, 7), ("7 8 9\n", 2, 9), ("7 8 9\n", 3, nil),
      ("", 0, nil), ("none\n", 0, nil), ("MemTotal: 12 kB\nMemFree: 34 kB\n", 1, 34),
      ("-5000\n", 0, -5000),
      ("3 -5", 1, -5), ("a-b 5", 0, 5), ("5-3", 1, -3), ("9223372036854775807", 0, Int.max),
      ("9223372036854775808", 0, nil), ("99999999999999999999 5", 0, nil),
      ("99999999999999999999 5", 1, 5),
    ] as [(String, Int, Int?)])
  func integersInText(_ text: String, _ fields: Int, _ expected: Int?) {
    var text = text
    #expect(text.withUTF8 { File.integer(in: $0, skippingFields: fields) } == expected)
  }

  @Test func readsANumberOfTheKernel() throws {
    let text = try String(contentsOfFile: "/proc/sys/kernel/pid_max", encoding: .utf8)
    let expected = try #require(Int(text.trimmingCharacters(in: .whitespacesAndNewlines)))
    #expect(File.readInteger("/proc/sys/kernel/pid_max") == expected)
    #expect(File.readInteger("/proc/sys/kernel/pid_max", skippingFields: 1) == nil)
    #expect(File.readInteger("/proc/no/such/file") == nil)
  }
}
