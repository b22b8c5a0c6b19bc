// IioDevice: a sensor or converter with a driver of the kernel's Industrial I/O, set up through the
// files of its folder in /sys: which channels are on, how often a sample is taken and by what, and
// on which clock it is dated.
//
// The device is opened first, which keeps everybody else out. Then what is otherwise than it should
// be is written, so that a device that somebody has set up right needs no right to write.
//
//     let device = try IioDevice(settings)
//     let layout = try device.start()

import CLinux
import Core
import Digitizer

// Public, because whoever destroys a Capture in Embedded Swift must see how this ends.
public struct IioDevice: ~Copyable {
  typealias Path = Text<192>

  let descriptor: Int32
  private let folder: Path
  private let devices: Path
  private let settings: DigitizerSettings

  private static let numberMaximum = 64
  private static let sysfs: StaticString = "/sys/bus/iio/devices/"

  /// `root` is where /sys and /dev are looked for.
  init(_ settings: DigitizerSettings, root: Text<64>) throws(Diagnostic) {
    var devices = Path()
    devices.append(root)
    devices.append(IioDevice.sysfs)
    guard let number = IioDevice.find(settings.device, in: devices, "iio:device") else {
      throw Diagnostic(
        "digitizer: no device ", settings.device,
        " has a driver here: cat /sys/bus/iio/devices/*/name shows which there are; is the overlay loaded, do dmesg and the wiring say why not?"
      )
    }
    var device = Path()
    device.append(root)
    device.append("/dev/iio:device")
    device.append(number)
    let descriptor = device.withCString { clinux_open_device($0) }
    guard descriptor >= 0 else {
      throw IioDevice.refusal(
        device, "cannot be opened", Text<64>(),
        ": busy means that another program, such as iiod, has it; the package's udev rule gives the right"
      )
    }
    self.descriptor = descriptor
    self.devices = devices
    self.settings = settings
    var folder = devices
    folder.append("iio:device")
    folder.append(number)
    folder.append("/")
    self.folder = folder
  }

  // Whoever comes next finds it as it was set up, and not running.
  deinit {
    close(descriptor)
    _ = IioDevice.write("0", to: path("buffer/enable"))
  }

  /// By its driver's word, such as adxl355, or its own, such as iio:device0.
  private static func find(
    _ name: Text<128>, in devices: Path, _ kind: StaticString
  ) -> Int? {
    for number in 0..<numberMaximum {
      var own = Text<128>(kind)
      own.append(number)
      var path = devices
      path.append(own)
      path.append("/name")
      guard let word = read(path) else { continue }
      if word.equals(name) || own.equals(name) { return number }
    }
    return nil
  }

  // MARK: Setting it up

  /// From here on it takes samples; where they are in what it delivers.
  func start() throws(Diagnostic) -> IioLayout {
    try set("buffer/enable", to: "0")
    for channel in 0..<settings.channelCount {
      let name = settings.iio.names[channel]
      var file = Text<64>("scan_elements/in_")
      file.append(name)
      file.append("_en")
      guard IioDevice.read(path(file)) != nil else {
        throw Diagnostic(
          "digitizer: channel_names has ", name,
          ", which the device has not: ls /sys/bus/iio/devices/iio:device*/scan_elements shows what it has, between in_ and _en"
        )
      }
      try set(file, to: Text<64>("1"))
    }
    if has("scan_elements/in_timestamp_en") {
      try set("current_timestamp_clock", to: "monotonic")
      try set("scan_elements/in_timestamp_en", to: "1")
    }
    try setTrigger()
    try setRate()
    try set("buffer/length", to: IioDevice.word(settings.bufferFrames))
    // Drivers without one wake at every sample.
    if has("buffer/watermark") {
      try set("buffer/watermark", to: IioDevice.word(settings.periodFrames))
    }
    let layout = try layout()
    try set("buffer/enable", to: "1")
    return layout
  }

  private func setTrigger() throws(Diagnostic) {
    let file = Text<64>("trigger/current_trigger")
    guard has(file) else { return }
    if settings.iio.trigger.isEmpty {
      guard let current = IioDevice.read(path(file)), !current.isEmpty else {
        throw Diagnostic(
          "digitizer: nothing makes the device take samples: name a trigger, which cat /sys/bus/iio/devices/trigger*/name shows; its own is that of its data-ready line"
        )
      }
      return
    }
    try set(file, to: settings.iio.trigger)
  }

  /// The device's own rate, its kind's, and that of a timer which triggers it, as far as they are
  /// there.
  private func setRate() throws(Diagnostic) {
    var rate = Text<64>()
    rate.append(thousandths: settings.sampleRateMillihertz)
    try setRate(Text<64>("sampling_frequency"), to: rate)
    var file = Text<64>("in_")
    let name = settings.iio.names[0]
    for index in 0..<name.count where name[index] >= UInt8(ascii: "a") {
      file.append(byte: name[index])
      if index + 1 < name.count, name[index + 1] < UInt8(ascii: "a") { break }
    }
    file.append("_sampling_frequency")
    try setRate(file, to: rate)
    guard !settings.iio.trigger.isEmpty else { return }
    var trigger = Text<128>()
    trigger.append(settings.iio.trigger)
    guard let number = IioDevice.find(trigger, in: devices, "trigger") else { return }
    var timer = devices
    timer.append("trigger")
    timer.append(number)
    timer.append("/sampling_frequency")
    if IioDevice.read(timer) != nil { try IioDevice.set(timer, to: rate, areNumbers: true) }
  }

  private func setRate(_ file: Text<64>, to rate: Text<64>) throws(Diagnostic) {
    if has(file) { try IioDevice.set(path(file), to: rate, areNumbers: true) }
  }

  // MARK: What is on

  /// Every element that is on, also one that somebody else has switched on.
  private func layout() throws(Diagnostic) -> IioLayout {
    var layout = IioLayout()
    var failure: Diagnostic?
    let elements = path("scan_elements")
    let isRead = IioDevice.forEachName(in: elements) { name in
      guard failure == nil, name.count > 6, name[name.count - 3] == UInt8(ascii: "_"),
        name[name.count - 2] == UInt8(ascii: "e"), name[name.count - 1] == UInt8(ascii: "n")
      else { return }
      var word = Text<64>()
      for index in 3..<(name.count - 3) { word.append(byte: name[index]) }
      failure = self.add(word, to: &layout)
    }
    if let failure { throw failure }
    guard isRead else { throw IioDevice.refusal(elements, "cannot be read", Text<64>(), "") }
    return layout
  }

  private func add(_ name: Text<64>, to layout: inout IioLayout) -> Diagnostic? {
    func file(_ ending: StaticString) -> Path {
      var file = Text<64>("scan_elements/in_")
      file.append(name)
      file.append(ending)
      return path(file)
    }
    guard let isOn = IioDevice.read(file("_en")), isOn.equals("1") else { return nil }
    guard let index = IioDevice.read(file("_index")), let form = IioDevice.read(file("_type")),
      let number = index.withBytes({ File.integer(in: $0) }),
      let form = form.withBytes({ IioForm($0) })
    else { return Diagnostic("digitizer: ", file("_type"), " is no form that is known here") }
    let element: IioLayout.Element =
      if let channel = settings.iio.channel(named: name) {
        .channel(channel)
      } else if name.equals("timestamp") {
        .timestamp
      } else {
        .other
      }
    guard layout.add(form, index: number, as: element) else {
      return Diagnostic(
        "digitizer: ", file("_type"),
        " does not fit: samples of up to 32 bits, sixteen elements in a scan")
    }
    return nil
  }

  // MARK: Files

  private func path(_ file: Text<64>) -> Path {
    var path = folder
    path.append(file)
    return path
  }

  private func path(_ file: StaticString) -> Path { path(Text<64>(file)) }
  private func has(_ file: Text<64>) -> Bool { IioDevice.read(path(file)) != nil }
  private func has(_ file: StaticString) -> Bool { has(Text<64>(file)) }

  private func set(_ file: Text<64>, to value: Text<64>) throws(Diagnostic) {
    try IioDevice.set(path(file), to: value, areNumbers: false)
  }

  private func set(_ file: StaticString, to value: Text<64>) throws(Diagnostic) {
    try set(Text<64>(file), to: value)
  }

  private func set(_ file: StaticString, to value: StaticString) throws(Diagnostic) {
    try set(Text<64>(file), to: Text<64>(value))
  }

  /// Writes what is not so already, and looks whether the driver has taken it.
  private static func set(
    _ path: Path, to value: Text<64>, areNumbers: Bool
  ) throws(Diagnostic) {
    func isSet() -> Bool {
      guard let current = read(path) else { return false }
      return areNumbers ? thousandths(current) == thousandths(value) : current.equals(value)
    }
    if isSet() { return }
    guard write(value, to: path) else {
      throw refusal(
        path, "cannot be set to ", value,
        ": the package's udev rule gives onsetd the right to; can the device do that?")
    }
    guard isSet() else {
      throw Diagnostic(
        "digitizer: ", path, " is otherwise after it was written: what can the device do?")
    }
  }

  /// "125" and "125.000000" are one rate.
  private static func thousandths<let capacity: Int>(_ text: Text<capacity>) -> Int? {
    var (value, decimals) = (0, -1)
    for index in 0..<text.count {
      if text[index] == UInt8(ascii: "."), decimals < 0 {
        decimals = 0
      } else {
        guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(text[index]) else { return nil }
        if decimals >= 0 { decimals += 1 }
        if decimals <= 3 { value = 10 * value + Int(text[index] - UInt8(ascii: "0")) }
        guard value < 1_000_000_000 else { return nil }
      }
    }
    for _ in 0..<(3 - min(max(decimals, 0), 3)) { value *= 10 }
    return value
  }

  private static func word(_ value: Int) -> Text<64> {
    var text = Text<64>()
    text.append(value)
    return text
  }

  /// A file's first line.
  private static func read(_ path: Path) -> Text<64>? {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { buffer in
      guard let count = File.read(path, into: buffer) else { return nil }
      var text = Text<64>()
      for byte in buffer[0..<count] {
        if byte == UInt8(ascii: "\n") { break }
        text.append(byte: byte)
      }
      return text
    }
  }

  private static func write(_ value: Text<64>, to path: Path) -> Bool {
    let file = path.withCString { clinux_open_attribute($0) }
    guard file >= 0 else { return false }
    defer { close(file) }
    return value.withBytes { CLinux.write(file, $0.baseAddress, $0.count) == $0.count }
  }

  private static func write(_ value: StaticString, to path: Path) -> Bool {
    write(Text<64>(value), to: path)
  }

  /// Names of a folder's files; false where it cannot be read.
  private static func forEachName(in folder: Path, _ tell: (Text<64>) -> Void) -> Bool {
    let descriptor = folder.withCString { clinux_open_directory($0) }
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    // An entry: number and place of eight bytes each, its own length of two, one of its kind, and
    // the name up to a zero.
    let (lengthPlace, namePlace) = (16, 19)
    return withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 8) { buffer in
      while true {
        let count = clinux_directory_entries(descriptor, buffer.baseAddress, buffer.count)
        guard count >= 0 else { return false }
        guard count > 0 else { return true }
        var place = 0
        while place + namePlace < count {
          var name = Text<64>()
          name.append(
            cString: (buffer.baseAddress! + place + namePlace).assumingMemoryBound(to: CChar.self))
          tell(name)
          place += Int(
            buffer.loadUnaligned(fromByteOffset: place + lengthPlace, as: UInt16.self))
        }
      }
    }
  }

  private static func refusal(
    _ path: Path, _ what: StaticString, _ value: Text<64>, _ advice: StaticString
  ) -> Diagnostic {
    let reason = clinux_errno()
    var diagnostic = Diagnostic("digitizer: ", path, " ")
    diagnostic.text.append(what)
    diagnostic.text.append(value)
    diagnostic.text.append(" (")
    diagnostic.text.append(cString: UnsafePointer(strerror(reason)))
    diagnostic.text.append(")")
    diagnostic.text.append(advice)
    return diagnostic
  }
}
