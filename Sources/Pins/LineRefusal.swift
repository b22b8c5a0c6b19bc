// What is said of a GPIO line that cannot be taken.

import CLinux
import Core

extension Diagnostic {
  /// `what`: the section of the board file that names the line. To be made right after the failed
  /// call.
  init(_ what: StaticString, line: Int, of chip: Text<64>) {
    self.init(what)
    text.append(": line ")
    text.append(line)
    text.append(" of ")
    text.append(chip)
    text.append(" cannot be taken (")
    text.append(cString: UnsafePointer(strerror(clinux_errno())))
    text.append("): see gpioinfo for its name and who holds it")
  }
}
