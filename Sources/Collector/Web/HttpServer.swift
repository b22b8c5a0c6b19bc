// HttpServer: answers requests on one thread of libmicrohttpd's, and streams what happens to those
// who stay.
//
//     let server = try HttpServer(at: address) { request in .text(200, "…") }
//     stream.send(bytes)

import CHttp
import CLinux
import Core
import Foundation
import Synchronization
import Tools

public struct HttpRequest {
  public let method: String
  public let path: String
  public let query: (String) -> String?
  public let header: (String) -> String?
  public let body: [UInt8]

  public init(
    method: String = "GET", path: String, query: @escaping (String) -> String? = { _ in nil },
    header: @escaping (String) -> String? = { _ in nil }, body: [UInt8] = []
  ) {
    (self.method, self.path, self.query, self.header) = (method, path, query, header)
    self.body = body
  }
}

public enum HttpAnswer {
  case bytes(status: UInt32, type: String, [UInt8])
  case stream(LiveStream)

  static func text(
    _ status: UInt32, _ text: String, type: String = "text/plain; charset=utf-8"
  ) -> HttpAnswer { .bytes(status: status, type: type, Array(text.utf8)) }

  static func text(_ text: String, type: String = "text/plain; charset=utf-8") -> HttpAnswer {
    .text(200, text, type: type)
  }

  static func json(_ text: String) -> HttpAnswer { .text(text, type: "application/json") }
}

public final class HttpServer {
  private let daemon: OpaquePointer
  private let handler: Handler

  /// What libmicrohttpd's thread needs; it lives as long as the server.
  fileprivate final class Handler: Sendable {
    let answer: @Sendable (HttpRequest) -> HttpAnswer
    init(_ answer: @escaping @Sendable (HttpRequest) -> HttpAnswer) { self.answer = answer }
  }

  /// Whether nobody from outside this machine reaches it.
  public static func isLoopback(_ host: String) -> Bool {
    !host.utf8.contains(0) && chttp_is_loopback(host) == 1
  }

  /// `host`: a numeric address. Port 0 lets the system choose one.
  public init(
    host: String, port: UInt16, _ answer: @escaping @Sendable (HttpRequest) -> HttpAnswer
  ) throws {
    handler = Handler(answer)
    let context = Unmanaged.passUnretained(handler).toOpaque()
    guard let started = chttp_start(host, port, answerRequest, endRequest, context)
    else {
      guard errno != EINVAL else {
        throw ToolError("\(host) is no numeric address, such as 127.0.0.1 or ::1")
      }
      let reason = errno == 0 ? "" : " (\(String(cString: strerror(errno))))"
      throw ToolError(
        "TCP port \(port) at \(host) cannot be had\(reason): another program is on it, or this machine "
          + "does not have the address")
    }
    daemon = started
  }

  public var port: UInt16 { chttp_port(daemon) }

  /// No stream may wait any more (`LiveStream.end`).
  deinit { MHD_stop_daemon(daemon) }

  /// What no page of ours needs is refused by the browser.
  fileprivate static let headers = [
    (
      "Content-Security-Policy",
      "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
        + "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        + "frame-ancestors 'none'"
    ),
    ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
  ]
}

/// What a request brings, as it comes in pieces.
private final class RequestBody {
  /// An event with a thousand picks has half of it.
  static let bytesMaximum = 256 << 10

  private(set) var bytes: [UInt8] = []
  private(set) var isTooLong = false

  func take(_ piece: UnsafeRawBufferPointer) {
    guard bytes.count + piece.count <= RequestBody.bytesMaximum else {
      isTooLong = true
      bytes = []
      return
    }
    if !isTooLong { bytes += piece }
  }
}

private func endRequest(
  context: UnsafeMutableRawPointer?, connection: OpaquePointer?,
  state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, why: MHD_RequestTerminationCode
) {
  guard let stored = state?.pointee else { return }
  Unmanaged<RequestBody>.fromOpaque(stored).release()
  state?.pointee = nil
}

/// libmicrohttpd calls it when the headers are there, for each piece of the body, and at its end.
private func answerRequest(
  context: UnsafeMutableRawPointer?, connection: OpaquePointer?, url: UnsafePointer<CChar>?,
  method: UnsafePointer<CChar>?, version: UnsafePointer<CChar>?, body: UnsafePointer<CChar>?,
  bodyCount: UnsafeMutablePointer<Int>?, state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
  guard let context, let connection, let url, let method, let bodyCount, let state else {
    return chttp_result(0)
  }
  guard let stored = state.pointee else {
    state.pointee = Unmanaged.passRetained(RequestBody()).toOpaque()
    return chttp_result(1)
  }
  let received = Unmanaged<RequestBody>.fromOpaque(stored).takeUnretainedValue()
  guard bodyCount.pointee == 0 else {
    received.take(UnsafeRawBufferPointer(start: body, count: bodyCount.pointee))
    bodyCount.pointee = 0
    return chttp_result(1)
  }
  let handler = Unmanaged<HttpServer.Handler>.fromOpaque(context).takeUnretainedValue()
  let request = HttpRequest(
    method: String(cString: method), path: String(cString: url),
    query: { chttp_query(connection, $0).map { String(cString: $0) } },
    header: { chttp_header(connection, $0).map { String(cString: $0) } }, body: received.bytes)
  let answer =
    received.isTooLong
    ? .text(413, "a body has \(RequestBody.bytesMaximum) bytes at most\n") : handler.answer(request)
  switch answer {
  case .bytes(let status, let type, let bytes):
    let response = bytes.withUnsafeBytes { chttp_response($0.baseAddress, $0.count) }
    return queue(response, status, type, on: connection)
  case .stream(let stream):
    stream.begin(on: connection)
    let response = MHD_create_response_from_callback(
      UInt64.max, 16_384, readStream, Unmanaged.passRetained(stream).toOpaque(), releaseStream)
    return queue(response, 200, "text/event-stream", on: connection)
  }
}

private func queue(
  _ response: OpaquePointer?, _ status: UInt32, _ type: String, on connection: OpaquePointer
) -> MHD_Result {
  guard let response else { return chttp_result(0) }
  defer { MHD_destroy_response(response) }
  MHD_add_response_header(response, "Content-Type", type)
  if status == 401 { MHD_add_response_header(response, "WWW-Authenticate", "Bearer") }
  if status == 405 { MHD_add_response_header(response, "Allow", "GET, HEAD") }
  for (name, value) in HttpServer.headers { MHD_add_response_header(response, name, value) }
  return MHD_queue_response(connection, status, response)
}

/// What one of those who stay has not got yet.
public final class LiveStream: Sendable {
  /// One who does not read gets no more than that, and the connection ends. It is what 5,000
  /// stations say in ten seconds.
  private static let pendingMaximum = 4 << 20

  private struct State: @unchecked Sendable {
    var pending: [UInt8] = []
    var connection: OpaquePointer?
    var isWaiting = false
    var isOver = false
  }
  private let state = Mutex(State())

  public init() {}

  fileprivate func begin(on connection: OpaquePointer) {
    state.withLock { $0.connection = connection }
  }

  /// False when nobody is there any more.
  @discardableResult
  func send(_ bytes: [UInt8]) -> Bool {
    state.withLock { state in
      guard !state.isOver else { return false }
      if state.pending.count + bytes.count > LiveStream.pendingMaximum {
        state.isOver = true
      } else {
        state.pending += bytes
      }
      LiveStream.wake(&state)
      return !state.isOver
    }
  }

  public func end() {
    state.withLock { state in
      state.isOver = true
      LiveStream.wake(&state)
    }
  }

  private static func wake(_ state: inout State) {
    guard state.isWaiting, let connection = state.connection else { return }
    state.isWaiting = false
    MHD_resume_connection(connection)
  }

  /// As many bytes as there are; none, and the connection waits until there are some.
  fileprivate func read(_ buffer: UnsafeMutablePointer<CChar>, _ room: Int) -> Int {
    state.withLock { state in
      if state.pending.isEmpty {
        guard !state.isOver else { return -1 }
        state.isWaiting = true
        if let connection = state.connection { MHD_suspend_connection(connection) }
        return 0
      }
      let count = min(room, state.pending.count)
      for index in 0..<count { buffer[index] = CChar(bitPattern: state.pending[index]) }
      state.pending.removeFirst(count)
      return count
    }
  }

  fileprivate func close() {
    state.withLock { state in
      (state.isOver, state.isWaiting, state.connection) = (true, false, nil)
      state.pending = []
    }
  }
}

private func readStream(
  context: UnsafeMutableRawPointer?, position: UInt64, buffer: UnsafeMutablePointer<CChar>?,
  room: Int
) -> Int {
  guard let context, let buffer else { return -1 }
  return Unmanaged<LiveStream>.fromOpaque(context).takeUnretainedValue().read(buffer, room)
}

private func releaseStream(context: UnsafeMutableRawPointer?) {
  guard let context else { return }
  let stream = Unmanaged<LiveStream>.fromOpaque(context)
  stream.takeUnretainedValue().close()
  stream.release()
}
