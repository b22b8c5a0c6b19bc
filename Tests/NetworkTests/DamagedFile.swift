// A sound file with every kind of record, and what becomes of it: fields set to other values, the
// checksum made right again.

import Core
import Network
import Tools

/// Where a field lies.
enum Field {
  case header(Int)
  case buffer(Int, Int)
  case layer(Int, Int)
  /// In the file's bytes.
  case at(Int)
}

struct DamagedFile {
  var bytes: [UInt8]

  init(_ bytes: [UInt8] = DamagedFile.sound) { self.bytes = bytes }

  static let bufferCount = 7
  static let layerCount = 7
  static let recordsEnd = 80 + 16 * bufferCount + 64 * layerCount
  static let sound: [UInt8] = draft.file().bytes

  /// 0 samples → 1 codes at half the rate by two layers → 2 codes with a residual → 3 codes at the
  /// rate by upsampling → 4 samples two steps a row, two rows a step → 5 and 6 probabilities.
  static var draft: NetworkDraft {
    var draft = NetworkDraft()
    func add(
      buffer period: Int, _ width: Int, _ element: Element, blank: Int = 0, fold: Int = 1
    ) {
      var buffer = BufferRecord()
      (buffer.period, buffer.width, buffer.element) = (period, width, element)
      (buffer.blank, buffer.fold) = (blank, fold)
      draft.buffers.append(buffer)
    }
    add(buffer: 1, 4, .sample)
    add(buffer: 2, 32, .code, blank: 10)
    add(buffer: 2, 16, .code, blank: 10)
    add(buffer: 1, 16, .code, blank: 10)
    add(buffer: 1, 8, .sample, fold: 2)
    add(buffer: 1, 6, .probability, fold: 2)
    add(buffer: 1, 4, .probability, fold: 2)
    for offset in [0, 16] {
      draft.layers.append(
        convolution(from: 0, 0, 4, to: 1, offset, 16) {
          $0.taps = 3; $0.stride = 2; $0.rowsBefore = 2
        })
    }
    draft.layers.append(
      convolution(from: 1, 0, 32, to: 2, 0, 16) {
        ($0.taps, $0.dilation, $0.rowsBefore) = (3, 2, 3)
        ($0.hasInnerRelu, $0.hasResidual, $0.residual, $0.residualOffset) = (true, true, 1, 8)
        $0.residualScale = 0.5
      })
    var record = LayerRecord()
    record.kind = .upsampling
    (record.source, record.sourceChannels, record.destination) = (2, 16, 3)
    (record.destinationChannels, record.rowsPerStep) = (16, 2)
    draft.layers.append(DraftLayer(record))
    draft.layers.append(
      convolution(from: 3, 4, 8, to: 4, 0, 8) {
        ($0.taps, $0.rowsBefore, $0.stride, $0.rowsPerStep, $0.trim) = (2, 1, 2, 2, 1)
      })
    for (kind, destination, letters) in [(LayerKind.softmax, 5, "NPS"), (.sigmoid, 6, "PS")] {
      var head = LayerRecord()
      head.kind = kind
      (head.source, head.sourceChannels, head.destination) = (4, 8, destination)
      (head.classes, head.destinationChannels) = (letters.count, 2 * letters.count)
      for letter in letters.utf8 { head.classLetters.append(byte: letter) }
      draft.layers.append(DraftLayer(head))
    }
    return draft
  }

  private static func convolution(
    from source: Int, _ sourceOffset: Int, _ sourceChannels: Int, to destination: Int,
    _ offset: Int, _ channels: Int, _ more: (inout LayerRecord) -> Void
  ) -> DraftLayer {
    var record = LayerRecord()
    (record.source, record.sourceOffset, record.sourceChannels) = (
      source, sourceOffset, sourceChannels
    )
    (record.destination, record.destinationOffset) = (destination, offset)
    record.destinationChannels = channels
    more(&record)
    var layer = DraftLayer(record)
    let count = record.outputs * record.taps * record.sourceChannels
    layer.weights = (0..<count).map { Int16($0 * 37 % 101 - 50) }
    layer.bias = (0..<record.outputs).map { Int32($0 * 100) }
    layer.scale = (0..<record.outputs).map { 0.001 + Float($0) * 0.0001 }
    return layer
  }

  private func offset(_ field: Field) -> Int {
    switch field {
    case .header(let at), .at(let at): at
    case .buffer(let index, let at): 80 + 16 * index + at
    case .layer(let index, let at): 80 + 16 * DamagedFile.bufferCount + 64 * index + at
    }
  }

  func value<Number: FixedWidthInteger>(_ field: Field, _ type: Number.Type) -> Number {
    (0..<(Number.bitWidth / 8)).reduce(0) {
      $0 | Number(truncatingIfNeeded: bytes[offset(field) + $1]) << (8 * $1)
    }
  }

  mutating func set<Number: FixedWidthInteger>(_ field: Field, _ value: Number) {
    for byte in 0..<(Number.bitWidth / 8) {
      bytes[offset(field) + byte] = UInt8(truncatingIfNeeded: value >> (8 * byte))
    }
  }

  mutating func set(_ field: Field, _ value: Float) { set(field, value.bitPattern) }

  mutating func setByteCount(_ count: Int) {
    bytes = Array(bytes.prefix(count))
    set(.header(8), UInt32(count))
  }

  mutating func mendChecksum() {
    guard bytes.count >= 16 else { return }
    var checksum = Checksum()
    bytes[16...].withUnsafeBytes { checksum.add($0) }
    set(.header(12), checksum.value)
  }

  /// What the station says to the file; nil when it would run it.
  func refusal(maximumRows: Int = 4, isMended: Bool = true) -> NetworkError? {
    var copy = self
    if isMended { copy.mendChecksum() }
    let file = NetworkBytes(copy.bytes)
    do throws(NetworkError) {
      _ = try NetworkPlan(file.raw, maximumRows: maximumRows)
      return nil
    } catch { return error }
  }
}
