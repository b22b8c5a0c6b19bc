#!/usr/bin/env python3
"""PhaseNet in float32, plainly, and the windows on which a quantized PhaseNet is calibrated and judged.

Zhu, W. & Beroza, G. C. (2019), PhaseNet: a deep-neural-network-based seismic arrival-time picking method, Geophys. J.
Int. 216, 261-273; the weights are those published with it (github.com/AI4EPS/PhaseNet, MIT licence, checkpoint
190703-214543). Nothing here is shared with the engine: the transposed convolution scatters, "SAME" pads and the crop
cuts as TensorFlow and the published code do.

Reads the records of DATA/waveforms with ObsPy and writes an .npz, uncompressed:
    windows         [N][3001][3]  development records, E N Z, each channel minus its mean, over its deviation
    probabilities   [N][3001][3]  what PhaseNet makes of them: noise, P, S
    analyst         [N]           1 where the record has manual picks
    calibration     [M][3001][3]  windows of training records, half of them with a phase
"""
import argparse
import csv
import sys
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
ROWS, HOP = 3001, 1500
LEVELS = 5
CALIBRATION_WINDOWS = 200
SEED = 20261120
BATCH_NORM_EPSILON = np.float32(1e-3)
WEIGHTS, INDEX = "models/phasenet_ncedc.npz", "waveforms/index.csv"


# The network

def convolution(x, kernel, stride=1):
    """x [B][T][C], kernel [taps][1][in][out], "SAME": as many zeros in front as behind, the odd one behind."""
    taps, rows = len(kernel), x.shape[1]
    count = -(-rows // stride)
    padding = max((count - 1) * stride + taps - rows, 0)
    x = np.pad(x, ((0, 0), (padding // 2, padding - padding // 2), (0, 0)))
    y = np.zeros((len(x), count, kernel.shape[3]), np.float32)
    for tap in range(taps):
        y += x[:, tap:tap + (count - 1) * stride + 1:stride] @ kernel[tap, 0]
    return y


def transposed_convolution(x, kernel, stride):
    """The gradient of a "SAME" convolution of stride·T rows; kernel [taps][1][out][in]."""
    taps, rows = len(kernel), x.shape[1]
    before = max(taps - stride, 0) // 2
    y = np.zeros((len(x), stride * rows + taps, kernel.shape[2]), np.float32)
    for tap in range(taps):
        y[:, tap:tap + stride * rows:stride] += x @ kernel[tap, 0].T
    return y[:, before:before + stride * rows]


def phasenet(arrays, x):
    """Probabilities [B][3001][3] of noise, P and S in normalized windows [B][3001][3]."""
    def normalized(x, prefix):
        mean, variance = arrays[f"{prefix}/moving_mean"], arrays[f"{prefix}/moving_variance"]
        x = (x - mean) / np.sqrt(variance + BATCH_NORM_EPSILON)
        return np.maximum(x * arrays[f"{prefix}/gamma"] + arrays[f"{prefix}/beta"], 0)

    x = convolution(x, arrays["Input/input_conv/kernel"]) + arrays["Input/input_conv/bias"]
    x = normalized(x, "Input/input_bn")
    skips = []
    for level in range(LEVELS):
        place, number = f"DownConv_{level}", level + 1
        x = normalized(convolution(x, arrays[f"{place}/down_conv1_{number}/kernel"]), f"{place}/down_bn1_{number}")
        if level < LEVELS - 1:
            skips.append(x)
            x = normalized(convolution(x, arrays[f"{place}/down_conv3_{number}/kernel"], 4),
                           f"{place}/down_bn3_{number}")
    for level in reversed(range(LEVELS - 1)):
        place, number = f"UpConv_{level}", level + 1
        x = normalized(transposed_convolution(x, arrays[f"{place}/up_conv0_{number}/kernel"], 4),
                       f"{place}/up_bn0_{number}")
        rows = skips[level].shape[1]
        crop = (x.shape[1] - rows) // 2
        x = np.concatenate([skips[level], x[:, crop:crop + rows]], axis=2)
        x = normalized(convolution(x, arrays[f"{place}/up_conv1_{number}/kernel"]), f"{place}/up_bn1_{number}")
    logits = convolution(x, arrays["Output/output_conv/kernel"]) + arrays["Output/output_conv/bias"]
    powers = np.exp(logits - logits.max(axis=2, keepdims=True))
    return powers / powers.sum(axis=2, keepdims=True)


# The windows

def normalize(window):
    """[3001][3] counts to what PhaseNet is fed; a dead channel becomes zeros."""
    window = window - window.mean(axis=0)
    deviation = window.std(axis=0)
    return (window / np.where(deviation > 0, deviation, 1)).astype(np.float32)


def read_record(data, record):
    """Counts [n][3], E N Z, NaN where a sample is missing; or None, with the reason."""
    import obspy  # Only here: the network itself needs nothing but NumPy.
    if float(record["fs"]) != 100:
        return None, f"{float(record['fs']):g} Hz"
    if set(record["components"]) != set("ENZ"):
        return None, f"components {record['components']}"
    stream = obspy.read(data / "waveforms" / record["file"])
    start = min(trace.stats.starttime for trace in stream)
    counts = np.full((int(record["npts"]), 3), np.nan)
    for trace in stream:
        first = round((trace.stats.starttime - start) * 100)
        samples = trace.data[:len(counts) - first]
        counts[first:first + len(samples), "ENZ".index(trace.stats.channel[-1])] = samples
    if len(counts) < ROWS:
        return None, "shorter than a window"
    return counts, None


def records(data, split):
    """(record, counts) of a split; says which records it passes over."""
    with open(data / INDEX, newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    for record in rows:
        counts, reason = read_record(data, record)
        if counts is None:
            print(f"skipped {record['file']}: {reason}")
        else:
            yield record, counts


def development_windows(data):
    windows, analyst = [], []
    for record, counts in records(data, "dev"):
        has_picks = record["pick_kind"].startswith("manual") and record["p_sample"] != ""
        for start in range(0, len(counts) - ROWS + 1, HOP):
            window = counts[start:start + ROWS]
            if not np.isnan(window).any():
                windows.append(normalize(window))
                analyst.append(has_picks)
    return np.stack(windows), np.array(analyst, np.uint8)


def calibration_windows(data):
    """As many from each source, half of them around a P of the record's teacher: activations are largest there."""
    rng = np.random.default_rng(SEED)
    sources = {}
    for record, counts in records(data, "train"):
        teacher = data / "waveforms" / record["file"].replace(".mseed", ".teacher.npz")
        likely = np.load(teacher)["phasenet_ps"][0] >= 128 if teacher.exists() else np.zeros(1, bool)
        onsets = np.flatnonzero(np.diff(likely.astype(np.int8)) == 1)
        starts = [int(onset) - int(rng.integers(200, ROWS - 200)) for onset in rng.permutation(onsets)[:100]]
        others = rng.integers(0, len(counts) - ROWS + 1, 100).tolist()
        found = sources.setdefault(record["source"], ([], []))
        for kind, places in zip(found, (starts, others)):
            windows = (counts[start:start + ROWS] for start in places if 0 <= start <= len(counts) - ROWS)
            kind.extend(normalize(window) for window in windows if not np.isnan(window).any())
    quota = -(-CALIBRATION_WINDOWS // (2 * len(sources)))
    chosen = []
    for source, (phases, others) in sorted(sources.items()):
        count = len(chosen)
        for kind in (phases, others):
            chosen += [kind[index] for index in rng.permutation(len(kind))[:quota]]
        print(f"calibration: {len(chosen) - count} windows of {source}")
    return np.stack(chosen)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="folder with models/ and waveforms/ (%(default)s)")
    parser.add_argument("--output", type=Path, default=Path("windows.npz"))
    arguments = parser.parse_args()
    if not all((arguments.data / path).exists() for path in (WEIGHTS, INDEX)):
        print(f"{arguments.data} has no waveforms or no weights: nothing to do")
        sys.exit(0)
    with np.load(arguments.data / WEIGHTS) as file:
        arrays = {name: file[name] for name in file.files}
    windows, analyst = development_windows(arguments.data)
    probabilities = np.concatenate([phasenet(arrays, windows[at:at + 16]) for at in range(0, len(windows), 16)])
    calibration = calibration_windows(arguments.data)
    np.savez(arguments.output, windows=windows, probabilities=probabilities, analyst=analyst, calibration=calibration)
    print(f"{arguments.output}: {len(windows)} windows, {int(analyst.sum())} with an analyst's picks; "
          f"{len(calibration)} to calibrate with")


if __name__ == "__main__":
    main()
