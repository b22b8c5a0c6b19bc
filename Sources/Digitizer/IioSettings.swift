// [digitizer] with kind = "iio": a sensor or converter with a driver of the kernel's Industrial I/O.

import Core
import Settings

public struct IioSettings: Sendable {
  /// By position, which is the channel's number: as the kernel names them, without "in_".
  public private(set) var names = InlineArray<8, Text<24>>(repeating: Text<24>())
  public private(set) var channelCount = 0
  /// What makes the device take a sample; empty for the one that it has.
  public var trigger = Text<64>()
  public init() {}
}

extension IioSettings {
  init(_ file: inout ConfigurationFile) {
    let list = file.text("digitizer", "channel_names", Text<128>.self)
    let areNames = readNames(list)
    // What then is wrong with the lanes' numbers follows from this.
    if !areNames { channelCount = names.count }
    file.demand(
      areNames, "digitizer", "channel_names",
      "must be up to eight different names with commas between them, such as \"accel_x,accel_y,accel_z\""
    )
    trigger = file.text("digitizer", "trigger", Text<64>.self, isOptional: true)
  }

  private mutating func readNames(_ list: Text<128>) -> Bool {
    var name = Text<24>()
    for index in 0...list.count {
      let byte = index < list.count ? list[index] : UInt8(ascii: ",")
      guard byte == UInt8(ascii: ",") else {
        guard isPart(byte), name.capacityLeft > 0 else { return false }
        name.append(byte: byte)
        continue
      }
      guard !name.isEmpty, channelCount < names.count, channel(named: name) == nil else {
        return false
      }
      names[channelCount] = name
      channelCount += 1
      name = Text<24>()
    }
    return true
  }

  /// A name that is part of a file's, and no way out of its folder.
  private func isPart(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
      || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "_")
      || byte == UInt8(ascii: "-")
  }

  public func channel<let capacity: Int>(named name: Text<capacity>) -> Int? {
    for index in 0..<channelCount where names[index].equals(name) { return index }
    return nil
  }
}
