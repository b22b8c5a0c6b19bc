// RecordFiles: miniSEED files by name. A file that cannot be read is named in its error, so that
// whoever reads many can say which it was and go on with the rest.
//
//     let (instruments, report) = try RecordFiles.read(paths) { print($0) }

import Foundation

/// Told after each piece of long work: how many are done, of how many.
public typealias ProgressTold = (_ done: Int, _ all: Int) -> Void

public enum RecordFiles {
  /// One file by itself.
  public static func read(
    _ path: String
  ) throws -> (instruments: [InstrumentRecord], report: MiniSeedReport) {
    let data = try data(path)
    do { return try MiniSeed.read([data]) } catch { throw ToolError("\(path): \(error)") }
  }

  /// All files together, because an instrument's components may lie in several. `refuse` gets a
  /// sentence for each file that gives nothing.
  public static func read(
    _ paths: [String], refuse: (String) -> Void
  ) throws -> (instruments: [InstrumentRecord], report: MiniSeedReport) {
    if paths.count == 1 { return try read(paths[0]) }
    var files: [(path: String, data: Data)] = []
    for path in paths {
      do { files.append((path, try data(path))) } catch { refuse("\(error)") }
    }
    let together = try? MiniSeed.read(files.map(\.data))
    if let together, together.report.isWhole, !files.contains(where: \.data.isEmpty) {
      return together
    }
    // Something is wrong somewhere, and each by itself tells where.
    files = files.filter { file in
      do {
        _ = try MiniSeed.read([file.data])
        return true
      } catch {
        refuse("\(file.path): \(error)")
        return false
      }
    }
    guard !files.isEmpty else { throw ToolError("none of \(paths.count) files can be read") }
    return try MiniSeed.read(files.map(\.data))
  }

  private static func data(_ path: String) throws -> Data {
    do { return try Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe) } catch {
      throw ToolError("\(path): cannot be read")
    }
  }

  /// Each record's first instrument, in order; `complain` gets a sentence for each that cannot be
  /// read, `remark` what is lost of the others.
  static func forEach<Record>(
    _ records: [Record], _ path: (Record) -> String, progress: ProgressTold,
    complain: (String) -> Void, remark: (String) -> Void,
    _ body: (Record, InstrumentRecord) throws -> Void
  ) throws {
    for (number, record) in records.enumerated() {
      var instrument: InstrumentRecord?
      do {
        let (instruments, report) = try read(path(record))
        instrument = instruments.first
        for loss in report.losses { remark("\(path(record)): \(loss)") }
        if instruments.count > 1 {
          remark("\(path(record)): has \(instruments.count) instruments; the first is judged")
        }
      } catch { complain("\(error)") }
      if let instrument { try body(record, instrument) }
      progress(number + 1, records.count)
    }
  }
}

extension MiniSeedReport {
  /// Everything in the files was a record that can be used.
  fileprivate var isWhole: Bool {
    foreignBytes == 0 && undecodable == 0 && otherRate == 0 && unknownChannels.isEmpty
      && unusableInstruments.isEmpty
  }
}
