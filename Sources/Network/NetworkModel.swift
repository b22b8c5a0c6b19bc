// NetworkModel: a network whose purpose is known.
//
//     let model = try PickerModel(mapping.bytes)
//     guard var arena = Arena(byteCount: model.arenaByteCount) else { … }

public protocol NetworkModel {
  /// `bytes` as NetworkPlan wants them; they must outlive the model and whatever runs it. Refused
  /// is a network whose input and outputs are not those of this purpose.
  init(_ bytes: UnsafeRawBufferPointer) throws(NetworkError)
  var plan: NetworkPlan { get }
  /// What whoever runs it takes of an arena.
  var arenaByteCount: Int { get }
}
