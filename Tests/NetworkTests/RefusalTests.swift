// One broken rule at a time, and the sentence that names it.

import Core
import Kernels
import Network
import Testing
import Tools

/// What breaks a rule.
private struct Break {
  let what: String
  let edit: (inout DamagedFile) -> Void

  init(_ what: String, _ edit: @escaping (inout DamagedFile) -> Void) {
    self.what = what
    self.edit = edit
  }

  static func u8(_ field: Field, _ value: UInt8) -> Break {
    Break("\(field) = \(value)") { $0.set(field, value) }
  }
  static func u16(_ field: Field, _ value: UInt16) -> Break {
    Break("\(field) = \(value)") { $0.set(field, value) }
  }
  static func u32(_ field: Field, _ value: UInt32) -> Break {
    Break("\(field) = \(value)") { $0.set(field, value) }
  }
  static func float(_ field: Field, _ value: Float) -> Break {
    Break("\(field) = \(value)") { $0.set(field, value) }
  }
  func and(_ other: Break) -> Break {
    Break("\(what), \(other.what)") {
      edit(&$0)
      other.edit(&$0)
    }
  }
}

private func expect(
  _ sentence: String, _ breaks: [Break], sourceLocation: SourceLocation = #_sourceLocation
) {
  for broken in breaks {
    var file = DamagedFile()
    broken.edit(&file)
    let found = file.refusal()?.description.string
    #expect(found == sentence, "\(broken.what)", sourceLocation: sourceLocation)
  }
}

@Suite struct RefusalTests {
  @Test func theFileIsSoundAsItIs() throws {
    #expect(DamagedFile().refusal(isMended: false) == nil)
    let engine = try Engine(NetworkBytes(DamagedFile.sound), maximumRows: 40)
    let rows = randomRows(40, of: engine.plan.buffers[0], seed: 1)
    let reference = Reference(
      DamagedFile.draft,
      input: (0..<160).map {
        Int(Int16(bitPattern: UInt16(rows[2 * $0]) | UInt16(rows[2 * $0 + 1]) << 8))
      }, isWindow: true)
    let found = engine.window(rows, chunk: 7)
    #expect(found == engine.outputs.map { reference.bytes(ofBuffer: $0, DamagedFile.draft) })
  }

  // MARK: The header

  @Test func header() {
    expect("not a network file: it does not begin with ONET", [.u8(.header(0), 0x6F)])
    expect(
      "written in another version of the format; this program reads version 1",
      [.u16(.header(4), 0), .u16(.header(4), 2)])
    expect(
      "a reserved byte of the header is not zero",
      [6, 7, 65, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79].map { .u8(.header($0), 1) })
    expect(
      "the name must be 1 to 32 printable characters",
      [.u8(.header(16), 0), .u8(.header(17), 0x1F), .u8(.header(17), 0x7F), .u8(.header(40), 65)])
    expect(
      "the components must be 1 to 4 letters such as ENZ",
      [.u8(.header(60), 0), .u8(.header(61), 200), .u16(.header(60), 0)])
    expect(
      "the normalization must be 0 (the caller's) or 1 (of each window)",
      [.u8(.header(64), 2), .u8(.header(64), 255)])
    expect(
      "a network has 2 to 64 buffers",
      [0, 1, 65, .max].map { .u16(.header(66), $0) })
    expect("a network has 1 to 64 layers", [0, 65, .max].map { .u16(.header(68), $0) })
    expect(
      "the sample rate must be 1000 to 1000000 millihertz",
      [0, 999, 1_000_001, .max].map { .u32(.header(48), $0) })
    expect(
      "the window must be 0 to 65536 rows", [65_537, .max].map { .u32(.header(52), $0) })
    expect(
      "the input unit must be a number above zero",
      [0, -1, .nan, .infinity].map { .float(.header(56), $0) })
  }

  @Test func edgesThatAreAllowed() {
    for allowed: Break in [
      .u32(.header(48), 1000), .u32(.header(48), 1_000_000), .u32(.header(52), 65_536),
      .u8(.header(64), 1), .u8(.header(63), 0x41), .u8(.buffer(1, 7), 127),
      .u16(.layer(4, 24), 7), .u16(.layer(2, 22), 4), .u16(.layer(2, 28), 16),
      .float(.layer(2, 32), -1024), .float(.header(56), .leastNonzeroMagnitude),
    ] {
      var file = DamagedFile()
      allowed.edit(&file)
      #expect(file.refusal() == nil, "\(allowed.what)")
    }
  }

  @Test func checksum() {
    // Everything from byte 16 on is covered, and the checksum itself.
    for place in Array(12..<DamagedFile.sound.count) {
      var file = DamagedFile()
      file.bytes[place] ^= 1 << UInt8(place % 8)
      let found = file.refusal(isMended: false)
      #expect(found != nil, "byte \(place)")
      if place < 16 || place >= DamagedFile.recordsEnd {
        #expect(
          found?.description.string == "the checksum is wrong: the file is damaged",
          "byte \(place)")
      }
    }
  }

  // MARK: Lengths

  @Test func cutOffAnywhere() {
    for count in 0..<DamagedFile.sound.count {
      let found = DamagedFile(Array(DamagedFile.sound.prefix(count))).refusal(isMended: false)
      let sentence =
        count < 80
        ? "shorter than the header of a network file"
        : "shorter than it says: the file was cut off"
      #expect(found?.description.string == sentence, "\(count) bytes")
    }
  }

  /// The same with a header that says so.
  @Test func consistentlyShort() {
    for count in 80..<DamagedFile.sound.count {
      var file = DamagedFile()
      file.setByteCount(count)
      let found = file.refusal()
      if count < DamagedFile.recordsEnd {
        #expect(
          found?.description.string == "shorter than its own buffers and layers",
          "\(count) bytes")
      } else if count <= DamagedFile.sound.count - 64 {
        // The last 64 bytes are scales and the zeros behind them.
        #expect(
          found?.reason.description
            == "weights, bias or scale lie outside the file or not at a multiple of 64",
          "\(count) bytes")
      }
    }
  }

  @Test func trailingBytes() {
    for count in [1, 64, 99, 101, 200] {
      let file = DamagedFile(DamagedFile.sound + [UInt8](repeating: 0, count: count))
      #expect(
        file.refusal(isMended: false)?.description.string
          == "longer than it says, and not by a signature", "\(count) bytes")
    }
    // There are as many bytes as a signature has, and its beginning: whose it is, is asked
    // elsewhere.
    let unnamed = DamagedFile(DamagedFile.sound + [UInt8](repeating: 0, count: 100))
    #expect(
      unnamed.refusal(isMended: false)?.description.string
        == "what follows the network does not begin as a signature: ED25")
    let signed = DamagedFile(
      DamagedFile.sound + Array("ED25".utf8) + [UInt8](repeating: 0, count: 96))
    #expect(signed.refusal(isMended: false) == nil)
  }

  // MARK: Buffers

  @Test func buffers() {
    expect(
      "buffer 1: the element must be 0 (codes), 1 (samples) or 2 (probabilities)",
      [.u8(.buffer(1, 6), 3), .u8(.buffer(1, 6), 255)])
    expect(
      "buffer 3: a reserved byte is not zero", (10..<16).map { .u8(.buffer(3, $0), 1) })
    expect(
      "buffer 2: the period must be 1 to 4096",
      [0, 4097, .max].map { .u32(.buffer(2, 0), $0) })
    expect(
      "buffer 2: the width must be 1 to 1024",
      [0, 1025, .max].map { .u16(.buffer(2, 4), $0) })
    expect(
      "buffer 4: the fold must be 1 to 16", [0, 17, .max].map { .u16(.buffer(4, 8), $0) })
    let blank = "the blank must be 0 to 127, and 0 unless the element is codes"
    expect("buffer 1: " + blank, [.u8(.buffer(1, 7), 128), .u8(.buffer(1, 7), 255)])
    expect("buffer 4: " + blank, [.u8(.buffer(4, 7), 1)])
    expect("buffer 5: " + blank, [.u8(.buffer(5, 7), 1)])
    expect(
      "buffer 0: the input needs period 1, fold 1, codes or samples, and a width that is a "
        + "multiple of 4 and holds all components",
      [
        .u32(.buffer(0, 0), 2), .u16(.buffer(0, 8), 2), .u8(.buffer(0, 6), 2),
        .u16(.buffer(0, 4), 6), .u16(.buffer(0, 4), 2),
      ])
  }

  @Test func channelsAreWrittenOnceAndRead() {
    // The second layer writes where the first one does.
    expect(
      "buffer 1: two layers write the same channels",
      [
        .u16(.layer(1, 10), 0),
        .u16(.layer(1, 10), 8),
        Break("the first one moved up") {
          $0.set(.layer(0, 10), UInt16(16))
        },
      ])
    expect(
      "buffer 1: no layer writes some of its channels",
      [.u16(.buffer(1, 4), 48), .u16(.buffer(1, 4), 33)])
  }

  /// What no layer reads is an output, whatever its element; but of one layer.
  @Test func outputsOfSeveralLayers() throws {
    var draft = DamagedFile.draft
    draft.buffers.append(draft.buffers[1])
    for index in [0, 1] {
      var layer = draft.layers[index]
      layer.record.destination = 7
      draft.layers.append(layer)
    }
    let whole = draft.file()
    #expect(throws: (any Error).self) { try whole.plan(maximumRows: 1) }
    do { _ = try whole.plan(maximumRows: 1) } catch {
      #expect("\(error)" == "buffer 7: an output is written by one layer")
    }
    draft.layers.removeLast()
    draft.buffers[7].width = 16
    let plan = try draft.file().plan(maximumRows: 1)
    #expect(plan.isOutput(7))
  }

  // MARK: Layers

  @Test func layerFields() {
    expect(
      "layer 0: the kind must be 1 (convolution), 2 (upsampling), 3 (softmax) or 4 (sigmoid)",
      [0, 5, 255].map { .u8(.layer(0, 0), $0) })
    expect("layer 2: unknown flags", [8, 16, 0x85].map { .u8(.layer(2, 1), $0) })
    expect(
      "layer 5: the classes' letters must be printable characters",
      [.u8(.layer(5, 48), 7), .u8(.layer(5, 52), 65)])
    expect("layer 6: a reserved byte is not zero", (56..<64).map { .u8(.layer(6, $0), 1) })
    expect(
      "layer 2: it names a buffer that is not there",
      [2, 8, 26].flatMap { [.u16(.layer(2, $0), 7), .u16(.layer(2, $0), .max)] })
    expect("layer 0: it writes the input", [.u16(.layer(0, 8), 0)])
    expect(
      "layer 2: its channels lie outside the buffer",
      [
        .u16(.layer(2, 4), 4), .u16(.layer(2, 4), .max), .u16(.layer(2, 6), 0),
        .u16(.layer(2, 6), 36), .u16(.layer(2, 6), .max), .u16(.layer(2, 10), 1),
        .u16(.layer(2, 10), .max), .u16(.layer(2, 12), 0), .u16(.layer(2, 12), 32),
        .u16(.layer(2, 12), .max),
      ])
    expect(
      "layer 2: taps go to 15, strides to 4, dilations to 256, rows a step to 16",
      [
        .u16(.layer(2, 14), 0), .u16(.layer(2, 14), 17), .u16(.layer(2, 16), 0),
        .u16(.layer(2, 16), 16), .u16(.layer(2, 18), 0), .u16(.layer(2, 18), 5),
        .u16(.layer(2, 20), 0), .u16(.layer(2, 20), 257), .u16(.layer(2, 16), .max),
      ])
    expect(
      "layer 2: rows before must not exceed (taps - 1) x dilation",
      [.u16(.layer(2, 22), 5), .u16(.layer(2, 22), .max)])
    expect(
      "layer 4: trim must be below four times the rows a step",
      [.u16(.layer(4, 24), 8), .u16(.layer(4, 24), .max)])
    expect(
      "layer 2: the destination's period does not follow from the source's",
      [.u16(.layer(2, 18), 2), .u16(.layer(2, 14), 2), .u32(.buffer(2, 0), 1)])
    expect(
      "layer 2: its destination channels are not a multiple of the fold",
      [.u16(.buffer(2, 8), 3)])
  }

  @Test func order() {
    let sentence = "it reads channels that it or a later layer writes"
    // Its own buffer; one of a later layer; a residual of its own.
    expect(
      "layer 2: " + sentence,
      [
        .u16(.layer(2, 2), 2).and(.u16(.layer(2, 6), 16)),
        .u16(.layer(2, 26), 2).and(.u16(.layer(2, 28), 0)),
        .u16(.layer(2, 2), 3).and(.u16(.layer(2, 6), 16)).and(.u32(.buffer(3, 0), 2)),
      ])
    // The second half of a concatenation before its layer.
    expect(
      "layer 1: " + sentence,
      [
        .u16(.layer(1, 2), 1).and(.u16(.layer(1, 4), 12)).and(.u16(.layer(1, 6), 8))
          .and(.u16(.layer(1, 18), 1))
      ])
  }

  @Test func convolutions() {
    expect(
      "layer 4: a convolution reads and writes codes or samples",
      [.u8(.buffer(4, 6), 2)])
    expect(
      "layer 4: source offset and channels must be multiples of 4",
      [.u16(.layer(4, 4), 2), .u16(.layer(4, 6), 6), .u16(.layer(4, 4), 1)])
    let outputs =
      "outputs must be a multiple of 16, in each row of a wider buffer too"
    expect("layer 4: " + outputs, [.u16(.layer(4, 12), 4), .u16(.layer(4, 12), 6)])
    expect("layer 0: " + outputs, [.u16(.layer(0, 12), 8), .u16(.layer(0, 12), 12)])
    // Two rows a step of 8 channels are 16 outputs, but in a wider buffer they are not contiguous.
    expect("layer 4: " + outputs, [.u16(.buffer(4, 4), 16)])
    let residual =
      "a residual has the destination's element, period and channels, and goes with 1 row a "
      + "step and no trim"
    expect(
      "layer 2: " + residual,
      [
        .u16(.layer(2, 28), 17), .u16(.layer(2, 28), .max), .u16(.layer(2, 24), 1),
        .u16(.layer(2, 26), 0).and(.u16(.layer(2, 28), 0)),
      ])
    expect("layer 4: " + residual, [.u8(.layer(4, 1), 4).and(.u16(.layer(4, 26), 3))])
    expect(
      "layer 2: the residual scale must be within 1024",
      [1024.5, -1025, .nan, .infinity, -.infinity].map { .float(.layer(2, 32), $0) })
  }

  @Test func offsets() {
    let sentence =
      "layer 2: weights, bias or scale lie outside the file or not at a multiple of 64"
    for field in [36, 40, 44] {
      let place = DamagedFile().value(.layer(2, field), UInt32.self)
      let end = UInt32(DamagedFile.sound.count)
      let records = UInt32(DamagedFile.recordsEnd) - 64
      expect(
        sentence,
        [0, place + 1, place + 4, place + 32, records, end, end + 64, .max, .max - 63, 1 << 31]
          .map { .u32(.layer(2, field), $0) })
    }
  }

  @Test func numbers() {
    let sound = DamagedFile()
    let codes = (
      weights: Int(sound.value(.layer(2, 36), UInt32.self)),
      bias: Int(sound.value(.layer(2, 40), UInt32.self)),
      scale: Int(sound.value(.layer(2, 44), UInt32.self))
    )
    let samples = (
      weights: Int(sound.value(.layer(0, 36), UInt32.self)),
      bias: Int(sound.value(.layer(0, 40), UInt32.self))
    )
    func bias(_ value: Int32) -> Break {
      .u32(.at(codes.bias + 60), UInt32(bitPattern: value))
    }
    expect("layer 2: a bias is beyond 2^30", [bias(1 << 30 + 1), bias(-1 << 30 - 1), bias(.min)])
    // 96 products of codes; the scale that goes with the largest bias.
    let largest = Double(1 << 30 + 96 * 127 * 127)
    let edge = Float(0x1p30 / largest)
    var file = DamagedFile()
    bias(1 << 30).edit(&file)
    file.set(.at(codes.scale + 60), Double(edge) * largest > 0x1p30 ? edge.nextDown : edge)
    #expect(file.refusal() == nil)
    file.set(.at(codes.scale + 60), Double(edge) * largest > 0x1p30 ? edge : edge.nextUp)
    let scale = "layer 2: a scale is not above 0, or makes more than 2^30 of the largest sum"
    #expect(file.refusal()?.description.string == scale)
    expect(
      scale,
      [0, -0.0, -1, .nan, .infinity, 1e9].map { .float(.at(codes.scale), $0) })
    expect(
      "layer 2: a weight is below -127 (of samples: -32767)",
      [codes.weights, codes.weights + 16 * 96 - 1].map { .u8(.at($0), 0x80) })
    // Σ |weight| · 32768 of an output: 65535 and a bias of 32767 fit, one more does not.
    func heavy(_ first: Int16, _ second: Int16, bias: Int32) -> Break {
      Break("weights \(first), \(second), bias \(bias)") {
        for line in 0..<6 {
          for place in 0..<2 {
            $0.set(.at(samples.weights + line * 64 + 2 * place), Int16(0))
          }
        }
        $0.set(.at(samples.weights), first)
        $0.set(.at(samples.weights + 5 * 64 + 2), second)
        $0.set(.at(samples.bias), bias)
        $0.set(.at(samples.weights + 2 * 64), Int16(1))
        $0.set(.at(Int($0.value(.layer(0, 44), UInt32.self))), Float(0.5))
      }
    }
    var full = DamagedFile()
    heavy(32767, -32767, bias: -32767).edit(&full)
    #expect(full.refusal() == nil)
    expect(
      "layer 0: the weights of an output could overflow its sum",
      [
        heavy(32767, 32767, bias: 32768), heavy(-32767, 32767, bias: -32768),
        heavy(32767, -32767, bias: 1 << 30),
      ])
    expect(
      "layer 0: a weight is below -127 (of samples: -32767)",
      [heavy(-32768, 1, bias: 0)])
  }

  @Test func upsamplings() {
    expect(
      "layer 3: an upsampling repeats rows: same element, blank and channels",
      [
        .u16(.layer(3, 16), 2), .u16(.layer(3, 20), 2),
        .u16(.layer(3, 16), 3).and(.u16(.layer(3, 22), 1)), .u16(.layer(3, 24), 1),
        .u8(.layer(3, 1), 1), .u8(.layer(3, 1), 2),
        .u8(.layer(3, 1), 4).and(.u16(.layer(3, 26), 1)), .u16(.layer(3, 6), 8),
        .u8(.buffer(3, 6), 1).and(.u8(.buffer(3, 7), 0)), .u8(.buffer(3, 7), 11),
        .u16(.buffer(3, 8), 2),
        // Twice the rows of twice the stride.
        .u16(.layer(3, 18), 2).and(.u32(.buffer(3, 0), 2)),
      ])
  }

  @Test func heads() {
    let sentence = "a head turns samples into probabilities of 1 to 8 named classes, fold by fold"
    expect(
      "layer 5: " + sentence,
      [
        .u8(.buffer(5, 6), 1), .u16(.layer(5, 4), 4).and(.u16(.layer(5, 6), 4)),
        .u16(.layer(5, 6), 4), .u16(.layer(5, 16), 2), .u16(.layer(5, 20), 2),
        .u16(.layer(5, 18), 2).and(.u32(.buffer(5, 0), 2)), .u16(.layer(5, 24), 1),
        .u16(.layer(5, 14), 2).and(.u16(.layer(5, 18), 2)), .u8(.layer(5, 1), 1),
        .u8(.layer(5, 1), 2), .u8(.layer(5, 1), 4).and(.u16(.layer(5, 26), 1)),
        .u16(.layer(5, 30), 0), .u16(.layer(5, 30), 2), .u16(.layer(5, 30), 5),
        .u16(.layer(5, 30), 9), .u16(.layer(5, 30), .max), .u16(.buffer(5, 8), 1),
        .u16(.buffer(5, 8), 3), .u8(.layer(5, 51), 0x5A), .u8(.layer(5, 50), 0),
        .u16(.layer(5, 12), 4), .u16(.buffer(5, 4), 12),
      ])
    // A softmax of codes.
    expect("layer 5: " + sentence, [.u16(.layer(5, 2), 3).and(.u16(.layer(5, 6), 16))])
  }

  @Test func unusedFields() {
    for layer in 0..<DamagedFile.layerCount {
      let isConvolution = [0, 1, 2, 4].contains(layer)
      var fields: [Break] = []
      if layer != 2 {
        fields += [
          .u16(.layer(layer, 26), 1), .u16(.layer(layer, 28), 1), .float(.layer(layer, 32), 1),
          .float(.layer(layer, 32), -0.0),
        ]
      }
      if layer < 5 { fields += [.u16(.layer(layer, 30), 1), .u8(.layer(layer, 48), 0x4E)] }
      if !isConvolution { fields += [36, 40, 44].map { .u32(.layer(layer, $0), 640) } }
      expect("layer \(layer): a field that its kind does not use is not zero", fields)
    }
  }
}
