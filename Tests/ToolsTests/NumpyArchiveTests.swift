// Archives as NumPy writes them (Tests/Golden/arrays.py), and archives that lie.

import Foundation
import Testing

@testable import Tools

private func golden(_ name: String) -> String {
  URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Golden/\(name)").path
}

/// The sentence with which `body` refuses; nil when it does not.
func refusal(_ body: () throws -> Void) -> String? {
  do { try body() } catch let error as ToolError { return error.description } catch {
    return "not a ToolError: \(error)"
  }
  return nil
}

@Suite struct NumpyArchiveTests {
  @Test func readsWhatNumPyWrites() throws {
    let archive = try NumpyArchive(path: golden("arrays.npz"))
    #expect(archive.names.contains("scope/double") && archive.names.count == 13)
    let float = try archive.array("float")
    #expect(float.shape == [2, 3, 4])
    #expect(float.values == (0..<24).map { Float($0) / 8 - 1 })
    #expect(try archive.array("scope/double").values == (0..<24).map { Float($0) / 4 })
    #expect(try archive.array("int").values == (0..<24).map { Float($0) - 12 })
    #expect(try archive.array("byte").values == (0..<24).map { Float($0 * 11) })
    #expect(try archive.array("vector").shape == [2])
    let scalar = try archive.array("scalar")
    #expect(scalar.shape == [] && scalar.values == [7.25])
    let empty = try archive.array("empty")
    #expect(empty.shape == [0, 5] && empty.values.isEmpty)
    #expect(try archive.array("special").values[0].isNaN)
  }

  @Test(arguments: [
    ("fortran", "not in C order: save numpy.ascontiguousarray of it"),
    ("big", "numbers of type '>f4'; there must be '<f4', '<f8', '<i4' or '|u1'"),
    ("long", "numbers of type '<i8'"), ("record", "numbers of type [('x', '<f4')]"),
    ("text", "numbers of type '<U1'"), ("absent", "no array absent in "),
  ])
  func otherArraysAreRefused(name: String, sentence: String) throws {
    let archive = try NumpyArchive(path: golden("arrays.npz"))
    let said = refusal { _ = try archive.array(name) }
    #expect(said?.contains(sentence) == true, "\(said ?? "accepted")")
    #expect(said?.contains("array \(name)") == true)
  }

  @Test func compressedArchivesAreRefused() {
    let path = golden("arrays-compressed.npz")
    #expect(
      refusal { _ = try NumpyArchive(path: path) }
        == "\(path): float.npy is compressed: write the archive with numpy.savez")
  }

  @Test func whatIsNoArchiveIsRefused() {
    let path = golden("absent.npz")
    #expect(refusal { _ = try NumpyArchive(path: path) } == "\(path): cannot be read")
    #expect(
      refusal { _ = try NumpyArchive(Data("{\"json\": 1}, which is no archive".utf8)) }
        == "not an .npz archive: it does not begin as a ZIP file")
    #expect(refusal { _ = try NumpyArchive(Data()) }?.contains("not an .npz") == true)
  }

  /// No cut is survived, since the directory stands at the end; and none crashes.
  @Test(arguments: [false, true])
  func everyCutIsRefused(isZip64: Bool) throws {
    var archive = HandWrittenArchive()
    archive.isZip64 = isZip64
    archive.add("a", [2], [1, 2])
    archive.add("b", [1, 2], [3, 4])
    let bytes = archive.bytes
    #expect(try NumpyArchive(Data(bytes)).array("b").values == [3, 4])
    for count in bytes.indices {
      let said = refusal { _ = try NumpyArchive(Data(bytes[..<count])) }
      #expect((said?.count ?? 0) > 8, "\(count) bytes of \(bytes.count)")
    }
  }

  @Test(arguments: [false, true])
  func noDamagedByteChangesAValue(isZip64: Bool) throws {
    var archive = HandWrittenArchive()
    archive.isZip64 = isZip64
    archive.add("a", [2], [1, 2])
    let bytes = archive.bytes
    for index in bytes.indices {
      for bit in [0, 3, 7] {
        var damaged = bytes
        damaged[index] ^= 1 << UInt8(bit)
        let read = try? NumpyArchive(Data(damaged))
        guard let read, let name = read.names.first, let array = try? read.array(name) else {
          continue
        }
        #expect(array.values == [1, 2] && array.shape == [2], "byte \(index), bit \(bit)")
      }
    }
  }

  @Test func aCommentAndASliceAreNoMatter() throws {
    var archive = HandWrittenArchive()
    archive.add("a", [1], [5])
    archive.comment = Array("PK, said the archive".utf8)
    #expect(try NumpyArchive(archive.data).array("a").values == [5])
    let slice = Data([1, 2, 3] + archive.bytes)[3...]
    #expect(try NumpyArchive(slice).array("a").values == [5])
  }

  @Test func theSecondVersionOfTheHeaderIsRead() throws {
    var archive = HandWrittenArchive()
    archive.members = [
      .init(
        name: "a",
        content: HandWrittenArchive.npy(type: "'|u1'", shape: [3], version: 2, [1, 2, 3]))
    ]
    #expect(try NumpyArchive(archive.data).array("a").values == [1, 2, 3])
  }

  @Test func directoriesThatLieAreRefused() {
    func said(_ change: (inout HandWrittenArchive) -> Void) -> String {
      var archive = HandWrittenArchive()
      archive.add("a", [2], [1, 2])
      change(&archive)
      return refusal { _ = try NumpyArchive(archive.data).array("a") } ?? "accepted"
    }
    #expect(said { $0.members[0].method = 8 }.contains("a.npy is compressed"))
    #expect(said { $0.members[0].claimedCount = 9999 }.contains("a.npy lies outside the archive"))
    #expect(said { $0.members[0].claimedOffset = 1 << 30 }.contains("points outside the file"))
    #expect(said { $0.members[0].claimedOffset = 4 }.contains("a.npy lies outside the archive"))
    #expect(said { $0.members[0].checksum = 1 }.contains("the checksum is wrong"))
    let huge = said {
      $0.isZip64 = true
      $0.members[0].claimedCount = Int.max
    }
    #expect(huge.contains("a size beyond reason"))
    let far = said {
      $0.isZip64 = true
      $0.members[0].claimedOffset = (1 << 62) - 1
    }
    #expect(far.contains("points outside the file"))
  }

  @Test func headersThatLieAreRefused() {
    func said(_ content: [UInt8]) -> String {
      var archive = HandWrittenArchive()
      archive.members = [.init(name: "a", content: content)]
      return refusal { _ = try NumpyArchive(archive.data).array("a") } ?? "accepted"
    }
    func npy(_ shape: [Int]) -> [UInt8] {
      HandWrittenArchive.npy(type: "'<f4'", shape: shape, [0, 0, 0, 0])
    }
    #expect(said(npy([1])) == "accepted")
    #expect(said(npy([2])).contains("its size does not fit its shape"))
    #expect(said(npy([1 << 62])).contains("its size does not fit its shape"))
    #expect(said(npy([1 << 62, 1 << 62])).contains("a size beyond reason"))
    #expect(said(npy([-1])).contains("a broken shape"))
    #expect(said([]).contains("not in NumPy's format"))
    #expect(said(Array("no array at all".utf8)).contains("not in NumPy's format"))
    var long = npy([1])
    long[9] = 0xFF
    #expect(said(long).contains("cut off in its header"))
    let nameless = Array(npy([1]).map { $0 == UInt8(ascii: "h") ? UInt8(ascii: "i") : $0 })
    #expect(said(nameless).contains("no shape in its header"))
  }
}
