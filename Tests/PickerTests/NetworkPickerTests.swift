// The network's picks: announced, confirmed or retracted, whatever the network says. What it says
// of earthquakes is judged by `onset evaluate`; here it need only be sure of a plain one.

import CAllocationGuard
import Clock
import Conditioning
import Core
import Digitizer
import Foundation
import Kernels
import Network
import Testing
import Tools

@testable import Picker

private func pickerArena(_ model: PickerModel) throws -> Arena {
  guard let arena = Arena(byteCount: model.arenaByteCount) else { throw ToolError("no memory") }
  return arena
}

@Suite(.serialized) struct NetworkPickerTests {
  /// Runs a synthetic earthquake of magnitude `magnitude` through a picker of the shipped network.
  func listen(
    seconds: Double = 70, seed: UInt64 = 1, magnitude: Double = 4, lanes: LaneSet = 0b111,
    kernels: KernelVariant = KernelVariant.select().variant,
    settings: NetworkPickerSettings = NetworkPickerSettings(),
    baseline: PickerSettings = PickerSettings(),
    network: PickerNetwork = .standard, change: (Int, Sample) -> Sample? = { $1 }
  ) throws -> (picks: [(told: UTC, pick: Pick)], p: UTC, s: UTC) {
    let model = network.model
    var arena = try pickerArena(model)
    var picker = Picker(
      baseline, presentLanes: lanes,
      network: NetworkPicker.make(
        model, kernels: kernels, settings: settings, presentLanes: lanes, arena: &arena))
    var synthetic = SyntheticSettings()
    (synthetic.seed, synthetic.magnitude, synthetic.leadSeconds) = (seed, magnitude, 30)
    var earthquake = SyntheticEarthquake(synthetic, rateHertz: 100)
    var sensor = SensorSimulator(
      quantity: .velocity, countsPerUnit: 1e9, corner: nil, rateHertz: 100,
      maximumCounts: 2_147_483_647)
    var conditioner = Conditioner(ConditionerSettings(rateMillihertz: 100_000, presentLanes: lanes))
    let start = SyntheticStream.start
    var picks: [(told: UTC, pick: Pick)] = []
    for index in 0..<Int(seconds * 100) {
      let frame = sensor.step(earthquake.next())
      withUnsafePointer(to: frame) {
        let block = Block(
          frames: UnsafeBufferPointer(start: $0, count: 1), firstFrame: Int64(index),
          firstFrameTime: start + Int64(index) * 10_000_000, nanosecondsPerFrame: 1e7,
          clock: ClockReading())
        _ = conditioner.begin(block)
      }
      for ready in 0..<conditioner.push(frame) {
        guard let sample = change(index, conditioner.sample(ready)) else { continue }
        for pick in picker.picks(of: sample) {
          picks.append((start + Int64(index + 1) * 10_000_000, pick))
        }
      }
    }
    return (
      picks, start + Int64(earthquake.timeOfP * 1e9), start + Int64(earthquake.timeOfS * 1e9)
    )
  }

  @Test(arguments: [UInt64](1...4)) func aPlainEarthquake(seed: UInt64) throws {
    let (picks, p, _) = try listen(seed: seed)
    let near = picks.filter { ($0.pick.time - p).magnitude < 500_000_000 && $0.pick.phase == .p }
    #expect(near.map(\.pick.status) == [.provisional, .confirmed])
    let (first, last) = (try #require(near.first), try #require(near.last))
    #expect(first.pick.id == last.pick.id)
    #expect(first.told - p < 700_000_000, "announced a fraction of a second after the onset")
    #expect(last.told - p < 4_000_000_000, "confirmed within four seconds")
    #expect((last.pick.time - p).magnitude < 150_000_000)
    #expect(try #require(last.pick.probability) > 0.5)
    #expect(last.pick.isSeenByBaseline == true)
    #expect(last.pick.signalToNoiseDecibels > 10)
  }

  @Test func everyNumberIsConcludedOnce() throws {
    let (picks, _, _) = try listen(
      settings: {
        var eager = NetworkPickerSettings()
        (eager.announceProbability, eager.confirmProbability) = (0.02, 0.5)
        (eager.unseenProbability, eager.announceUnseenProbability) = (0, 0)
        return eager
      }())
    var open: Set<UInt32> = []
    var closed: Set<UInt32> = []
    for (told, pick) in picks {
      #expect(!closed.contains(pick.id))
      if pick.status == .provisional {
        #expect(open.insert(pick.id).inserted)
      } else {
        open.remove(pick.id)
        closed.insert(pick.id)
        #expect(told - pick.time < 4_500_000_000)
      }
    }
    #expect(picks.contains { $0.pick.status == .retracted }, "so eager a picker is wrong at times")
  }

  @Test func everyVariantSaysTheSame() throws {
    let expected = try listen(seconds: 40, kernels: .scalar).picks.map(\.pick)
    #expect(!expected.isEmpty)
    for index in 0..<5 where KernelVariant.all[index].isSupported {
      #expect(
        try listen(seconds: 40, kernels: KernelVariant.all[index]).picks.map(\.pick) == expected)
    }
  }

  /// With a limit above every probability, only what STA/LTA sees is told.
  @Test func whatTheBaselineDoesNotSeeMustBeSurer() throws {
    var doubter = NetworkPickerSettings()
    (doubter.announceProbability, doubter.confirmProbability) = (0.02, 0.02)
    (doubter.unseenProbability, doubter.announceUnseenProbability) = (1.1, 1.1)
    let seen = try listen(settings: doubter).picks.filter { $0.pick.phase == .p }
    #expect(!seen.isEmpty && seen.allSatisfy { $0.pick.isSeenByBaseline == true })
    (doubter.unseenProbability, doubter.announceUnseenProbability) = (0, 0)
    let all = try listen(settings: doubter).picks.filter { $0.pick.phase == .p }
    #expect(all.contains { $0.pick.isSeenByBaseline == false })
  }

  /// What the network is not sure enough of is told as soon as STA/LTA sees it too.
  @Test func anOnsetIsAnnouncedWhenTheBaselineSeesIt() throws {
    var slow = PickerSettings()
    slow.minimumDurationMilliseconds = 700
    func announced(_ unseen: Double) throws -> [(told: UTC, pick: Pick)] {
      var settings = NetworkPickerSettings()
      settings.announceUnseenProbability = unseen
      return try listen(settings: settings, baseline: slow).picks
        .filter { $0.pick.status == .provisional }
    }
    let (sooner, later) = (try #require(announced(0).first), try #require(announced(1.1).first))
    #expect(sooner.pick.isSeenByBaseline == false && later.pick.isSeenByBaseline == true)
    #expect(sooner.pick.time == later.pick.time)
    let wait = Double(later.told - sooner.told) * 1e-9
    #expect(wait > 0.2 && wait < 0.8)
  }

  /// A padded record, a cable that is plugged in again: for five seconds nothing is told. A sensor
  /// of few bits is still for moments.
  @Test(arguments: [(600, true), (350, false)]) func afterALongStillnessNothingIsTold(
    samples: Int, isLong: Bool
  ) throws {
    let end = 2600
    let (picks, p, _) = try listen { index, sample in
      var sample = sample
      if (end - samples..<end).contains(index) {
        sample.counts = .zero
        if index > end - samples + 100 { sample.flags.stuck = 0b111 }
      }
      return sample
    }
    let near = picks.filter { ($0.pick.time - p).magnitude < 500_000_000 && $0.pick.phase == .p }
    #expect(near.isEmpty == isLong)
  }

  /// A network may see two views or three.
  @Test func aNetworkOfThreeViewsThatIgnoresTheThirdSaysTheSame() throws {
    let (shipped, _, _) = try listen(seed: 3)
    let (two, _, _) = try listen(seed: 3, network: networkOfTwoViews(channels: 8))
    let (three, _, _) = try listen(seed: 3, network: networkOfTwoViews(channels: 12))
    #expect(!two.isEmpty && two.map(\.pick) != shipped.map(\.pick), "the third view counts")
    #expect(two.map(\.pick) == three.map(\.pick))
    #expect(two.map(\.told) == three.map(\.told))
  }

  /// Ground that is quieter than a count: zeros, now and then a one, and the monitor calls the lanes
  /// dead. `parts`: of the stream's counts make one of the converter's.
  @Test(arguments: [2e4, 3e4]) func quietGroundsEventsAreTold(parts: Double) throws {
    var noise = 0
    var still = Lanes.zero
    var before = Lanes.zero
    let (picks, p, _) = try listen { index, sample in
      var sample = sample
      for lane in 0..<3 { sample.counts[lane] = (sample.counts[lane] / parts).rounded() }
      still = (still + 1).replacing(with: 0, where: sample.counts .!= before)
      before = sample.counts
      for lane in 0..<3 where still[lane] > 100 { sample.flags.dead.insert(lane: lane) }
      if index < 2900, sample.counts[0] != 0 { noise += 1 }
      return sample
    }
    #expect(noise < 1450, "half of the noise is zero")
    let near = picks.filter { ($0.pick.time - p).magnitude < 500_000_000 && $0.pick.phase == .p }
    #expect(near.contains { $0.pick.status == .confirmed })
  }

  @Test func clippingLowersTheQuality() throws {
    let (picks, p, _) = try listen { _, sample in
      var sample = sample
      if sample.number >= 3000 { sample.flags.clipped = 0b001 }
      return sample
    }
    let near = picks.filter { ($0.pick.time - p).magnitude < 500_000_000 && $0.pick.phase == .p }
    #expect(!near.isEmpty && near.allSatisfy { $0.pick.quality.rawValue >= PickQuality.c.rawValue })
  }

  @Test func theVerticalAloneIsEnough() throws {
    let (picks, p, _) = try listen(lanes: 0b001)
    #expect(
      picks.contains {
        $0.pick.status == .confirmed && ($0.pick.time - p).magnitude < 500_000_000
      })
  }

  @Test func nothingIsToldInTheFirstFiveSeconds() throws {
    let (picks, _, _) = try listen(
      settings: {
        var eager = NetworkPickerSettings()
        (eager.announceProbability, eager.announceUnseenProbability) = (0.01, 0)
        return eager
      }())
    #expect(picks.allSatisfy { $0.pick.time - SyntheticStream.start >= 4_900_000_000 })
  }

  /// A gap right after an announcement disproves nothing: it is confirmed as it stands.
  @Test func aGapAfterAnAnnouncement() throws {
    var isCut = false
    let whole = try listen()
    let announced = try #require(
      whole.picks.first {
        $0.pick.status == .provisional && ($0.pick.time - whole.p).magnitude < 500_000_000
      })
    let last = Int((announced.told - SyntheticStream.start) / 10_000_000) + 10
    let (picks, _, _) = try listen { index, sample in
      if (last..<(last + 500)).contains(index) { return nil }
      var sample = sample
      if index >= last + 500 && !isCut {
        isCut = true
        sample.isRestart = true
      }
      return sample
    }
    let same = picks.filter { $0.pick.id == announced.pick.id }
    #expect(same.map(\.pick.status) == [.provisional, .confirmed])
    #expect(same.last?.pick.time == announced.pick.time)
  }

  @Test func theSelfTestPassesAndSeesAWrongKernel() {
    let model = PickerNetwork.standard.model
    #expect(NetworkSelfTest.passes(model.plan, KernelVariant.select().variant))
    var functions = KernelVariant.scalar.functions
    functions.codes_to_codes = { call in
      KernelVariant.scalar.functions.codes_to_codes(call)
      call!.pointee.output.storeBytes(of: 1, as: UInt8.self)
    }
    #expect(!NetworkSelfTest.passes(model.plan, KernelVariant(name: "wrong", functions: functions)))
  }

  @Test func otherNetworksAreNoPickers() throws {
    let folder = FeatureExtractorTests.folder.deletingLastPathComponent()
      .appendingPathComponent("networks")
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      .filter { $0.hasSuffix(".onet") }
    #expect(files.count >= 9)
    for file in files {
      let bytes = try NetworkBytes(path: folder.appendingPathComponent(file).path)
      do throws(NetworkError) {
        _ = try PickerModel(bytes.raw)
        Issue.record("\(file) is taken for a picker")
      } catch {
        #expect(error.description.string.hasPrefix("not a picker: "), "\(file)")
      }
    }
  }

  @Test func oneStepAllocatesNothing() throws {
    let model = PickerNetwork.standard.model
    var arena = try pickerArena(model)
    var picker = Picker(
      PickerSettings(), presentLanes: 0b111,
      network: NetworkPicker.make(
        model, kernels: KernelVariant.select().variant, settings: NetworkPickerSettings(),
        presentLanes: 0b111, arena: &arena))
    var stream = SyntheticStream(seed: 3)
    func run(_ count: Int) {
      for _ in 0..<count {
        let time = SyntheticStream.seconds(SyntheticStream.time(stream.number))
        let wave = waveTrain(time, onset: 20, hertz: 6, lasting: 8, amplitude: 5000)
        picker.step(stream.next(SIMD4(wave, wave / 2, wave / 3, 0)))
        while picker.next() != nil {}
      }
    }
    run(1000)
    #expect(allocation_guard_is_active() == 1)
    allocation_guard_begin()
    run(4000)
    let count = allocation_guard_end()
    #expect(count.allocations == 0 && count.releases == 0, "\(count)")
  }
}
