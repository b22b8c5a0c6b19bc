// onset-fuzz: damaged inputs, from a seed, into everything that reads what others wrote.
//
//   config     board, station and calibration files
//   datagram   what comes from the network, and files of it
//   collector  what comes to the other end of it
//   mseed      records of ground motion, and the replay of what was read
//   onet       network files, and the running of what was accepted
//   table      comma-separated values, and the picks in them
//   response   StationXML and RESP, and the instrument files that are made of them
//   import     descriptions and arrays of networks, and the quantizing of what was accepted
//   clock      what happens to a sample clock: pulses, steps, leap seconds, gaps
//   input      datagrams of a Shake, and the serial line of an AnyShake Explorer
//   station    what happens to a station, from frames to the line of its relay
//   visit      reports of a visit, files of answers, drafts
//   stored     the files of the state directory, and a start with them
//
// Built with the sanitizers (see the Makefile). One closing line for each target and exit status 0,
// or the offending input in a file, its name, and another status.

import Foundation
import Tools

let usage = """
  onset-fuzz TARGET|all [--iterations N] [--seed S]
  onset-fuzz TARGET --input FILE                     one input again, unchanged
  TARGET: config, datagram, collector, room, mseed, table, response, onet, import, clock, input,
  visit, station or stored
  "all" divides N by 8 for collector and room, by 32 for table, onet, import, clock, input,
  visit and stored, whose inputs are dearer, by 128 for response, and by 2048 for station
  """

func run(_ arguments: [String]) throws {
  let parsed = try CommandLineArguments(
    arguments,
    options: [
      CommandOption("--iterations", value: "N", in: .whole(1...1_000_000_000_000), "How many."),
      CommandOption("--seed", value: "S", in: .whole(0...1_000_000_000_000_000), "Of all chance."),
      CommandOption("--input", value: "FILE", "One input instead."),
    ])
  let known = [
    "config", "datagram", "collector", "room", "mseed", "table", "response", "onet", "import",
    "clock", "input", "visit", "station", "stored",
  ]
  guard parsed.rest.count == 1, known.contains(parsed.rest[0]) || parsed.rest[0] == "all" else {
    throw ToolError("which inputs?\n" + usage)
  }
  let iterations = try parsed.wholeNumber("--iterations") ?? 100_000
  let seed = UInt64(try parsed.wholeNumber("--seed") ?? 1)
  let isAll = parsed.rest[0] == "all"
  for name in isAll ? known : parsed.rest {
    let campaign = Campaign(name: name, seed: seed)
    let input = try parsed.values["--input"].map { path in
      guard let data = FileManager.default.contents(atPath: path) else {
        throw ToolError("\(path): cannot be read")
      }
      return [UInt8](data)
    }
    switch name {
    case "config":
      var target = try ConfigurationTarget()
      try campaign.run(&target, iterations: iterations, input: input)
    case "datagram":
      var target = try DatagramTarget()
      try campaign.run(&target, iterations: iterations, input: input)
    case "collector":
      var target = try CollectorTarget()
      try campaign.run(&target, iterations: isAll ? iterations / 8 : iterations, input: input)
    case "room":
      var target = try RoomTarget()
      try campaign.run(&target, iterations: isAll ? iterations / 8 : iterations, input: input)
    case "mseed":
      var target = try MiniSeedTarget()
      try campaign.run(&target, iterations: iterations, input: input)
    case "table":
      var target = TableTarget()
      try campaign.run(&target, iterations: isAll ? iterations / 32 : iterations, input: input)
    case "response":
      var target = ResponseTarget()
      try campaign.run(&target, iterations: isAll ? iterations / 128 : iterations, input: input)
    case "onet":
      var target = try NetworkTarget()
      try campaign.run(&target, iterations: isAll ? iterations / 32 : iterations, input: input)
    case "station":
      var target = StationTarget()
      try campaign.run(&target, iterations: isAll ? iterations / 2048 : iterations, input: input)
    case "stored":
      var target = try StoredTarget()
      try campaign.run(&target, iterations: isAll ? iterations / 32 : iterations, input: input)
    case "visit":
      var target = try VisitTarget()
      try campaign.run(&target, iterations: isAll ? iterations / 32 : iterations, input: input)
    case "input":
      var target = InputTarget()
      try campaign.run(&target, iterations: isAll ? iterations / 32 : iterations, input: input)
    case "clock":
      var target = ClockTarget()
      try campaign.run(&target, iterations: isAll ? iterations / 32 : iterations, input: input)
    default:
      var target = try ImportTarget()
      try campaign.run(&target, iterations: isAll ? iterations / 32 : iterations, input: input)
    }
  }
}

do {
  try run(Array(CommandLine.arguments.dropFirst()))
} catch {
  FileHandle.standardError.write(Data("onset-fuzz: \(error)\n".utf8))
  exit(1)
}
