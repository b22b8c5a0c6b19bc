// What the suites of this target share: analytic signals, and the real filters run over them.
//
//   pair     sine and cosine of one tone in two lanes; together a complex exponential: its gain and
//            phase can be read from any single output
//   stated   the time that the station puts on an output, in seconds after the first frame

import Clock
import Conditioning
import Core
import Digitizer
import Foundation

let twoPi = 2 * Double.pi

func decibels(_ ratio: Double) -> Double { 20 * log10(ratio) }

/// From 0 to 1 in `seconds` with three continuous derivatives, so that a tone's start excites
/// little else.
func rise(_ time: Double, seconds: Double = 0.6) -> Double {
  let x = min(max(time / seconds, 0), 1)
  return x * x * x * x * (35 - 84 * x + 70 * x * x - 20 * x * x * x)
}

struct Complex {
  var real = 0.0
  var imaginary = 0.0
  var magnitude: Double { (real * real + imaginary * imaginary).squareRoot() }
  var angle: Double { atan2(imaginary, real) }
  static func * (a: Complex, b: Complex) -> Complex {
    Complex(
      real: a.real * b.real - a.imaginary * b.imaginary,
      imaginary: a.real * b.imaginary + a.imaginary * b.real)
  }
  static func / (a: Complex, b: Complex) -> Complex {
    let square = b.real * b.real + b.imaginary * b.imaginary
    let c = a * Complex(real: b.real, imaginary: -b.imaginary)
    return Complex(real: c.real / square, imaginary: c.imaginary / square)
  }
  static func - (a: Complex, b: Complex) -> Complex {
    Complex(real: a.real - b.real, imaginary: a.imaginary - b.imaginary)
  }
}

/// s²/(s² + √2 ω s + ω²) at one frequency: the analog filter that the code cites, not its
/// coefficients.
func butterworthHighPass(cornerHertz: Double, atHertz hertz: Double) -> Complex {
  let r = hertz / cornerHertz
  return Complex(real: -r * r) / Complex(real: 1 - r * r, imaginary: 2.0.squareRoot() * r)
}

/// 1/(iω)
func integration(atHertz hertz: Double) -> Complex { Complex(imaginary: -1 / (twoPi * hertz)) }

/// One tone in lanes 0 and 1, another in lanes 2 and 3.
func pairs(_ first: Double, _ second: Double, at time: Double) -> Lanes {
  let a = twoPi * first * time
  let b = twoPi * second * time
  return Lanes(sin(a), cos(a), sin(b), cos(b))
}

struct Point {
  var value: Lanes
  /// The stated time.
  var time: Double
  /// Time of the newest frame that had been pushed when this came out.
  var now: Double

  /// The complex envelope of a pair, relative to its tone at the stated time.
  func gain(pair: Int, hertz: Double) -> Complex {
    let angle = twoPi * hertz * time
    return Complex(real: value[2 * pair + 1], imaginary: value[2 * pair])
      * Complex(real: cos(angle), imaginary: -sin(angle))
  }
}

/// Runs a signal through the real converter.
func convert(
  rateMillihertz: Int, seconds: Double, _ signal: (Double) -> Lanes
) -> [Point] {
  let rate = Double(rateMillihertz) / 1000
  var converter = RateConverter(rateMillihertz: rateMillihertz)
  converter.restart(at: signal(0))
  var points: [Point] = []
  for frame in 0..<Int(seconds * rate) {
    let now = Double(frame) / rate
    for index in 0..<converter.push(signal(now)) {
      let output = converter[index]
      points.append(Point(value: output.value, time: output.inputPosition / rate, now: now))
    }
  }
  return points
}

/// The constant complex gain that fits best, and the RMS of what it leaves relative to it.
func fit(
  _ points: ArraySlice<Point>, pair: Int, hertz: Double
) -> (gain: Complex, residual: Double) {
  var mean = Complex()
  for point in points {
    let gain = point.gain(pair: pair, hertz: hertz)
    mean.real += gain.real / Double(points.count)
    mean.imaginary += gain.imaginary / Double(points.count)
  }
  var square = 0.0
  for point in points {
    let rest = (point.gain(pair: pair, hertz: hertz) - mean).magnitude
    square += rest * rest / Double(points.count)
  }
  return (mean, square.squareRoot() / mean.magnitude)
}

/// A sweep under a smooth envelope, as a function of time.
struct Chirp {
  var start = 0.3
  var seconds = 2.0
  var fromHertz = 1.0
  var toHertz = 10.0

  func callAsFunction(_ time: Double) -> Double {
    let t = time - start
    guard t > 0, t < seconds else { return 0 }
    let edge = seconds / 8
    let phase = twoPi * (fromHertz * t + (toHertz - fromHertz) * t * t / (2 * seconds))
    return rise(t, seconds: edge) * rise(seconds - t, seconds: edge) * sin(phase)
  }

  /// The shift in seconds that minimises Σ(y(t) − chirp(t − shift))²: positive when outputs come
  /// stamped late. Searched on ever finer grids, from ±`range`.
  func shift(of samples: [(time: Double, value: Double)], range: Double = 0.1) -> Double {
    var best = 0.0
    var step = range / 10
    while step > 1e-6 {
      let centre = best
      var least = Double.infinity
      for index in -10...10 {
        let shift = centre + Double(index) * step
        var sum = 0.0
        for sample in samples {
          let difference = sample.value - self(sample.time - shift)
          sum += difference * difference
        }
        if sum < least { (least, best) = (sum, shift) }
      }
      step /= 5
    }
    return best
  }
}

/// Where the tests' streams begin: 2024-01-01T00:00:00Z.
let streamStart = UTC(nanoseconds: 1_704_067_200_000_000_000)

func secondsAfterStart(_ time: UTC) -> Double { Double(time - streamStart) / 1e9 }

/// Feeds frames in blocks, as a digitizer does; `firstFrame` other than the next one makes a gap.
func feed(
  _ conditioner: inout Conditioner, _ frames: [Frame], firstFrame: Int64 = 0,
  rateMillihertz: Int, blockFrames: Int = 80, _ take: (Sample) -> Void
) {
  let period = 1e12 / Double(rateMillihertz)
  frames.withUnsafeBufferPointer { all in
    var at = 0
    while at < all.count {
      let count = min(blockFrames, all.count - at)
      let number = firstFrame + Int64(at)
      let time = streamStart + Int64((Double(number) * period).rounded())
      let block = Block(
        frames: UnsafeBufferPointer(rebasing: all[at..<(at + count)]), firstFrame: number,
        firstFrameTime: time, nanosecondsPerFrame: period, clock: ClockReading())
      _ = conditioner.begin(block)
      for index in 0..<count {
        for ready in 0..<conditioner.push(block.frames[index]) { take(conditioner.sample(ready)) }
      }
      at += count
    }
  }
}

/// A signal in whole counts, lane by lane.
func frames(
  rateMillihertz: Int, seconds: Double, _ signal: (Double) -> Lanes
) -> [Frame] {
  let rate = Double(rateMillihertz) / 1000
  return (0..<Int(seconds * rate)).map { index in
    let value = signal(Double(index) / rate).rounded(.toNearestOrEven)
    return Frame(Int32(value[0]), Int32(value[1]), Int32(value[2]), Int32(value[3]))
  }
}
