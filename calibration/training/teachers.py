#!/usr/bin/env python3
"""Writes what the teachers of a data folder say as lists of picks, for `onset evaluate`.

    teachers.py --data ../shared/data --split dev --suspected suspected.csv --agreed agreed.csv --second seist.csv

suspected: wherever a teacher gives P or S a tenth, one row a second at least. agreed: picks of the first teacher, at a
half and above, that the second supports with 0.3 within half a second. second: what the second one picks, from its
own threshold on, to be judged beside others.
"""
import argparse
import csv
from pathlib import Path

import numpy as np

import records

SUSPICION, SURE, SUPPORT = 0.1, 0.5, 0.3


def suspected(probability):
    """The peak of each stretch that is suspicious, and a sample a second along it."""
    above = np.diff(np.r_[0, (probability >= SUSPICION).astype(np.int8), 0])
    for begin, end in zip(np.where(above == 1)[0], np.where(above == -1)[0]):
        peak = begin + int(np.argmax(probability[begin:end]))
        yield from sorted({peak, *range(begin, end, records.RATE_HERTZ)})


def write(folder, files, suspected_path, agreed_path, second_path, hears=True):
    """The lists of these files; empty of any that teachers say nothing true of (`hears`), but for one that is far away."""
    with (open(suspected_path, "w", newline="") as first, open(agreed_path, "w", newline="") as second,
          open(second_path, "w", newline="") as third):
        lists = csv.writer(first), csv.writer(second), csv.writer(third)
        for rows in lists:
            rows.writerow(["file", "phase", "time_s", "probability"])
        for name in files:
            path = folder / (name[:-len(".mseed")] + ".teacher.npz")
            if not path.exists():
                continue
            if not hears:  # Judged all the same: nothing supports what is picked.
                lists[0].writerow([name, "P", -3600, 0])
                continue
            one, other = records.teachers_of(path)
            for phase, letter in enumerate("PS"):
                for curve in (one[phase], other[phase]):
                    for sample in suspected(curve):
                        lists[0].writerow([name, letter, sample / records.RATE_HERTZ, round(float(curve[sample]), 3)])
                for sample in records.peaks(one[phase], SURE):
                    near = other[phase][max(0, sample - 50):sample + 51]
                    if near.max(initial=0) >= SUPPORT:
                        lists[1].writerow([name, letter, sample / records.RATE_HERTZ,
                                           round(float(one[phase][sample]), 3)])
                for sample in records.peaks(other[phase], SUPPORT):
                    lists[2].writerow([name, letter, sample / records.RATE_HERTZ,
                                       round(float(other[phase][sample]), 3)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--data", "--suspected", "--agreed", "--second"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--split", required=True)
    options = parser.parse_args()
    folder = options.data / "waveforms"
    with open(folder / "index.csv", newline="") as file:
        files = sorted({row["file"] for row in csv.DictReader(file) if row["split"] == options.split})
    write(folder, files, options.suspected, options.agreed, options.second)


if __name__ == "__main__":
    main()
