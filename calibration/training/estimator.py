"""Makes the estimator's network: quantiles of magnitude, distance and coming shaking, and what kind of event it is.

    python3 calibration/training/estimator.py --windows windows.npz --data ../shared/data --onset .build/release/onset \
      --output calibration/models/onset-estimator.onet

A row of codes goes in ten times a second, each by itself: what has been is in the parameters. Out come the 16th, 50th and
84th percentile of magnitude, log distance, and of how much larger than until now acceleration and velocity will become
(logarithms), and probabilities of the classes. It is trained on windows.npz (windows.py), and its percentiles are then moved and
stretched to what strong-motion records say: the last layer takes that in.
"""
import argparse
import copy
import csv
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

import ground
import layers
import onet

QUANTILES = torch.tensor([0.1587, 0.5, 0.8413])
TARGETS = ("magnitude", "log_kilometres", "acceleration", "velocity")
# What a gain that is not known moves, and what a station without horizontals does not have.
AMPLITUDES = [1, 2, 3, 4, 5, 6, 7, 8, 13, 17]
HORIZONTALS = [6, 12, 16]
GAIN_STEPS = 24
HELD_BACK = 10  # One event of so many.
STRONG_SHARE = 0.18
FOLDS = 10
SETTLED_SECONDS = 1.8  # Before that nobody knows much, and it would show in what is said later.
INPUT_UNIT = 1 / 64
SEARCHED_SECONDS, SHAKING_SECONDS = 60, 120


def plan(width):
    network = layers.Plan("onset-estimator", sample_rate_hertz=10, components="ZNE", input_unit=INPUT_UNIT,
                          input_channels=20, input_element=onet.CODES)
    signal = network.convolution(network.input, width, relu="outer")
    signal = network.convolution(signal, width, relu="outer")
    network.logits(signal, 16)
    network.softmax(network.logits(signal, 16), ground.CLASSES)
    return network


class Windows:
    def __init__(self, path):
        arrays = np.load(path)
        self.codes = torch.tensor(arrays["codes"].astype(np.int64))
        self.kind = torch.tensor(arrays["kind"].astype(np.int64))
        self.scaled = torch.tensor(arrays["is_scaled"].astype(bool))
        self.targets = torch.tensor(np.stack([arrays[name] for name in TARGETS], axis=1).astype(np.float32))
        event = arrays["event"]
        self.held_back = torch.tensor(event % HELD_BACK == 0)
        _, place, count = np.unique(event, return_inverse=True, return_counts=True)
        # An event counts as one, however long its window is open, and real noise as little as it is rare to alarm.
        weight = 1 / count[place]
        real_noise = (arrays["kind"] == ground.CLASSES.index("N"))
        weight[real_noise] *= 0.15 * weight.sum() / max(weight[real_noise].sum(), 1e-9)
        real_events = arrays["is_scaled"].astype(bool) & (arrays["kind"] == 0)
        weight[real_events] *= 0.2 * weight.sum() / max(weight[real_events].sum(), 1e-9)
        self.weight = torch.tensor(weight)

    def batch(self, generator, size):
        chosen = torch.multinomial(self.weight * ~self.held_back, size, replacement=True, generator=generator)
        codes = self.codes[chosen].clone()
        shift = torch.randint(-GAIN_STEPS, GAIN_STEPS + 1, (size, 1), generator=generator) * self.scaled[chosen, None]
        moved = codes[:, AMPLITUDES]
        codes[:, AMPLITUDES] = torch.where(moved > 0, (moved + shift).clamp(1, 127), 0)
        return _without_horizontals(codes, generator), self.kind[chosen], self.targets[chosen]


def _without_horizontals(codes, generator):
    """Some of them as a station with a vertical alone has them."""
    vertical = torch.rand(len(codes), generator=generator) < 0.08
    codes[vertical, 4], codes[vertical, 5] = codes[vertical, 1], codes[vertical, 2]
    for place in HORIZONTALS:
        codes[vertical, place] = 0
    return codes


class StrongMotion:
    """Windows of real strong motion, few: spoiled a little, so that they are not learnt by heart."""

    def __init__(self, rows):
        self.codes = torch.tensor([row[2] for row in rows])
        self.targets = torch.tensor([row[3] for row in rows], dtype=torch.float32)
        events = np.array([row[0] for row in rows])
        _, place, count = np.unique(events, return_inverse=True, return_counts=True)
        self.weight = torch.tensor(1 / np.sqrt(count[place]))

    def batch(self, generator, size):
        chosen = torch.multinomial(self.weight, size, replacement=True, generator=generator)
        codes = self.codes[chosen]
        noise = torch.randint(-2, 3, codes.shape, generator=generator)
        codes = torch.where(codes > 0, (codes + noise).clamp(1, 127), 0)
        codes[torch.rand(codes.shape, generator=generator) < 0.05] = 0
        return _without_horizontals(codes, generator), torch.zeros(size, dtype=torch.int64), self.targets[chosen]


class Mixture:
    def __init__(self, windows, strong):
        self.windows, self.strong = windows, strong

    def batch(self, generator, size):
        few = int(STRONG_SHARE * size)
        parts = zip(self.windows.batch(generator, size - few), self.strong.batch(generator, few))
        return [torch.cat(part) for part in parts]


def outputs(network, codes):
    """Quantiles [rows][targets][3] and logits of the classes [rows][classes]."""
    signals = network.signals(codes.float().T[None] * INPUT_UNIT)
    unit = layers.LOGIT_UNIT if network.is_quantized else 1
    quantiles, logits = sorted(network.plan.logit_buffers)
    rows = signals[quantiles][0].T[:, :12] * unit
    return rows.unflatten(1, (4, 3)), signals[logits][0].T[:, :len(ground.CLASSES)] * unit


def loss(network, codes, kind, targets):
    quantiles, logits = outputs(network, codes)
    error = targets[:, :, None] - quantiles
    known = targets.isfinite()[:, :, None]
    pinball = torch.maximum(QUANTILES * error, (QUANTILES - 1) * error)
    pinball = torch.where(known, pinball, 0).sum(dim=(0, 2)) / known.sum(dim=(0, 2)).clamp(min=1)
    weights = torch.tensor([1.0, 3.0, 4.0, 4.0])  # Magnitudes scatter more than logarithms.
    return (pinball * weights).sum() + 0.7 * functional.cross_entropy(logits, kind)


def train(network, windows, generator, steps, rate, size):
    optimizer = torch.optim.AdamW(network.parameters(), rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    network.train()
    for step in range(steps):
        value = loss(network, *windows.batch(generator, size))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        schedule.step()
        if step % 1000 == 999:
            print(f"step {step + 1}: {value.item():.4f}", flush=True)


@torch.no_grad()
def report(network, windows):
    network.eval()
    chosen = windows.held_back
    quantiles, logits = outputs(network, windows.codes[chosen])
    seconds, targets, kind = windows.codes[chosen, 0], windows.targets[chosen], windows.kind[chosen]
    at3 = (seconds >= 68) & (seconds <= 72)
    for place, name in enumerate(TARGETS):
        rows = at3 & targets[:, place].isfinite() & ~windows.scaled[chosen]
        error = targets[rows, place] - quantiles[rows, place, 1]
        inside = (targets[rows, place] > quantiles[rows, place, 0]) & (targets[rows, place] < quantiles[rows, place, 2])
        print(f"{name} at 3 s: mean {error.mean():.3f}, standard deviation {error.std():.3f}, "
              f"mean absolute {error.abs().mean():.3f}, within 68 %: {100 * inside.float().mean():.0f} %")
    for scaled in (False, True):
        for place, letter in enumerate(ground.CLASSES):
            rows = at3 & (kind == place) & (windows.scaled[chosen] == scaled)
            if rows.any():
                told = logits[rows].argmax(dim=1)
                print(letter, "real " if scaled else "drawn", int(rows.sum()), "told as",
                      {other: int((told == number).sum()) for number, other in enumerate(ground.CLASSES)})


# Strong motion

def strong_motion(options):
    """Of each record its windows: [(event, seconds, codes, targets, what the relations alone say)]."""
    import obspy
    from windows import replayed
    folder, rows = Path(options.data) / "waveforms", []
    with open(folder / "index.csv", newline="") as file:
        index = [row for row in csv.DictReader(file) if row["kind"] == "acceleration"]
    for row in index:
        stream = obspy.read(str(folder / row["file"]))
        rate, start = float(row["fs"]), min(trace.stats.starttime for trace in stream)
        count = min(trace.stats.npts for trace in stream)
        counts = np.array([trace.data[:count] for trace in stream], float) / float(row["counts_per_unit"])
        a, v = (np.abs(x).max(axis=0) for x in ground.motion(resampled(counts, rate)))
        peak = 500 + a[500:].argmax()
        picks = {}
        for line in replayed(options.onset, folder / row["file"], "--kind", "acceleration", "--counts-per-unit",
                             row["counts_per_unit"], "--estimator", "relations", types=("parameters", "estimate")):
            sample = round((obspy.UTCDateTime(line["pick_time"]) - start) * ground.RATE)
            if 0 <= peak - sample <= SEARCHED_SECONDS * ground.RATE:
                picks.setdefault(sample, []).append(line)
        if not picks:
            continue
        told = [sample for sample, lines in picks.items() if lines[-1]["pick_id"] is not None]
        sample = told[-1] if told else next(iter(picks))
        end = sample + int(SHAKING_SECONDS * ground.RATE)
        relations = {}
        for line in picks[sample]:
            if line["type"] == "estimate":
                relations[line["after_p_s"]] = [
                    line["magnitude"], np.log10(line["distance_km"]),
                    *(np.log10(line[expected] / line[seen]) if line[expected] else np.nan for expected, seen in
                      (("pga_ms2", "observed_pga_ms2"), ("pgv_ms", "observed_pgv_ms")))]
        for line in picks[sample]:
            if line["type"] == "estimate":
                continue
            truth = [float(row["magnitude"] or "nan"), np.log10(float(row["hypo_km"] or "nan")),
                     np.log10(a[sample:end].max() / line["observed_pga_ms2"]),
                     np.log10(v[sample:end].max() / line["observed_pgv_ms"])]
            rows.append((row["event_id"] or row["source"], line["after_p_s"], line["codes"], truth,
                         relations.get(round(2 * line["after_p_s"]) / 2, [np.nan] * 4)))
    return rows


def out_of_fold(network, windows, rows, generator, options):
    """What networks say of earthquakes that they have not learnt: [rows][targets][3], and of their class."""
    names = sorted({row[0] for row in rows})
    quantiles, logits = torch.zeros(len(rows), 4, 3), torch.zeros(len(rows), len(ground.CLASSES))
    for fold in range(min(FOLDS, len(names))):
        left_out = set(names[fold::FOLDS])
        places = [place for place, row in enumerate(rows) if row[0] in left_out]
        learnt = copy.deepcopy(network)
        known = StrongMotion([row for row in rows if row[0] not in left_out])
        train(learnt, Mixture(windows, known), generator, options.steps // 5, 1e-3, 2048)
        learnt.eval()
        with torch.no_grad():
            quantiles[places], logits[places] = outputs(learnt, torch.tensor([rows[place][2] for place in places]))
    return quantiles, logits


def resampled(counts, rate):
    if rate == ground.RATE:
        return counts
    from fractions import Fraction
    from scipy.signal import resample_poly
    ratio = Fraction(ground.RATE / rate).limit_denominator(200)
    return resample_poly(counts - counts[:, :1], ratio.numerator, ratio.denominator, axis=1)


@torch.no_grad()
def correction(quantiles, targets, events):
    """Per target the shift of the median and the stretch of the spread that these records ask for, held back as ten
    records to the contrary would: [(shift, stretch)]."""
    result = []
    for place in range(len(TARGETS)):
        known = targets[:, place].isfinite()
        error = (targets[known, place] - quantiles[known, place, 1]).double()
        spread = ((quantiles[known, place, 2] - quantiles[known, place, 0]) / 2).clamp(min=0.05).double()
        # An earthquake counts as one of its records and a little, because its records resemble each other.
        names = np.array(events)[known.numpy()]
        weight = torch.tensor([1 / (names == name).sum() ** 0.5 for name in names])
        weight /= weight.sum()
        effective = 1 / (weight ** 2).sum()
        share = effective / (effective + 10)
        shift = share * (weight * error).sum()
        stretch = (weight * ((error - shift) / spread) ** 2).sum().sqrt()
        result.append((shift.item(), (stretch ** share).item()))
    return result


@torch.no_grad()
def take_in(network, corrections):
    """The last layer's median moves, its other quantiles with it, and stretch around it."""
    buffer = min(network.plan.logit_buffers)
    place = next(index for index, layer in enumerate(network.plan.layers) if layer.destination == buffer)
    convolution = network.convolutions[str(place)]
    for target, (shift, stretch) in enumerate(corrections):
        for parameter in (convolution.weight, convolution.bias):
            middle = parameter[3 * target + 1].clone()
            for side in (0, 2):
                parameter[3 * target + side] = middle + stretch * (parameter[3 * target + side] - middle)
        convolution.bias[3 * target:3 * target + 3] += shift


def judge(quantiles, logits, rows, label):
    """Three seconds after P."""
    chosen = [place for place, row in enumerate(rows) if abs(row[1] - 3) < 0.2]
    quantiles, logits = quantiles[chosen], logits[chosen]
    targets = torch.tensor([rows[place][3] for place in chosen], dtype=torch.float32)
    for place, name in enumerate(TARGETS):
        known = targets[:, place].isfinite()
        if name == "magnitude":
            known &= targets[:, 0] <= 6.5
        error = (targets[:, place] - quantiles[:, place, 1])[known]
        spread = ((quantiles[:, place, 2] - quantiles[:, place, 0]) / 2)[known]
        print(f"{label}: {name} of {int(known.sum())}: mean {error.mean():.2f}, deviation {error.std():.2f}, "
              f"mean absolute {error.abs().mean():.2f}, stated {spread.mean():.2f}, "
              f"within 68 %: {100 * (error.abs() < spread).float().mean():.0f} %")
    told = logits.argmax(dim=1)
    print(label, "told as", {letter: int((told == place).sum()) for place, letter in enumerate(ground.CLASSES)},
          flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--windows", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--onset", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    generator = torch.Generator().manual_seed(options.seed)
    windows = Windows(options.windows)
    rows = strong_motion(options)
    codes = torch.tensor([row[2] for row in rows])
    network = layers.Network(plan(options.width))
    train(network, windows, generator, options.steps, 3e-3, 2048)
    network.eval()
    with torch.no_grad():
        judge(*outputs(network, codes), rows, "synthetic alone")
    quantiles, logits = out_of_fold(network, windows, rows, generator, options)
    judge(quantiles, logits, rows, "earthquakes left out")
    mixture = Mixture(windows, StrongMotion(rows))
    train(network, mixture, generator, options.steps // 5, 1e-3, 2048)
    network.quantize()
    train(network, mixture, generator, options.steps // 4, 3e-4, 2048)
    report(network, windows)
    targets = torch.tensor([row[3] for row in rows], dtype=torch.float32)
    settled = [place for place, row in enumerate(rows) if row[1] > SETTLED_SECONDS]
    take_in(network, correction(quantiles[settled], targets[settled], [rows[place][0] for place in settled]))
    network.eval()
    with torch.no_grad():
        judge(*outputs(network, codes), rows, "as it is shipped, on what it has learnt")
    np.savez(options.output + ".npz", quantiles=quantiles, seconds=[row[1] for row in rows], codes=codes, targets=targets,
             events=[row[0] for row in rows], relations=[row[4] for row in rows])
    onet.write(network.export(), options.output)


if __name__ == "__main__":
    main()
