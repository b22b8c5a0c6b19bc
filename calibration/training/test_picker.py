"""What the picker is trained on, and how its two networks become one file."""
import importlib.util
import unittest

import numpy as np

import features

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
    def judged(self, p, s, other_p=(), other_s=(), manual=((), ())):
        return records.judged(np.array([curve(90_000, *p), curve(90_000, *s)]),
                              np.array([curve(90_000, *other_p), curve(90_000, *other_s)]), manual)

    def test_the_second_teachers_pick_has_the_firsts_time(self):
        known, doubtful = self.judged([(10_000, 0.3)], [], [(10_030, 0.4)])
        self.assertEqual((known, doubtful), (({10_000: "both"}, {}), [[], []]))
        self.assertEqual(self.judged([], [], [(10_030, 0.6)])[0], ({10_030: "second"}, {}))
        self.assertEqual(self.judged([], [], [(10_030, 0.4)]), (({}, {}), [[10_030], []]), "it is not sure")

    def test_the_first_alone_says_nothing_and_far_from_all_it_says_no(self):
        known, doubtful = self.judged([(10_000, 0.9), (50_000, 0.9)], [], [(12_000, 0.8)])
        self.assertEqual((known, doubtful), (({12_000: "second"}, {}), [[10_000], []]))

    def test_a_pair_counts_within_a_sequence_alone(self):
        p, s = [(10_000, 0.9)], [(10_800, 0.8)]
        self.assertEqual(self.judged(p, s), (({}, {}), [[10_000], [10_800]]), "but it is not noise either")
        known, _ = self.judged(p, s, [(30_000, 0.9)])
        self.assertEqual(known, ({10_000: "pair", 30_000: "second"}, {10_800: "pair"}))
        self.assertEqual(self.judged(p, [(9_500, 0.8)], [(30_000, 0.9)])[0][1], {}, "an S before it does not make one")

    def test_an_analyst_outranks_both(self):
        known, doubtful = self.judged([(10_000, 0.9)], [], [(10_000, 0.9)], manual=([10_040], [11_000]))
        self.assertEqual((known, doubtful), (({10_040: "manual"}, {11_000: "manual"}), [[], []]))
        _, doubtful = self.judged([], [], manual=([10_000], []))
        self.assertTrue(doubtful[1] and min(doubtful[1]) >= 10_030, "an S may be there that nobody has sought")

    def test_in_streets_nobody_is_believed(self):
        curves = [np.array([curve(9_000, (1000, 0.9)), curve(9_000, (2000, 0.9))])] * 2
        row = {"source": records.TOWNS[0], "pick_kind": "", "fs": "100"}
        self.assertEqual(records.judged_of(*curves, row), (({}, {}), ([], [])))
        self.assertTrue(records.judged_of(*curves, row | {"source": "elsewhere"})[0][0])

    def test_what_the_first_alone_sees_is_quiet(self):
        first, second = np.zeros((2, 90_000)), np.zeros((2, 90_000))
        first[0, 50_000] = 0.9
        self.assertEqual(records.loudest(first, second, *records.judged(first, second)).max(), 0)
        second[0, 50_010] = 0.15
        self.assertAlmostEqual(records.loudest(first, second, *records.judged(first, second)).max(), 0.9)


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
        self.assertEqual(codes.shape, (24, features.CHANNELS, examples.SAMPLES))
        self.assertLessEqual(codes.max(), 127)
        self.assertTrue(np.allclose(targets.sum(axis=2), 1, atol=1e-5))
        self.assertEqual(events.shape, (24, examples.SAMPLES // 4))
        self.assertTrue((weights[:, :examples.SETTLING_SAMPLES] == 0).all())
        self.assertTrue(set(np.unique(motions)) <= {-1, 0, 1} and set(np.unique(event_weights)) <= {0, 1})
        self.assertGreater(targets[:, :, 1].max(axis=1).mean(), 0.4)

    def test_a_pick_counts_what_it_is_worth(self):
        less = record()
        less.p_worth, less.s_worth = np.array([0.5]), np.array([0.5])
        whole, half = (examples.Source([one], 11).batch(32) for one in (record(), less))
        at = whole[1][:, :, 1] > 0.9
        self.assertTrue((half[2][at] < whole[2][at]).any() and (half[2] <= whole[2]).all())
        self.assertTrue(set(np.unique(half[2])) == {0, 0.5, 1}, "a synthetic event's pick counts in full")
        self.assertTrue((whole[1] == half[1]).all(), "the target is the same")

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
            network(torch.randn(2, features.CHANNELS, 800))
            network.quantize()
            yield network.eval()

    def test_two_networks_in_one_file_say_what_they_said_apart(self):
        import integer
        first, second = (network.export() for network in self.networks())
        rows = np.random.default_rng(3).integers(0, 128, (600, features.CHANNELS)).astype(np.uint8)
        apart = [values for network in (first, second) for values in
                 (integer.windowed(network, rows)[buffer] for buffer in network.outputs)]
        both = picker.joined(first, second)
        together = integer.windowed(both, rows)
        self.assertEqual([layer.classes for layer in both.layers if layer.is_head], ["NPS", "NPS", "E", "UD"])
        for expected, buffer in zip(apart, both.outputs):
            self.assertTrue((expected == together[buffer]).all())
        onet.decode(onet.encode(both))

    def test_a_motion_network_of_two_views_is_taken_over(self):
        import integer
        both = picker.joined(*(network.export() for network in self.networks()))
        for layer in both.layers:  # As in a file of before the third view.
            if layer.source == 0:
                layer.weights, layer.source_channels = layer.weights[:, :, :8], 8
        both.buffers[0].width = 8
        taken = picker.motion_of(onet.decode(onet.encode(both)))
        rows = np.random.default_rng(3).integers(0, 128, (200, features.CHANNELS)).astype(np.uint8)
        ours, theirs = integer.windowed(taken, rows), integer.windowed(both, rows[:, :8])
        self.assertTrue((ours[-1] == theirs[-1]).all())

    def test_the_mean_of_the_weights_is_lent_and_given_back(self):
        network = layers.Network(picker.motion_plan())
        average = picker.Average(network)
        first = {name: value.detach().clone() for name, value in network.named_parameters()}
        with torch.no_grad():
            for value in network.parameters():
                value += 1
        average.step(network)
        average.exchange(network)
        for name, value in network.named_parameters():
            between = (value - first[name]).mean().item()
            self.assertTrue(0 < between < 1, "between what it was and what it is")
        average.exchange(network)
        self.assertTrue(all(torch.allclose(value, first[name] + 1) for name, value in network.named_parameters()))

    def test_what_is_learnt_of_first_motions(self):
        batch = examples.Source([record()], 9).batch(32)
        codes, motions = picker.around_motions(batch)
        self.assertEqual(codes.shape[1:], (features.CHANNELS, picker.MOTION_SAMPLES))
        self.assertTrue((motions != 0).any(axis=1).all())


if __name__ == "__main__":
    unittest.main()
