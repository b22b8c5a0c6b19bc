// Place: which of all datagrams one is, by the name that its station gave it for ever.
//
//     let place = Place(datagram.header)
//     var window = Window(place.origin, newest: place.sequence)
//     window.insert(place.sequence)

import Core
import Uplink

/// One boot of a station.
struct Origin: Hashable, Comparable {
  let station: String
  let epoch: UInt64
  let boot: UInt32

  init(_ header: Header) {
    station = header.station.string
    (epoch, boot) = (header.epoch, header.bootCounter)
  }

  /// Any order that is the same everywhere.
  static func < (a: Origin, b: Origin) -> Bool {
    (a.station, a.epoch, a.boot) < (b.station, b.epoch, b.boot)
  }
}

/// One datagram of it.
struct Place: Hashable, Comparable {
  let origin: Origin
  let sequence: UInt32

  init(_ header: Header) { (origin, sequence) = (Origin(header), header.sequence) }

  static func < (a: Place, b: Place) -> Bool {
    a.origin == b.origin ? a.sequence < b.sequence : a.origin < b.origin
  }

  /// Within an epoch; between two of them nothing is older.
  func isOlder(than other: Place) -> Bool {
    origin.epoch == other.origin.epoch
      && (origin.boot, sequence) < (other.origin.boot, other.sequence)
  }
}

/// The last numbers of a station's newest boot that are stored.
struct Window {
  let origin: Origin
  /// Bit n: number `newest` − n.
  private var newest: UInt32
  private var stored: UInt64 = 0

  init(_ origin: Origin, newest: UInt32) { (self.origin, self.newest) = (origin, newest) }

  mutating func insert(_ number: UInt32) {
    if number > newest {
      let shift = number - newest
      stored = shift < AcknowledgementMessage.reach ? stored << UInt64(shift) : 0
      newest = number
    }
    if newest - number < AcknowledgementMessage.reach { stored |= 1 << UInt64(newest - number) }
  }

  var numbers: [UInt32] {
    (0..<AcknowledgementMessage.reach).filter { stored >> UInt64($0) & 1 == 1 }.map { newest - $0 }
  }
}
