"""Records of the data folder at 100 Hz, with what its teachers say of them.

A teacher's pick is the peak of a stretch of its probability. The first teacher's is to be learnt when the second
supports it, or when an S of an event follows its P; one alone, or a doubtful one, teaches nothing: its surroundings are
left out of the loss. Where both see nothing is noise.
"""
import csv
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

RATE_HERTZ = 100
AGREEMENT_SAMPLES = 50
SURE, SUPPORT, DOUBTFUL = 0.5, 0.1, 0.2
S_MINUS_P_SAMPLES = (30, 3000)


@dataclass
class Record:
    file: str
    source: str
    counts: np.ndarray          # [3][samples] float32: vertical, north, east
    present: np.ndarray         # [3] bool
    p: np.ndarray               # samples of picks to be learnt
    s: np.ndarray
    doubtful_p: np.ndarray
    doubtful_s: np.ndarray
    loudest: np.ndarray         # [samples] uint8: the largest probability of any teacher, either phase


def peaks(probability, least):
    """The largest value of each stretch at or above `least`."""
    above = np.diff(np.r_[0, (probability >= least).astype(np.int8), 0])
    return np.array([begin + int(np.argmax(probability[begin:end]))
                     for begin, end in zip(np.where(above == 1)[0], np.where(above == -1)[0])], np.int64)


def largest_near(probability, sample):
    return probability[max(0, sample - AGREEMENT_SAMPLES):sample + AGREEMENT_SAMPLES + 1].max(initial=0)


def agreed(first, second):
    """Of two teachers' [P, S] probabilities: samples of the sure P and S, of the doubtful P and S."""
    mine = [peaks(phase, DOUBTFUL) for phase in first]
    sure = [{sample for sample in samples if one[sample] >= SURE and largest_near(other, sample) >= SUPPORT}
            for samples, one, other in zip(mine, first, second)]
    likely = [np.array([sample for sample in samples if one[sample] >= SURE], np.int64)
              for samples, one in zip(mine, first)]
    shortest, longest = S_MINUS_P_SAMPLES
    for p in likely[0]:
        following = likely[1][(likely[1] >= p + shortest) & (likely[1] <= p + longest)]
        if len(following):
            sure[0].add(p)
            sure[1].add(following[0])
    doubtful = []
    for phase in range(2):
        others = [sample for sample in peaks(second[phase], DOUBTFUL)
                  if all(abs(sample - known) > AGREEMENT_SAMPLES for known in sure[phase])]
        doubtful.append(sorted([*(sample for sample in mine[phase] if sample not in sure[phase]), *others]))
    return [np.array(samples, np.int64) for samples in (sorted(sure[0]), sorted(sure[1]), *doubtful)]


def waveform(path, row):
    """[3][samples] float32 in counts, gaps held at the last value; which components there are."""
    import obspy
    from scipy.signal import resample_poly
    stream = obspy.read(path)
    count = int(row["npts"])
    counts, present = np.zeros((3, count)), np.zeros(3, bool)
    start = min(trace.stats.starttime for trace in stream)
    for trace in stream:
        place = {"1": 1, "2": 2, "3": 0}.get(trace.stats.channel[-1], "ZNE".find(trace.stats.channel[-1]))
        if place < 0:
            continue
        at = round((trace.stats.starttime - start) * trace.stats.sampling_rate)
        data = trace.data[:count - at].astype(np.float64)
        present[place] = present[place] or bool(np.ptp(data) > 0)
        counts[place, at:at + len(data)] = data
        counts[place, at + len(data):] = data[-1]
        if at and not counts[place, :at].any():
            counts[place, :at] = data[0]
    rate = float(row["fs"])
    if rate != RATE_HERTZ:
        middle = np.median(counts, axis=1, keepdims=True)
        ratio = Fraction(RATE_HERTZ / rate).limit_denominator(200)
        counts = resample_poly(counts - middle, ratio.numerator, ratio.denominator, axis=1)
    return counts.astype(np.float32), present


def read(folder, split, sources=None):
    """Every record of a split that has teachers."""
    folder = Path(folder) / "waveforms"
    with open(folder / "index.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    result, seen = [], set()
    for row in rows:
        teacher = folder / (row["file"][:-len(".mseed")] + ".teacher.npz")
        if not teacher.exists() or row["file"] in seen or (sources and row["source"] not in sources):
            continue
        seen.add(row["file"])
        counts, present = waveform(folder / row["file"], row)
        arrays = np.load(teacher)
        first = arrays["phasenet_ps"]
        second = np.repeat(arrays["seist_dps"][1:], 2, axis=1)
        length = min(counts.shape[1], first.shape[1])
        first = first[:, :length]
        second = np.pad(second, ((0, 0), (0, max(0, length - second.shape[1]))))[:, :length]
        p, s, doubtful_p, doubtful_s = agreed(first / 255, second / 255)
        result.append(Record(row["file"], row["source"], counts[:, :length], present, p, s, doubtful_p, doubtful_s,
                             np.maximum(first.max(0), second.max(0))))
    return result
