// The network that picks in replays, demo and evaluation: the one that this program carries, or a file.

import Board
import CPickerModel
import Core
import Foundation
import Kernels
import Network
import Picker

public final class PickerNetwork: @unchecked Sendable {
  private let bytes: NetworkBytes?
  public let model: PickerModel
  private let kernels = KernelVariant.select().variant

  /// calibration/models/onset-picker.onet, as it was when this program was built.
  public static let standard: PickerNetwork = {
    let raw = UnsafeRawBufferPointer(start: cpickermodel_bytes(), count: cpickermodel_count())
    do throws(NetworkError) { return PickerNetwork(try PickerModel(raw)) } catch {
      preconditionFailure("the program carries a damaged network: \(error.description.string)")
    }
  }()

  private init(_ model: PickerModel) {
    bytes = nil
    self.model = model
  }

  public init(path: String) throws {
    let bytes = try NetworkBytes(path: path)
    do throws(NetworkError) { model = try PickerModel(bytes.raw) } catch {
      throw ToolError("\(path): \(error.description.string)")
    }
    self.bytes = bytes
  }

  /// The file as it is, for a station that reads it.
  public func write(to path: String) throws {
    do {
      try Data(model.plan.bytes).write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw ToolError("\(path): cannot be written")
    }
  }

  /// Memory for a picker of `network`, or a little for none.
  static func arena(for network: PickerNetwork?, also bytes: Int = 0) throws -> Arena {
    guard let arena = Arena(byteCount: (network?.model.arenaByteCount ?? 64) + bytes) else {
      throw ToolError("the kernel has no memory for the network")
    }
    return arena
  }

  /// The network and the arena must outlive it.
  static func picker(
    _ network: PickerNetwork?, _ settings: NetworkPickerSettings, presentLanes: UInt8,
    arena: inout Arena
  ) -> UnsafeMutablePointer<NetworkPicker>? {
    guard let network else { return nil }
    return NetworkPicker.make(
      network.model, kernels: network.kernels, settings: settings, presentLanes: presentLanes,
      arena: &arena)
  }
}
