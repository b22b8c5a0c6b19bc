// The description of `onset calibration import`.

extension CommandTable {
  static let calibrationImport = CommandDescription(
    "calibration import", .run, "instrument files from a station's StationXML or RESP",
    forms: ["FILE"],
    options: [
      CommandOption(
        "--station", value: "NET.STA.LOC.CHA", default: "all of the file",
        "Which channels, where the file has several instruments; with * and ? as a shell has them "
          + "for files, and the beginning is enough."),
      CommandOption(
        "--time", value: "TIME", default: "any, where there is one epoch",
        "Which epoch, as 2026-11-30 or 2026-11-30T12:00:00."),
      CommandOption(
        "--folder", value: "FOLDER", default: ".",
        "Where NET.STA.LOC.CHA.toml is written, one for each component."),
    ],
    example: "onset calibration import --station 'AM.R1234.00.EH?' station.xml",
    notes: """
      A file of a Raspberry Shake is StationXML. Stages become counts per unit and the one corner that
      a station knows; all components get that of the vertical. What the file says and an instrument
      file cannot say is told, and by how much the station errs for it, from 0.1 to 20 Hz. A file
      that exists is left alone.
      """)
}
