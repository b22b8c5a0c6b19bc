// onset calibration: instrument files.

import Core
import Tools

func calibrationImport(_ parsed: CommandLineArguments) throws {
  guard parsed.rest.count == 1 else {
    throw ToolError("calibration import needs one FILE, which is StationXML or RESP")
  }
  let time = try parsed.values["--time"].map { text in
    guard let time = UTC(iso8601: text) else {
      throw ToolError("--time is a time as 2026-11-30 or 2026-11-30T12:00:00, not \(text)")
    }
    return time
  }
  let imported = try CalibrationImport(
    path: parsed.rest[0], station: parsed.values["--station"], time: time)
  print(try imported.write(folder: parsed.values["--folder"] ?? "."))
}
