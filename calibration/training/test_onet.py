"""The file format: what is written is read back, and what is not allowed is refused."""
import copy
import struct
import unittest

import numpy as np

import goldens
import onet


def changed(data, at, new, seal=True):
    """`data` with bytes replaced, and a checksum that fits unless told otherwise."""
    data = bytearray(data)
    data[at:at + len(new)] = new
    if seal:
        struct.pack_into("<I", data, 12, onet.crc32c(data[16:struct.unpack_from("<I", data, 8)[0]]))
    return bytes(data)


class Format(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.network = goldens.residuals().network
        cls.data = onet.encode(cls.network)

    def test_checksum_is_castagnolis(self):
        self.assertEqual(onet.crc32c(b"123456789"), 0xE3069283)

    def test_records_have_the_sizes_of_the_format(self):
        self.assertEqual((onet.HEADER.size, onet.BUFFER.size, onet.LAYER.size), (80, 16, 64))

    def test_what_is_written_is_read_back(self):
        again = onet.decode(self.data)
        self.assertEqual(again.buffers, self.network.buffers)
        self.assertEqual(onet.encode(again), self.data)
        for ours, theirs in zip(self.network.layers, again.layers):
            for name, value in vars(ours).items():
                self.assertTrue(np.array_equal(value, getattr(theirs, name)), name)

    def test_weights_lie_in_blocks_of_sixteen_outputs(self):
        at = onet.HEADER.size + onet.BUFFER.size * len(self.network.buffers)
        layer = self.network.layers[1]
        start = struct.unpack_from("<I", self.data, at + onet.LAYER.size + 36)[0]
        output, tap, channel = 13, 2, 7
        place = (((output // 16 * layer.taps + tap) * (layer.source_channels // 4) + channel // 4) * 16
                 + output % 16) * 4 + channel % 4
        self.assertEqual(struct.unpack_from("<b", self.data, start + place)[0], layer.weights[output, tap, channel])

    def test_signature_is_tolerated_and_nothing_else(self):
        onet.decode(self.data + b"ED25" + bytes(96))
        for end in (b"\0", b"ED26" + bytes(96), b"ED25" + bytes(95)):
            with self.assertRaises(onet.FormatError):
                onet.decode(self.data + end)

    def test_every_changed_byte_is_noticed(self):
        for at in list(range(0, 16)) + list(range(16, len(self.data), 211)):
            with self.assertRaises(onet.FormatError, msg=f"byte {at}"):
                onet.decode(changed(self.data, at, bytes([self.data[at] ^ 4]), seal=False))
        for length in (0, 79, 80, 500, len(self.data) - 1):
            with self.assertRaises(onet.FormatError):
                onet.decode(self.data[:length])

    def test_reserved_bytes_and_padding_are_zero(self):
        layers = onet.HEADER.size + onet.BUFFER.size * len(self.network.buffers)
        padding = layers + onet.LAYER.size * len(self.network.layers)
        self.assertNotEqual(padding % onet.ALIGNMENT, 0)
        for at in (6, 65, 70, 79, onet.HEADER.size + 10, onet.HEADER.size + 15, layers + 56, padding):
            with self.assertRaises(onet.FormatError, msg=f"byte {at}"):
                onet.decode(changed(self.data, at, b"\1"))

    def test_mutants_are_refused_or_valid(self):
        """Whatever the tables say, the reader answers with a network or with a reason, never with another error."""
        rng = np.random.default_rng(8)
        data = onet.encode(goldens.unet().network)
        tables = onet.HEADER.size + onet.BUFFER.size * data[66] + onet.LAYER.size * data[68]
        refused = 0
        for _ in range(400):
            mutant = bytearray(data if rng.integers(8) == 0 else data[:tables + 64])
            struct.pack_into("<I", mutant, 8, len(mutant))
            for _ in range(rng.integers(1, 4)):
                mutant[rng.integers(16, tables)] = rng.choice([0, 1, 2, 3, 4, 16, 127, 128, 255])
            try:
                onet.decode(changed(mutant, 16, mutant[16:17]))
            except onet.FormatError:
                refused += 1
        self.assertGreater(refused, 200)

    def test_refusals(self):
        def change(layer=0, buffer=None, **fields):
            network = copy.deepcopy(self.network)
            target = network.layers[layer] if buffer is None else network.buffers[buffer]
            for name, value in fields.items():
                setattr(target, name, value)
            return network

        scale = self.network.layers[0].scale
        refused = [
            change(stride=2), change(rows_before=3), change(taps=16), change(dilation=257), change(trim=4),
            change(source=1), change(source=99), change(source_channels=3), change(source_channels=8),
            change(destination=0), change(destination_offset=16), change(layer=1, residual_offset=20),
            change(layer=1, residual=0), change(layer=1, residual_scale=float("nan")),
            change(layer=1, residual_scale=1025.0), change(residual_scale=1.0), change(classes="P"),
            change(scale=scale * 0), change(scale=scale + np.float32(2**20)), change(scale=scale * np.float32("nan")),
            change(weights=self.network.layers[0].weights * 0 + 32767), change(layer=-1, classes="123456789"),
            change(layer=-1, classes=""), change(buffer=0, period=2), change(buffer=1, blank=128),
            change(buffer=5, blank=1), change(buffer=1, fold=3), change(buffer=1, fold=17), change(buffer=1, width=48),
            change(buffer=0, element=onet.PROBABILITIES),
        ]
        for index, network in enumerate(refused):
            with self.assertRaises(onet.FormatError, msg=f"case {index}"):
                onet.check(network)


if __name__ == "__main__":
    unittest.main()
