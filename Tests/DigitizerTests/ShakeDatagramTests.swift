import Core
import Digitizer
import Testing

@Suite struct ShakeDatagramTests {
  private func read(_ text: String) -> (name: UInt32, time: Int64, samples: [Int32])? {
    let bytes = Array(text.utf8)
    var buffer = [Int32](repeating: 0, count: ShakeDatagram.sampleMaximum)
    return bytes.withUnsafeBufferPointer { bytes in
      buffer.withUnsafeMutableBufferPointer { buffer in
        ShakeDatagram(bytes, samples: buffer).map {
          ($0.name, $0.time.nanoseconds, Array($0.samples))
        }
      }
    }
  }

  private func name(_ text: String) -> UInt32 { text.utf8.reduce(0) { $0 << 8 | UInt32($1) } }

  @Test func whatACastSends() throws {
    let first = try #require(read("{'EHZ', 1582315130.292, 14168, -14927, 0}"))
    #expect(first.name == name("EHZ") && first.time == 1_582_315_130_292_000_000)
    #expect(first.samples == [14168, -14927, 0])
    // Other spellings of the same.
    for text in [
      "{\"EHZ\",1582315130.292000000,14168,-14927,0}",
      " { 'EHZ' ,1582315130.292 ,14168, -14927,0 }\n",
    ] {
      let same = try #require(read(text), "\(text)")
      #expect(same.time == first.time && same.samples == first.samples)
    }
    let edges = try #require(read("{'HDF', 0, 2147483647, -2147483648, -0}"))
    #expect(edges.time == 0 && edges.samples == [.max, .min, 0])
    #expect(read("{'E1', 8600000000.999999999, 1}")?.time == 8_600_000_000_999_999_999)
  }

  @Test(arguments: [
    "", "{", "{}", "{'EHZ'}", "{'EHZ', 1.0}", "{'EHZ', 1.0,}", "{'EHZ', 1.0, 1", "{'EHZ', 1.0, 1}}",
    "{'EHZ', 1.0, 1} x", "{'EHZ\", 1.0, 1}", "{EHZ, 1.0, 1}", "{'', 1.0, 1}", "{'EHZZZ', 1.0, 1}",
    "{'ehz', 1.0, 1}", "{'EHZ', -1.0, 1}", "{'EHZ', 1., 1}", "{'EHZ', .5, 1}", "{'EHZ', 1e9, 1}",
    "{'EHZ', nan, 1}", "{'EHZ', 8600000001, 1}", "{'EHZ', 1.0000000001, 1}", "{'EHZ', 1.0, 1.5}",
    "{'EHZ', 1.0, 2147483648}", "{'EHZ', 1.0, -2147483649}", "{'EHZ', 1.0, 99999999999}",
    "{'EHZ', 1.0, +1}", "{'EHZ', 1.0, - 1}", "{'EHZ', 1.0, 1 2}", "{'EHZ', 1.0, 0x1}", "TERM",
  ])
  func whatIsNoneIsRefused(_ text: String) { #expect(read(text) == nil) }

  @Test func tooManySamplesAreRefused() {
    func samples(_ count: Int) -> String {
      "{'EHZ', 1.0, " + Array(repeating: "7", count: count).joined(separator: ",") + "}"
    }
    #expect(
      read(samples(ShakeDatagram.sampleMaximum))?.samples.count == ShakeDatagram.sampleMaximum)
    #expect(read(samples(ShakeDatagram.sampleMaximum + 1)) == nil)
    #expect(
      read("{'EHZ', 1.0, 7" + String(repeating: " ", count: ShakeDatagram.byteMaximum) + "}") == nil
    )
  }
}
