"""The committed golden vectors are what the script makes today, byte for byte."""
import json
import unittest

import goldens
import integer
import numpy as np
import onet


class Goldens(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.manifest = json.loads((goldens.FOLDER / "manifest.json").read_text())

    def test_made_again_they_are_the_same(self):
        self.assertEqual([builder.__name__ for builder in goldens.BUILDERS],
                         [record["name"] for record in self.manifest["networks"]])
        for builder, record in zip(goldens.BUILDERS, self.manifest["networks"]):
            files, again = goldens.vectors(builder)
            self.assertEqual(again, record)
            for ending, data in files.items():
                self.assertEqual((goldens.FOLDER / f"{record['name']}.{ending}").read_bytes(), data)

    def test_files_are_as_the_manifest_says(self):
        for record in self.manifest["networks"]:
            path = goldens.FOLDER / record["name"]
            network = onet.read(f"{path}.onet")
            rows = np.fromfile(f"{path}.input.bin", onet.VALUE_TYPES[record["input"]["element"]])
            rows = rows.reshape(record["input"]["rows"], record["input"]["width"])
            streamed = (goldens.FOLDER / f"{record['name']}.streamed.bin").read_bytes()
            values = integer.streamed(network, rows)
            for output in record["streamed"]["outputs"]:
                data = streamed[output["at"]:output["at"] + output["bytes"]]
                self.assertEqual(data, values[output["buffer"]].tobytes())
                self.assertGreater(output["rows"], 0)

    def test_every_feature_is_in_one_of_them(self):
        seen = set()
        for builder in goldens.BUILDERS:
            network = builder().network
            for layer in network.layers:
                source, destination = network.buffers[layer.source], network.buffers[layer.destination]
                wide = layer.destination_channels < destination.width
                seen |= {("kind", layer.kind), ("stride", layer.stride), ("taps", layer.taps), ("flags", layer.flags),
                         ("dilation", layer.dilation), ("fold", destination.fold), ("classes", len(layer.classes))}
                if layer.kind == onet.CONVOLUTION:
                    seen |= {("elements", source.element, destination.element), ("trim", layer.trim > 0),
                             ("rows", layer.rows_per_step, wide), ("blank", destination.blank > 0)}
        wanted = {("kind", k) for k in (1, 2, 3, 4)} | {("stride", s) for s in (1, 2, 3, 4)}
        wanted |= {("taps", t) for t in (1, 2, 3, 4, 5, 7, 15)} | {("dilation", d) for d in (1, 2, 16, 17, 128, 256)}
        wanted |= {("flags", f) for f in (0, 1, 2, 5, 6, 7)} | {("fold", f) for f in (1, 2, 4)}
        wanted |= {("elements", s, d) for s in (0, 1) for d in (0, 1)} | {("trim", True), ("blank", True)}
        wanted |= {("rows", r, w) for r, w in ((1, False), (1, True), (4, True), (4, False), (2, True), (16, False))}
        wanted |= {("classes", c) for c in (1, 2, 3, 8)}
        self.assertEqual(wanted - seen, set())

    def test_the_folder_is_small(self):
        self.assertLess(sum(path.stat().st_size for path in goldens.FOLDER.iterdir()), 400_000)


if __name__ == "__main__":
    unittest.main()
