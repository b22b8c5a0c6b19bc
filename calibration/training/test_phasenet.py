"""PhaseNet's reference and its description, against each other and against what was published."""
import csv
import importlib.util
import json
import unittest
from pathlib import Path

import numpy as np

import phasenet_reference as reference

DESCRIPTION = Path(__file__).parents[1] / "models" / "phasenet-ncedc.json"
HAS_DATA = (reference.DATA / reference.WEIGHTS).exists() and (reference.DATA / reference.INDEX).exists()
HAS_OBSPY = importlib.util.find_spec("obspy") is not None


def random_arrays(description, generator):
    """Arrays of the shapes and names that the description asks for, of no meaning."""
    channels, arrays = {"input": len(description["components"])}, {}
    counts = {"in": 8, "bottom": 128, "logits": 3}
    for layer in description["layers"]:
        name, source = layer["name"], layer["from"]
        if layer["kind"] == "concatenation":
            channels[name] = sum(channels[part] for part in source)
        elif layer["kind"] in ("convolution", "transposed"):
            inputs = channels[source]
            outputs = counts.get(name, 8 << int(name[-1]) if name[-1].isdigit() else None)
            shape = (1 if name == "logits" else 7, 1, inputs, outputs)
            if layer["kind"] == "transposed":
                shape = (7, 1, outputs, inputs)
            arrays[layer["weights"]] = generator.normal(0, (7 * inputs) ** -0.5, shape).astype(np.float32)
            if "bias" in layer:
                arrays[layer["bias"]] = generator.normal(0, 0.1, outputs).astype(np.float32)
            if "batch_norm" in layer:
                for part in ("gamma", "beta", "moving_mean", "moving_variance"):
                    values = np.abs(generator.normal(1, 0.2, outputs)) if part[-1] == "a" or "variance" in part else 0
                    arrays[f"{layer['batch_norm']}/{part}"] = np.float32(values + np.zeros(outputs))
            channels[name] = outputs
    return arrays


def described(description, arrays, x):
    """Runs the description in float64 as the importer understands it: `before` and `crop`, no "SAME" anywhere."""
    window_rows, signals = description["window_rows"], {"input": x.astype(float)}
    periods = {"input": 1}
    for layer in description["layers"]:
        source = layer["from"]
        period = periods[source[0] if isinstance(source, list) else source]
        if layer["kind"] == "concatenation":
            y = np.concatenate([signals[part] for part in source], axis=1)
        elif layer["kind"] == "softmax":
            powers = np.exp(signals[source] - signals[source].max(axis=1, keepdims=True))
            y = powers / powers.sum(axis=1, keepdims=True)
        else:
            kernel = arrays[layer["weights"]][:, 0].astype(float)
            taps, stride, before, x = len(kernel), layer["stride"], layer["before"], signals[source]
            if layer["kind"] == "transposed":
                period //= stride
                rows = -(-window_rows // period)
                y = np.zeros((stride * len(x) + taps, kernel.shape[1]))
                for tap in range(taps):
                    y[tap:tap + stride * len(x):stride] += x @ kernel[tap].T
                y = y[before + layer["crop"]:][:rows]
            else:
                period *= stride
                rows = -(-window_rows // period)
                x = np.pad(x, ((before, stride * rows + taps), (0, 0)))
                y = sum(x[tap:tap + stride * rows:stride] @ kernel[tap] for tap in range(taps))
            y = y + (arrays[layer["bias"]] if "bias" in layer else 0)
            if "batch_norm" in layer:
                gamma, beta, mean, variance = (arrays[f"{layer['batch_norm']}/{part}"].astype(float) for part in
                                               ("gamma", "beta", "moving_mean", "moving_variance"))
                y = (y - mean) / np.sqrt(variance + description["batch_norm_epsilon"]) * gamma + beta
            y = np.maximum(y, 0) if layer["relu"] else y
        signals[layer["name"]], periods[layer["name"]] = y, period
    return signals


class PhaseNet(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.description = json.loads(DESCRIPTION.read_text())

    def test_description_is_the_reference(self):
        generator = np.random.default_rng(4)
        windows = generator.normal(size=(2, reference.ROWS, 3)).astype(np.float32)
        arrays = random_arrays(self.description, generator)
        probabilities = reference.phasenet(arrays, windows)
        self.assertGreater(probabilities.std(), 0.01)
        for window, expected in zip(windows, probabilities):
            got = described(self.description, arrays, window)["probabilities"]
            self.assertLess(np.abs(got - expected).max(), 1e-4)

    def test_every_signal_has_the_rows_that_its_readers_expect(self):
        arrays = random_arrays(self.description, np.random.default_rng(5))
        signals = described(self.description, arrays, np.zeros((reference.ROWS, 3)))
        self.assertEqual([len(signals[f"skip{level}"]) for level in range(4)] + [len(signals["bottom"])],
                         [3001, 751, 188, 47, 12])

    def test_transposed_convolution_is_the_gradient_of_a_convolution(self):
        generator = np.random.default_rng(6)
        kernel = generator.normal(size=(7, 1, 5, 3)).astype(np.float32)
        x, y = generator.normal(size=(1, 48, 5)).astype(np.float32), generator.normal(size=(1, 12, 3))
        forward = (reference.convolution(x, kernel, 4) * y).sum()
        backward = (reference.transposed_convolution(y.astype(np.float32), kernel, 4) * x).sum()
        self.assertAlmostEqual(forward, backward, places=3)

    def test_normalization(self):
        counts = np.random.default_rng(7).normal(5, 3, (reference.ROWS, 3))
        counts[:, 1] = 4
        window = reference.normalize(counts)
        self.assertFalse(window[:, 1].any())
        self.assertLess(np.abs(window[:, ::2].mean(axis=0)).max(), 1e-5)
        self.assertLess(np.abs(window[:, ::2].std(axis=0) - 1).max(), 1e-5)

    @unittest.skipUnless(HAS_DATA, "needs ../shared/data")
    def test_description_names_every_published_array(self):
        with np.load(reference.DATA / reference.WEIGHTS) as file:
            names = {name for name in file.files if name != "global_step"}
        asked = set()
        for layer in self.description["layers"]:
            asked |= {layer[key] for key in ("weights", "bias") if key in layer}
            if "batch_norm" in layer:
                asked |= {f"{layer['batch_norm']}/{part}" for part in
                          ("gamma", "beta", "moving_mean", "moving_variance")}
        self.assertEqual(asked, names)

    @unittest.skipUnless(HAS_DATA and HAS_OBSPY, "needs ../shared/data and ObsPy")
    def test_reference_picks_as_the_analyst_and_the_published_network(self):
        with np.load(reference.DATA / reference.WEIGHTS) as file:
            arrays = {name: file[name] for name in file.files}
        with open(reference.DATA / reference.INDEX, newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["source"] == "phasenet_ncedc"]
        rows = [row for row in rows if set(row["components"]) == set("ENZ")][:8]
        from_analyst, from_teacher = [], []
        for record in rows:
            counts, _ = reference.read_record(reference.DATA, record)
            pick = int(float(record["p_sample"]))
            window = slice(pick - 1000, pick - 1000 + reference.ROWS)
            ours = reference.phasenet(arrays, reference.normalize(counts[window])[None])[0, :, 1]
            path = reference.DATA / "waveforms" / record["file"].replace(".mseed", ".teacher.npz")
            teacher = np.load(path)["phasenet_ps"][0, window]
            near = slice(900, 1100)
            from_analyst.append(abs(int(ours.argmax()) - 1000))
            from_teacher.append(abs(int(ours[near].argmax()) - int(teacher[near].argmax())))
        self.assertLessEqual(np.median(from_analyst), 10, from_analyst)
        self.assertLessEqual(np.median(from_teacher), 2, from_teacher)


if __name__ == "__main__":
    unittest.main()
