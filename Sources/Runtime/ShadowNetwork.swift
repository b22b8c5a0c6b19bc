// ShadowNetwork: a network that came over the air, in memory of its own, with a picker that hears
// what the live one hears. The scribe makes it, because to read, check and try a file takes longer
// than the loop has time.
//
//     let shadow = ShadowNetwork(folder.part, checksum: checksum, settings)
//     if let picker = shadow.picker { … }

import Conditioning
import Core
import Kernels
import Network
import Picker
import Settings
import Station
import Uplink

/// What a shadow is made with: as the live one was.
struct ShadowSettings {
  var picker: PickerSettings
  var presentLanes: LaneSet
  var signer: PublicKey
  var kernels: KernelVariant
}

struct ShadowNetwork: ~Copyable {
  private let file: ModelFile<PickerModel>
  private let arena: Arena
  let picker: UnsafeMutablePointer<Picker>
  /// As its file has it.
  let checksum: UInt32

  /// nil where the file is damaged, not signed by whom the station file names, no picker's, or
  /// computed wrongly here.
  @inline(never)
  init?(_ path: Path, _ settings: ShadowSettings) {
    let file = ModelFile<PickerModel>(path, signedBy: settings.signer, kernels: settings.kernels)
    guard let model = file.model,
      var arena = Arena(
        byteCount: model.arenaByteCount + MemoryLayout<Picker>.stride + 64)
    else { return nil }
    let network = NetworkPicker.make(
      model, kernels: settings.kernels, settings: settings.picker.network,
      presentLanes: settings.presentLanes, arena: &arena)
    let bytes = arena.take(UInt8.self, count: MemoryLayout<Picker>.stride)
    picker = UnsafeMutableRawPointer(bytes.baseAddress!).bindMemory(to: Picker.self, capacity: 1)
    picker.initialize(
      to: Picker(settings.picker, presentLanes: settings.presentLanes, network: network))
    checksum = model.plan.header.checksum
    self.file = file
    self.arena = arena
  }
}
