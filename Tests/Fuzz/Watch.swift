// The watch: whatever ends the program before its time (a trap, a fault, a sanitizer's report, the
// alarm of a hang), the input that did it is written to a file first. Only calls that a signal
// handler may make.

import Foundation

enum Watch {
  private nonisolated(unsafe) static var start: UnsafePointer<UInt8>?
  private nonisolated(unsafe) static var count = 0
  private nonisolated(unsafe) static var path: UnsafeMutablePointer<CChar>?
  private nonisolated(unsafe) static var message: UnsafeMutablePointer<CChar>?
  private nonisolated(unsafe) static let previous =
    UnsafeMutablePointer<sigaction>.allocate(capacity: 65)
  /// A bit for each signal whose handler of before is kept: a second campaign must not keep our
  /// own.
  private nonisolated(unsafe) static var previousIsSet: UInt64 = 0

  /// Handlers for this campaign; `path` is where an offending input goes.
  static func start(path name: String) {
    free(path)
    free(message)
    path = strdup(name)
    message = strdup("onset-fuzz: the offending input is in \(name)\n")
    end()
    for signal in [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV] {
      // The fault happens again after the handler and meets whoever was there before: the
      // sanitizer.
      install(signal) { signal in
        Watch.writeInput()
        _ = sigaction(signal, Watch.previous + Int(signal), nil)
      }
    }
    install(SIGALRM) { _ in
      Watch.writeInput()
      Watch.say("onset-fuzz: no end within the time for many inputs\n")
      _exit(1)
    }
    // The sanitizer's own way out; absent in a build without it.
    if let symbol = dlsym(nil, "__sanitizer_set_death_callback") {
      typealias Setter = @convention(c) (@convention(c) () -> Void) -> Void
      unsafeBitCast(symbol, to: Setter.self)({ Watch.writeInput() })
    }
  }

  private static func install(_ signal: Int32, _ handler: @escaping @convention(c) (Int32) -> Void)
  {
    var action = sigaction()
    action.__sigaction_handler.sa_handler = handler
    action.sa_flags = SA_ONSTACK
    var old = sigaction()
    sigaction(signal, &action, &old)
    if previousIsSet & (1 << UInt64(signal)) == 0 { previous[Int(signal)] = old }
    previousIsSet |= 1 << UInt64(signal)
  }
  /// The input that is being tested from now on.
  static func input(_ bytes: UnsafeBufferPointer<UInt8>) {
    start = bytes.baseAddress
    count = bytes.count
  }

  /// No input is being tested: what happens now is nobody's fault.
  static func end() { input(UnsafeBufferPointer(start: nil, count: 0)) }

  static func writeInput() {
    guard let path, let start, count > 0 else { return }
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard descriptor >= 0 else { return }
    _ = write(descriptor, start, count)
    close(descriptor)
    if let message { _ = write(2, message, strlen(message)) }
    self.start = nil
  }

  private static func say(_ text: StaticString) {
    text.withUTF8Buffer { _ = write(2, $0.baseAddress!, $0.count) }
  }
}
