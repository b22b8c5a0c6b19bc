// onset model: networks as files.

import Core
import Foundation
import Kernels
import Network
import Tools

func modelInfo(_ parsed: CommandLineArguments) throws {
  guard parsed.rest.count == 1 else { throw ToolError("info needs one network file: NETWORK.onet") }
  let rows = try parsed.wholeNumber("--chunk")
  let path = parsed.rest[0]
  let file = try NetworkBytes(path: path)
  do { print(try ModelInfo.text(file, maximumRows: rows)) } catch {
    throw ToolError("\(path): \(error)")
  }
}

func modelVerify(_ parsed: CommandLineArguments) throws {
  guard parsed.rest.count == 1 else {
    throw ToolError("verify needs one network file: NETWORK.onet")
  }
  let path = parsed.rest[0]
  let key = try parsed.values["--public-key"].map { try ModelSignature.key(path: $0) }
  let file = try NetworkBytes(path: path)
  do { print("\(path): \(try ModelSignature.verify(file, publicKey: key))") } catch {
    throw ToolError("\(path): \(error)")
  }
}

func modelImport(_ parsed: CommandLineArguments) throws {
  guard parsed.rest.count == 2, let calibration = parsed.values["--calibration"],
    let output = parsed.values["-o"]
  else {
    throw ToolError(
      "import needs DESCRIPTION.json ARRAYS.npz --calibration WINDOWS.npz -o OUT.onet")
  }
  let ranges = parsed.values["--ranges"] ?? "percentile"
  guard let rule = RangeRule(rawValue: ranges) else {
    throw ToolError("--ranges is percentile or mse, not \(ranges)")
  }
  let imported = try ModelImport(
    descriptionPath: parsed.rest[0], arraysPath: parsed.rest[1], calibrationPath: calibration,
    rule: rule, progress: StandardError.note)
  try imported.file.write(path: output)
  print(imported.report)
  print(try ModelInfo.text(imported.file, maximumRows: nil))
}

func modelCompare(_ parsed: CommandLineArguments) throws {
  guard parsed.rest.count == 2 else {
    throw ToolError("compare needs NETWORK.onet and REFERENCE.npz")
  }
  let file = try NetworkBytes(path: parsed.rest[0])
  do { _ = try file.plan(maximumRows: 1) } catch { throw ToolError("\(parsed.rest[0]): \(error)") }
  let reference = try NumpyArchive(path: parsed.rest[1])
  let comparison: ModelComparison
  do {
    comparison = try ModelComparison(
      file, kernels: KernelVariant.select().variant, reference: reference)
  } catch { throw ToolError("\(parsed.rest[1]): \(error)") }
  print(parsed.flags.contains("--json") ? comparison.json : comparison.report)
}

func modelSign(_ parsed: CommandLineArguments) throws {
  if let path = parsed.values["--new-key"] {
    guard parsed.rest.isEmpty, parsed.values["--key"] == nil else {
      throw ToolError("--new-key FILE makes a key pair, FILE and FILE.pub, and signs nothing")
    }
    print(try ModelSignature.makeKeys(path: path))
    return
  }
  guard parsed.rest.count == 1, let key = parsed.values["--key"] else {
    throw ToolError("sign needs NETWORK.onet and --key FILE (--new-key FILE makes one)")
  }
  print(try ModelSignature.sign(path: parsed.rest[0], keyPath: key))
}
