"""What is drawn is what it is called."""
import unittest

import numpy as np

try:
    import scipy  # noqa: F401
except ImportError as missing:
    raise unittest.SkipTest(f"{missing}")

import ground

LEAD = int(ground.LEAD_SECONDS * ground.RATE)


def period(x):
    """Twice the time over the zero crossings."""
    return 2 * len(x) / ground.RATE / max(np.count_nonzero(np.diff(x >= 0)), 1)


class GroundTest(unittest.TestCase):
    def setUp(self):
        self.rng = np.random.default_rng(7)

    def test_nothing_moves_before_its_time_and_all_of_it_is_finite(self):
        for draw in (ground.blast, ground.impact, ground.teleseism, ground.fault, lambda rng: ground.earthquake(rng)[0]):
            for _ in range(20):
                motion = draw(self.rng)
                self.assertEqual(motion.shape[0], 3)
                self.assertTrue(np.isfinite(motion).all())
                self.assertEqual(np.abs(motion[:, :LEAD - 1]).max(), 0)
                self.assertGreater(np.abs(motion[:, LEAD:]).max(), 0)

    def test_an_earthquake_has_its_shear_wave_after_its_distance(self):
        ratios = []
        for _ in range(60):
            motion, magnitude, kilometres = ground.earthquake(self.rng)
            self.assertTrue(1.5 <= magnitude <= 8.2 and 3 <= kilometres <= 400)
            s = LEAD + int(kilometres * (1 / 3.5 - 1 / 6.1) * ground.RATE)
            self.assertLess(s, motion.shape[1])
            if s > LEAD + 20:
                ratios.append(np.abs(motion[1:, s:]).max() / np.abs(motion[:, LEAD:s]).max())
        self.assertGreater(np.median(ratios), 1.5)

    def test_larger_is_stronger(self):
        pairs = [ground.earthquake(self.rng) for _ in range(150)]
        level = [np.log10(np.abs(motion).max() * kilometres) for motion, _, kilometres in pairs]
        self.assertGreater(np.corrcoef(level, [magnitude for _, magnitude, _ in pairs])[0, 1], 0.7)

    def test_a_teleseism_is_slow(self):
        periods = [period(ground.teleseism(self.rng)[0, LEAD:LEAD + 1000]) for _ in range(20)]
        self.assertGreater(np.median(periods), 0.5)
        self.assertLess(np.median([period(ground.blast(self.rng)[0, LEAD:LEAD + 300]) for _ in range(20)]), 0.5)

    def test_the_same_seed_draws_the_same(self):
        first, second = (ground.blast(np.random.default_rng(3)) for _ in range(2))
        self.assertTrue((first == second).all())

    def test_motion_is_integrated(self):
        t = np.arange(6000) / ground.RATE
        a, v = ground.motion(np.tile(np.sin(2 * np.pi * 5 * t), (3, 1)))
        self.assertAlmostEqual(np.abs(a[0, 3000:]).max(), 1, delta=0.01)
        self.assertAlmostEqual(np.abs(v[0, 3000:]).max(), 1 / (10 * np.pi), delta=0.001)


if __name__ == "__main__":
    unittest.main()
