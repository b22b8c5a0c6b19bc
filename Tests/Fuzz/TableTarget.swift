// table: comma-separated values, and the picks in them.
//
// Promised of every text: it is refused in a sentence, or all of its rows have as many fields as
// there are columns, and written with every field in quotes it says the same again.

import Core
import Tools

struct TableTarget: Target {
  let corpus: [[UInt8]] = [
    "file,phase,time_s,probability\na.mseed,P,12.5,0.9\na.mseed,S,14,0.4\nb.mseed,P,3,\n",
    "file,time_s,phase\r\n\"a,b.mseed\",1e2,S\r\n\"say \"\"x\"\"\",-3,P\r\n",
    "phase,file,time_s\n\nP,\"two\nlines\",0.1",
  ].map { Array($0.utf8) }
  let dialect = Dialect(
    tokens: ["\"", "\"\"", ",", "\n", "\r\n", "\",\"", "P", "S", "nan", "1e400", "time_s", "é"].map
    {
      Array($0.utf8)
    }, maximumByteCount: 1024)

  mutating func finish(_ bytes: inout [UInt8], _ random: inout RandomGenerator) {}

  mutating func test(_ bytes: UnsafeBufferPointer<UInt8>, iteration: Int) throws -> Bool {
    let table: CommaSeparated
    do { table = try CommaSeparated(String(decoding: bytes, as: UTF8.self)) } catch let error
      as ToolError
    {
      try require(!error.description.isEmpty, "a refusal without a sentence")
      return false
    }
    try require(
      table.rows.allSatisfy { $0.count == table.columns.count }, "a row of another length")
    let text =
      ([table.columns] + table.rows).map { row in
        row.map {
          "\""
            + $0.split(separator: "\"", omittingEmptySubsequences: false)
            .joined(separator: "\"\"") + "\""
        }.joined(separator: ",")
      }.joined(separator: "\n") + "\n"
    let again = try CommaSeparated(text)
    // A row of one empty field looks like no row at all.
    let isAmbiguous = table.columns.count == 1
    try require(
      isAmbiguous || (again.columns == table.columns && again.rows == table.rows),
      "written and read again it is another table")
    do { _ = try EvaluationIndex.picks(table) } catch let error as ToolError {
      try require(!error.description.isEmpty, "a refusal without a sentence")
    }
    return true
  }
}
