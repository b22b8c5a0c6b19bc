#!/usr/bin/env python3
"""Writes the golden vectors of what the picker's network sees, Tests/Golden/features.

counts.bin holds frames of three little-endian int32 (vertical, north, east), case after case; codes.bin the rows of
twelve codes that features.py makes of them; manifest.json the cases: samples, and a mask of the components there.
"""
import json
from pathlib import Path

import numpy as np

import features

SEED = 20261125
FOLDER = Path(__file__).resolve().parents[2] / "Tests" / "Golden" / "features"
SAMPLES = 1500


def shaking(rng, noise, peak):
    """Noise of integers, then an onset `peak` counts high that dies away."""
    white = rng.integers(-1000, 1001, (3, SAMPLES)) + rng.integers(-1000, 1001, (3, SAMPLES))
    counts = white * noise // 1000
    onset = SAMPLES // 2
    decay = (SAMPLES - np.arange(onset, SAMPLES)) ** 2
    counts[:, onset:] += white[:, onset:] * (peak // 1000) * decay // decay[0]
    return counts


def cases():
    rng = np.random.default_rng(SEED)
    yield 0b111, shaking(rng, 300, 20_000)
    yield 0b111, shaking(rng, 20, 1_000_000_000)        # a range of 120 dB and more
    yield 0b001, shaking(rng, 2, 50_000)                 # a coarse converter, the vertical alone
    yield 0b110, shaking(rng, 5000, 100_000) + 4_000_000  # an offset, no vertical
    silence = np.zeros((3, SAMPLES), np.int64)
    silence[:, 700] = 2**31 - 1                          # a spike out of digital silence
    yield 0b111, silence
    late = shaking(rng, 3000, 30_000) + 100_000          # the converter wakes up after three seconds
    late[:, :300] = 0
    yield 0b111, late
    ties = shaking(rng, 1, 1000)
    ties[0] = np.arange(SAMPLES) % 2 * 2 - 1             # halves
    yield 0b101, ties
    quiet = shaking(rng, 1, 40_000)                      # ground that is quieter than a count
    quiet[:, :SAMPLES // 2] = rng.integers(0, 300, (3, SAMPLES // 2)) == 0
    quiet[0, :SAMPLES // 2] = 0
    yield 0b111, quiet


def vectors():
    """The two files' bytes and the manifest."""
    counts, codes, listed = b"", b"", []
    for present, signal in cases():
        mask = np.array([bool(present & 1 << lane) for lane in range(3)])
        counts += signal.T.astype("<i4").tobytes()
        codes += features.features(signal[None], mask[None])[0].T.tobytes()
        listed.append({"present": present, "samples": SAMPLES})
    return counts, codes, {"seed": SEED, "cases": listed}


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    counts, codes, manifest = vectors()
    (FOLDER / "counts.bin").write_bytes(counts)
    (FOLDER / "codes.bin").write_bytes(codes)
    (FOLDER / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main()
