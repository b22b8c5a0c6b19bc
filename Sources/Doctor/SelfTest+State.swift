// Whether the state folder outlives a power cut. A folder in memory is written to as well as one on
// a disk, and nothing else tells that it forgets.

import CLinux
import Core

extension SelfTest {
  /// `keeper`: what `clinux_keeper` says of the state folder. nil where nothing speaks against it.
  static func state(_ keeper: Int32) -> Finding? {
    var text = Text<320>()
    switch Int(keeper) {
    case CLINUX_KEPT_IN_MEMORY:
      text.append("the state folder is in memory (tmpfs): a power cut takes ")
    case CLINUX_KEPT_BY_OVERLAY:
      text.append(
        "the state folder is on an overlay; where its upper part is memory, a power cut takes ")
    default: return nil
    }
    text.append(
      "the boot counter, keys and networks that came over the air, waiting detections, the site term, a latch. "
    )
    text.append("Give it a partition of its own, outside of the overlay: boards/README.md")
    return Finding("state", .doubtful, text)
  }
}
