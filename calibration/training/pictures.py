#!/usr/bin/env python3
"""Draws what a picker did on records with analysts' picks: ten where all is right, and up to five of every kind of failure.

    pictures.py --data ../shared/data --onset .build/release/onset --output calibration/models/onset-picker.png

Three components (2 to 20 Hz) from two seconds before the analyst's P to beyond his S; the analyst's picks as bars from above, ours
from below, with their probability.
"""
import argparse
import csv
import io
from pathlib import Path

import matplotlib
import numpy as np
import obspy
from PIL import Image
from scipy.signal import butter, lfilter

import records
import replays

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

BEFORE_SECONDS, AFTER_SECONDS = 2, 5
COLOURS, DOTS_PER_INCH = 32, 110
TOLERANCE_SECONDS, LATE_SECONDS = 0.5, 0.15
GOOD, BAD = 10, 5
COLORS = {"P": "#1f5fae", "S": "#b3261e"}
FILTER = butter(2, [2 / 50, 20 / 50], "band")


def failures(truth, picks):
    """What is wrong with one record's confirmed picks."""
    found = []
    for phase in "PS":
        mine = [pick for pick in picks if pick[0] == phase]
        near = [pick for pick in mine if truth[phase] is not None and abs(pick[1] - truth[phase]) <= TOLERANCE_SECONDS]
        if truth[phase] is not None and not near:
            found.append(f"{phase} missed")
        if near and abs(near[0][1] - truth[phase]) > LATE_SECONDS:
            found.append(f"{phase} off by more than {LATE_SECONDS} s")
        if truth[phase] is not None and len(mine) > len(near):
            found.append(f"{phase} that the analyst has not")
    return found


def judged(options):
    """(kind, name, curves, truth, picks) of each record."""
    folder = options.data / "waveforms"
    with open(folder / "index.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "dev" and records.analyst(row)[0]]
    for row in rows:
        counts, present = records.waveform(folder / row["file"], row)
        start = min(trace.stats.starttime for trace in obspy.read(folder / row["file"], headonly=True))
        picks = [(pick["phase"], obspy.UTCDateTime(pick["time"]) - start, pick["probability"] or 1)
                 for pick in replays.confirmed(options.onset, folder / row["file"])]
        truth = {phase: float(row[key]) / float(row["fs"]) if row[key] else None
                 for phase, key in (("P", "p_sample"), ("S", "s_sample"))}
        apart = (truth["S"] or truth["P"]) - truth["P"]
        begin, end = (round(records.RATE_HERTZ * max(0, truth["P"] + seconds))
                      for seconds in (-BEFORE_SECONDS, 1.5 * apart + AFTER_SECONDS))
        curves = lfilter(*FILTER, counts - counts[:, :1], axis=1)[:, begin:end] * present[:, None]
        for kind in failures(truth, picks) or ["all right"]:
            yield kind, Path(row["file"]).stem, curves, begin / records.RATE_HERTZ, truth, picks


def draw(axes, name, curves, begin, truth, picks):
    time = begin + np.arange(curves.shape[1]) / records.RATE_HERTZ
    for lane in range(3):
        axes.plot(time, curves[lane] / (np.abs(curves).max() + 1e-9) * 1.4 - lane, color="black", linewidth=0.3)
    for phase, at in truth.items():
        if at is not None:
            axes.vlines(at, -0.9, 1.3, COLORS[phase], linewidth=0.8)
    for number, (phase, at, probability) in enumerate(pick for pick in picks if begin <= pick[1] <= time[-1]):
        axes.vlines(at, -3.2, -1.1, COLORS[phase], linewidth=0.8)
        axes.text(at, -3.2 - 0.6 * (number % 2), f"{phase} {probability:.2f}", color=COLORS[phase], fontsize=5, ha="center", va="top")
    axes.set(xlim=(time[0], time[-1]), ylim=(-4.5, 1.4), xticks=[], yticks=[])
    axes.set_title(name, fontsize=5, pad=2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--onset", required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    kinds = {}
    for kind, *rest in judged(options):
        kinds.setdefault(kind, []).append(rest)
    for kind, found in sorted(kinds.items()):
        print(f"{len(found):3} {kind}")
    rows = [("all right", kinds.get("all right", [])[:GOOD // 2]), ("all right", kinds.get("all right", [])[GOOD // 2:GOOD])]
    rows += [(kind, found[:BAD]) for kind, found in sorted(kinds.items()) if kind != "all right"]
    figure, axes = pyplot.subplots(len(rows), 5, figsize=(10, 1.15 * len(rows)))
    for line, (kind, found) in zip(axes, rows):
        line[0].set_ylabel(kind.replace(" that", "\nthat").replace(" by", "\nby"), fontsize=6)
        for place, one in enumerate(line):
            if place < len(found):
                draw(one, *found[place])
            else:
                one.set(xticks=[], yticks=[], frame_on=False)
    figure.tight_layout(pad=0.3)
    with io.BytesIO() as drawn:
        figure.savefig(drawn, dpi=DOTS_PER_INCH)
        Image.open(drawn).convert("RGB").quantize(COLOURS).save(options.output, optimize=True)


if __name__ == "__main__":
    main()
