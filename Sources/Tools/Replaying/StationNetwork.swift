// StationNetwork: the networks of stations in replays, demo and evaluation: those that this program
// carries, or files.
//
//     var options = ReplayOptions()
//     options.network = .standard
//     options.estimatorNetwork = try StationNetwork<EstimatorModel>(path: "other.onet")

import CModels
import Conditioning
import Core
import Estimator
import Foundation
import Kernels
import Network
import Picker
import Station

public final class StationNetwork<Model: NetworkModel>: @unchecked Sendable {
  private let bytes: NetworkBytes?
  public let model: Model

  fileprivate init(carried start: UnsafePointer<UInt8>, _ count: Int) {
    bytes = nil
    let raw = UnsafeRawBufferPointer(start: start, count: count)
    do throws(NetworkError) { model = try Model(raw) } catch {
      preconditionFailure("the program carries a damaged network: \(error.description.string)")
    }
  }

  public convenience init(path: String) throws {
    try self.init(NetworkBytes(path: path), named: path)
  }

  public init(_ bytes: NetworkBytes, named name: String) throws {
    do throws(NetworkError) { model = try Model(bytes.raw) } catch {
      throw ToolError("\(name): \(error.description.string)")
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
}

public typealias PickerNetwork = StationNetwork<PickerModel>

extension StationNetwork where Model == PickerModel {
  /// calibration/models/onset-picker.onet, as it was when this program was built.
  public static var standard: PickerNetwork { carriedPicker }
}

extension StationNetwork where Model == EstimatorModel {
  /// calibration/models/onset-estimator.onet, likewise.
  public static var standard: StationNetwork<EstimatorModel> { carriedEstimator }
}

private let carriedPicker = PickerNetwork(carried: cmodels_picker(), cmodels_picker_count())
private let carriedEstimator = StationNetwork<EstimatorModel>(
  carried: cmodels_estimator(), cmodels_estimator_count())
nonisolated(unsafe) private let kernels = KernelVariant.select().variant

extension ReplayOptions {
  /// Memory for the station's networks. The options must outlive it.
  func arena() throws -> Arena {
    let picker = network?.model.arenaByteCount ?? 0
    let estimator = Estimator.arenaByteCount(estimatorNetwork?.model)
    guard let arena = Arena(byteCount: picker + estimator + 64) else {
      throw ToolError("the kernel has no memory for the networks")
    }
    return arena
  }

  /// A station that picks and estimates as these options say. The arena must outlive it.
  func station(_ settings: StationSettings, arena: inout Arena) -> Station {
    let picker = picker(settings, arena: &arena)
    return Station(
      settings, network: picker, estimator: estimator(for: settings.conditioner, arena: &arena))
  }

  func picker(
    _ settings: StationSettings, arena: inout Arena
  ) -> UnsafeMutablePointer<NetworkPicker>? {
    guard let network else { return nil }
    return NetworkPicker.make(
      network.model, kernels: kernels, settings: settings.picker.network,
      presentLanes: settings.conditioner.presentLanes, arena: &arena)
  }

  func estimator(
    for conditioner: ConditionerSettings, arena: inout Arena
  ) -> UnsafeMutablePointer<Estimator>? {
    Estimator.make(
      relations, model: estimatorNetwork?.model, kernels: kernels, for: conditioner, arena: &arena)
  }
}
