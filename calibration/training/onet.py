"""Reads and writes network files: Sources/Network/ONET-FORMAT.md as dataclasses.

`check` is the whole of what the format demands; `encode` and `decode` both go through it, so that neither lets pass
what the other refuses. Weights are held as [outputs][taps][source channels] and reordered only at the file's edge.
Output o of a convolution that writes R rows a step is channel o mod channels of row o div channels.
"""
import math
import struct
from dataclasses import dataclass, field

import numpy as np

CODES, SAMPLES, PROBABILITIES = 0, 1, 2
CONVOLUTION, UPSAMPLING, SOFTMAX, SIGMOID = 1, 2, 3, 4
INNER_RELU, OUTER_RELU, RESIDUAL = 1, 2, 4
VALUE_TYPES = (np.dtype("<u1"), np.dtype("<i2"), np.dtype("<u2"))
ALIGNMENT = 64
SIGNATURE_BYTES = 100

HEADER = struct.Struct("<4sHHII32sIIf4sBBHH10s")
BUFFER = struct.Struct("<IHBBH6s")
LAYER = struct.Struct("<BB15HfIII8s8s")


class FormatError(ValueError):
    """Why a network or a file is not one of this format."""


@dataclass
class Header:
    name: str
    sample_rate_millihertz: int
    input_unit: float
    components: str
    window_rows: int = 0
    normalization: int = 0


@dataclass
class Buffer:
    period: int
    width: int
    element: int = CODES
    blank: int = 0
    fold: int = 1


@dataclass
class Layer:
    kind: int
    source: int
    source_offset: int
    source_channels: int
    destination: int
    destination_offset: int
    destination_channels: int
    rows_per_step: int = 1
    taps: int = 1
    stride: int = 1
    dilation: int = 1
    rows_before: int = 0
    trim: int = 0
    flags: int = 0
    residual: int = 0
    residual_offset: int = 0
    residual_scale: float = 0.0
    classes: str = ""
    weights: np.ndarray | None = None
    bias: np.ndarray | None = None
    scale: np.ndarray | None = None

    @property
    def outputs(self):
        return self.rows_per_step * self.destination_channels

    @property
    def reach(self):
        """Rows from the first tap to the last."""
        return (self.taps - 1) * self.dilation

    @property
    def is_head(self):
        return self.kind in (SOFTMAX, SIGMOID)


@dataclass
class Network:
    header: Header
    buffers: list[Buffer] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)

    @property
    def outputs(self):
        """The buffers that heads write."""
        return sorted({layer.destination for layer in self.layers if layer.is_head})


# CRC-32C

def _table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC_TABLE = _table()


def crc32c(data):
    """Castagnoli's CRC (RFC 3720, appendix B.4)."""
    register = 0xFFFFFFFF
    for byte in bytes(data):
        register = register >> 8 ^ _CRC_TABLE[(register ^ byte) & 255]
    return register ^ 0xFFFFFFFF


# What the format demands

def _demand(condition, place, reason):
    if not condition:
        raise FormatError(f"{place}: {reason}")


def check(network):
    """Raises FormatError unless the network may be written to a file and run."""
    _check_header(network.header)
    buffers, layers = network.buffers, network.layers
    _demand(2 <= len(buffers) <= 64, "file", "2 to 64 buffers")
    _demand(1 <= len(layers) <= 64, "file", "1 to 64 layers")
    for index, buffer in enumerate(buffers):
        _check_buffer(buffer, f"buffer {index}")
    first = buffers[0]
    _demand(first.period == 1 and first.fold == 1, "buffer 0", "period and fold of the input are 1")
    _demand(first.element != PROBABILITIES, "buffer 0", "the input is codes or samples")
    written = [np.zeros(buffer.width, bool) for buffer in buffers]
    written[0][:] = True
    for index, layer in enumerate(layers):
        place = f"layer {index}"
        _check_place(layer, buffers, written, place)
        if layer.kind == CONVOLUTION:
            _check_convolution(layer, buffers, written, place)
        elif layer.kind == UPSAMPLING:
            _check_upsampling(layer, buffers, place)
        else:
            _check_head(layer, buffers, place)
        span = written[layer.destination][_destination(layer)]
        _demand(not span.any(), place, "writes what is written already")
        span[:] = True
    for index, values in enumerate(written):
        _demand(values.all(), f"buffer {index}", "not written in full")


def _source(layer):
    return slice(layer.source_offset, layer.source_offset + layer.source_channels)


def _destination(layer):
    return slice(layer.destination_offset, layer.destination_offset + layer.destination_channels)


def _residual(layer):
    return slice(layer.residual_offset, layer.residual_offset + layer.destination_channels)


def _is_printable(text):
    return all(" " <= letter <= "~" for letter in text)


def _check_header(header):
    _demand(1 <= len(header.name) <= 32 and _is_printable(header.name), "file", "name: 1 to 32 printable characters")
    _demand(1 <= len(header.components) <= 4 and _is_printable(header.components), "file", "components: 1 to 4 letters")
    _demand(0 < header.sample_rate_millihertz < 2**32, "file", "sample rate")
    _demand(0 <= header.window_rows < 2**32, "file", "rows of the window")
    _demand(math.isfinite(header.input_unit) and header.input_unit > 0, "file", "input unit: positive")
    _demand(header.normalization in (0, 1), "file", "normalization: 0 or 1")


def _check_buffer(buffer, place):
    _demand(1 <= buffer.period <= 4096, place, "period 1 to 4096")
    _demand(1 <= buffer.width <= 1024, place, "width 1 to 1024")
    _demand(buffer.element in (CODES, SAMPLES, PROBABILITIES), place, "unknown element")
    _demand(0 <= buffer.blank <= (127 if buffer.element == CODES else 0), place, "blank 0 to 127, 0 unless codes")
    _demand(1 <= buffer.fold <= 16, place, "fold 1 to 16")


def _check_place(layer, buffers, written, place):
    _demand(layer.kind in (CONVOLUTION, UPSAMPLING, SOFTMAX, SIGMOID), place, "unknown kind")
    _demand(layer.source < len(buffers) and 0 < layer.destination < len(buffers), place, "no such buffer")
    source, destination = buffers[layer.source], buffers[layer.destination]
    _demand(0 < layer.source_channels <= source.width - layer.source_offset, place, "source beyond its buffer")
    _demand(0 < layer.destination_channels <= destination.width - layer.destination_offset, place,
            "destination beyond its buffer")
    _demand(written[layer.source][_source(layer)].all(), place, "reads what no layer before it writes")
    _demand(layer.destination_channels % destination.fold == 0, place, "the fold must divide the channels")
    _demand(1 <= layer.rows_per_step <= 16, place, "rows a step 1 to 16")
    _demand(destination.period * layer.rows_per_step == source.period * layer.stride, place, "periods do not fit")
    if layer.kind != CONVOLUTION:
        _demand(layer.taps == layer.stride == layer.dilation == 1, place, "taps, stride and dilation are 1")
        _demand(layer.rows_before == layer.flags == layer.trim == 0, place, "fields of convolutions must be zero")
    if not layer.flags & RESIDUAL:
        _demand(layer.residual == layer.residual_offset == layer.residual_scale == 0, place, "no residual")
    if not layer.is_head:
        _demand(layer.classes == "", place, "only heads have classes")


def _check_convolution(layer, buffers, written, place):
    source, destination = buffers[layer.source], buffers[layer.destination]
    _demand(PROBABILITIES not in (source.element, destination.element), place, "convolves codes or samples")
    _demand(1 <= layer.taps <= 15 and 1 <= layer.stride <= 4 and 1 <= layer.dilation <= 256, place,
            "taps 1 to 15, stride 1 to 4, dilation 1 to 256")
    _demand(0 <= layer.rows_before <= layer.reach, place, "rows before: at most (taps - 1) x dilation")
    _demand(0 <= layer.trim < 4 * layer.rows_per_step, place, "trim: below rows a step x 4")
    _demand(layer.source_channels % 4 == 0 and layer.source_offset % 4 == 0, place, "source: multiples of 4")
    _demand(layer.outputs % 16 == 0, place, "outputs: a multiple of 16")
    _demand(layer.destination_channels == destination.width or layer.destination_channels % 16 == 0, place,
            "destination channels: a multiple of 16 where the row is wider")
    if layer.flags & RESIDUAL:
        _demand(layer.residual < len(buffers), place, "no such residual buffer")
        residual = buffers[layer.residual]
        _demand(layer.residual_offset + layer.destination_channels <= residual.width, place,
                "residual beyond its buffer")
        _demand(written[layer.residual][_residual(layer)].all(), place, "adds what no layer before it writes")
        _demand(residual.element == destination.element and residual.period == destination.period, place,
                "the residual has the element and the period of the destination")
        _demand(layer.rows_per_step == 1 and layer.trim == 0, place, "a residual goes with 1 row a step and no trim")
        _demand(abs(layer.residual_scale) <= 1024, place, "residual scale within 1024")
    _check_numbers(layer, source.element, place)


def _check_numbers(layer, element, place):
    _demand(all(array is not None for array in (layer.weights, layer.bias, layer.scale)), place, "has no numbers")
    shape = (layer.outputs, layer.taps, layer.source_channels)
    _demand(layer.weights.shape == shape and layer.bias.shape == layer.scale.shape == shape[:1], place,
            "arrays of another shape")
    limit = 127 if element == CODES else 32767
    magnitudes = np.abs(layer.weights.astype(np.int64))
    bias = np.abs(layer.bias.astype(np.int64))
    _demand(magnitudes.max() <= limit, place, f"weights within {limit}")
    _demand(bias.max() <= 2**30, place, "bias within 2^30")
    products = layer.taps * layer.source_channels * 127 * 127
    largest = bias + (32768 * magnitudes.sum(axis=(1, 2)) if element == SAMPLES else products)
    _demand((largest < 2**31).all(), place, "a sum could overflow")
    _demand(((layer.scale > 0) & (layer.scale.astype(np.float64) * largest <= 2**30)).all(), place,
            "scale above 0, and at most 2^30 of the largest sum")


def _check_upsampling(layer, buffers, place):
    source, destination = buffers[layer.source], buffers[layer.destination]
    _demand((source.element, source.blank) == (destination.element, destination.blank), place,
            "upsampling keeps element and blank")
    _demand(layer.source_channels == layer.destination_channels, place, "upsampling keeps the channels")


def _check_head(layer, buffers, place):
    source, destination = buffers[layer.source], buffers[layer.destination]
    classes = len(layer.classes)
    _demand(1 <= classes <= 8 and _is_printable(layer.classes), place, "1 to 8 classes, a letter each")
    _demand(source.element == SAMPLES and destination.element == PROBABILITIES, place, "samples to probabilities")
    _demand(layer.rows_per_step == 1 and source.fold == destination.fold, place, "1 row a step, the same fold")
    _demand(layer.source_offset == 0 and layer.source_channels == source.width, place, "heads read whole rows")
    _demand(source.width % source.fold == 0 and classes <= source.width // source.fold, place, "too many classes")
    _demand(layer.destination_channels == destination.width == destination.fold * classes, place,
            "probabilities: fold x classes values")


# Bytes

def _to_blocks(weights, element):
    """[outputs][taps][channels] in the order of the file: blocks of 16 outputs and 4 (samples: 2) inputs."""
    group, kind = (4, "<i1") if element == CODES else (2, "<i2")
    outputs, taps, channels = weights.shape
    blocks = weights.reshape(outputs // 16, 16, taps, channels // group, group).transpose(0, 2, 3, 1, 4)
    return np.ascontiguousarray(blocks, kind).tobytes()


def _from_blocks(data, element, outputs, taps, channels):
    group, kind = (4, "<i1") if element == CODES else (2, "<i2")
    blocks = np.frombuffer(data, kind).reshape(outputs // 16, taps, channels // group, 16, group)
    return blocks.transpose(0, 3, 1, 2, 4).reshape(outputs, taps, channels).astype(kind[1:])


def encode(network):
    """The bytes of the file, unsigned."""
    check(network)
    header = network.header
    body = bytearray(HEADER.size + BUFFER.size * len(network.buffers) + LAYER.size * len(network.layers))

    def append(data):
        body.extend(bytes(-len(body) % ALIGNMENT))
        body.extend(data)
        return len(body) - len(data)

    for index, buffer in enumerate(network.buffers):
        BUFFER.pack_into(body, HEADER.size + BUFFER.size * index, buffer.period, buffer.width, buffer.element,
                         buffer.blank, buffer.fold, bytes(6))
    for index, layer in enumerate(network.layers):
        offsets = (0, 0, 0)
        if layer.kind == CONVOLUTION:
            offsets = (append(_to_blocks(layer.weights, network.buffers[layer.source].element)),
                       append(layer.bias.astype("<i4").tobytes()), append(layer.scale.astype("<f4").tobytes()))
        LAYER.pack_into(
            body, HEADER.size + BUFFER.size * len(network.buffers) + LAYER.size * index, layer.kind, layer.flags,
            layer.source, layer.source_offset, layer.source_channels, layer.destination, layer.destination_offset,
            layer.destination_channels, layer.rows_per_step, layer.taps, layer.stride, layer.dilation,
            layer.rows_before, layer.trim, layer.residual, layer.residual_offset, len(layer.classes),
            layer.residual_scale, *offsets, layer.classes.encode("ascii"), bytes(8))

    append(b"")

    def pack_header(checksum):
        HEADER.pack_into(body, 0, b"ONET", 1, 0, len(body), checksum, header.name.encode("ascii"),
                         header.sample_rate_millihertz, header.window_rows, header.input_unit,
                         header.components.encode("ascii"), header.normalization, 0, len(network.buffers),
                         len(network.layers), bytes(10))

    pack_header(0)
    pack_header(crc32c(body[16:]))
    return bytes(body)


def _text(data, place):
    text = data.rstrip(b"\0")
    _demand(all(32 <= byte <= 126 for byte in text), place, "text that is not printable ASCII, zero-padded")
    return text.decode("ascii")


def _zero(place, *values):
    for value in values:
        _demand(not any(value) if isinstance(value, bytes) else value == 0, place, "a reserved byte is not zero")


def decode(data):
    """The network of a file's bytes; a signature at the end is passed over, not verified."""
    data = bytes(data)
    _demand(len(data) >= HEADER.size, "file", "shorter than a header")
    (magic, version, reserved, size, checksum, name, rate, window_rows, unit, components, normalization, reserved2,
     buffer_count, layer_count, reserved3) = HEADER.unpack_from(data)
    _demand(magic == b"ONET" and version == 1, "file", "not a network file of version 1")
    _zero("file", reserved, reserved2, reserved3)
    signature = data[size:]
    _demand(len(data) >= size and (not signature or (len(signature) == SIGNATURE_BYTES and signature[:4] == b"ED25")),
            "file", "not as long as it says")
    data = data[:size]
    tables = HEADER.size + BUFFER.size * buffer_count + LAYER.size * layer_count
    _demand(size >= tables, "file", "shorter than its tables")
    _demand(crc32c(data[16:]) == checksum, "file", "damaged: the checksum does not fit")
    network = Network(Header(_text(name, "file"), rate, unit, _text(components, "file"), window_rows, normalization))
    for index in range(buffer_count):
        *fields, reserved = BUFFER.unpack_from(data, HEADER.size + BUFFER.size * index)
        _zero(f"buffer {index}", reserved)
        network.buffers.append(Buffer(*fields))
    spans = [(0, tables)]
    for index in range(layer_count):
        at = HEADER.size + BUFFER.size * buffer_count + LAYER.size * index
        network.layers.append(_decode_layer(data, at, network.buffers, f"layer {index}", spans))
    _check_spans(data, spans)
    check(network)
    return network


def _decode_layer(data, at, buffers, place, spans):
    (kind, flags, source, source_offset, source_channels, destination, destination_offset, destination_channels, rows,
     taps, stride, dilation, before, trim, residual, residual_offset, classes, residual_scale, weights, bias, scale,
     letters, reserved) = LAYER.unpack_from(data, at)
    _zero(place, reserved, flags & ~7)
    layer = Layer(kind, source, source_offset, source_channels, destination, destination_offset, destination_channels,
                  rows, taps, stride, dilation, before, trim, flags, residual, residual_offset, residual_scale,
                  _text(letters, place))
    _demand(len(layer.classes) == classes, place, "as many letters as classes")
    if kind != CONVOLUTION:
        _zero(place, weights, bias, scale)
        return layer
    _demand(source < len(buffers) and layer.outputs % 16 == 0 and source_channels % 4 == 0, place, "shape")
    element = buffers[source].element
    count = layer.outputs * taps * source_channels

    def part(offset, length):
        _demand(offset % ALIGNMENT == 0 and offset + length <= len(data), place, "array misaligned or beyond the file")
        spans.append((offset, offset + length))
        return data[offset:offset + length]

    layer.weights = _from_blocks(part(weights, count if element == CODES else 2 * count), element, layer.outputs, taps,
                                 source_channels)
    layer.bias = np.frombuffer(part(bias, 4 * layer.outputs), "<i4").astype(np.int32)
    layer.scale = np.frombuffer(part(scale, 4 * layer.outputs), "<f4").astype(np.float32)
    return layer


def _check_spans(data, spans):
    """Tables and arrays must not overlap; what lies between and behind them is padding, and zero."""
    end = 0
    for start, stop in sorted(spans) + [(len(data), len(data))]:
        _demand(start >= end, "file", "arrays overlap")
        _demand(start - end < ALIGNMENT, "file", "bytes that belong to nothing")
        _zero("file", data[end:start])
        end = stop


def write(network, path):
    with open(path, "wb") as file:
        file.write(encode(network))


def read(path):
    with open(path, "rb") as file:
        return decode(file.read())
