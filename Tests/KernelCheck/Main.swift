// kernel-check [COUNT]: seeded calls of every variant that this processor supports; one line each
// with the number of calls and the hash of all outputs. Fails at the first difference. kernel-check
// NETWORK.onet INPUT.bin: the checksum of all outputs, by every variant.

import CLinux
import Core
import Kernels

@main
struct Main {
  static func main() {
    if clinux_argument(2) != nil {
      checkNetwork()
      return
    }
    var count = 4000
    if let argument = clinux_argument(1) { count = Int(atoi(argument)) }
    let table = KernelVariant.all
    for index in 0..<table.count where table[index].isSupported {
      var check = KernelCheck(table[index], seed: 1)
      var text = Text<120>(table[index].name)
      for _ in 0..<count {
        if check.runNext() { continue }
        text.append(": call ")
        text.append(check.count)
        text.append(" differs from the scalar reference\n")
        text.write(to: STDERR_FILENO)
        exit(1)
      }
      text.append(": ")
      text.append(check.count)
      text.append(" calls, hash ")
      append(hexadecimal: check.hash, to: &text)
      text.append("\n")
      text.write(to: STDOUT_FILENO)
    }
    let selection = KernelVariant.select()
    var text = Text<120>("selected: ")
    text.append(selection.variant.name)
    text.append("\n")
    text.write(to: STDOUT_FILENO)
    if selection.hasRejectedBetter { exit(1) }
  }

  private static func checkNetwork() {
    var paths = (Text<256>(), Text<256>())
    paths.0.append(cString: clinux_argument(1))
    paths.1.append(cString: clinux_argument(2))
    guard let check = NetworkCheck(networkPath: paths.0, inputPath: paths.1) else {
      Text<120>("the network or its input cannot be read\n").write(to: STDERR_FILENO)
      exit(1)
    }
    let table = KernelVariant.all
    for index in 0..<table.count where table[index].isSupported {
      guard let checksum = check.checksum(table[index]) else { exit(1) }
      var text = Text<120>(table[index].name)
      text.append(": outputs ")
      append(hexadecimal: UInt64(checksum), to: &text)
      text.append("\n")
      text.write(to: STDOUT_FILENO)
    }
  }

  private static func append(hexadecimal value: UInt64, to text: inout Text<120>) {
    for digit in stride(from: 60, through: 0, by: -4) {
      let nibble = UInt8(truncatingIfNeeded: value >> UInt64(digit)) & 15
      text.append(byte: nibble < 10 ? 48 + nibble : 87 + nibble)
    }
  }
}
