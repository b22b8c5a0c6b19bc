// FrameUnpacker: interleaved bytes of the digitizer to frames of four lanes, in whichever of its
// formats.
//
//     let unpacker = FrameUnpacker(settings)
//     let count = unpacker.unpack(bytes, into: frames)

import Core

public struct FrameUnpacker {
  private let format: SampleFormat
  private let channelCount: Int
  /// Byte offset of each lane's channel in a frame; −1 for an absent lane.
  private var offsets = InlineArray<4, Int>(repeating: -1)

  public init(_ settings: DigitizerSettings) {
    format = settings.format
    channelCount = settings.channelCount
    for lane in 0..<Component.count where settings.lanes[lane].channel >= 0 {
      offsets[lane] = settings.lanes[lane].channel * settings.format.byteCount
    }
  }

  public var bytesPerFrame: Int { channelCount * format.byteCount }

  /// Unpacks as many whole frames as both buffers hold, and returns how many.
  public func unpack(
    _ bytes: UnsafeRawBufferPointer, into frames: UnsafeMutableBufferPointer<Frame>
  ) -> Int {
    let count = min(bytes.count / bytesPerFrame, frames.count)
    for lane in 0..<Component.count {
      let offset = offsets[lane]
      guard offset >= 0 else {
        for index in 0..<count { frames[index][lane] = 0 }
        continue
      }
      switch format {
      case .signed16:
        for index in 0..<count {
          let at = index * bytesPerFrame + offset
          frames[index][lane] = Int32(bytes.loadUnaligned(fromByteOffset: at, as: Int16.self))
        }
      case .signed24In3Bytes:
        for index in 0..<count {
          let at = index * bytesPerFrame + offset
          let low = Int32(bytes.loadUnaligned(fromByteOffset: at, as: UInt16.self))
          frames[index][lane] = low | (Int32(Int8(bitPattern: bytes[at + 2])) << 16)
        }
      case .signed24In4Bytes:
        // The top byte is padding that some cards fill with anything: the sign comes from bit 23.
        for index in 0..<count {
          let at = index * bytesPerFrame + offset
          frames[index][lane] = (bytes.loadUnaligned(fromByteOffset: at, as: Int32.self) << 8) >> 8
        }
      case .signed32:
        for index in 0..<count {
          let at = index * bytesPerFrame + offset
          frames[index][lane] = bytes.loadUnaligned(fromByteOffset: at, as: Int32.self)
        }
      }
    }
    return count
  }
}
