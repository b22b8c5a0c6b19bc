// StationText: a station file for a new station, with what has been answered and nothing that has a
// default.
//
//     let text = StationText(answers, models: "/usr/share/onset/models", state: …).text

struct StationText {
  let answers: SetupAnswers
  let models: String
  let state: String

  var text: String {
    let sensors = zip(["vertical", "north", "east"], answers.sensors).map { lane, path in
      "\(lane)_calibration = \"\(path)\""
    }
    var lines = [
      "# Written by onset setup. Every key with unit, range and default: onset keys station.", "",
      "[station]", "format = 1", "code = \"\(answers.code)\"",
    ]
    if let place = answers.place {
      lines += [
        "", "[site]", "latitude_degrees = \(place.latitude)",
        "longitude_degrees = \(place.longitude)",
        "elevation_metres = \(place.elevation)",
      ]
    }
    if !sensors.isEmpty { lines += ["", "[sensor]"] + sensors }
    lines += [
      "", "[picker]", "network = \"\(models)/onset-picker.onet\"",
      "", "[estimator]", "network = \"\(models)/onset-estimator.onet\"",
      "", "[uplink]",
      "# Where \(Setup.usualLimits) is there, it has this address too.",
      "host = \"\(answers.upstream.host)\"", "port = \(answers.upstream.port)",
      "listen_port = 6465", "key_file = \"station.key\"",
    ]
    if !answers.operators.isEmpty { lines += ["", "[operators]"] + answers.operators }
    lines += ["", "[state]", "directory = \"\(state)\"", ""]
    return lines.joined(separator: "\n")
  }
}
