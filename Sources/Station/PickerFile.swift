// PickerFile: the network that the station file names, mapped, checked and tried.

import Board
import Conditioning
import Core
import Kernels
import Network
import Picker

public struct PickerFile: ~Copyable {
  private let mapping: NetworkMapping
  public let model: PickerModel

  /// Refused are a file that is not there, one that is damaged or no picker, and one with which this
  /// processor computes anything but what the reference does.
  public init(_ path: Path, kernels: KernelVariant) throws(Diagnostic) {
    let mapping = try NetworkMapping(file: path)
    let model = try PickerFile.model(mapping.bytes, path)
    guard PickerSelfTest.passes(model, kernels) else {
      throw Diagnostic(
        "network file ", path, ": this processor does not compute what the reference does")
    }
    self.mapping = mapping
    self.model = model
  }

  private static func model(
    _ bytes: UnsafeRawBufferPointer, _ path: Path
  ) throws(Diagnostic) -> PickerModel {
    do throws(NetworkError) { return try PickerModel(bytes) } catch {
      var diagnostic = Diagnostic("network file ", path, ": ")
      diagnostic.text.append(error.description)
      throw diagnostic
    }
  }

  /// What a picker of it takes of the arena.
  static func arenaByteCount(_ file: borrowing PickerFile?) -> Int {
    switch file {
    case .some(let file): file.model.arenaByteCount
    case .none: 0
    }
  }

  /// A picker of this network, if there is one, in memory of the arena. The file must outlive it.
  static func picker(
    _ file: borrowing PickerFile?, _ settings: StationSettings, kernels: KernelVariant,
    arena: inout Arena
  ) -> UnsafeMutablePointer<NetworkPicker>? {
    switch file {
    case .some(let file):
      NetworkPicker.make(
        file.model, kernels: kernels, settings: settings.picker.network,
        presentLanes: settings.conditioner.presentLanes, arena: &arena)
    case .none: nil
    }
  }
}
