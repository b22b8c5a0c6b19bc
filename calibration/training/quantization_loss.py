#!/usr/bin/env python3
"""What eight bits cost: the picker of a training state in integers and in float, on records with analysts' picks.

    quantization_loss.py --data ../shared/data --split dev --state picker.state
"""
import argparse
import csv
from pathlib import Path

import numpy as np
import torch

import features
import layers
import picker
import records

TOLERANCE_SAMPLES = 50
SEPARATION_SAMPLES = 60


def read(folder, split):
    """Codes, and the analyst's P and S, of each record that has both."""
    with open(folder / "index.csv", newline="") as file:
        for row in csv.DictReader(file):
            if row["split"] == split and row["p_sample"] and row["s_sample"]:
                counts, present = records.waveform(folder / row["file"], row)
                scale = records.RATE_HERTZ / float(row["fs"])
                yield (features.features(counts[None].astype(np.float64), present[None])[0],
                       [scale * float(row[name]) for name in ("p_sample", "s_sample")])


def picks(curve, threshold):
    """Peaks, of which the larger one stays where two are close, as in the station."""
    kept = []
    for sample in sorted(records.peaks(curve, threshold), key=lambda place: -curve[place]):
        if all(abs(sample - other) >= SEPARATION_SAMPLES for other in kept):
            kept.append(sample)
    return np.array(kept, np.int64)


def score(found, truth):
    """Hits, false and missed of one record."""
    near = int((np.abs(found - truth) <= TOLERANCE_SAMPLES).any())
    return np.array([near, len(found) - near, 1 - near])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", required=True)
    parser.add_argument("--state", type=Path, required=True)
    options = parser.parse_args()
    network = layers.Network(picker.plan())
    network.load_state_dict(torch.load(options.state.with_suffix(".picker"), weights_only=False)["network"])
    if not network.is_quantized:
        network.quantize()
    everything = list(read(options.data / "waveforms", options.split))
    curves = []
    for network.is_quantized in (True, False):
        curves.append([picker.probabilities(network, codes, "cpu")[1:3] for codes, _ in everything])
    for phase, letter in enumerate("PS"):
        print(f"{letter}: mean difference of probabilities",
              round(np.mean([np.abs(one[phase] - other[phase]).mean() for one, other in zip(*curves)]), 5))
        for threshold in (0.3, 0.4, 0.5, 0.6):
            f1 = []
            for run in curves:
                hits, false, missed = sum(
                    score(found[found >= 500], truths[phase]) for (_, truths), found in
                    ((record, picks(curve[phase], threshold)) for record, curve in zip(everything, run))
                    if truths[phase] >= 500)
                f1.append(200 * hits / (2 * hits + false + missed))
            print(f"  at {threshold}: F1 in integers {f1[0]:.1f} %, in float {f1[1]:.1f} %")


if __name__ == "__main__":
    main()
