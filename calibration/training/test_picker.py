"""What the picker is trained on, and how its two networks become one file."""
import importlib.util
import unittest

import numpy as np

HAS_SCIPY = importlib.util.find_spec("scipy") is not None
HAS_TORCH = importlib.util.find_spec("torch") is not None and HAS_SCIPY
if HAS_SCIPY:
    import examples
    import records
    import synthesizer
    import synthetic_goldens
if HAS_TORCH:
    import layers
    import onet
    import picker
    import torch


def curve(samples, *picks):
    """A teacher's probability: bells of given height at given places."""
    time = np.arange(samples)
    return np.maximum.reduce([height * np.exp(-0.5 * ((time - place) / 10) ** 2) for place, height in picks]
                             + [np.zeros(samples)])


@unittest.skipUnless(HAS_SCIPY, "SciPy is not installed")
class Teachers(unittest.TestCase):
    def agreed(self, p, s, other_p=(), other_s=()):
        return [list(found) for found in records.agreed(
            np.array([curve(9000, *p), curve(9000, *s)]), np.array([curve(9000, *other_p), curve(9000, *other_s)]))]

    def test_a_supported_pick_is_sure(self):
        p, s, doubtful_p, _ = self.agreed([(1000, 0.9)], [], [(1030, 0.4)])
        self.assertEqual((p, s, doubtful_p), ([1000], [], []))

    def test_one_alone_is_doubtful(self):
        self.assertEqual(self.agreed([(1000, 0.9)], [])[:3], [[], [], [1000]])
        self.assertEqual(self.agreed([], [], [(1000, 0.9)])[:3], [[], [], [1000]])

    def test_an_s_behind_it_supports_a_p(self):
        p, s, doubtful_p, doubtful_s = self.agreed([(1000, 0.9)], [(1800, 0.8)])
        self.assertEqual((p, s, doubtful_p, doubtful_s), ([1000], [1800], [], []))
        self.assertEqual(self.agreed([(1000, 0.9)], [(900, 0.8)])[0], [], "one before it does not")


def record(seed=1, samples=20_000):
    """Noise, an event at 9000 (S at 9800), and what would be said of it."""
    rng = np.random.default_rng(seed)
    counts = rng.normal(0, 100, (3, samples))
    for at, size in ((9000, 3000), (9800, 6000)):
        time = np.arange(samples - at)
        counts[:, at:] += size * np.exp(-time / 400) * np.sin(time / 2.5) * np.array([[1], [0.5], [0.4]])
    loudest = np.zeros(samples, np.uint8)
    loudest[8900:10000] = 200
    nothing = np.array([], np.int64)
    return records.Record("a", "test", counts.astype(np.float32), np.ones(3, bool), np.array([9000]), np.array([9800]),
                          nothing, nothing, loudest)


@unittest.skipUnless(HAS_SCIPY, "SciPy is not installed")
class Examples(unittest.TestCase):
    def test_the_same_seed_makes_the_same_batch(self):
        first, second = (examples.Source([record()], 5).batch(4) for _ in range(2))
        self.assertTrue(all((one == other).all() for one, other in zip(first, second)))

    def test_shapes_and_ranges(self):
        codes, targets, weights, motions, events, event_weights = examples.Source([record()], 6).batch(24)
        self.assertEqual(codes.shape, (24, 8, examples.SAMPLES))
        self.assertLessEqual(codes.max(), 127)
        self.assertTrue(np.allclose(targets.sum(axis=2), 1, atol=1e-5))
        self.assertEqual(events.shape, (24, examples.SAMPLES // 4))
        self.assertTrue((weights[:, :examples.SETTLING_SAMPLES] == 0).all())
        self.assertTrue(set(np.unique(motions)) <= {-1, 0, 1} and set(np.unique(event_weights)) <= {0, 1})
        self.assertGreater(targets[:, :, 1].max(axis=1).mean(), 0.4)

    def test_onsets_are_nowhere_special(self):
        _, targets, weights, _, _, _ = examples.Source([record()], 7).batch(64)
        places = [int(np.argmax(row)) for row in targets[:, :, 1] * weights if row.max() > 0.9]
        self.assertGreater(np.std(places), 400)

    def test_first_motion(self):
        trace = np.random.default_rng(1).normal(0, 1, 1000)
        trace[500:510] += np.linspace(10, 60, 10)
        self.assertEqual(examples.first_motion(trace, 500), 1)
        self.assertEqual(examples.first_motion(-trace, 500), -1)
        self.assertEqual(examples.first_motion(trace, 300), 0)

    def test_a_flip_flips_the_label(self):
        batches = examples.Source([record()], 8)
        signs = set()
        for _ in range(4):
            codes, _, _, motions, _, _ = batches.batch(16)
            for row, known in zip(codes, motions):
                place = np.flatnonzero(known)
                if len(place):
                    signs.add(int(known[place[0]]))
        self.assertEqual(signs, {-1, 1})


@unittest.skipUnless(HAS_SCIPY, "SciPy is not installed")
class Synthesizer(unittest.TestCase):
    def test_goldens_made_again_are_the_same(self):
        white, motion, _ = synthetic_goldens.vectors()
        folder = synthetic_goldens.FOLDER
        self.assertEqual((folder / "white.bin").read_bytes(), white.astype("<f8").tobytes())
        golden = np.frombuffer((folder / "motion.bin").read_bytes(), "<f8").reshape(motion.shape)
        self.assertTrue(np.allclose(golden, motion, rtol=1e-9, atol=1e-12 * np.abs(motion).max()))

    def test_nothing_before_p(self):
        motion, p, s = synthesizer.drawn(np.random.default_rng(2), 3000, 12.0)
        self.assertTrue((motion[:, :1199] == 0).all() and (motion[:, 1200:1300] != 0).any())
        self.assertGreater(s, p)


@unittest.skipUnless(HAS_TORCH, "PyTorch or SciPy is not installed")
class Plans(unittest.TestCase):
    def networks(self):
        for plan in (picker.plan(), picker.motion_plan()):
            network = layers.Network(plan)
            network.train()
            network(torch.randn(2, 8, 800))
            network.quantize()
            yield network.eval()

    def test_two_networks_in_one_file_say_what_they_said_apart(self):
        import integer
        first, second = (network.export() for network in self.networks())
        rows = np.random.default_rng(3).integers(0, 128, (600, 8)).astype(np.uint8)
        apart = [values for network in (first, second) for values in
                 (integer.windowed(network, rows)[buffer] for buffer in network.outputs)]
        both = picker.joined(first, second)
        together = integer.windowed(both, rows)
        self.assertEqual([layer.classes for layer in both.layers if layer.is_head], ["NPS", "NPS", "E", "UD"])
        for expected, buffer in zip(apart, both.outputs):
            self.assertTrue((expected == together[buffer]).all())
        onet.decode(onet.encode(both))

    def test_what_is_learnt_of_first_motions(self):
        batch = examples.Source([record()], 9).batch(32)
        codes, motions = picker.around_motions(batch)
        self.assertEqual(codes.shape[1:], (8, picker.MOTION_SAMPLES))
        self.assertTrue((motions != 0).any(axis=1).all())


if __name__ == "__main__":
    unittest.main()
