// The uplink's protocol, as a model of one message that is small enough to go through all of it:
// whatever is lost, doubled, late and crashes at either end, a message that was kept is stored, and
// none is told twice.

import Testing

@Suite struct ProtocolModelTests {
  /// Everything about one message. On the way there may be none or any number of copies of it: one
  /// flag is enough, because a copy that is taken may leave another behind.
  private struct State: Hashable {
    /// In the station's memory, and on its disk.
    var isMade = false
    var isInMemory = false
    var isOnDisk = false
    var isSettled = false
    var isOnTheWay = false
    var isAcknowledgedOnTheWay = false
    /// With the collector: in memory, in the database; how often it was told.
    var isReceived = false
    var isStored = false
    var told = 0
    /// The station may have forgotten it.
    var wasForgotten = false
  }

  private enum Fault: CaseIterable { case none, acknowledgesBeforeTheCommit, tellsWhatComesAgain }

  private func successors(_ s: State, _ fault: Fault) -> [State] {
    var next: [State] = []
    func go(_ change: (inout State) -> Void) {
      var state = s
      change(&state)
      if state != s { next.append(state) }
    }
    // The station: a detection is sent at once, and on disk a little later.
    if !s.isMade { go { ($0.isMade, $0.isInMemory, $0.isOnTheWay) = (true, true, true) } }
    if s.isInMemory {
      go { $0.isOnDisk = true }
      go { $0.isOnTheWay = true }
    }
    if s.isAcknowledgedOnTheWay {
      for isAnotherLeft in [true, false] {
        go {
          ($0.isInMemory, $0.isSettled) = (false, true)
          $0.wasForgotten = true
          $0.isAcknowledgedOnTheWay = isAnotherLeft
        }
      }
    }
    // A power cut; at the start all that is on disk waits again, acknowledged or not: no record was
    // written for that. A later record says that it does not wait any more.
    go { ($0.isInMemory, $0.isSettled) = ($0.isOnDisk, false) }
    if s.isSettled { go { $0.isOnDisk = false } }
    // The link.
    go { $0.isOnTheWay = false }
    go { $0.isAcknowledgedOnTheWay = false }
    // The collector.
    if s.isOnTheWay {
      for isAnotherLeft in [true, false] {
        go { ($0.isReceived, $0.isOnTheWay) = (true, isAnotherLeft) }
      }
      if fault == .acknowledgesBeforeTheCommit { go { $0.isAcknowledgedOnTheWay = true } }
    }
    if s.isReceived {
      go {
        if !$0.isStored || fault == .tellsWhatComesAgain { $0.told = min($0.told + 1, 2) }
        ($0.isReceived, $0.isStored, $0.isAcknowledgedOnTheWay) = (false, true, true)
      }
      // It crashes before the commit; or after it and before it has told or acknowledged anything.
      go { $0.isReceived = false }
      go { ($0.isReceived, $0.isStored) = (false, true) }
    }
    return next
  }

  private func states(_ fault: Fault) -> [State: [State]] {
    var found: [State: [State]] = [:]
    var open = [State()]
    while let state = open.popLast() {
      guard found[state] == nil else { continue }
      let next = successors(state, fault)
      found[state] = next
      open += next
    }
    return found
  }

  /// From which the message can still be stored.
  private func hopeful(_ graph: [State: [State]]) -> Set<State> {
    var before: [State: [State]] = [:]
    for (state, next) in graph { for one in next { before[one, default: []].append(state) } }
    var found = Set(graph.keys.filter(\.isStored))
    var open = Array(found)
    while let state = open.popLast() {
      for one in before[state] ?? [] where found.insert(one).inserted { open.append(one) }
    }
    return found
  }

  private struct Verdict: Equatable {
    var isLost = false
    var isToldTwice = false
  }

  private func verdict(_ fault: Fault) -> (Verdict, Int) {
    let graph = states(fault)
    let hope = hopeful(graph)
    var verdict = Verdict()
    for state in graph.keys {
      // What is on disk, or was acknowledged, is stored or can be.
      if (state.isOnDisk || state.wasForgotten) && !hope.contains(state) { verdict.isLost = true }
      if state.wasForgotten && !state.isStored && !state.isInMemory && !state.isOnDisk {
        verdict.isLost = true
      }
      if state.told > 1 { verdict.isToldTwice = true }
    }
    return (verdict, graph.count)
  }

  @Test func nothingThatIsKeptIsLostAndNothingIsToldTwice() {
    let (found, count) = verdict(.none)
    #expect(found == Verdict())
    #expect((100...2000).contains(count), "\(count) states were gone through")
  }

  /// The model sees what it is there to see.
  @Test func mistakesInTheProtocolShow() {
    #expect(verdict(.acknowledgesBeforeTheCommit).0.isLost)
    #expect(verdict(.tellsWhatComesAgain).0.isToldTwice)
  }
}
