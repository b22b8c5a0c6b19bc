"""Windows after P, as the station measures them: `onset replay --parameters` over synthetic and real records.

    python3 calibration/training/windows.py --onset .build/release/onset --data ../shared/data --events 12000 \
      --output windows.npz

What the network sees is computed by the firmware's own code, so that nothing has to be kept the same in two places.
"""
import argparse
import tempfile
from pathlib import Path

import numpy as np
import obspy

import ground
import records
import replays

COUNTS_PER_UNIT = 1e8
STEP_SECONDS = 0.5
AFTER_SECONDS = 12.0
BATCH = 200
# How often each class is drawn; real records bring most of the noise.
SHARES = {"E": 0.6, "B": 0.12, "L": 0.13, "T": 0.08, "F": 0.07}
FIELDS = ("codes", "seconds", "event", "kind", "magnitude", "log_kilometres", "acceleration", "velocity", "is_scaled")


def replayed(onset, path, *arguments, types=("parameters",)):
    for message in replays.messages(onset, path, "--parameters", str(STEP_SECONDS), *arguments):
        if message["type"] in types:
            yield message


class Noise:
    """Pieces of real records in which no teacher suspects anything, as acceleration of any loudness."""

    def __init__(self, rng, all_records):
        self.rng, self.records, self.places = rng, all_records, []
        for index, record in enumerate(all_records):
            busy = np.r_[0, np.cumsum(record.loudest >= 26)]
            length = int((ground.LEAD_SECONDS + 40) * ground.RATE)
            self.places += [(index, start) for start in range(0, record.counts.shape[1] - length, 1000)
                            if busy[start + length] == busy[start] and record.present.all()]

    def piece(self, samples, rms):
        index, start = self.places[self.rng.integers(len(self.places))]
        counts = self.records[index].counts[:, start:start + samples + 1].astype(np.float64)
        acceleration = np.diff(counts, axis=1)[:, :samples]
        return acceleration * (rms / (acceleration[0].std() + 1e-12))


def synthetic(onset, rng, noise, count):
    """Rows of windows of `count` events."""
    rows, batch = [], []
    start = obspy.UTCDateTime(2020, 1, 1)

    def run():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "events.mseed"
            traces = []
            for number, (acceleration, _) in enumerate(batch):
                counts = np.clip(np.round(acceleration * COUNTS_PER_UNIT), -2**31 + 1, 2**31 - 1).astype(np.int32)
                for lane, component in enumerate("ZNE"):
                    traces.append(obspy.Trace(counts[lane], {
                        "network": "XX", "station": f"T{number:03d}", "channel": "HN" + component,
                        "sampling_rate": ground.RATE, "starttime": start}))
            obspy.Stream(traces).write(str(path), format="MSEED", encoding="INT32", reclen=4096)
            for line in replayed(onset, path, "--kind", "acceleration", "--counts-per-unit", str(COUNTS_PER_UNIT)):
                truth = batch[int(line["station"][4:7])][1]
                late = obspy.UTCDateTime(line["pick_time"]) - start - truth["lead"]
                if -0.5 < late < truth["latest"]:
                    rows.append((line, truth, np.log10(truth["acceleration"] / line["observed_pga_ms2"]),
                                 np.log10(truth["velocity"] / line["observed_pgv_ms"])))
        batch.clear()

    for number in range(count):
        kind = rng.choice(list(SHARES), p=list(SHARES.values()))
        truth = {"event": number, "kind": ground.CLASSES.index(kind), "magnitude": np.nan, "kilometres": np.nan,
                 "latest": 3.0}
        if kind == "E":
            motion, truth["magnitude"], truth["kilometres"] = ground.earthquake(rng)
            truth["latest"] = max(0.9 * truth["kilometres"] * (1 / 3.5 - 1 / 6.1), 0.3)
            rms = 10 ** rng.uniform(-6, -2.8)
        else:
            motion = {"B": ground.blast, "L": ground.impact, "T": ground.teleseism, "F": ground.fault}[kind](rng)
            rms = 10 ** (rng.uniform(-7, -5) if kind == "T" else rng.uniform(-6, -3))
        a, v = ground.motion(motion)
        truth["acceleration"], truth["velocity"] = np.abs(a).max() + 1e-12, np.abs(v).max() + 1e-14
        # A strong-motion recorder keeps little of what was before.
        skipped = int(rng.uniform(0, ground.LEAD_SECONDS - 6) * ground.RATE) if rng.random() < 0.5 else 0
        truth["lead"] = ground.LEAD_SECONDS - skipped / ground.RATE
        kept = min(motion.shape[1], int((ground.LEAD_SECONDS + AFTER_SECONDS) * ground.RATE)) - skipped
        batch.append((motion[:, skipped:skipped + kept] + noise.piece(kept, rms), truth))
        if len(batch) == BATCH or number == count - 1:
            run()
    for line, truth, acceleration, velocity in rows:
        yield (line["codes"], line["after_p_s"], truth["event"], truth["kind"], truth["magnitude"],
               np.log10(truth["kilometres"]), acceleration, velocity, 0)


def real(onset, data, all_records):
    """Rows of windows of the training records: events that two teachers saw, and picks of which none saw anything."""
    event = 10**6
    for record in all_records:
        if not record.present.all():
            continue
        path = Path(data) / "waveforms" / record.file
        start = min(trace.stats.starttime for trace in obspy.read(str(path), headonly=True))
        a, v = ground.motion(np.diff(record.counts.astype(np.float64) / 1e9, axis=1) * ground.RATE)
        a, v = np.abs(a).max(axis=0), np.abs(v).max(axis=0)
        last = None
        for line in replayed(onset, path, "--kind", "velocity", "--counts-per-unit", "1e9"):
            sample = round((obspy.UTCDateTime(line["pick_time"]) - start) * ground.RATE)
            if line["pick_time"] != last:
                last, event = line["pick_time"], event + 1
            near = record.p[np.abs(record.p - sample) <= 50]
            around = record.loudest[max(sample - 500, 0):sample + 1500]
            if len(near):
                after = record.s[(record.s > sample + 30) & (record.s < sample + 3000)]
                if not len(after):
                    continue
                length = int(2 * (after[0] - sample)) + 1000
                later = record.p[(record.p > sample + 200) & (record.p < sample + length)]
                if len(later):
                    continue
                seen = sample + round(line["after_p_s"] * ground.RATE) + 1
                peaks = [np.log10(x[sample:sample + length].max() / x[sample:seen].max()) for x in (a, v)]
                yield (line["codes"], line["after_p_s"], event, 0, np.nan, np.nan, *peaks, 1)
            elif len(around) and around.max() < 26:
                yield (line["codes"], line["after_p_s"], event, ground.CLASSES.index("N"), np.nan, np.nan,
                       np.nan, np.nan, 1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--onset", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--events", type=int, default=12000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", required=True)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    training = records.read(options.data, "train")
    rows = [] if options.seed > 1 else list(real(options.onset, options.data, training))
    print(f"{len(rows)} windows of real records", flush=True)
    rows += list(synthetic(options.onset, rng, Noise(rng, training), options.events))
    print(f"{len(rows)} windows in all", flush=True)
    columns = dict(zip(FIELDS, (np.array(column) for column in zip(*rows))))
    columns["codes"] = columns["codes"].astype(np.uint8)
    np.savez_compressed(options.output, **columns)


if __name__ == "__main__":
    main()
