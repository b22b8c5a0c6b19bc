// ModelFile: a network that the station file names, mapped, checked and tried. A station runs
// without one.
//
//     let file = ModelFile<PickerModel>(path, kernels: kernels)
//     if let problem = file.problem { … }

import Core
import Kernels
import Network
import Settings
import Uplink

public struct ModelFile<Model: NetworkModel>: ~Copyable {
  private let mapping: NetworkMapping
  /// nil where no file is named, and where there is a problem with it.
  public let model: Model?
  /// A file that is not there, one that is damaged, made for something else or not signed by whom the
  /// station file names, or one with which this processor computes anything but what the reference
  /// does.
  public let problem: Diagnostic?

  public init(_ path: Path, signedBy signer: PublicKey? = nil, kernels: KernelVariant) {
    guard !path.isEmpty else {
      mapping = NetworkMapping()
      (model, problem) = (nil, nil)
      return
    }
    do throws(Diagnostic) {
      let mapped = try ModelFiles.map(path, signedBy: signer)
      model = try ModelFile.model(mapped.bytes, path, kernels)
      mapping = mapped
      problem = nil
    } catch {
      mapping = NetworkMapping()
      (model, problem) = (nil, error)
    }
  }

  private static func model(
    _ bytes: UnsafeRawBufferPointer, _ path: Path, _ kernels: KernelVariant
  ) throws(Diagnostic) -> Model {
    do throws(NetworkError) {
      let model = try Model(bytes)
      if NetworkSelfTest.passes(model.plan, kernels) { return model }
    } catch {
      throw ModelFiles.refusal(path, error)
    }
    throw ModelFiles.refusal(path, nil)
  }
}

/// What is the same for both kinds; the firmware has a copy of the rest for each.
private enum ModelFiles {
  @inline(never)
  static func map(
    _ path: Path, signedBy signer: PublicKey?
  ) throws(Diagnostic) -> NetworkMapping {
    let mapped = try NetworkMapping(file: path)
    guard let signer else { return mapped }
    let isSigned = signer.withBytes { NetworkSignature.verify(mapped.bytes, key: $0) == .valid }
    guard isSigned else {
      throw Diagnostic(
        "network file ", path, ": is not signed by the holder of [networks] public_key")
    }
    return mapped
  }

  /// `error`: nil where the file is right and the processor is not.
  @inline(never)
  static func refusal(_ path: Path, _ error: NetworkError?) -> Diagnostic {
    var reason = Diagnostic("network file ", path, ": ")
    if let error {
      reason.text.append(error.description)
    } else {
      reason.text.append("this processor does not compute what the reference does")
    }
    return reason
  }
}
