// What the network said of the last seconds, for a pick to be measured on. The first motion is
// known as soon as the early stage is, and asked for again by the late one.

struct StageValues {
  private static let mask = 511
  private var p = InlineArray<512, Float>(repeating: 0)
  private var s = InlineArray<512, Float>(repeating: 0)
  private var upward = InlineArray<512, Float>(repeating: 0.5)
  private var newest = -1
  private var events = InlineArray<128, Float>(repeating: 0)

  @inline(__always)
  mutating func set(p: Double, s: Double, at index: Int) {
    newest = index
    self.p[index & StageValues.mask] = Float(p)
    self.s[index & StageValues.mask] = Float(s)
  }

  @inline(__always)
  mutating func setUp(_ value: Double, at index: Int) {
    upward[index & StageValues.mask] = Float(value)
  }

  @inline(__always)
  mutating func setEvent(_ value: Double, row: Int) { events[row & 127] = Float(value) }

  /// The centre of mass of a peak, as far as it is above half its height: below one sample.
  func centre(ofP isP: Bool, at index: Int) -> Double {
    func value(_ place: Int) -> Double {
      Double(isP ? p[place & StageValues.mask] : s[place & StageValues.mask])
    }
    let half = 0.5 * value(index)
    var (weight, moment) = (0.0, 0.0)
    for place in max(0, index - 12)...max(index, min(index + 12, newest)) {
      let excess = value(place) - half
      if excess > 0 {
        weight += excess
        moment += excess * Double(place - index)
      }
    }
    return Double(index) + (weight > 0 ? moment / weight : 0)
  }

  /// How probable it is that the first motion is up, averaged over a few samples around an onset,
  /// all of which are there.
  func up(at index: Int) -> Double {
    var sum = 0.0
    for place in (index - 2)...(index + 2) { sum += Double(upward[place & StageValues.mask]) }
    return sum / 5
  }

  /// The largest probability of an event from the row of an onset on, as far as there are any.
  func event(at index: Int) -> Double {
    let row = index / PickerModel.rowSamples
    return Double(max(events[row & 127], events[(row + 1) & 127]))
  }
}
