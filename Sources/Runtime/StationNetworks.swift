// StationNetworks: the networks with which a station runs: those that its file names, or one that
// came over the air. A station runs without any.
//
//     let networks = StationNetworks(running: station, kernels: kernels)
//     let picker = networks.makePicker(settings, arena: &arena)

import Board
import Conditioning
import Core
import Estimator
import Kernels
import Network
import Picker
import Settings
import Station
import Uplink

/// Which network picks, and why.
private struct NetworkChoice {
  var path: Path
  var start = NetworkStart.usual
  /// A network was coming, or ran in the shadow, when the program ended.
  var hadPart = false
  /// Why one of the state directory is not used.
  var problem: Diagnostic?

  init(path: Path) { self.path = path }

  /// One that came over the air goes before that of the station file, where somebody is named who
  /// signs networks. What is no network is not chosen.
  @inline(never)
  init(_ station: StationFile, _ folder: NetworkFolder, _ kernels: KernelVariant) {
    path = station.network
    guard let signer = station.networkSigner else { return }
    hadPart = folder.removePart()
    var (candidate, start) = folder.beginBoot()
    problem = NetworkChoice.problem(candidate, signer, kernels)
    if start == .trial && problem != nil {
      start = .rolledBack
      candidate = folder.rollBack()
      if NetworkChoice.problem(candidate, signer, kernels) != nil { candidate = nil }
    } else if problem != nil {
      candidate = nil
    }
    self.start = start
    path = candidate ?? path
  }

  private static func problem(
    _ path: Path?, _ signer: PublicKey, _ kernels: KernelVariant
  ) -> Diagnostic? {
    guard let path else { return nil }
    return ModelFile<PickerModel>(path, signedBy: signer, kernels: kernels).problem
  }
}

/// The networks of a station, as far as its file names them. They must outlive the station.
public struct StationNetworks: ~Copyable {
  private let picker: ModelFile<PickerModel>
  private let estimator: ModelFile<EstimatorModel>
  private let kernels: KernelVariant
  private let folder: NetworkFolder
  let start: NetworkStart
  let hadPart: Bool
  let stateProblem: Diagnostic?

  public init(_ station: StationFile, kernels: KernelVariant) {
    let choice = NetworkChoice(path: station.network)
    self.init(station, kernels, choice)
  }

  /// For a station that runs, whose state directory may have another network.
  init(running station: StationFile, kernels: KernelVariant) {
    let choice = NetworkChoice(station, NetworkFolder(in: station.stateDirectory), kernels)
    self.init(station, kernels, choice)
  }

  private init(
    _ station: StationFile, _ kernels: KernelVariant, _ choice: NetworkChoice
  ) {
    picker = ModelFile(choice.path, signedBy: station.networkSigner, kernels: kernels)
    estimator = ModelFile(
      station.estimatorNetwork, signedBy: station.networkSigner, kernels: kernels)
    self.kernels = kernels
    folder = NetworkFolder(in: station.stateDirectory)
    (start, hadPart, stateProblem) = (choice.start, choice.hadPart, choice.problem)
  }

  func noteTold() { if start == .rolledBack { folder.noteTold() } }

  public var pickerModel: PickerModel? { picker.model }
  public var pickerProblem: Diagnostic? { picker.problem }
  public var estimatorModel: EstimatorModel? { estimator.model }
  public var estimatorProblem: Diagnostic? { estimator.problem }

  /// With which networks the instrument works.
  func described(_ instrument: InstrumentMessage) -> InstrumentMessage {
    var described = instrument
    described.pickerChecksum = picker.model?.plan.header.checksum ?? 0
    described.estimatorChecksum = estimator.model?.plan.header.checksum ?? 0
    return described
  }

  /// What the station's picker and estimator take of the arena.
  var arenaByteCount: Int {
    (picker.model?.arenaByteCount ?? 0) + Estimator.arenaByteCount(estimator.model)
  }

  func makePicker(
    _ settings: StationSettings, arena: inout Arena
  ) -> UnsafeMutablePointer<NetworkPicker>? {
    guard let model = picker.model else { return nil }
    return NetworkPicker.make(
      model, kernels: kernels, settings: settings.picker.network,
      presentLanes: settings.conditioner.presentLanes, arena: &arena)
  }

  func makeEstimator(
    _ relations: Relations, _ settings: StationSettings, arena: inout Arena
  ) -> UnsafeMutablePointer<Estimator>? {
    Estimator.make(
      relations, model: estimator.model, kernels: kernels, for: settings.conditioner, arena: &arena)
  }
}
