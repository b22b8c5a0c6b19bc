#!/usr/bin/env python3
"""What the station measures after P, against an independent computation with NumPy on real records.

    test_estimates.py FOLDER      with onset in it; needs NumPy, SciPy and ObsPy, and ../shared/data

Every estimate's Pa, Pv, Pd and τc, the largest acceleration and velocity, and JMA's intensity are computed again from the
record: acceleration high-passed and integrated by SciPy's filters, the intensity by its definition with a Fourier transform.
"""
import csv
import datetime
import json
import pathlib
import subprocess
import sys
import unittest

try:
    import numpy as np
    import obspy
    from scipy import signal
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(0)

FOLDER = pathlib.Path(sys.argv[1])
ROOT = pathlib.Path(__file__).resolve().parents[2]
WAVEFORMS = ROOT.parent / "shared/data/waveforms"
RATE, CORNER = 100.0, 0.075


def motion(acceleration):
    """Acceleration, velocity, displacement, each behind a two-pole high-pass, integrated by trapezoids."""
    high = signal.butter(2, CORNER / (RATE / 2), "high")
    trapezoid = ([0.5 / RATE, 0.5 / RATE], [1, -1])
    a = signal.lfilter(*high, acceleration - acceleration[:, :1])
    v = signal.lfilter(*high, signal.lfilter(*trapezoid, a))
    d = signal.lfilter(*high, signal.lfilter(*trapezoid, v))
    return a, v, d


def intensity(acceleration):
    """JMA's notification no. 4 of 1996."""
    hertz = np.fft.rfftfreq(2 * acceleration.shape[1], 1 / RATE)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = hertz / 10
        cut = 1 / np.sqrt(1 + .694 * x**2 + .241 * x**4 + .0557 * x**6 + .009664 * x**8 + .00134 * x**10 + .000155 * x**12)
        weight = np.sqrt(1 / hertz) * cut * np.sqrt(1 - np.exp(-(hertz / .5)**3))
    weight[0] = 0
    spectrum = np.fft.rfft(acceleration * 100, 2 * acceleration.shape[1])
    weighed = np.fft.irfft(spectrum * weight)[:, :acceleration.shape[1]]
    return 2 * np.log10(np.sort(np.sqrt((weighed**2).sum(axis=0)))[-30]) + 0.94


def records():
    with open(WAVEFORMS / "index.csv", newline="") as file:
        for row in csv.DictReader(file):
            # At its own rate nothing is resampled, and both compute from the same samples.
            if row["kind"] == "acceleration" and float(row["fs"]) == RATE and row["components"] == "ZNE":
                yield row


class EstimatesTest(unittest.TestCase):
    def test_against_numpy(self):
        if not WAVEFORMS.exists():
            self.skipTest(f"no records at {WAVEFORMS}")
        compared = 0
        for row in records():
            path = WAVEFORMS / row["file"]
            stream = obspy.read(str(path))
            channel = {trace.stats.channel[-1]: trace for trace in stream}
            counts = np.array([channel[c].data for c in "ZNE"], float)
            a, v, d = motion(counts / float(row["counts_per_unit"]))
            start = channel["Z"].stats.starttime
            out = subprocess.run([FOLDER / "onset", "replay", "--kind", "acceleration", "--counts-per-unit",
                                  row["counts_per_unit"], path], capture_output=True, text=True, check=True).stdout
            lines = [json.loads(line) for line in out.splitlines()]
            spiked = [obspy.UTCDateTime(line["emitted"]) for line in lines if line.get("spiked")]
            for line in lines:
                if line["type"] != "estimate":
                    continue
                # A near event's first oscillations can pass for spikes (ChannelMonitor.swift): the station
                # says so, and computes on without them.
                if any(abs(obspy.UTCDateTime(line["pick_time"]) - time) < 12 for time in spiked):
                    continue
                first = round((obspy.UTCDateTime(line["pick_time"]) - start) * RATE)
                last = first + round(line["after_p_s"] * RATE)
                window = slice(first, last + 1)
                integral = [np.trapezoid(x[0, window]**2) if hasattr(np, "trapezoid") else np.trapz(x[0, window]**2)
                            for x in (d, v)]
                expected = {
                    "pa_ms2": abs(a[0, window]).max(), "pv_ms": abs(v[0, window]).max(),
                    "pd_m": abs(d[0, window]).max(), "tau_c_s": 2 * np.pi * np.sqrt(integral[0] / integral[1]),
                    "observed_pga_ms2": abs(a[:, window]).max(), "observed_pgv_ms": abs(v[:, window]).max()}
                for name, value in expected.items():
                    self.assertLess(abs(line[name] / value - 1), 0.02, f"{row['file']} {line['pick_time']} {name}")
                compared += 1
        self.assertGreater(compared, 50)
        print(f"{compared} estimates are as NumPy has them")

    def test_intensity_is_the_definition(self):
        if not WAVEFORMS.exists():
            self.skipTest(f"no records at {WAVEFORMS}")
        out = subprocess.run([FOLDER / "onset", "evaluate", "--strong-motion", WAVEFORMS / "index.csv", "--json"],
                             capture_output=True, text=True, check=True).stdout
        found = json.loads(out)["strong_motion"]["jma"]
        worst = 0
        for row in records():
            channel = {trace.stats.channel[-1]: trace for trace in obspy.read(str(WAVEFORMS / row["file"]))}
            counts = np.array([channel[c].data for c in "ZNE"], float)
            level = intensity(motion(counts / float(row["counts_per_unit"]))[0])
            worst = max(worst, abs(found[row["file"]] - level))
        self.assertLess(worst, 0.1)
        print(f"JMA's intensity of whole records is within {worst:.3f} of its definition")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
