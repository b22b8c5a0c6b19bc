#!/usr/bin/env python3
"""Writes Tests/Golden/synthetic: ground motion of a few events, for both synthesizers to make from the same chance.

white.bin holds little-endian float64, a row a sample: common, then own of vertical, north, east; motion.bin the ground
acceleration of each event, [event][sample][3]; manifest.json the events.
"""
import json
from pathlib import Path

import numpy as np

import synthesizer

SEED, SAMPLES, RATE = 20261126, 1200, 100
FOLDER = Path(__file__).resolve().parents[2] / "Tests" / "Golden" / "synthetic"
EVENTS = [(4.0, 25.0, 8.0, 3.0), (2.0, 5.0, 4.0, 1.0), (7.0, 60.0, 15.0, 2.0)]


def vectors():
    rng = np.random.default_rng(SEED)
    # Sums of integers: the same numbers with every version of NumPy.
    white = (rng.integers(-1024, 1025, (SAMPLES, 4)) + rng.integers(-1024, 1025, (SAMPLES, 4))) / 1024.0
    motion = [synthesizer.acceleration(synthesizer.Event(*event), white[:, 0], white[:, 1:].T, RATE).T
              for event in EVENTS]
    events = [dict(zip(("magnitude", "epicentralKilometres", "depthKilometres", "leadSeconds"), event))
              for event in EVENTS]
    return white, np.array(motion), {"seed": SEED, "samples": SAMPLES, "rateHertz": RATE, "events": events}


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    white, motion, manifest = vectors()
    (FOLDER / "white.bin").write_bytes(white.astype("<f8").tobytes())
    (FOLDER / "motion.bin").write_bytes(motion.astype("<f8").tobytes())
    (FOLDER / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main()
