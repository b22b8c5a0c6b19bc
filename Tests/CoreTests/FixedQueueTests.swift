import Core
import Testing

@Suite struct FixedQueueTests {
  /// Every state of a queue of three, however often it has gone round.
  @Test func firstInFirstOut() {
    var queue = FixedQueue<Int, 3>()
    var expected: [Int] = []
    var random = RandomGenerator(seed: 1)
    for number in 0..<500 {
      if expected.count < 3 && random.below(2) == 0 {
        queue.put(number)
        expected.append(number)
      } else {
        let taken = queue.take()
        #expect(taken == (expected.isEmpty ? nil : expected.removeFirst()))
      }
      let count = queue.count
      #expect(count == expected.count)
    }
  }

  @Test func aFullOneTraps() async {
    await #expect(processExitsWith: .failure) {
      var queue = FixedQueue<Int, 2>()
      for number in 0..<3 { queue.put(number) }
    }
  }
}
