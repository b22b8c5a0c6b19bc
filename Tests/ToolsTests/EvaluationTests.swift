// The judge of pickers, on picks whose score is known.

import Core
import Digitizer
import Foundation
import Testing

@testable import Tools

@Suite struct PickScoreTests {
  @Test func hitsMissesAndFalseOnes() throws {
    var score = PickScore()
    // 10.05 is within a tenth of a second of 10, 20.3 within half a second of 20, 40 is false, 30
    // is missed.
    let hits = score.add(picks: [10.05, 20.3, 40], truths: [10, 20, 30])
    #expect(hits == [0, 1, nil])
    #expect(score.hits == [1, 2])
    #expect(try #require(score.precision(1)) == 2.0 / 3)
    #expect(try #require(score.recall(0)) == 1.0 / 3)
    #expect(try #require(score.f1(1)) == 2.0 / 3)
    #expect((try #require(score.mean) - 0.175).magnitude < 1e-9)
    #expect((try #require(score.meanAbsolute) - 0.175).magnitude < 1e-9)
  }

  @Test func aTruthIsHitOnceByTheClosest() {
    var score = PickScore()
    #expect(score.add(picks: [10.2, 10.01, 9.7], truths: [10]) == [nil, 0, nil])
    #expect(score.hits == [1, 1] && score.picks == 3)
    #expect(score.residuals.count == 1 && (score.residuals[0] - 0.01).magnitude < 1e-9)
  }

  @Test func twoTruthsShareTheirPicksFairly() {
    var score = PickScore()
    // The pick between them is nearer to the second; the first has its own.
    #expect(score.add(picks: [10.0, 10.3], truths: [10.05, 10.4]) == [0, 1])
  }

  @Test func edgesAreInside() {
    var score = PickScore()
    _ = score.add(picks: [0.5], truths: [0])
    #expect(score.hits == [0, 1])
  }

  @Test func deviations() throws {
    var score = PickScore()
    _ = score.add(picks: [0.1, 10.2, 20.3, 30.4, 40.5], truths: [0, 10, 20, 30, 40])
    #expect((try #require(score.mean) - 0.3).magnitude < 1e-9)
    #expect((try #require(score.deviation) - 0.025.squareRoot()).magnitude < 1e-9)
    #expect((try #require(score.medianAbsoluteDeviation) - 0.1).magnitude < 1e-9)
  }

  @Test func nothingIsNotZero() {
    let score = PickScore()
    #expect(score.precision(0) == nil && score.recall(0) == nil && score.mean == nil)
  }

  @Test func sumsAreOfAllRecords() {
    var (one, other) = (PickScore(), PickScore())
    _ = one.add(picks: [1], truths: [1])
    _ = other.add(picks: [], truths: [1, 2])
    one.add(other)
    #expect(one.truths == 3 && one.picks == 1 && one.hits == [1, 1])
  }
}

@Suite struct BreakdownTests {
  @Test func anEdgeBelongsToTheBinAboveIt() {
    var breakdown = Breakdown("P", "dB", edges: [6, 12])
    for (value, isHit) in [(5.9, false), (6, true), (12, true), (99, false)] {
      breakdown.add(value, isHit: isHit)
    }
    #expect(breakdown.bins.map(\.truths) == [1, 1, 2] && breakdown.bins.map(\.hits) == [0, 1, 1])
    #expect(breakdown.text == "P: below 6 dB 0 of 1, 6 to 12 dB 1 of 1, from 12 dB 1 of 2")
  }

  @Test func whatIsRightAsOftenAsItSaysIsNotOff() throws {
    var honest = Reliability("P")
    for number in 0..<100 { honest.add(0.75, isRight: number % 4 != 0) }
    #expect(try #require(honest.error) < 1e-9)
    var boaster = Reliability("P")
    for number in 0..<100 { boaster.add(0.95, isRight: number % 2 == 0) }
    #expect((try #require(boaster.error) - 0.45).magnitude < 1e-9)
    #expect(boaster.text == "P: 0.95 right in 50 of 100; off by 0.45")
    #expect(Reliability("S").error == nil)
  }

  /// Recall of n records with one truth each, a share of f found and no false picks, has the
  /// binomial's spread.
  @Test func theBootstrapIsAsWideAsRecordsAreFew() throws {
    func interval(_ count: Int) throws -> ClosedRange<Double> {
      let tallies = (0..<count).map {
        Bootstrap.Tally(picks: 1, truths: 1, hits: $0 % 2)
      }
      return try #require(Bootstrap.f1(tallies, draws: 1000, seed: 3))
    }
    let (few, many) = (try interval(16), try interval(1600))
    #expect(abs(few.upperBound - few.lowerBound - 2 * 1.96 * 0.125) < 0.07)
    #expect(abs(many.upperBound - many.lowerBound - 2 * 1.96 * 0.0125) < 0.007)
    #expect(few.contains(0.5) && many.contains(0.5))
    let one = [Bootstrap.Tally(picks: 1, truths: 1, hits: 1)]
    #expect(Bootstrap.f1(one, draws: 1000, seed: 3) == nil)
  }
}

@Suite struct CommaSeparatedTests {
  @Test func quotesAndLineEnds() throws {
    let table = try CommaSeparated("a,b\r\n1,\"x, \"\"y\"\"\"\n\n2,\n")
    #expect(table.columns == ["a", "b"])
    #expect(table.rows == [["1", "x, \"y\""], ["2", ""]])
  }

  @Test func aShortLineIsNamed() {
    #expect(throws: ToolError("line 3: 1 fields, but there are 2 columns")) {
      try CommaSeparated("a,b\n1,2\n3\n")
    }
  }

  @Test func aMissingColumnIsNamed() throws {
    let table = try CommaSeparated("a,b\n")
    #expect(throws: ToolError("there is no column c; there are a b")) { try table.index(of: "c") }
  }
}

@Suite struct EvaluationTests {
  /// A record of noise with a wave train at 20 s, its index, and picks of somebody.
  func folder() throws -> URL {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("onset-evaluation-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    var random = RandomGenerator(seed: 5)
    var bytes: [UInt8] = []
    for (lane, channel) in ["EHZ", "EHN", "EHE"].enumerated() {
      let samples = (0..<4000).map { index -> Int32 in
        let time = Double(index - 2000) / 100
        let wave =
          time < 0
          ? 0 : 20_000 * Elementary.exponential(-time / 3) * Elementary.sine(40 * time)
        return Int32(100 * random.gaussian() + wave / Double(lane + 1))
      }
      bytes += try packed(samples, channel: channel)
    }
    try Data(bytes).write(to: folder.appendingPathComponent("one.mseed"))
    try Data(bytes).write(to: folder.appendingPathComponent("two.mseed"))
    try """
    file,split,source,fs,p_sample,s_sample,polarity
    one.mseed,dev,here,100,2000,,up
    two.mseed,dev,there,100,,,
    two.mseed,train,there,100,,,

    """.write(
      to: folder.appendingPathComponent("index.csv"), atomically: true, encoding: .utf8)
    try """
    file,phase,time_s
    one.mseed,P,20.2
    one.mseed,P,31
    one.mseed,P,3
    two.mseed,P,20.1
    two.mseed,P,30

    """.write(
      to: folder.appendingPathComponent("picks.csv"), atomically: true, encoding: .utf8)
    return folder
  }

  @Test func aListOfPicksIsJudged() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(at: folder) }
    func path(_ name: String) -> String { folder.appendingPathComponent(name).path }
    var options = EvaluationOptions()
    options.pickers = [path("picks.csv"), "sta-lta"]
    options.teachers = ["two.mseed": [ListedPick(phase: .s, timeSeconds: 20.8)]]
    options.agreed = ["two.mseed": [ListedPick(phase: .p, timeSeconds: 20.0)]]
    var evaluation = try Evaluation(options)
    var complaints: [String] = []
    try evaluation.run(EvaluationIndex.read(path("index.csv"), split: "dev")) {
      complaints.append($0)
    }
    #expect(complaints.isEmpty)
    let total = evaluation.total("picks.csv")
    // What is said in the first five seconds counts for nobody.
    #expect(total.records == 2 && total.p.truths == 1 && total.p.picks == 2)
    #expect(total.p.hits == [0, 1])
    #expect(total.agreedP == (1, 1))
    #expect(total.unsupported == 1, "the one at 30 s, which no teacher suspects")
    #expect(
      total.breakdowns[0].bins.filter { $0.truths > 0 } == [Breakdown.Bin(truths: 1, hits: 1)])
    let baseline = evaluation.total("sta-lta")
    #expect(baseline.p.hits == [1, 1])
    #expect(baseline.announced == 2 && baseline.delays.count == 1)
    #expect(baseline.motionsKnown == 1)
    #expect(evaluation.table.contains("sta-lta, all: 2 records"))
    let parsed = try JSONSerialization.jsonObject(with: Data(evaluation.json.utf8))
    let rows = try #require((parsed as? [String: Any])?["evaluation"] as? [[String: Any]])
    #expect(rows.count == 6)
  }

  /// A sine of 7 Hz is one at any rate; one of 30 Hz is gone at 40 samples a second.
  @Test(arguments: [40_000, 50_000, 99_990, 200_000, 250_000]) func resampledItIsTheSameMotion(
    rateMillihertz: Int
  ) {
    func sine(_ hertz: Double, _ rate: Int, count: Int) -> [Frame] {
      (0..<count).map {
        Frame(Int32(1e6 * sin(2 * .pi * hertz * Double($0) * 1000 / Double(rate))), 0, 0, 0)
      }
    }
    for hertz in [7.0, 30] {
      let record = InstrumentRecord(
        code: "XX.A..HH", rateMillihertz: 100_000, presentLanes: 1,
        segments: [
          FrameSegment(
            firstFrame: 0, start: UTC(nanoseconds: 0), frames: sine(hertz, 100_000, count: 2000))
        ])
      let other = record.resampled(rateMillihertz: rateMillihertz)
      let frames = other.segments[0].frames
      #expect(abs(frames.count - 2 * rateMillihertz / 100) <= 1)
      let passes = hertz * 2000 < 0.9 * Double(rateMillihertz)
      let expected = sine(passes ? hertz : 0, rateMillihertz, count: frames.count)
      let middle = (frames.count / 4)..<(3 * frames.count / 4)
      let error = middle.map { abs(Int(frames[$0][0]) - Int(expected[$0][0])) }.max()!
      #expect(error < 3000, "\(hertz) Hz: \(error) of a million")
    }
  }

  /// Noise of a tenth of a count is nearly all zeros; of ten counts it is as it was.
  @Test(arguments: [0.1, 10]) func coarsenedToTheNoiseThatIsAskedFor(counts: Double) throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let data = try Data(contentsOf: folder.appendingPathComponent("one.mseed"))
    var record = try MiniSeed.read([data]).0[0]
    let isCoarsened = record.coarsen(noiseCounts: counts, p: 20)
    #expect(isCoarsened)
    let vertical = record.segments[0].frames[..<1800].map { Int($0[0]) }
    if counts < 1 {
      #expect(vertical.count { $0 == 0 } > 1500)
    } else {
      let found = SignalToNoise.energies(record.conditioned(), at: 20).noise.squareRoot()
      #expect(abs(found / counts - 1) < 0.05)
    }
  }

  @Test func degradedToTheRatioThatIsAskedFor() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(at: folder) }
    var random = RandomGenerator(seed: 6)
    let noise = try ["EHZ", "EHN", "EHE"].flatMap { channel in
      try packed((0..<9000).map { _ in Int32(50 * random.gaussian()) }, channel: channel)
    }
    let path = folder.appendingPathComponent("noise.mseed").path
    try Data(noise).write(to: URL(fileURLWithPath: path))
    let data = try Data(contentsOf: folder.appendingPathComponent("one.mseed"))
    for decibels in [0.0, 6, 12] {
      var source = try NoiseSource(Degradation(noisePaths: [path], decibels: decibels, seed: 2))
      var record = try MiniSeed.read([data]).0[0]
      #expect(source.degrade(&record, p: 20))
      // The signal's second has noise in it too: 3 dB at 0.
      let power = pow(10, decibels / 10)
      let expected = 10 * log10(power + 1)
      #expect((SignalToNoise.decibels(record.conditioned(), at: 20) - expected).magnitude < 1.5)
    }
    var source = try NoiseSource(Degradation(noisePaths: [path], decibels: 60, seed: 2))
    var record = try MiniSeed.read([data]).0[0]
    #expect(!source.degrade(&record, p: 20), "a record that is not that clean is left out")
  }

  @Test func refusalsNameTheLine() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appendingPathComponent("bad.csv").path
    try "file,phase,time_s\none,Q,1\n".write(toFile: path, atomically: true, encoding: .utf8)
    #expect(
      throws: ToolError("\(path): row 1: a phase is P or S and time_s a number, not Q and 1")
    ) { try EvaluationIndex.picks(path) }
    #expect(throws: ToolError("\(path): there is no column split; there are file phase time_s")) {
      try EvaluationIndex.read(path, split: "dev")
    }
    try "p_sample\n4000\n".write(toFile: path, atomically: true, encoding: .utf8)
    #expect(throws: ToolError("\(path): there is no column file; there are p_sample")) {
      try EvaluationIndex.read(path, split: nil)
    }
  }

  /// Where an index tells kinds, what has none is not acceleration.
  @Test(arguments: [
    ("file,counts_per_unit\na,1e5\nb,2e5\n", ["a", "b"]),
    ("file,kind,counts_per_unit\na,acceleration,1e5\nb,,\nc,counts,\n", ["a"]),
  ]) func recordsOfAcceleration(index: String, files: [String]) throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appendingPathComponent("shaking.csv").path
    try index.write(toFile: path, atomically: true, encoding: .utf8)
    let records = try EvaluationIndex.shaking(path, split: nil)
    #expect(records.map(\.file) == files)
    #expect(records[0].countsPerUnit == 1e5 && records[0].magnitude == nil)
  }

  @Test func peaksOfACurve() {
    let peaks = WindowPicker.peaks([0, 0.6, 0.7, 0.4, 0.5, 0.5, 0], threshold: 0.5)
    #expect(peaks.map(\.sample) == [2, 4])
  }
}
