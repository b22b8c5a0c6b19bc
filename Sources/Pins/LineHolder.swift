// LineHolder: who has a GPIO line, asked without taking it.
//
//     if let problem = LineHolder.find("pps", settings.chip, settings.line) { … }

import CGpiod
import Core

public enum LineHolder {
  /// Why the line is not to be had; nil when it is free. `what`: the section of the board file that
  /// names it.
  public static func find(
    _ what: StaticString, _ chip: Text<64>, _ line: Int
  ) -> Diagnostic? {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { holder in
      let used = chip.withCString {
        cgpiod_line_holder($0, UInt32(line), holder.baseAddress, holder.count)
      }
      if used == 0 { return nil }
      guard used > 0 else { return Diagnostic(what, line: line, of: chip) }
      var problem = Diagnostic("line ")
      problem.text.append(line)
      problem.text.append(" of ")
      problem.text.append(chip)
      problem.text.append(" is held by ")
      problem.text.append(cString: UnsafePointer(holder.baseAddress))
      problem.text.append(": stop it; onsetd itself must not run during the self-test")
      return problem
    }
  }
}
