// The state of the machine as Linux tells it. Each figure that cannot be read stays "unknown".

import CLinux
import Core

extension HostStatus {
  /// `path` is where the station writes: its file system is the one that can fill up.
  public mutating func readMachine(diskPath path: Text<256>) {
    if let thousandths = File.readInteger("/sys/class/thermal/thermal_zone0/temp") {
      temperatureCentidegrees = Int16(clamping: thousandths / 10)
    }
    // /proc/self/statm: size and resident, in pages. /proc/meminfo's third line is MemAvailable, in
    // kB.
    if let pages = File.readInteger("/proc/self/statm", skippingFields: 1) {
      residentKibibytes = UInt32(clamping: pages * Int(sysconf(Int32(_SC_PAGESIZE))) / 1024)
    }
    if let kibibytes = File.readInteger("/proc/meminfo", skippingFields: 2) {
      memoryAvailableMebibytes = UInt32(clamping: kibibytes / 1024)
    }
    let free = path.withCString { clinux_disk_free_mebibytes($0) }
    if free >= 0 { diskFreeMebibytes = UInt32(clamping: free) }
  }
}
