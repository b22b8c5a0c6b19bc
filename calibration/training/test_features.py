"""What the network sees, and that the golden vectors are what it is today."""
import unittest

import feature_goldens
import features
import numpy as np


class Features(unittest.TestCase):
    def test_goldens_made_again_are_the_same(self):
        counts, codes, _ = feature_goldens.vectors()
        self.assertEqual((feature_goldens.FOLDER / "counts.bin").read_bytes(), counts)
        self.assertEqual((feature_goldens.FOLDER / "codes.bin").read_bytes(), codes)

    def test_one_spike_moves_the_scale_by_little(self):
        rng = np.random.default_rng(1)
        counts = rng.normal(0, 100, (1, 3, 2000))
        _, before, _ = features.filtered_and_scale(counts)
        counts[0, :, 1500] += 1e9
        _, after, _ = features.filtered_and_scale(counts)
        self.assertLess(np.abs(after[0, :, 1501] / before[0, :, 1501] - 1).max(), 0.005)

    def test_gain_changes_nothing_above_the_floor(self):
        rng = np.random.default_rng(2)
        counts = rng.normal(0, 100, (1, 3, 1000))
        present = np.ones((1, 3), bool)
        difference = features.features(counts * 64, present).astype(int) - features.features(counts, present)
        self.assertEqual(np.abs(difference).max(), 0)

    def test_the_scale_is_right_five_seconds_after_silence_and_a_step(self):
        rng = np.random.default_rng(5)
        counts = rng.normal(0, 1000, (1, 3, 3000)) + 1e6
        counts[:, :, :1000] = 0
        _, scale, _ = features.filtered_and_scale(counts)
        settled = features.filtered_and_scale(counts[:, :, 1500:] - 1e6)[1][:, :, 1000:].mean()
        self.assertTrue((np.abs(scale[:, :, 1500:] / settled - 1) < 0.35).all())

    def test_what_follows_a_loud_p_is_seen_against_it(self):
        """An S three times its P's coda, 60 dB above the noise: a step of five in the coarse view, of thirty in the fast."""
        rng = np.random.default_rng(6)
        counts = rng.normal(0, 10, (1, 3, 4000))
        counts[:, :, 2000:] *= 1000
        counts[:, :, 3000:3050] *= 3
        codes = np.abs(features.features(counts, np.ones((1, 3), bool))[0].astype(int) - 64)
        rise = {view: codes[channel, 3000:3050].mean() - codes[channel, 2900:3000].mean()
                for view, channel in (("coarse", 1), ("fast", 8))}
        self.assertLess(rise["coarse"], 6)
        self.assertGreater(rise["fast"], 12)

    def test_a_missing_component_is_blank(self):
        counts = np.random.default_rng(3).normal(0, 100, (1, 3, 600))
        codes = features.features(counts, np.array([[True, False, True]]))[0]
        self.assertTrue((codes[[2, 3, 9]] == features.BLANK).all())
        self.assertTrue((codes[0] != features.BLANK).any() and (codes[4] != features.BLANK).any())

    def test_the_range_is_120_decibels(self):
        counts = np.random.default_rng(4).normal(0, 1, (1, 3, 1200))
        for decibels, least in ((40, 15), (80, 35), (120, 54)):
            loud = counts.copy()
            loud[:, :, 1000:1010] *= 10 ** (decibels / 20)
            codes = features.features(loud * 10, np.ones((1, 3), bool))[0]
            self.assertGreater(np.abs(codes[1, 1000:1010].astype(int) - 64).max(), least)


if __name__ == "__main__":
    unittest.main()
