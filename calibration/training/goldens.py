#!/usr/bin/env python3
"""Writes the golden vectors of network files, Tests/Golden/networks: small networks that use every feature together.

For each: NAME.onet, NAME.input.bin (rows of the input), NAME.windowed.bin and NAME.streamed.bin (what integer.py says
of them). `windowed` holds runs over the first n rows, for several n; each run all outputs one after another. `streamed`
is one run over all rows. Little-endian, row after row. manifest.json says which rows of which buffer lie where, and
gives a checksum of every buffer of the windowed runs, for the search after a difference. Random numbers are integers
and what is computed from them is exact or a single rounding: the same bytes everywhere.
"""
import argparse
import json
from pathlib import Path

import numpy as np

import integer
import onet
from onet import CODES, INNER_RELU, OUTER_RELU, PROBABILITIES, RESIDUAL, SAMPLES

SEED = 20261120
FOLDER = Path(__file__).resolve().parents[2] / "Tests" / "Golden" / "networks"


def tremor(rng, rows, channels, peak):
    """Noise, then a decaying burst on all channels; integers within ±peak."""
    white = rng.integers(-64, 65, (rows + 4, channels))
    smooth = sum(white[shift:shift + rows] for shift in range(5))
    onset = rows * 2 // 5
    loudness = np.full((rows, 1), peak // 12 + 1)
    loudness[onset:, 0] = peak // 8 + (peak - peak // 8) * (rows - np.arange(onset, rows)) // (rows - onset)
    return np.clip(smooth * loudness // 160, -peak, peak)


class Builder:
    """A network that grows layer by layer, each scaled to what really flows through it.

    A signal is (buffer, offset, channels)."""

    def __init__(self, name, rows, *, element=SAMPLES, blank=0, components="ENZA", **header):
        self.rng = np.random.default_rng([SEED, *name.encode()])
        unit = 1 / 32 if element == CODES else 1 / 2048
        self.network = onet.Network(onet.Header(name, 100_000, unit, components, **header))
        self.network.buffers.append(onet.Buffer(1, 4, element, blank))
        signal = tremor(self.rng, rows, 4, 60 if element == CODES else 12000)
        signal[:, len(components):] = 0
        self.values = [(signal + blank).astype(onet.VALUE_TYPES[element])]
        self.input = (0, 0, 4)
        self.is_extreme = False

    def buffer(self, period, width, element=CODES, blank=0, fold=1):
        """A whole buffer, to be written by one layer or, in slices, by several."""
        self.network.buffers.append(onet.Buffer(period, width, element, blank, fold))
        rows = -(-len(self.values[0]) // period)
        self.values.append(np.full((rows, width), blank, onet.VALUE_TYPES[element]))
        return len(self.values) - 1, 0, width

    def _add(self, layer):
        self.network.layers.append(layer)
        buffer = self.network.buffers[layer.destination]
        integer.run_layer(self.network, layer, self.values, len(self.values[layer.destination]))
        integer.blank_surplus(layer, buffer, self.values, len(self.values[0]))
        return layer.destination, layer.destination_offset, layer.destination_channels

    def convolution(self, source, into, *, taps=1, stride=1, dilation=1, before=0, rows=1, trim=0, flags=0,
                    residual=(0, 0, 0), residual_scale=0.0, spread=None, numbers=None):
        """`spread` is the mean deviation of the results before the residual is added, in codes or samples; `numbers`
        are weights, bias and scale where they shall not be random."""
        layer = onet.Layer(onet.CONVOLUTION, *source, *into, rows, taps, stride, dilation, before, trim, flags,
                           *residual[:2], float(np.float32(residual_scale)))
        if numbers:
            layer.weights, layer.bias, layer.scale = (np.asarray(array) for array in numbers)
            return self._add(layer)
        source_buffer, destination = self.network.buffers[source[0]], self.network.buffers[into[0]]
        inputs = taps * source[2]
        largest = 127 if source_buffer.element == CODES else min(32767, 2**15 // inputs - 1)
        layer.weights = self.rng.integers(-largest, largest + 1, (layer.outputs, taps, source[2]))
        layer.bias = np.zeros(layer.outputs, np.int32)
        steps = -(-(len(self.values[into[0]]) + trim) // rows)
        of_source = self.values[source[0]][:, source[1]:source[1] + source[2]]
        sums = integer.convolution_sums(layer, of_source, source_buffer.blank, steps).astype(np.int64)
        centre = sums.sum(axis=0) // steps
        deviation = np.abs(sums - centre).sum(axis=0) // steps + 1
        if spread is None:
            spread = 20 if destination.element == CODES else 3000
        is_relu = flags & (INNER_RELU | OUTER_RELU)
        lift = deviation * self.rng.integers(0 if is_relu else -32, 64, layer.outputs) // 64
        layer.bias = (lift - centre).astype(np.int32)
        loudness = spread * self.rng.integers(48, 81, layer.outputs) / 64
        layer.scale = np.minimum(loudness / deviation, 0.5).astype(np.float32)
        return self._add(layer)

    def logits(self, source, width=4, fold=1, period=1, **options):
        """Logits come in units of 2^-8 to base 2: 512 is a mean deviation of two doublings."""
        return self.convolution(source, self.buffer(period, width, SAMPLES, 0, fold), spread=512, **options)

    def upsampling(self, source, into, factor):
        return self._add(onet.Layer(onet.UPSAMPLING, *source, *into, factor))

    def head(self, kind, logits, classes):
        buffer = self.network.buffers[logits[0]]
        into = self.buffer(buffer.period, buffer.fold * len(classes), PROBABILITIES, 0, buffer.fold)
        return self._add(onet.Layer(kind, *logits, *into, classes=classes))


def part(signal, offset, channels):
    return signal[0], signal[1] + offset, channels


def elements():
    """Codes and samples in all four combinations; 1, 2, 3, 5 and 15 taps; a blank that is not 0."""
    b = Builder("elements", 263)
    a = b.convolution(b.input, b.buffer(1, 16, SAMPLES), taps=5, before=2)
    a = b.convolution(a, b.buffer(2, 16), taps=3, stride=2, before=2, flags=OUTER_RELU)
    a = b.convolution(a, b.buffer(2, 32, blank=41), spread=16)
    a = b.convolution(a, b.buffer(2, 16, blank=9), taps=15, before=7, flags=INNER_RELU)
    b.head(onet.SOFTMAX, b.logits(a, 16, period=2, taps=2, before=1), "NPS")
    return b


def strides():
    """Codes as input, strides 3 and 4, probabilities folded four to a row; a component that is missing."""
    b = Builder("strides", 607, element=CODES, blank=64, components="ENZ")
    a = b.convolution(b.input, b.buffer(3, 16), taps=4, stride=3, before=1, flags=OUTER_RELU)
    a = b.convolution(a, b.buffer(12, 32, blank=20), taps=7, stride=4, dilation=2, before=12)
    b.head(onet.SIGMOID, b.logits(a, 16, fold=4, period=12, taps=3, before=1), "PS")
    return b


def residuals():
    """Inner and outer ReLU with residuals of both elements, from a part of a buffer, with a blank, subtracted."""
    b = Builder("residuals", 211)
    h = b.convolution(b.input, b.buffer(1, 32, blank=50), taps=3, before=2, spread=15)
    low = part(h, 16, 16)
    a = b.convolution(h, b.buffer(1, 16), taps=3, before=2, dilation=3, flags=INNER_RELU | RESIDUAL, residual=low,
                      residual_scale=0.75, spread=14)
    a = b.convolution(a, b.buffer(1, 16), taps=5, before=4, flags=OUTER_RELU | RESIDUAL, residual=a,
                      residual_scale=0.6)
    a = b.convolution(a, b.buffer(1, 16, blank=12), taps=2, flags=INNER_RELU | OUTER_RELU | RESIDUAL, residual=low,
                      residual_scale=-0.9)
    s = b.convolution(a, b.buffer(1, 16, SAMPLES), flags=OUTER_RELU)
    t = b.convolution(s, b.buffer(1, 16, SAMPLES), taps=3, before=1, flags=INNER_RELU | RESIDUAL, residual=s,
                      residual_scale=1.0625)
    t = b.convolution(t, b.buffer(1, 16, SAMPLES), taps=3, before=2, flags=OUTER_RELU | RESIDUAL, residual=t,
                      residual_scale=0.3)
    b.head(onet.SOFTMAX, b.logits(t, 16), "NP")
    return b


def steps():
    """Several rows a step, into a whole buffer and a part of one, with trims; upsampling; two to sixteen rows."""
    b = Builder("steps", 301)
    a = b.convolution(b.input, b.buffer(4, 16, blank=30), taps=7, stride=4, before=3, spread=14)
    c = b.convolution(a, b.buffer(16, 32), taps=5, stride=4, before=2, flags=OUTER_RELU)
    joined = b.buffer(4, 48, blank=30)
    b.convolution(a, part(joined, 32, 16), taps=3, before=1, flags=INNER_RELU | RESIDUAL, residual=a,
                  residual_scale=0.5)
    b.convolution(c, part(joined, 0, 32), taps=2, before=1, rows=4, trim=5, spread=14)
    wide = b.buffer(1, 32, blank=30)
    b.upsampling(part(joined, 28, 16), part(wide, 16, 16), 4)
    b.convolution(joined, part(wide, 0, 16), taps=2, before=1, rows=4, trim=1, flags=OUTER_RELU)
    b.head(onet.SOFTMAX, b.logits(wide, 16, taps=3, before=1), "NPS")
    fine = b.logits(c, 1, rows=16, trim=37, taps=4, before=3)
    b.head(onet.SIGMOID, fine, "P")
    b.head(onet.SOFTMAX, b.logits(joined, 8, period=2, rows=2, trim=7), "abcdefgh")
    return b


def dilated():
    """A dilation of 256, fifteen taps at a dilation of 17, offsets into the source; eight classes, two steps a row."""
    b = Builder("dilated", 907, components="ZNEA")
    a = b.convolution(b.input, b.buffer(2, 32, SAMPLES), taps=5, stride=2, before=4)
    a = b.convolution(a, b.buffer(2, 48), taps=3, dilation=256, before=256, flags=OUTER_RELU)
    a = b.convolution(part(a, 12, 20), b.buffer(2, 16), taps=15, dilation=17, before=238, flags=OUTER_RELU)
    a = b.convolution(a, b.buffer(4, 16), taps=2, stride=2, dilation=100, before=37, flags=OUTER_RELU)
    b.head(onet.SOFTMAX, b.logits(a, 16, fold=2, period=4), "abcdefgh")
    return b


def temporal():
    """The shape of the streaming picker: two strides, eight dilations, half of them centred; four rows a step."""
    b = Builder("temporal", 2501)
    h = b.convolution(b.input, b.buffer(2, 16), taps=7, stride=2, before=5, flags=OUTER_RELU)
    h = b.convolution(h, b.buffer(4, 32), taps=5, stride=2, before=3, flags=OUTER_RELU)
    for exponent in range(8):
        dilation = 1 << exponent
        h = b.convolution(h, b.buffer(4, 32), taps=3, dilation=dilation, before=dilation * (1 if exponent < 4 else 2),
                          flags=INNER_RELU | RESIDUAL, residual=h, residual_scale=0.7, spread=14)
    b.head(onet.SOFTMAX, b.logits(h, rows=4), "NPS")
    return b


def heads():
    """A fast head that sees little and a slow one that looks ahead, on one trunk."""
    b = Builder("heads", 499)
    trunk = b.convolution(b.input, b.buffer(1, 16), taps=9, before=8, flags=OUTER_RELU)
    b.head(onet.SIGMOID, b.logits(trunk, 16, taps=2, before=1), "P")
    slow = b.convolution(trunk, b.buffer(1, 16), taps=5, dilation=16, before=16, flags=INNER_RELU | RESIDUAL,
                         residual=trunk, residual_scale=0.8)
    b.head(onet.SOFTMAX, b.logits(slow, 16, taps=3, dilation=8), "NPS")
    return b


def unet():
    """PhaseNet's shape (Zhu & Beroza 2019), shallow: 8 channels two steps a row, concatenations, odd lengths."""
    b = Builder("unet", 333, components="ENZ", window_rows=333, normalization=1)
    both0, both1 = b.buffer(2, 32, SAMPLES, fold=2), b.buffer(4, 32, SAMPLES)
    a = b.convolution(b.input, b.buffer(2, 16, SAMPLES, fold=2), taps=8, stride=2, before=3, flags=OUTER_RELU)
    a = b.convolution(a, part(both0, 0, 16), taps=5, before=2, flags=OUTER_RELU)
    a = b.convolution(a, b.buffer(4, 16, SAMPLES), taps=4, stride=2, before=1, flags=OUTER_RELU)
    a = b.convolution(a, part(both1, 0, 16), taps=7, before=3, flags=OUTER_RELU)
    a = b.convolution(a, b.buffer(16, 32, SAMPLES), taps=7, stride=4, before=2, flags=OUTER_RELU)
    a = b.convolution(a, b.buffer(16, 32, SAMPLES), taps=7, before=3, flags=OUTER_RELU)
    b.convolution(a, part(both1, 16, 16), taps=2, before=1, rows=4, trim=2, flags=OUTER_RELU)
    a = b.convolution(both1, b.buffer(4, 16, SAMPLES), taps=7, before=3, flags=OUTER_RELU)
    b.convolution(a, part(both0, 16, 16), taps=2, before=1, rows=2, trim=1, flags=OUTER_RELU)
    a = b.convolution(both0, b.buffer(2, 16, SAMPLES, fold=2), taps=5, before=2, flags=OUTER_RELU)
    b.head(onet.SOFTMAX, b.logits(a, 16, fold=2, period=2), "NPS")
    return b


def extremes():
    """Ties, clamps at both ends, the largest inputs, weights, sums, biases and residuals that the format allows."""
    b = Builder("extremes", 193)
    b.is_extreme = True
    rng = b.rng
    largest = [-32768, -32767, -20001, -3, -2, -1, 0, 1, 2, 3, 20001, 32767]
    b.values[0] = rng.choice(largest, (193, 4)).astype("<i2")
    halves = np.float32([0.5, 0.25, 0.125, 0.0625] * 4)
    a = b.convolution(b.input, b.buffer(1, 16, SAMPLES), taps=3, before=1,
                      numbers=(rng.integers(-1, 2, (16, 3, 4)), rng.integers(-3, 4, 16), halves))
    a = b.convolution(a, b.buffer(1, 16, SAMPLES), flags=RESIDUAL, residual=a, residual_scale=0.5,
                      numbers=(rng.integers(-1, 2, (16, 1, 16)), rng.integers(-3, 4, 16), halves))
    # 16 x 4095 x 32768 + 2^19 - 1 is 2^31 less one.
    signs = rng.choice([-1, 1], (16, 1, 16))
    c = b.convolution(a, b.buffer(1, 16, blank=64),
                      numbers=(4095 * signs, (2**19 - 1) * signs[:, 0, 0], np.full(16, 2.0 ** -23, np.float32)))
    wide = b.buffer(1, 32, blank=127)
    signs = rng.choice([-1, 1], (16, 15, 16))
    bias, scale = rng.integers(-2**18, 2**18, 16), np.full(16, 2.0 ** -11, np.float32)
    bias[:4], scale[:4] = (2**30, -2**30, 2**30, -2**30), (0.5, 0.5, 2.0 ** -149, 2.0 ** -24)
    b.convolution(c, part(wide, 0, 16), taps=15, before=7, numbers=(127 * signs, bias, scale))
    b.convolution(c, part(wide, 16, 16), flags=INNER_RELU | RESIDUAL, residual=c, residual_scale=-1024,
                  numbers=(rng.integers(-127, 128, (16, 1, 16)), np.zeros(16, int), halves))
    b.head(onet.SOFTMAX, b.logits(wide, 16), "NPS")
    return b


BUILDERS = (elements, strides, residuals, steps, dilated, temporal, heads, unet, extremes)


def check_liveliness(network, values):
    """Goldens of values that stand still or are all clamped would prove nothing."""
    for index, (buffer, rows) in enumerate(zip(network.buffers, values)):
        place = f"{network.header.name}, buffer {index}"
        _, counts = np.unique(rows, return_counts=True)
        clamped = (0, 127) if buffer.element == CODES else (-32768, 32767) if buffer.element == SAMPLES else (0, 32768)
        assert len(counts) >= 24 and counts.max() < 0.75 * rows.size, f"{place}: hardly moves"
        assert np.isin(rows, clamped[1:]).mean() < 0.25, f"{place}: saturated"
        if buffer.element != PROBABILITIES:
            assert (rows.astype(int).max(axis=0) > rows.astype(int).min(axis=0)).mean() >= 0.75, f"{place}: dead"


def _run_record(network, values, at):
    """Bytes of the outputs of one run, and where they will lie in a file of which `at` bytes are written."""
    data, outputs = b"", []
    for index in network.outputs:
        part_bytes = values[index].tobytes()
        outputs.append({"buffer": index, "rows": len(values[index]), "at": at + len(data), "bytes": len(part_bytes),
                        "crc32c": onet.crc32c(part_bytes)})
        data += part_bytes
    return data, outputs


def vectors(builder):
    """The files of one network, by ending, and its entry in the manifest."""
    b = builder()
    network, rows = onet.decode(onet.encode(b.network)), b.values[0]
    full = integer.windowed(network, rows)
    assert all((ours == theirs).all() for ours, theirs in zip(b.values, full))
    if not b.is_extreme:
        check_liveliness(network, full)
    windowed, windowed_runs = b"", []
    for count in (len(rows), len(rows) - 2, 64, 37, 1):
        values = full if count == len(rows) else integer.windowed(network, rows[:count])
        data, outputs = _run_record(network, values, len(windowed))
        windowed_runs.append({"rows": count, "outputs": outputs,
                              "buffers_crc32c": [onet.crc32c(buffer.tobytes()) for buffer in values]})
        windowed += data
    streamed, outputs = _run_record(network, integer.streamed(network, rows), 0)
    files = {"onet": onet.encode(network), "input.bin": rows.tobytes(), "windowed.bin": windowed,
             "streamed.bin": streamed}
    record = {
        "name": network.header.name,
        "what": builder.__doc__,
        "crc32c": {ending: onet.crc32c(data) for ending, data in files.items()},
        "input": {"rows": len(rows), "width": rows.shape[1], "element": network.buffers[0].element},
        "windowed": windowed_runs,
        "streamed": {"rows": len(rows), "outputs": outputs},
    }
    return files, record


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    records = []
    for builder in BUILDERS:
        files, record = vectors(builder)
        for ending, data in files.items():
            (folder / f"{record['name']}.{ending}").write_bytes(data)
        records.append(record)
        print(f"{record['name']}: {sum(map(len, files.values()))} bytes")
    manifest = {"made_by": "calibration/training/goldens.py", "format_version": 1, "seed": SEED,
                "numpy": np.__version__, "random": "numpy.random.default_rng([seed, *name]).integers",
                "networks": records}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main()
