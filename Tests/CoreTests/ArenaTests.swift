import Core
import Testing

@Suite struct ArenaTests {
  @Test func everyRegionStartsOnACacheLineAndIsZero() {
    var arena = Arena(byteCount: 4096)!
    let bytes = arena.take(UInt8.self, count: 3)
    let doubles = arena.take(Double.self, count: 5)
    let words = arena.take(UInt16.self, count: 1)
    #expect(Int(bitPattern: bytes.baseAddress) % 64 == 0)
    #expect(Int(bitPattern: doubles.baseAddress) % 64 == 0)
    #expect(Int(bitPattern: words.baseAddress) % 64 == 0)
    #expect(bytes.count == 3 && doubles.count == 5 && words.count == 1)
    #expect(bytes.allSatisfy { $0 == 0 } && doubles.allSatisfy { $0 == 0 })
  }

  @Test func regionsDoNotOverlap() {
    var arena = Arena(byteCount: 4096)!
    let first = arena.take(UInt8.self, count: 64)
    let second = arena.take(UInt8.self, count: 64)
    first.update(repeating: 0xAA)
    second.update(repeating: 0x55)
    #expect(first.allSatisfy { $0 == 0xAA })
    #expect(second.allSatisfy { $0 == 0x55 })
  }

  @Test func countsWhatIsUsedWithThePadding() {
    var arena = Arena(byteCount: 256)!
    var used = [arena.usedByteCount]
    _ = arena.take(UInt8.self, count: 1)
    used.append(arena.usedByteCount)
    _ = arena.take(Int32.self, count: 2)
    used.append(arena.usedByteCount)
    _ = arena.take(UInt8.self, count: 0)
    used.append(arena.usedByteCount)
    #expect(used == [0, 1, 64 + 8, 128])
  }

  @Test func canBeUsedToTheLastByte() {
    var arena = Arena(byteCount: 128)!
    _ = arena.take(UInt8.self, count: 64)
    let last = arena.take(UInt64.self, count: 8)
    last[7] = .max
    let isFull = arena.usedByteCount == arena.byteCount
    #expect(isFull)
  }

  @Test(arguments: [0, -1, Int.max])
  func refusesWhatTheKernelCannotMap(byteCount: Int) {
    let isMapped = Arena(byteCount: byteCount) != nil
    #expect(!isMapped)
  }

  @Test func sealing() {
    var arena = Arena(byteCount: 64)!
    let before = arena.isSealed
    arena.seal()
    let after = arena.isSealed
    #expect(!before && after)
  }

  @Test func aSealedArenaTraps() async {
    await #expect(processExitsWith: .failure) {
      var arena = Arena(byteCount: 4096)!
      arena.seal()
      _ = arena.take(UInt8.self, count: 1)
    }
  }

  @Test func anExhaustedArenaTraps() async {
    await #expect(processExitsWith: .failure) {
      var arena = Arena(byteCount: 128)!
      _ = arena.take(UInt8.self, count: 64)
      _ = arena.take(UInt8.self, count: 65)
    }
  }

  /// The second region starts on the next cache line, so that the sum of the counts is not enough.
  @Test func paddingCanExhaustIt() async {
    await #expect(processExitsWith: .failure) {
      var arena = Arena(byteCount: 128)!
      _ = arena.take(UInt8.self, count: 1)
      _ = arena.take(UInt8.self, count: 127)
    }
  }

  @Test func aNegativeCountTraps() async {
    await #expect(processExitsWith: .failure) {
      var arena = Arena(byteCount: 128)!
      _ = arena.take(UInt8.self, count: 64)
      _ = arena.take(UInt8.self, count: -1)
    }
  }

  /// What the exit tests above do up to the last step must not trap by itself.
  @Test func theStepsBeforeDoNotTrap() async {
    await #expect(processExitsWith: .success) {
      var arena = Arena(byteCount: 128)!
      _ = arena.take(UInt8.self, count: 1)
      _ = arena.take(UInt8.self, count: 64)
      arena.seal()
    }
  }
}
