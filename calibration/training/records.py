"""Records of the data folder at 100 Hz, with what is true of them, by whoever is right.

The second teacher sees 164 s and an event as a whole: on ground that neither teacher knows it is right about P in 93 of
100, the first in 65. The first one's times are the sharper ones. So a pick is, in this order:

    manual       an analyst's, whatever the teachers say
    both         the second teacher's from LABEL on, at the time of the first one's peak
    second       the second teacher's from SURE on where the first has no peak
    pair         a P and an S of the first in order, within a sequence that the second teacher sees

What only the first suspects, alone, is noise where the second sees nothing for minutes, and teaches to say no; so is
everything in records of towns, where both hear footsteps and engines. All other suspicions teach nothing: their
surroundings are left out of the loss.
"""
import argparse
import collections
import csv
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

RATE_HERTZ = 100
AGREEMENT_SAMPLES = 50
LABEL, SURE, DOUBTFUL, NOTHING = 0.25, 0.5, 0.2, 0.05
S_MINUS_P_SAMPLES = (30, 3000)
# A first teacher's pair counts this near to an event of the second; its lone suspicions are noise this far from anything
# that the second one sees: in swarms they are events more often than not.
SEQUENCE_SAMPLES = 30_000
# Ambient vibration, recorded for the resonance of the ground: minutes long, in streets.
TOWNS = ("hvsr_sprit", "hvsr_hvsrpy")
WORTH = {"manual": 1.0, "both": 1.0, "second": 0.7, "pair": 0.6}


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
    loudest: np.ndarray         # [samples] uint8: the largest probability of any teacher who may be right, either phase
    p_worth: np.ndarray = None  # how much each pick counts; nothing given: 1
    s_worth: np.ndarray = None

    def __post_init__(self):
        self.p_worth = np.ones(len(self.p)) if self.p_worth is None else self.p_worth
        self.s_worth = np.ones(len(self.s)) if self.s_worth is None else self.s_worth


def peaks(probability, least):
    """The largest value of each stretch at or above `least`."""
    above = np.diff(np.r_[0, (probability >= least).astype(np.int8), 0])
    return np.array([begin + int(np.argmax(probability[begin:end]))
                     for begin, end in zip(np.where(above == 1)[0], np.where(above == -1)[0])], np.int64)


def largest_near(probability, sample):
    return probability[max(0, sample - AGREEMENT_SAMPLES):sample + AGREEMENT_SAMPLES + 1].max(initial=0)


def nearest(samples, sample, within=AGREEMENT_SAMPLES):
    """The one of `samples` that is nearest, if near; else None."""
    best = min(samples, key=lambda other: abs(other - sample), default=None)
    return best if best is not None and abs(best - sample) <= within else None


def judged(first, second, manual=((), ())):
    """From two teachers' [P, S] probabilities and an analyst's samples: for P and for S {sample: rule}, and for each
    what is doubtful."""
    known = ({int(sample): "manual" for sample in manual[0]}, {int(sample): "manual" for sample in manual[1]})
    mine = [list(peaks(phase, DOUBTFUL)) for phase in first]
    for phase in range(2):
        for sample in peaks(second[phase], LABEL):
            if nearest(known[phase], sample, 2 * AGREEMENT_SAMPLES) is None:
                sharper = nearest(mine[phase], sample)
                if sharper is None and second[phase][sample] < SURE:
                    continue
                known[phase][int(sample if sharper is None else sharper)] = "second" if sharper is None else "both"
    seen = np.array(sorted({*known[0], *known[1]}))
    likely = [np.array([sample for sample in samples if one[sample] >= SURE], np.int64)
              for samples, one in zip(mine, first)]
    shortest, longest = S_MINUS_P_SAMPLES
    for p in likely[0]:
        following = likely[1][(likely[1] >= p + shortest) & (likely[1] <= p + longest)]
        if len(following) and len(seen) and np.abs(seen - p).min() <= SEQUENCE_SAMPLES:
            for phase, sample in ((0, p), (1, following[0])):
                if nearest(known[phase], sample) is None:
                    known[phase][int(sample)] = "pair"
    hidden = [[], []]
    for one, other in ((0, 1), (1, 0)):  # An analyst who has picked one phase of an event may not have sought the other.
        for sample in manual[one] if not len(manual[other]) else ():
            begin, end = (sample + shortest, sample + longest) if one == 0 else (sample - longest, sample - shortest)
            if not any(begin <= known_one <= end for known_one in known[other]):
                hidden[other] += range(max(0, begin), max(0, end), 2 * AGREEMENT_SAMPLES)
    anything = np.flatnonzero(second.max(axis=0) >= NOTHING)
    doubtful = []
    for phase in range(2):
        suspected = [sample for sample in peaks(second[phase], DOUBTFUL / 2)]
        for sample in mine[phase]:
            place = np.searchsorted(anything, sample)
            around = anything[max(0, place - 1):place + 1]
            apart = np.array(mine[1 - phase]) - sample if phase == 0 else sample - np.array(mine[1 - phase])
            has_partner = len(apart) and ((apart >= shortest) & (apart <= longest)).any()
            if has_partner or (len(around) and np.abs(around - sample).min() <= SEQUENCE_SAMPLES):
                suspected.append(sample)
        doubtful.append(sorted({int(sample) for sample in suspected + hidden[phase] if nearest(known[phase], sample) is None}))
    return known, doubtful


def loudest(first, second, known, doubtful):
    """The largest probability of any teacher, of the first one where it is known or doubtful alone."""
    may_be = np.zeros(first.shape[1], bool)
    for sample in (*known[0], *known[1], *doubtful[0], *doubtful[1]):
        may_be[max(0, sample - 2 * AGREEMENT_SAMPLES):sample + 2 * AGREEMENT_SAMPLES] = True
    return np.maximum(np.where(may_be, first.max(axis=0), 0), second.max(axis=0))


def analyst(row):
    """Samples at 100 Hz of an index row's own picks, where an analyst made them."""
    if "manual" not in row["pick_kind"].lower():
        return (), ()
    return tuple([round(float(row[key]) * RATE_HERTZ / float(row["fs"]))] if row[key] else []
                 for key in ("p_sample", "s_sample"))


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


def judged_of(first, second, row):
    """`judged`, of a row of the index."""
    if row["source"] in TOWNS:
        return ({}, {}), ([], [])
    return judged(first, second, analyst(row))


def teachers_of(path):
    """[P, S] probabilities at 100 Hz of the first teacher and of the second."""
    arrays = np.load(path)
    first = arrays["phasenet_ps"] / np.float32(255)
    second = np.repeat(arrays["seist_dps"][1:], 2, axis=1)[:, :first.shape[1]] / np.float32(255)
    return first, np.pad(second, ((0, 0), (0, first.shape[1] - second.shape[1])))


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
        first, second = teachers_of(teacher)
        length = min(counts.shape[1], first.shape[1])
        first, second = first[:, :length], second[:, :length]
        known, doubtful = judged_of(first, second, row)
        picks = [np.array(sorted(phase), np.int64) for phase in known]
        worth = [np.array([WORTH[phase[sample]] for sample in sorted(phase)]) for phase in known]
        result.append(Record(row["file"], row["source"], counts[:, :length], present, *picks,
                             *(np.array(samples, np.int64) for samples in doubtful),
                             (255 * loudest(first, 0 * second if row["source"] in TOWNS else second, known,
                                            doubtful)).astype(np.uint8), *worth))
    return result


def main():
    """How many picks each rule gives, source by source."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="train")
    options = parser.parse_args()
    counts = {}
    with open(options.data / "waveforms" / "index.csv", newline="") as file:
        for row in csv.DictReader(file):
            teacher = options.data / "waveforms" / (row["file"][:-len(".mseed")] + ".teacher.npz")
            if row["split"] != options.split or not teacher.exists():
                continue
            known, doubtful = judged_of(*teachers_of(teacher), row)
            source = counts.setdefault(row["source"], collections.Counter())
            for phase, name in enumerate("PS"):
                source.update(f"{name} {rule}" for rule in known[phase].values())
                source[f"{name} doubtful"] += len(doubtful[phase])
    columns = [f"{name} {rule}" for name in "PS" for rule in (*WORTH, "doubtful")]
    print(f"{'source':28}" + "".join(f"{column:>11}" for column in columns))
    for source, found in sorted(counts.items()):
        print(f"{source:28}" + "".join(f"{found[column]:11}" for column in columns))
    total = sum(counts.values(), collections.Counter())
    print(f"{'all':28}" + "".join(f"{total[column]:11}" for column in columns))


if __name__ == "__main__":
    main()
