// onset fleet: many stations, as their collector tells of them, and reached through it.

import Core
import Foundation
import Tools

func fleet(_ parsed: CommandLineArguments) throws {
  guard (1...2).contains(parsed.rest.count) else {
    throw UsageError("fleet needs the URL of a collector's --http, and one STATION at most")
  }
  let room = try FleetRoom(parsed.rest[0], tokenPath: parsed.values["--look-token"])
  let order = try fleetOrder(parsed)
  let forms = [
    parsed.rest.count == 2 ? "STATION" : nil,
    parsed.flags.contains("--events") ? "--events" : nil,
    parsed.flags.contains("--origins") ? "--origins" : nil,
    order == nil ? nil : parsed.values["--network"] == nil ? "--command" : "--network",
  ].compactMap { $0 }
  guard forms.count < 2 else {
    throw UsageError("\(forms[0]) and \(forms[1]) say different things: leave one out")
  }
  if let order {
    try fleetWaves(parsed, room, order)
  } else if parsed.rest.count == 2 {
    try allow(["--look-token", "--silent", "--json"], parsed, with: "STATION")
    let page = try room.page(of: parsed.rest[1], silentSeconds: try silentSeconds(parsed))
    print(parsed.flags.contains("--json") ? page.json : page.text)
    if page.hasBad { exit(1) }
  } else if parsed.flags.contains("--events") {
    try newest("--events", parsed) { choice in
      try room.events().filter { choice?.chooses($0.station) ?? true }.map { ($0.line, $0.json) }
    }
  } else if parsed.flags.contains("--origins") {
    try newest("--origins", parsed) { choice in
      try room.origins().filter { origin in
        choice.map { origin.stations.contains(where: $0.chooses) } ?? true
      }.map { ($0.line, $0.json) }
    }
  } else {
    try fleetList(parsed, room)
  }
}

private func silentSeconds(_ parsed: CommandLineArguments) throws -> Double {
  try parsed.number("--silent") ?? FleetOverview.silentSecondsUsual
}

/// An option that would do nothing was meant to do something.
private func allow(
  _ names: Set<String>, _ parsed: CommandLineArguments, with form: String
) throws {
  let given = Set(parsed.values.keys).union(parsed.flags)
  if let other = given.subtracting(names).min() {
    throw UsageError("\(other) says nothing beside \(form): leave it out")
  }
}

private func newest(
  _ form: String, _ parsed: CommandLineArguments,
  _ list: (FleetChoice?) throws -> [(line: String, json: String)]
) throws {
  try allow(["--look-token", form, "--json", "--stations"], parsed, with: form)
  let choice = try parsed.values["--stations"].map { try FleetChoice($0) }
  let isJson = parsed.flags.contains("--json")
  var output = Output()
  for one in try list(choice) { output.line(isJson ? one.json : one.line) }
  output.flush()
}

private func fleetList(_ parsed: CommandLineArguments, _ room: FleetRoom) throws {
  try allow(
    ["--look-token", "--silent", "--json", "--stations", "--wrong"], parsed,
    with: "a list of stations")
  var overview = FleetOverview(try room.list(), silentSeconds: try silentSeconds(parsed))
  if let text = parsed.values["--stations"] { try overview.keep(FleetChoice(text)) }
  let isJson = parsed.flags.contains("--json")
  var output = Output()
  let troubles = try room.troubles()
  for trouble in troubles { output.line(isJson ? trouble.json : trouble.line) }
  for row in overview.rows where row.isWrong || !parsed.flags.contains("--wrong") {
    output.line(isJson ? row.json : overview.line(row))
  }
  if !isJson { output.line(overview.summary) }
  output.flush()
  if overview.hasBad || !troubles.isEmpty { exit(1) }
}

/// nil where nothing is to be given.
private func fleetOrder(_ parsed: CommandLineArguments) throws -> FleetOrder? {
  let (command, network) = (parsed.values["--command"], parsed.values["--network"])
  guard command == nil || network == nil else {
    throw UsageError("--command and --network say different things: leave one out")
  }
  if let network {
    guard parsed.values["--value"] == nil else {
      throw UsageError("--value says nothing beside --network: --shadow says for how long")
    }
    return try FleetOrder(
      networkPath: network, shadowSeconds: try parsed.wholeNumber("--shadow"))
  }
  guard let command else { return nil }
  guard parsed.values["--shadow"] == nil else {
    throw UsageError("--shadow says nothing beside --command: leave it out")
  }
  return try FleetOrder(parameter: command, value: parsed.values["--value"])
}

private func fleetWaves(
  _ parsed: CommandLineArguments, _ room: FleetRoom, _ order: FleetOrder
) throws {
  let needed = ["--stations", "--via", "--key", "--public", "--audit"]
  let missing = needed.filter { parsed.values[$0] == nil }
  guard missing.isEmpty else {
    throw UsageError(
      "to give \(order.words) to stations takes \(missing.joined(separator: ", ")) as well")
  }
  guard !parsed.flags.contains("--wrong") else {
    throw UsageError("--wrong says nothing beside --command and --network: leave it out")
  }
  let choice = try FleetChoice(parsed.values["--stations"]!)
  var settings = FleetWaveSettings()
  settings.waveMaximum = try parsed.wholeNumber("--wave")
  settings.patienceSeconds = try parsed.number("--patience") ?? settings.patienceSeconds
  settings.silentSeconds = try silentSeconds(parsed)
  let key = parsed.values["--key"]!
  settings.operatorName = URL(fileURLWithPath: key).lastPathComponent
  let link = try FleetLink(
    room, order, via: parsed.values["--via"]!, keyPath: key, folder: parsed.values["--public"]!,
    progress: StandardError.note)
  settings.operatorKey = link.operatorKey
  let list = try room.list()
  try link.demandKeys(of: choice, in: list)
  let audit = try FleetAudit(parsed.values["--audit"]!)
  let isJson = parsed.flags.contains("--json")
  var output = Output()
  var waves = FleetWaves(order, settings, link, list, audit) { record in
    guard let line = isJson ? record.json : record.line else { return }
    output.line(line)
    output.flush()
  }
  if try !waves.run(choice, resumes: parsed.flags.contains("--resume")) { exit(1) }
}
