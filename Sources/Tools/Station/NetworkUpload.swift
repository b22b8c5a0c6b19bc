// NetworkUpload: a network file over the air, in pieces that the operator signs. A station looks at
// 64 of them a second; what is lost goes again, and where a station has some already, only the rest
// goes. Then it runs in the live one's shadow.
//
//     let upload = try NetworkUpload(target: …, path: "picker.onet")
//     let line = try upload.run(shadowSeconds: 3600) { note($0) }

import CLinux
import Core
import Devices
import Foundation
import Network
import Picker
import Settings
import Uplink

/// A picker's file that may go over the air.
struct NetworkFile {
  let bytes: [UInt8]
  /// CRC-32C of all of it.
  let checksum: UInt32
  /// As health names it when it picks.
  let name: String

  init(_ path: String) throws {
    guard path.utf8.count < 256 else { throw ToolError("\(path): the path is too long") }
    let mapping = try NetworkMapping(file: Path(path))
    // The station would refuse it too, after it has all come.
    do throws(NetworkError) {
      // Health has a byte less for it than the file.
      name = String(try PickerModel(mapping.bytes).plan.header.name.string.prefix(31))
    } catch {
      throw ToolError("\(path): \(error.description.string)")
    }
    bytes = Array(mapping.bytes)
    guard bytes.count <= Int(NetworkMessage.fileMaximum) else {
      throw ToolError(
        "\(path) has \(bytes.count) bytes: over the air go up to \(NetworkMessage.fileMaximum)")
    }
    var checksum = Checksum()
    bytes.withUnsafeBytes { checksum.add($0) }
    self.checksum = checksum.value
  }
}

public struct NetworkUpload {
  /// A few less than the station looks at.
  private static let piecesPerSecond = Int64(NetworkMessage.piecesPerSecond) - 4
  /// Half a second's: what a bad link loses is seen before much more is sent.
  private static let underwayMaximum = 32
  private static let againNanoseconds: Int64 = 1_000_000_000
  private static let silenceNanoseconds: Int64 = 10_000_000_000

  private let target: (host: String, via: String?, keyPath: String, stationPath: String)
  private let link: StationLink
  private let bytes: [UInt8]
  let checksum: UInt32

  public init(
    target: String, via: String?, keyPath: String, stationPath: String, path: String
  ) throws {
    self.target = (target, via, keyPath, stationPath)
    link = try StationLink(target: target, via: via, keyPath: keyPath, stationPath: stationPath)
    let file = try NetworkFile(path)
    (bytes, checksum) = (file.bytes, file.checksum)
  }

  private var piece: NetworkPiece {
    var piece = NetworkPiece()
    (piece.checksum, piece.fileByteCount) = (checksum, UInt32(bytes.count))
    piece.giver = link.key.publicKey.name
    return piece
  }

  /// The station's answer to the command that puts it into the shadow, as a JSON line.
  public func run(
    shadowSeconds: Int?, progress: (Int, Int) -> Void
  ) throws -> (line: String, isDone: Bool, remark: String?) {
    try begin(shadowSeconds: shadowSeconds, patience: try bring(progress))
  }

  /// Until the station has all of it; how often its examination is to be waited for. Whatever is
  /// thrown, the station goes on as it did.
  func bring(_ progress: (Int, Int) -> Void) throws -> Int {
    var there = try send(progress)
    // A station that has started anew meanwhile has forgotten what had come.
    while there == nil { there = try send(progress) }
    return there!
  }

  /// The command that puts it into the shadow.
  func begin(
    shadowSeconds: Int?, patience: Int
  ) throws -> (line: String, isDone: Bool, remark: String?) {
    var patience = patience
    let remaining = "network_shadow_seconds"
    while true {
      let answer = try Command(
        target: target.host, via: target.via, keyPath: target.keyPath,
        stationPath: target.stationPath, parameter: remaining,
        value: shadowSeconds.map { "\($0)" }, lifeSeconds: 60
      ).run()
      guard !answer.isDone, shadowSeconds != nil, patience > 0 else { return answer }
      // It is being examined, which takes a moment; what is refused is told upstream.
      patience -= 1
      _ = poll(nil, 0, 1000)
    }
  }

  /// Sends all pieces; how often its examination is to be waited for, or nil where the station has
  /// started anew.
  private func send(_ progress: (Int, Int) -> Void) throws -> Int? {
    let boot = try Ping(link).boot()
    let header = Header(.network, to: boot.station, epoch: boot.epoch, at: StationLink.now())
    var piece = piece
    (piece.bootNonce, piece.begunMicroseconds) = (boot.nonce, boot.microsecondsNow)
    let socket = try UdpEndpoint(listenPort: 0)
    var sentAt = [Int64?](repeating: nil, count: piece.pieceCount)
    var isThere = [Bool](repeating: false, count: piece.pieceCount)
    var (first, underway) = (0, 0)
    var (nextSend, lastHeard) = (Int64(0), clinux_monotonic_nanoseconds())
    while first < piece.pieceCount {
      let now = clinux_monotonic_nanoseconds()
      if now - lastHeard > NetworkUpload.silenceNanoseconds {
        guard try Ping(link).boot().nonce == boot.nonce else { return nil }
        lastHeard = clinux_monotonic_nanoseconds()
      }
      if now >= nextSend, underway < NetworkUpload.underwayMaximum,
        let number = next(sentAt, isThere, from: first, at: now)
      {
        if sentAt[number] == nil { underway += 1 }
        sentAt[number] = now
        nextSend = now + nanosecondsPerSecond / NetworkUpload.piecesPerSecond
        piece.number = UInt16(number)
        _ = socket.send(datagram(header, piece), to: link.address)
      }
      // What was not answered in time may go again.
      underway = sentAt.indices.count {
        !isThere[$0] && (sentAt[$0].map { now - $0 < NetworkUpload.againNanoseconds } ?? false)
      }
      guard socket.hasDatagram(withinMilliseconds: 10) else { continue }
      guard let answer = answer(on: socket, piece) else { continue }
      lastHeard = now
      guard answer.result == .done else {
        guard !isThere.allSatisfy({ $0 }) else {
          throw ToolError(
            "the station has all of it and refuses it: it is not signed by the holder of its [networks] "
              + "public_key, or its disk did not take it")
        }
        throw ToolError(
          "the station takes no network: [networks] public_key names nobody there, its state folder "
            + "takes nothing, or another one is on trial (onset command … network_shadow_seconds -1 "
            + "forgets it)")
      }
      if Int(answer.id) < isThere.count { isThere[Int(answer.id)] = true }
      // A piece that its disk did not take is to come again, and all others with it.
      if Int(answer.value) < first || isThere[Int(answer.value)...].first ?? false {
        for number in Int(answer.value)..<isThere.count where number != Int(answer.id) {
          (isThere[number], sentAt[number]) = (false, nil)
        }
      }
      first = Int(answer.value)
      progress(first, piece.pieceCount)
    }
    return 10
  }

  /// The first piece that is neither there nor under way.
  private func next(
    _ sentAt: [Int64?], _ isThere: [Bool], from first: Int, at now: Int64
  ) -> Int? {
    sentAt.indices[first...].first {
      !isThere[$0] && (sentAt[$0].map { now - $0 >= NetworkUpload.againNanoseconds } ?? true)
    }
  }

  private func datagram(_ header: Header, _ piece: NetworkPiece) -> Datagram {
    let begin = Int(piece.number) * NetworkMessage.dataByteCount
    return bytes[begin..<min(begin + NetworkMessage.dataByteCount, bytes.count)]
      .withUnsafeBufferPointer { data in
        Datagram(header, signedBy: link.key) { NetworkMessage(piece, data: data).write(to: &$0) }
      }
  }

  private func answer(
    on socket: borrowing UdpEndpoint, _ piece: NetworkPiece
  ) -> CommandMessage? {
    socket.take { bytes, _ in
      guard let datagram = try? link.open(bytes),
        datagram.header.type == .answer,
        let answer = try? AnswerMessage(datagram.payload).command,
        answer.parameter == CommandParameter.network.rawValue,
        answer.issuedMicroseconds == piece.begunMicroseconds, answer.bootNonce == piece.bootNonce
      else { return nil }
      return answer
    }
  }
}
