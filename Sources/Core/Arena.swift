// Arena: one region for everything whose size depends on the configuration. It is sized at start,
// handed out once, then sealed. Asking a sealed or exhausted arena is a programming error and
// traps.
//
//     guard var arena = Arena(byteCount: 4096) else { … }
//     let frames = arena.take(SIMD4<Int32>.self, count: 40)
//     arena.seal()

import CLinux

public struct Arena: ~Copyable {
  private let base: UnsafeMutableRawPointer
  public let byteCount: Int
  public private(set) var usedByteCount = 0
  public private(set) var isSealed = false

  /// Maps zeroed pages; nil when the kernel has none.
  public init?(byteCount: Int) {
    guard byteCount > 0, let base = clinux_map_anonymous(byteCount) else { return nil }
    self.base = base
    self.byteCount = byteCount
  }

  deinit { munmap(base, byteCount) }

  /// `count` zeroed elements of a trivial type, aligned to a cache line.
  public mutating func take<Element: BitwiseCopyable>(
    _ type: Element.Type, count: Int
  ) -> UnsafeMutableBufferPointer<Element> {
    precondition(!isSealed, "the arena is sealed")
    let start = (usedByteCount + 63) & ~63
    let end = start + count * MemoryLayout<Element>.stride
    precondition(count >= 0 && end <= byteCount, "the arena is too small for what was planned")
    usedByteCount = end
    let pointer = (base + start).bindMemory(to: type, capacity: count)
    return UnsafeMutableBufferPointer(start: pointer, count: count)
  }

  public mutating func seal() { isSealed = true }
}
