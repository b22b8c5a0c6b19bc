#!/usr/bin/env python3
"""Operating points: what a picker finds and how much of it nobody supports, at one limit after the other, on the records
that training has held back (`picker.HELD_BACK`) and in streets.

    operating.py --data ../shared/data --onset .build/release/onset [--picker NETWORK.onet]

The limit of what STA/LTA does not see goes with that of what it sees: half of the doubt that is left.
"""
import argparse
import csv
import json
import subprocess
import tempfile
from pathlib import Path

import records
from picker import HELD_BACK
from teachers import write

LIMITS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def unseen(limit):
    return 1 - (1 - limit) / 2


def judged(options, folder, rows, limit):
    """What `onset evaluate` says of these records at a limit."""
    index = folder / "index.csv"
    with open(index, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "source"])
        table.writerows([row["file"], "held back"] for row in rows)
    out = subprocess.run(
        [options.onset, "evaluate", index, "--json", "--teachers", folder / "suspected.csv", "--agreed", folder / "agreed.csv",
         "--pickers", options.picker or "onset", "--confirm", str(limit), "--unseen", str(unseen(limit)), "--shear", str(limit)],
        capture_output=True, text=True, check=True).stdout
    return json.loads(out)["evaluation"][0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--onset", required=True)
    parser.add_argument("--picker")
    options = parser.parse_args()
    waveforms = options.data.resolve() / "waveforms"
    with open(waveforms / "index.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    groups = {"held back": [row for row in rows if any(name in row["file"] for name in HELD_BACK)],
              "streets": [row for row in rows if row["source"] in records.TOWNS]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for source in {row["source"] for group in groups.values() for row in group}:
            (folder / source).symlink_to(waveforms / source)
        for title, group in groups.items():
            write(waveforms, sorted({row["file"] for row in group}), folder / "suspected.csv", folder / "agreed.csv",
                  folder / "second.csv", hears=title != "streets")
            print(f"{title}\n{'limit':>6}{'unseen':>8}{'P':>12}{'S':>12}{'unsupported P a day':>21}")
            for limit in LIMITS:
                found = judged(options, folder, group, limit)
                p, s = found["agreed_p"], found["agreed_s"]
                print(f"{limit:6.1f}{unseen(limit):8.2f}{p['found']:>6} of {p['all']:<3}{s['found']:>5} of {s['all']:<3}"
                      f"{found['unsupported_p_a_day']:>15.1f} in {found['hours']:.1f} h")


if __name__ == "__main__":
    main()
