// HttpClient: asks another program's HTTP server, over a connection that is kept.
//
//     let client = HttpClient()
//     let answer = try client.ask("POST", "https://example.org/alarms", body: bytes)

import CCurl
import Foundation

public final class HttpClient {
  /// A list of 5,000 stations has four; what is longer is none of ours.
  private static let answerMaximum = 64 << 20

  public struct Answer: Sendable {
    public let status: Int
    public let body: [UInt8]

    public var text: String { String(decoding: body, as: UTF8.self) }
    public var isTaken: Bool { (200..<300).contains(status) }
  }

  private let handle: OpaquePointer
  private let patienceMilliseconds: Int

  /// `patienceMilliseconds`: for all of an exchange.
  public init(patienceMilliseconds: Int = 10_000) {
    // Once for all, before the first handle; libcurl counts how often.
    _ = HttpClient.isReady
    handle = OpaquePointer(curl_easy_init()!)
    self.patienceMilliseconds = patienceMilliseconds
  }

  deinit { curl_easy_cleanup(UnsafeMutableRawPointer(handle)) }

  private static let isReady = curl_global_init(Int(CURL_GLOBAL_ALL)) == CURLE_OK

  /// `headers`: lines such as "Authorization: Bearer …". It throws where no answer came.
  public func ask(
    _ method: String, _ url: String, headers: [String] = [], body: [UInt8] = []
  ) throws(ToolError) -> Answer {
    // Without it, libcurl waits a second for a server's leave to send a longer body.
    var list = curl_slist_append(nil, "Expect:")
    for line in headers { list = curl_slist_append(list, line) }
    defer { curl_slist_free_all(list) }
    let taken = UnsafeMutablePointer<[UInt8]>.allocate(capacity: 1)
    taken.initialize(to: [])
    defer {
      taken.deinitialize(count: 1)
      taken.deallocate()
    }
    var failure = [CChar](repeating: 0, count: Int(CURL_ERROR_SIZE))
    let status = ccurl_exchange(
      UnsafeMutableRawPointer(handle), method, url, list, body, body.count, patienceMilliseconds,
      { bytes, one, count, context in
        guard let bytes, let context else { return 0 }
        let taken = context.assumingMemoryBound(to: [UInt8].self)
        guard taken.pointee.count + one * count <= HttpClient.answerMaximum else { return 0 }
        taken.pointee += UnsafeRawBufferPointer(start: bytes, count: one * count)
        return one * count
      }, taken, &failure)
    guard status > 0 else {
      let reason = failure.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
      // What stands behind the host may be a secret.
      let parts = url.split(separator: "/", omittingEmptySubsequences: false).prefix(3)
      let place = parts.joined(separator: "/").replacing(/:\/\/[^@]*@/, with: "://")
      throw ToolError("\(place): \(reason)")
    }
    return Answer(status: status, body: taken.pointee)
  }
}
