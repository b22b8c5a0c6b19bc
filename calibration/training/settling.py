#!/usr/bin/env python3
"""How soon after a disturbance a P is found again: the share of an analyst's P confirmed within half a second, by the
seconds that lie between the disturbance and the P.

    settling.py --data ../shared/data --onset .build/release/onset [--picker NETWORK.onet]

    start      the record begins there
    gap        two seconds before there are missing; or fifteen
    step       from there on every sample is larger by a thousand times the noise's rms
    clipped    a decaying wave begins there, a hundred times the event's size, cut off at a fifth of that
"""
import argparse
import csv
import tempfile
from pathlib import Path

import numpy as np
import obspy

import records
import replays

SECONDS = (2, 4, 6, 8, 12, 16, 24)
TOLERANCE_SECONDS = 0.5


def starts(stream, at):
    return stream.slice(starttime=at)


def gap(seconds):
    def cut(stream, at):
        return stream.slice(endtime=at - seconds) + stream.slice(starttime=at)
    return cut


def step(stream, at):
    for trace in stream:
        index = int((at - trace.stats.starttime) * trace.stats.sampling_rate)
        rms = np.diff(trace.data[:max(index, 10)].astype(float)).std() + 1
        trace.data[max(index, 0):] += np.int32(1000 * rms)
    return stream


def clipped(stream, at):
    for trace in stream:
        rate = trace.stats.sampling_rate
        time = np.arange(len(trace.data)) / rate - (at - trace.stats.starttime)
        middle = np.median(trace.data)
        size = 100 * np.abs(trace.data - middle).max() + 10
        wave = size * np.exp(-np.maximum(time, 0) / 1.5) * np.sin(2 * np.pi * 4 * time) * (time >= 0)
        signal = np.clip(trace.data - middle + wave, -size / 5, size / 5) + middle
        trace.data = np.clip(signal, -2.0 ** 31 + 1, 2.0 ** 31 - 1).astype(np.int32)
    return stream


DISTURBANCES = {"undisturbed": lambda stream, at: stream, "start": starts, "gap of 2 s": gap(2), "gap of 15 s": gap(15),
                "step": step, "clipped": clipped}


def is_found(options, stream, truth):
    with tempfile.NamedTemporaryFile(suffix=".mseed") as file:
        stream.write(file.name, format="MSEED", encoding="INT32")
        picks = replays.confirmed(options.onset, file.name, options.picker)
    return any(pick["phase"] == "P" and abs(obspy.UTCDateTime(pick["time"]) - truth) <= TOLERANCE_SECONDS for pick in picks)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--onset", required=True)
    parser.add_argument("--picker")
    parser.add_argument("--split", default="dev")
    options = parser.parse_args()
    folder = options.data / "waveforms"
    counts = {(name, seconds): [0, 0] for name in DISTURBANCES for seconds in SECONDS}
    with open(folder / "index.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == options.split and records.analyst(row)[0]]
    for row in rows:
        original = obspy.read(folder / row["file"])
        for trace in original:
            trace.data = np.round(trace.data).astype(np.int32)
        start = min(trace.stats.starttime for trace in original)
        truth = start + float(row["p_sample"]) / float(row["fs"])
        for (name, seconds), count in counts.items():
            if truth - seconds - 16 >= start:
                count[0] += is_found(options, DISTURBANCES[name](original.copy(), truth - seconds), truth)
                count[1] += 1
    print(f"{'':>14}" + "".join(f"{seconds:>9} s" for seconds in SECONDS))
    for name in DISTURBANCES:
        print(f"{name:>14}" + "".join(f"{counts[name, seconds][0]:>5} of {counts[name, seconds][1]:<3}" for seconds in SECONDS))


if __name__ == "__main__":
    main()
