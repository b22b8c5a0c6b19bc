// LoopBenchmark: what a second of signal costs the station's loop, and how the cost of a block is
// spread (`onset bench loop`).
//
//     print(LoopBenchmark.table(LoopBenchmark().run()))

import CLinux
import Clock
import Conditioning
import Core
import Digitizer
import Estimator
import Foundation
import Picker
import Station
import Uplink

public struct LoopBenchmark {
  public struct Result {
    public var name: String
    /// CPU time of the loop's thread per second of signal.
    public var microsecondsPerSecond: [Double]
    public var blockMedianMicroseconds: Double
    public var block999Microseconds: Double
    public var blockMaximumMicroseconds: Double
    public var limitMicroseconds: Double

    public var median: Double { microsecondsPerSecond.sorted()[microsecondsPerSecond.count / 2] }
  }

  private struct Case {
    var name: String
    var rateHertz: Int
    var lanes: LaneSet
    var blockFrames: Int
    var seconds: Int
    var limitMicroseconds: Double
    var response: Response?
    var hasNetwork = false
  }

  private let repetitions: Int
  private let signalSeconds: Int?

  /// `signalSeconds`: a shorter signal than the cases' own, to see under test that the benchmark
  /// works.
  public init(repetitions: Int = 7, signalSeconds: Int? = nil) {
    self.repetitions = repetitions
    self.signalSeconds = signalSeconds
  }

  private static let cases: [Case] = [
    Case(
      name: "3 components at 100 sps, counts", rateHertz: 100, lanes: .components, blockFrames: 4,
      seconds: 3600, limitMicroseconds: 25, response: nil),
    Case(
      name: "3 components at 100 sps, the network picks", rateHertz: 100, lanes: .components,
      blockFrames: 4, seconds: 3600, limitMicroseconds: 100, response: nil, hasNetwork: true),
    Case(
      name: "3 components at 100 sps, with ground motion", rateHertz: 100, lanes: .components,
      blockFrames: 4, seconds: 3600, limitMicroseconds: 25,
      response: Response(quantity: .velocity, unitsPerCount: Lanes(repeating: 1e-9))),
    Case(
      name: "4 channels at 8 kHz, with ground motion", rateHertz: 8000, lanes: .all,
      blockFrames: 80, seconds: 60, limitMicroseconds: 1000,
      response: Response(quantity: .velocity, unitsPerCount: Lanes(repeating: 1e-9))),
  ]

  public func run() -> [Result] {
    LoopBenchmark.cases.map(measure) + [measureEstimator(), measureReplay()]
  }

  /// `onset replay` without its files: a record joined to frames, through the station, to JSON
  /// lines.
  private func measureReplay() -> Result {
    let seconds = signalSeconds ?? 6 * 3600
    let spec = LoopBenchmark.cases[0]
    let record = InstrumentRecord(
      code: "XX.BENCH..HH", rateMillihertz: 100_000, presentLanes: .components,
      segments: [
        FrameSegment(
          firstFrame: 0, start: UTC(nanoseconds: 0), frames: signal(spec, seconds))
      ])
    var lines = DurationHistogram()
    var costs: [Double] = []
    for _ in 0..<repetitions {
      let begin = clinux_thread_cpu_nanoseconds()
      var options = ReplayOptions()
      options.network = nil
      var replay = Replay(options)
      var last = begin
      try? replay.run(record) { datagram in
        try datagram.withBytes { bytes throws in
          _ = try JsonLine.text(try OpenedDatagram(bytes, key: nil))
        }
        let now = clinux_thread_cpu_nanoseconds()
        lines.add(now - last)
        last = now
      }
      costs.append(Double(clinux_thread_cpu_nanoseconds() - begin) * 1e-3 / Double(seconds))
    }
    return Result(
      name: "replay of 3 components at 100 sps to JSON lines", microsecondsPerSecond: costs,
      blockMedianMicroseconds: Double(lines.quantileNanoseconds(0.5)) * 1e-3,
      block999Microseconds: Double(lines.quantileNanoseconds(0.999)) * 1e-3,
      blockMaximumMicroseconds: Double(lines.maximumNanoseconds) * 1e-3, limitMicroseconds: 100)
  }

  /// What estimates, the decision's input and intensity cost beside picking while a window is open,
  /// which here it always is.
  private func measureEstimator() -> Result {
    let seconds = signalSeconds ?? 600
    let response = Response(quantity: .acceleration, unitsPerCount: Lanes(repeating: 1e-6))
    let conditioner = ConditionerSettings(
      rateMillihertz: 100_000, presentLanes: .components, response: response)
    var filter = MotionFilter(response)
    let samples = signal(LoopBenchmark.cases[0], seconds).enumerated().map { index, frame in
      Sample(
        number: Int64(index), time: UTC(nanoseconds: Int64(index) * 10_000_000),
        counts: Lanes(frame), motion: filter.step(Lanes(frame)), flags: ChannelFlags(),
        isRestart: index == 0)
    }
    var steps = DurationHistogram()
    var costs: [Double] = []
    for pass in 0..<(2 * repetitions) {
      let options = ReplayOptions()
      guard var arena = try? options.arena(),
        let estimator = options.estimator(for: conditioner, arena: &arena)
      else { break }
      let begin = clinux_thread_cpu_nanoseconds()
      for sample in samples {
        let before = pass % 2 == 0 ? 0 : clinux_thread_cpu_nanoseconds()
        estimator.pointee.step(sample)
        if sample.number % 1000 == 40 {
          estimator.pointee.begin(id: 1, at: sample.time + -400_000_000)
        }
        _ = estimator.pointee.next()
        if sample.number % 10 == 0 { _ = estimator.pointee.observed() }
        if pass % 2 == 1 { steps.add(clinux_thread_cpu_nanoseconds() - before) }
      }
      if pass % 2 == 0 {
        costs.append(Double(clinux_thread_cpu_nanoseconds() - begin) * 1e-3 / Double(seconds))
      }
      arena.seal()
    }
    return Result(
      name: "estimates while an event is active, beside the above", microsecondsPerSecond: costs,
      blockMedianMicroseconds: Double(steps.quantileNanoseconds(0.5)) * 1e-3,
      block999Microseconds: Double(steps.quantileNanoseconds(0.999)) * 1e-3,
      blockMaximumMicroseconds: Double(steps.maximumNanoseconds) * 1e-3, limitMicroseconds: 30)
  }

  /// Noise and one earthquake, so that picks are part of the cost.
  private func signal(_ spec: Case, _ seconds: Int) -> [Frame] {
    var synthetic = SyntheticSettings()
    synthetic.leadSeconds = Double(seconds) / 2
    var earthquake = SyntheticEarthquake(synthetic, rateHertz: Double(spec.rateHertz))
    var sensor = SensorSimulator(
      quantity: .acceleration, countsPerUnit: 1e6, corner: nil, rateHertz: Double(spec.rateHertz),
      maximumCounts: 8_388_607)
    return (0..<(seconds * spec.rateHertz)).map { _ in
      var frame = sensor.step(earthquake.next())
      frame[3] = frame[0]
      return frame
    }
  }

  private func measure(_ spec: Case) -> Result {
    let seconds = signalSeconds ?? spec.seconds
    let frames = signal(spec, seconds)
    var blockTime = DurationHistogram()
    var costs: [Double] = []
    var options = ReplayOptions()
    if !spec.hasNetwork { options.network = nil }
    let settings = StationSettings(
      code: StationCode("XX.BENCH..HH"), epoch: 1, bootCounter: 1, bootNonce: 1,
      keys: UpstreamKeys(replayKey),
      conditioner: ConditionerSettings(
        rateMillihertz: spec.rateHertz * 1000, presentLanes: spec.lanes,
        response: spec.response), picker: PickerSettings())
    for _ in 0..<repetitions {
      guard var arena = try? options.arena() else { break }
      defer { arena.seal() }
      var station = Station(settings, network: options.picker(settings, arena: &arena))
      // Two passes: the cost without a clock reading around every block, then the spread with it.
      let begin = clinux_thread_cpu_nanoseconds()
      feed(&station, frames, spec, nil)
      costs.append(Double(clinux_thread_cpu_nanoseconds() - begin) * 1e-3 / Double(seconds))
      feed(&station, frames, spec) { blockTime.add($0) }
    }
    return Result(
      name: spec.name, microsecondsPerSecond: costs,
      blockMedianMicroseconds: Double(blockTime.quantileNanoseconds(0.5)) * 1e-3,
      block999Microseconds: Double(blockTime.quantileNanoseconds(0.999)) * 1e-3,
      blockMaximumMicroseconds: Double(blockTime.maximumNanoseconds) * 1e-3,
      limitMicroseconds: spec.limitMicroseconds)
  }

  private func feed(
    _ station: inout Station, _ frames: [Frame], _ spec: Case, _ observe: ((Int64) -> Void)?
  ) {
    let nanosecondsPerFrame = 1e9 / Double(spec.rateHertz)
    frames.withUnsafeBufferPointer { frames in
      var index = 0
      while index < frames.count {
        let end = min(index + spec.blockFrames, frames.count)
        let before = observe == nil ? 0 : clinux_monotonic_nanoseconds()
        station.process(
          Block(
            frames: UnsafeBufferPointer(rebasing: frames[index..<end]), firstFrame: Int64(index),
            firstFrameTime: UTC(nanoseconds: Int64(Double(index) * nanosecondsPerFrame)),
            nanosecondsPerFrame: nanosecondsPerFrame, clock: ClockReading()))
        while station.nextDatagram() != nil {}
        observe?(clinux_monotonic_nanoseconds() - before)
        index = end
      }
    }
  }

  public static func table(_ results: [Result]) -> String {
    var lines = [
      "CPU time of the loop, signing and picking included, medians of \(results[0].microsecondsPerSecond.count) runs"
    ]
    for r in results {
      let spread = r.microsecondsPerSecond.sorted()
      lines.append(
        "\(r.name): \(decimal(r.median, 1)) µs per second of signal "
          + "(\(decimal(spread.first!, 1)) to \(decimal(spread.last!, 1)); limit "
          + "\(decimal(r.limitMicroseconds, 0))), \(decimal(1e6 / r.median, 0)) times real time")
      lines.append(
        "  one \(r.name.hasPrefix("replay") ? "line" : "block"): median \(decimal(r.blockMedianMicroseconds, 2)) µs, 99.9 % "
          + "\(decimal(r.block999Microseconds, 2)) µs, maximum \(decimal(r.blockMaximumMicroseconds, 1)) µs"
      )
    }
    return lines.joined(separator: "\n")
  }

  public static func json(_ results: [Result]) -> String {
    let rows = results.map {
      "{\"case\":\"\($0.name)\",\"us_per_second\":\(decimal($0.median, 3)),"
        + "\"limit_us\":\(decimal($0.limitMicroseconds, 0)),"
        + "\"block_median_us\":\(decimal($0.blockMedianMicroseconds, 3)),"
        + "\"block_p999_us\":\(decimal($0.block999Microseconds, 3)),"
        + "\"block_maximum_us\":\(decimal($0.blockMaximumMicroseconds, 3))}"
    }
    return "{\"bench\":\"loop\",\"results\":[" + rows.joined(separator: ",") + "]}"
  }
}
