#!/usr/bin/env python3
"""What the station measures after P, against an independent computation with NumPy on real records.

    test_estimates.py FOLDER      with onset in it; needs NumPy, SciPy and ObsPy, and ../shared/data

Every estimate's Pa, Pv, Pd and τc, the largest acceleration and velocity, all other parameters that `replay --parameters`
tells, and JMA's intensity are computed again from the record: acceleration high-passed and integrated by SciPy's filters, the
intensity by its definition with a Fourier transform.
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


def intensity(acceleration, causal=False):
    """JMA's notification no. 4 of 1996, or the same weights of frequency with the least phase that a filter in time can have."""
    count = 2 * acceleration.shape[1]
    hertz = np.fft.rfftfreq(count, 1 / RATE)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = hertz / 10
        cut = 1 / np.sqrt(1 + .694 * x**2 + .241 * x**4 + .0557 * x**6 + .009664 * x**8 + .00134 * x**10 + .000155 * x**12)
        weight = np.sqrt(1 / hertz) * cut * np.sqrt(1 - np.exp(-(hertz / .5)**3))
    weight[0] = 0
    if causal:
        weight = least_phase(weight)
    weighed = np.fft.irfft(np.fft.rfft(acceleration * 100, count) * weight)[:, :acceleration.shape[1]]
    return 2 * np.log10(np.sort(np.sqrt((weighed**2).sum(axis=0)))[-30]) + 0.94


def least_phase(weight):
    """The causal response with these moduli: the cepstrum folded onto positive times."""
    count = 2 * (len(weight) - 1)
    cepstrum = np.fft.irfft(np.log(np.maximum(weight, weight.max() * 1e-6)))
    fold = np.zeros(count)
    fold[[0, count // 2]], fold[1:count // 2] = 1, 2
    return np.exp(np.fft.rfft(cepstrum * fold))


def trapezoid(x):
    return (x[1:] + x[:-1]).sum() / (2 * RATE)


def tau_p(velocity):
    """Of every sample of a record."""
    memory = 1 - 1 / RATE
    squared = signal.lfilter([1], [1, -memory], velocity**2)
    change = signal.lfilter([1], [1, -memory], (np.diff(velocity, prepend=0) * RATE)**2)
    return 2 * np.pi * np.sqrt(squared / np.maximum(change, 1e-300))


def parameters(a, v, tau, window):
    """As WaveParameters.swift defines them."""
    vertical, seconds = v[0, window], (window.stop - window.start - 1) / RATE
    t = np.arange(1, window.stop - window.start) / RATE
    envelope = np.maximum.accumulate(abs(a[0, window]))[1:]
    slope, intercept = np.polyfit(t, np.log(envelope / t), 1)
    crossings = np.count_nonzero(np.diff(vertical >= 0))
    first = v[:, window.start:min(window.start + 100, window.stop)]
    along = np.hypot(first[0] @ first[1], first[0] @ first[2])
    recent = 0.0
    for largest in abs(a[:, window]).max(axis=0):
        recent += (largest - recent) / 50
    return {
        "iv2_m2s": trapezoid(vertical**2), "cav_ms": trapezoid(np.sqrt((a[:, window]**2).sum(axis=0))),
        "tau_p_s": tau[window.start + 5:window.stop].max(),
        "predominant_period_s": 2 * seconds / crossings if crossings >= 2 else None,
        "vertical_to_horizontal": trapezoid(vertical**2) / trapezoid((v[1:, window]**2).sum(axis=0)),
        "growth_ms3": np.exp(intercept), "recent_ms2": recent,
        "straightness": along / np.sqrt((first[0]**2).sum() * (first[1:]**2).sum())}


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
            tau = tau_p(v[0])
            out = subprocess.run([FOLDER / "onset", "replay", "--parameters", "1", "--kind", "acceleration", "--counts-per-unit",
                                  row["counts_per_unit"], path], capture_output=True, text=True, check=True).stdout
            lines = [json.loads(line) for line in out.splitlines()]
            spiked = [obspy.UTCDateTime(line["emitted"]) for line in lines if line.get("spiked")]
            for line in lines:
                if line["type"] not in ("estimate", "parameters"):
                    continue
                # A near event's first oscillations can pass for spikes (ChannelMonitor.swift): the station
                # says so, and computes on without them.
                if any(abs(obspy.UTCDateTime(line["pick_time"]) - time) < 12 for time in spiked):
                    continue
                first = round((obspy.UTCDateTime(line["pick_time"]) - start) * RATE)
                last = first + round(line["after_p_s"] * RATE)
                window = slice(first, last + 1)
                integral = [trapezoid(x[0, window]**2) for x in (d, v)]
                expected = {
                    "pa_ms2": abs(a[0, window]).max(), "pv_ms": abs(v[0, window]).max(),
                    "pd_m": abs(d[0, window]).max(), "tau_c_s": 2 * np.pi * np.sqrt(integral[0] / integral[1]),
                    "observed_pga_ms2": abs(a[:, window]).max(), "observed_pgv_ms": abs(v[:, window]).max()}
                if line["type"] == "parameters":
                    expected |= parameters(a, v, tau, window)
                for name, value in expected.items():
                    if value is None or line[name] is None:
                        self.assertEqual(line[name], value, f"{row['file']} {line['pick_time']} {name}")
                        continue
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
        from_definition, from_causal = [], []
        for row in records():
            channel = {trace.stats.channel[-1]: trace for trace in obspy.read(str(WAVEFORMS / row["file"]))}
            counts = np.array([channel[c].data for c in "ZNE"], float)
            ground = motion(counts / float(row["counts_per_unit"]))[0]
            # The meter's scale begins at -3, far below what anyone feels.
            from_definition.append(abs(found[row["file"]] - max(intensity(ground), -3)))
            from_causal.append(abs(found[row["file"]] - max(intensity(ground, causal=True), -3)))
        print(f"JMA's intensity of {len(from_causal)} whole records: off by {np.median(from_definition):.3f} (median) and "
              f"{max(from_definition):.3f} (most), by {max(from_causal):.3f} from the definition with a causal filter")
        self.assertLess(max(from_causal), 0.02)
        self.assertLess(np.median(from_definition), 0.03)
        self.assertLess(max(from_definition), 0.15)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
