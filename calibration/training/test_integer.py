"""The integer reference against the format's text taken literally, and streams against windows."""
import math
import unittest

import numpy as np

import goldens
import integer
import onet


def literal_convolution(network, layer, values, step, output):
    """One value, in the words of the format: Python integers, one float32 rounding an operation."""
    def value(buffer, row, channel):
        inside = 0 <= row < len(values[buffer])
        return int(values[buffer][row, channel]) if inside else network.buffers[buffer].blank

    total = int(layer.bias[output])
    for i in range(layer.taps):
        row = step * layer.stride - layer.rows_before + i * layer.dilation
        for channel in range(layer.source_channels):
            total += value(layer.source, row, layer.source_offset + channel) * int(layer.weights[output, i, channel])
    x = np.float32(np.float32(total) * layer.scale[output])
    if layer.flags & onet.INNER_RELU and x < 0:
        x = np.float32(0)
    if layer.flags & onet.RESIDUAL:
        code = value(layer.residual, step, layer.residual_offset + output)
        product = np.float32(np.float32(code - network.buffers[layer.residual].blank)
                             * np.float32(layer.residual_scale))
        x = np.float32(x + product)
    v = round(float(x))  # ties to even
    destination = network.buffers[layer.destination]
    outer = layer.flags & onet.OUTER_RELU
    if destination.element == onet.CODES:
        return max(destination.blank if outer else 0, min(127, v + destination.blank))
    return max(0 if outer else -32768, min(32767, v))


class Arithmetic(unittest.TestCase):
    def test_convolutions_follow_the_text(self):
        rng = np.random.default_rng(1)
        for builder in goldens.BUILDERS:
            b = builder()
            for layer in b.network.layers:
                if layer.kind != onet.CONVOLUTION:
                    continue
                rows = len(b.values[layer.destination])
                places = [(0, 0), (rows - 1, layer.destination_channels - 1)]
                places += [(int(rng.integers(rows)), int(rng.integers(layer.destination_channels))) for _ in range(12)]
                for row, channel in places:
                    buffer = b.network.buffers[layer.destination]
                    step, r = divmod(row + layer.trim, layer.rows_per_step)
                    channels = layer.destination_channels // buffer.fold
                    expected = literal_convolution(b.network, layer, b.values, step,
                                                   r * layer.destination_channels + channel)
                    if row * buffer.fold + channel // channels >= -(-len(b.values[0]) * buffer.fold // buffer.period):
                        expected = buffer.blank
                    got = b.values[layer.destination][row, layer.destination_offset + channel]
                    self.assertEqual(got, expected, f"{b.network.header.name} row {row} channel {channel}")

    def test_softmax_is_near_the_real_one_and_sums_to_one(self):
        logits = np.random.default_rng(2).integers(-3000, 3000, (4000, 3)).astype(np.int32)
        exact = 2.0 ** (logits / 256)
        exact /= exact.sum(axis=1, keepdims=True)
        got = integer.softmax(logits)
        self.assertLess(np.abs(got / 32768 - exact).max(), 2 / 32768)
        self.assertLessEqual(np.abs(got.sum(axis=1).astype(int) - 32768).max(), 2)

    def test_softmax_of_extremes(self):
        def softmax(*logits):
            return integer.softmax(np.array([logits], np.int32))[0].tolist()

        self.assertEqual(softmax(0, 0), [16384, 16384])
        self.assertEqual(softmax(32767, -32768), [32768, 0])
        self.assertEqual(softmax(0, -16 * 256), [32768 * 65536 // 65537 + 1, 0])
        self.assertEqual(softmax(0, -17 * 256), [32768, 0])
        self.assertEqual(softmax(*[5] * 8), [4096] * 8)

    def test_sigmoid_is_a_softmax_against_zero(self):
        layer = onet.Layer(onet.SIGMOID, 0, 0, 4, 1, 0, 1, classes="P")
        logits = np.array([[0, 9, 9, 9], [256, 0, 0, 0], [-32768, 0, 0, 0], [32767, 0, 0, 0]], np.int16)
        got = integer._head(layer, 1, logits)[:, 0, 0].tolist()
        self.assertEqual(got, [16384, math.floor(32768 * 2 / 3 + 0.5), 0, 32768])


class Time(unittest.TestCase):
    def test_windows_are_streams_away_from_their_end(self):
        for builder in goldens.BUILDERS:
            b = builder()
            name, rows = b.network.header.name, b.values[0]
            for count in (len(rows), len(rows) - 1, len(rows) * 2 // 3, 40, 1, 0):
                window = integer.windowed(b.network, rows[:count])
                stream = integer.streamed(b.network, rows[:count])
                for index, (ours, theirs) in enumerate(zip(window, stream)):
                    common = min(len(ours), len(theirs))
                    if b.network.buffers[index].fold > 1 and common == len(ours):
                        common -= 1  # blank surplus in a window's last row
                    self.assertTrue((ours[:common] == theirs[:common]).all(), f"{name}, {count} rows, buffer {index}")

    def test_what_a_stream_has_written_stays(self):
        for builder in goldens.BUILDERS:
            b = builder()
            rows = b.values[0]
            end = integer.streamed(b.network, rows)
            for count in range(0, len(rows), 53):
                for ours, theirs in zip(integer.streamed(b.network, rows[:count]), end):
                    self.assertTrue((ours == theirs[:len(ours)]).all())

    def test_blanks_after_a_window_are_not_data(self):
        """A window followed by blank rows differs from the window alone only by what its layers make of the blanks:
        the first layer's results up to its reach must be the same."""
        b = goldens.elements()
        rows = b.values[0]
        longer = np.concatenate([rows, np.zeros((8, 4), rows.dtype)])
        ours, theirs = integer.windowed(b.network, rows)[1], integer.windowed(b.network, longer)[1]
        self.assertTrue((ours == theirs[:len(ours)]).all())

    def test_surplus_of_a_folded_row_is_blank(self):
        b = goldens.unet()
        self.assertEqual(len(b.values[0]) % 2, 1)
        for index, buffer in enumerate(b.network.buffers):
            if buffer.fold == 2:
                for layer in b.network.layers:
                    if layer.destination == index:
                        last = b.values[index][-1, layer.destination_offset:][:layer.destination_channels]
                        half = layer.destination_channels // 2
                        self.assertFalse(last[half:].any())
                        self.assertTrue(last[:half].any())


if __name__ == "__main__":
    unittest.main()
