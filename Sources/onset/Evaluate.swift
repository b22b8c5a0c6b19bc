// onset evaluate: pickers judged on records.

import Core
import Foundation
import Picker
import Tools

func evaluate(_ parsed: CommandLineArguments) throws {
  if !["--impostors", "--trial", "--dump"].allSatisfy({ parsed.values[$0] == nil })
    || (parsed.values["--strong-motion"] != nil && parsed.values["--synthetic"] != nil)
  {
    try evaluateImpostors(parsed)
    return
  }
  guard parsed.values["--site"] == nil else { throw ToolError("--site stands beside --impostors") }
  if let path = parsed.values["--strong-motion"] {
    try evaluateStrongMotion(path, parsed)
    return
  }
  if parsed.values["--synthetic"] != nil || parsed.values["--quiet-days"] != nil {
    try evaluateSynthetic(parsed)
    return
  }
  guard parsed.rest.count == 1 else { throw ToolError("evaluate needs one INDEX.csv") }
  func list(_ name: String) -> [String]? {
    parsed.values[name].map { $0.split(separator: ",").map(String.init) }
  }
  var options = EvaluationOptions()
  options.pickers = list("--pickers") ?? options.pickers
  options.isVerticalAlone = parsed.flags.contains("--vertical")
  if let path = parsed.values["--teachers"] { options.teachers = try EvaluationIndex.picks(path) }
  if let path = parsed.values["--agreed"] { options.agreed = try EvaluationIndex.picks(path) }
  options.noiseCounts = try parsed.number("--noise-counts")
  options.rateMillihertz = try parsed.number("--rate").map { Int($0 * 1000) }
  let decibels = try parsed.number("--snr")
  let seed = try parsed.wholeNumber("--seed") ?? 1
  if let paths = list("--noise") {
    guard let decibels else { throw ToolError("--noise needs --snr, in decibels, beside it") }
    options.degradation = Degradation(
      noisePaths: paths, decibels: decibels, seed: UInt64(seed))
  } else if decibels != nil {
    throw ToolError("--snr needs --noise FILE.mseed beside it")
  }
  var network = options.replay.picker.network
  for (name, field) in [
    ("--announce", \.announceProbability), ("--confirm", \.confirmProbability),
    ("--shear", \.shearProbability), ("--event", \.eventProbability),
    ("--unseen", \.unseenProbability), ("--announce-unseen", \.announceUnseenProbability),
  ] as [(String, WritableKeyPath<NetworkPickerSettings, Double>)] {
    if let value = try parsed.number(name) { network[keyPath: field] = value }
  }
  options.replay.picker.network = network
  var evaluation = try Evaluation(options)
  let sources = list("--sources")
  let records = try EvaluationIndex.read(parsed.rest[0], split: parsed.values["--split"])
    .filter { sources?.contains($0.source) ?? true }
  try tell(of: records.count) { complain in
    try evaluation.run(
      records, complain: complain, remark: remark, progress: StandardError.note)
    return parsed.flags.contains("--json") ? evaluation.json : evaluation.table
  }
}

/// What was read of a record in part.
private func remark(_ sentence: String) { say("onset: \(sentence)") }

/// Prints what a judgement says; a record that it could not read is named, and counted in the end.
private func tell(
  of count: Int, _ judgement: (_ complain: (String) -> Void) throws -> String
) throws {
  var refused = Refused()
  print(try judgement { refused.say($0) })
  try refused.throwIfAny(of: count, "records")
}

/// The network of `--pickers`, which is one here; thresholds, relations and alarm of `--station`.
private func trialOptions(_ parsed: CommandLineArguments) throws -> ReplayOptions {
  var options = ReplayOptions()
  if let path = parsed.values["--station"] {
    let station = try ReplayStation(path)
    (options.picker, options.alarm) = (station.file.picker, station.file.alarm)
    options.relations = station.relations
  }
  options.estimatorNetwork = try estimatorNetwork(parsed)
  switch parsed.values["--pickers"] {
  case nil, "onset": break
  case "sta-lta": options.network = nil
  case let path?: options.network = try PickerNetwork(path: path)
  }
  return options
}

private func evaluateSynthetic(_ parsed: CommandLineArguments) throws {
  guard parsed.rest.isEmpty else {
    throw ToolError("synthetic records need no INDEX.csv: leave \(parsed.rest[0]) out")
  }
  let trials = SyntheticTrials(try trialOptions(parsed))
  let seed = UInt64(try parsed.wholeNumber("--seed") ?? 1)
  if let count = try parsed.wholeNumber("--synthetic") {
    print(try trials.earthquakes(count, seed: seed, progress: StandardError.note).text)
  }
  if let days = try parsed.number("--quiet-days") {
    print(try trials.quiet(days: days, seed: seed, progress: StandardError.note).text)
  }
}

/// What was expected against what came.
private func evaluateStrongMotion(_ index: String, _ parsed: CommandLineArguments) throws {
  guard parsed.rest.isEmpty else {
    throw ToolError("--strong-motion names the INDEX.csv: leave \(parsed.rest[0]) out")
  }
  var evaluation = StrongMotion(try trialOptions(parsed))
  let records = try EvaluationIndex.shaking(index, split: parsed.values["--split"])
  try tell(of: records.count) { complain in
    try evaluation.run(
      records, complain: complain, remark: remark, progress: StandardError.note)
    return parsed.flags.contains("--json") ? evaluation.json : evaluation.table
  }
}

/// What is no earthquake, and beside it what is one.
private func evaluateImpostors(_ parsed: CommandLineArguments) throws {
  guard parsed.rest.isEmpty else {
    throw ToolError("impostors need no INDEX.csv: leave \(parsed.rest[0]) out")
  }
  guard parsed.values["--quiet-days"] == nil else {
    throw ToolError("--quiet-days has a line of its own: leave it out beside the table")
  }
  let options = try trialOptions(parsed)
  let seed = UInt64(try parsed.wholeNumber("--seed") ?? 1)
  let share = try parsed.number("--site")
  let isJson = parsed.flags.contains("--json")
  if let index = try parsed.wholeNumber("--trial") {
    let told = try ImpostorTrials(options, otherShare: share).tell(index, seed: seed)
    print(isJson ? told.json : told.text)
    if let path = parsed.values["--dump"] {
      try told.accelerations.write(to: URL(fileURLWithPath: path))
    }
    return
  }
  guard parsed.values["--dump"] == nil else { throw ToolError("--dump needs --trial K beside it") }
  var report = ImpostorReport()
  var refused = Refused()
  var recordCount = 0
  if let count = try parsed.wholeNumber("--impostors") {
    report = try ImpostorTrials(options, otherShare: share)
      .report(count, seed: seed, progress: StandardError.note)
  }
  if let count = try parsed.wholeNumber("--synthetic") {
    let outcome = try SyntheticTrials(options).earthquakes(
      count, seed: seed, progress: StandardError.note)
    report.earthquakes.append(EarthquakeRow(outcome))
  }
  if let index = parsed.values["--strong-motion"] {
    var evaluation = StrongMotion(options)
    let records = try EvaluationIndex.shaking(index, split: parsed.values["--split"])
    recordCount = records.count
    try evaluation.run(
      records, complain: { refused.say($0) }, remark: remark,
      progress: StandardError.note)
    report.earthquakes += evaluation.rows
  }
  print(isJson ? report.json : report.table)
  try refused.throwIfAny(of: recordCount, "records")
}
