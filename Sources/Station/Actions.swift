// What the station wants done, and what became of it. The loop's only way to the world: whoever
// runs it takes one action after another from the queue, does it, and tells the outcome.

import Core
import Digitizer
import Picker
import Uplink

/// What outlives the program, each in a file of its own in the state directory. `outbox` is kept by
/// records, not as a number.
public enum StoredValue: UInt8, Sendable {
  case siteTerm, latch, outbox
}

public enum Action {
  /// Where the relay and its lamp are to stand.
  case drive(relay: Bool, watchLamp: Bool)
  /// To be on disk before it is told to be.
  case store(StoredValue, Int64)
  case send(Datagram)
  /// A datagram that waits for the upstream, to be on disk.
  case keep(OutboxRecord)
  /// A network that came over the air.
  case network(NetworkOrder)
  /// A key that came over the air.
  case keepKey(KeyOrder)
  /// An operator wants a new start of the program.
  case restart
}

/// What became of an action, and what else the machine knows.
public enum Event {
  case lines(LinesReport)
  case stored(StoredValue, isDone: Bool)
  case digitizer(DigitizerCounters)
  case host(HostStatus)
  /// The next piece, in the order in which they were to be kept.
  case networkKept(isDone: Bool)
  /// The picker of the network of that examination; nil: it is refused.
  case networkExamined(UnsafeMutablePointer<Picker>?, checksum: UInt32, number: UInt32)
  case networkSwitched(isDone: Bool)
  case networkAccepted(isDone: Bool)
  case networkForgotten(isDone: Bool)
  case keyKept(isDone: Bool)
}

/// A queue that drops what matters least, and counts it. Actions leave in the order in which they
/// came.
struct ActionQueue: ~Copyable {
  static let capacity = 64
  private var actions = InlineArray<64, Action?>(repeating: nil)
  private var ranks = InlineArray<64, UInt8>(repeating: 0)
  private var first = 0
  private(set) var count = 0
  private(set) var dropped: UInt32 = 0

  /// `rank`: 0 matters most.
  mutating func put(_ action: Action, rank: UInt8) {
    if count == ActionQueue.capacity && !makeRoom(for: rank) {
      dropped &+= 1
      return
    }
    let place = (first + count) % ActionQueue.capacity
    actions[place] = action
    ranks[place] = rank
    count += 1
  }

  mutating func take() -> Action? {
    guard count > 0 else { return nil }
    let action = actions[first]
    first = (first + 1) % ActionQueue.capacity
    count -= 1
    return action
  }

  /// Drops the youngest of those that matter least, if it matters less than what is to come.
  private mutating func makeRoom(for rank: UInt8) -> Bool {
    var worst = 0
    for index in 1..<count where rankOf(index) >= rankOf(worst) { worst = index }
    guard rankOf(worst) > rank else { return false }
    for index in worst..<(count - 1) {
      let (to, from) = (
        (first + index) % ActionQueue.capacity, (first + index + 1) % ActionQueue.capacity
      )
      actions[to] = actions[from]
      ranks[to] = ranks[from]
    }
    count -= 1
    dropped &+= 1
    return true
  }

  private func rankOf(_ index: Int) -> UInt8 { ranks[(first + index) % ActionQueue.capacity] }
}

extension MessageType {
  /// What a full queue keeps: people first, then what is lost for ever, last what comes again.
  var rank: UInt8 {
    switch self {
    case .alert: 2
    case .pick: 3
    case .audit: 4
    case .estimate: 5
    case .pong, .answer: 6
    default: 7
    }
  }
}
