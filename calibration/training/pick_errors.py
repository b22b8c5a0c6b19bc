#!/usr/bin/env python3
"""How far picks are from an analyst's, against what they state: what the constants of Sources/Picker/PickQuality.swift
are fitted to, and how well they hold on sources that were left out.

    pick_errors.py --data ../shared/data --onset .build/release/onset [--picker NETWORK.onet]

Sources differ more than picks of one source: each counts as the root of its number of picks, because the next station's is
another one. Their means, which are their analysts' as much as ours, are part of the error. σ² = least² + (emergence ·
10^(−dB / 25))² + (doubt · (1 − probability))² is fitted so that errors over σ are those of a Laplace distribution, whose tails
picks have, and stretched to cover 68 of 100.
"""
import argparse
import csv
from pathlib import Path

import numpy as np
import obspy
from scipy.optimize import minimize

import records
import replays

TOLERANCE_SECONDS = 0.5
COVERED = 0.6827


def errors(options):
    """(source, phase, seconds late, dB, probability, stated σ, quality) of each confirmed pick of an analyst's arrival."""
    folder = options.data / "waveforms"
    with open(folder / "index.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if any(records.analyst(row))]
    for row in rows:
        path = folder / row["file"]
        start = min(trace.stats.starttime for trace in obspy.read(path, headonly=True))
        picks = replays.confirmed(options.onset, path, options.picker)
        for phase, key in (("P", "p_sample"), ("S", "s_sample")):
            if not row[key]:
                continue
            truth = float(row[key]) / float(row["fs"])
            late = [(obspy.UTCDateTime(pick["time"]) - start - truth, pick) for pick in picks
                    if pick["phase"] == phase]
            best = min(late, key=lambda pair: abs(pair[0]), default=None)
            if best and abs(best[0]) <= TOLERANCE_SECONDS and truth > 5:
                yield (row["source"], phase, best[0], best[1]["snr_db"], best[1]["probability"] or 0.5,
                       best[1]["time_sigma_s"], best[1]["quality"])


def sigma(parameters, decibels, probability):
    least, emergence, doubt = np.exp(parameters)
    return np.sqrt(least ** 2 + (emergence * 10 ** (-np.maximum(decibels, 0) / 25)) ** 2 + (doubt * (1 - probability)) ** 2)


def fitted(late, decibels, probability, weight):
    def loss(parameters):
        width = sigma(parameters, decibels, probability)
        return (weight * (np.log(width) + np.abs(late) / width)).sum() + 0.02 * (parameters ** 2).sum()
    parameters = minimize(loss, np.log([0.03, 0.1, 0.1]), method="Nelder-Mead").x
    ratio = np.abs(late) / sigma(parameters, decibels, probability)
    order = np.argsort(ratio)
    share = np.cumsum(weight[order]) / weight.sum()
    return parameters + np.log(ratio[order][np.searchsorted(share, COVERED)])


def covered(late, width):
    return f"{100 * (np.abs(late) <= width).mean():.0f} and {100 * (np.abs(late) <= 1.96 * width).mean():.0f} %"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--onset", required=True)
    parser.add_argument("--picker")
    options = parser.parse_args()
    found = list(errors(options))
    for phase in "PS":
        chosen = [row for row in found if row[1] == phase]
        source = np.array([row[0] for row in chosen])
        late, decibels, probability, stated = (np.array([row[place] for row in chosen]) for place in (2, 3, 4, 5))
        print(f"{phase}: {len(chosen)} picks, stated σ covers {covered(late, stated)}")
        for name in sorted(set(source)):
            mine = source == name
            middle = np.median(late[mine])
            print(f"  {name}: {mine.sum()}, median {middle:+.3f} s, {COVERED:.0%} within "
                  f"{np.quantile(np.abs(late[mine] - middle), COVERED):.3f} s of it, stated covers {covered(late[mine], stated[mine])}")
        weight = np.array([1 / np.sqrt((source == name).sum()) for name in source])
        parameters = fitted(late, decibels, probability, weight)
        print("  fitted: least, emergence, doubt", np.round(np.exp(parameters), 3))
        outside = np.zeros(len(late))
        for name in set(source):
            mine = source == name
            learnt = fitted(late[~mine], decibels[~mine], probability[~mine], weight[~mine])
            outside[mine] = sigma(learnt, decibels[mine], probability[mine])
        print(f"  each source left out in turn: covers {covered(late, outside)}; " + ", ".join(
            f"{name} {covered(late[source == name], outside[source == name])}" for name in sorted(set(source))))
        for low, high in ((0, 0.05), (0.05, 0.1), (0.1, 0.2), (0.2, 9)):
            inside = (outside >= low) & (outside < high)
            if inside.any():
                print(f"    σ from {low}: {inside.sum()}, {covered(late[inside], outside[inside])}")


if __name__ == "__main__":
    main()
