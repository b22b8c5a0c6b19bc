#!/usr/bin/env python3
"""replay_networks.py TOOLS DATA: real records of several stations, picked by `onset replay` and associated from a file.

DATA/waveforms/index.csv names the records and, of some, the distance to the epicentre that a catalogue has. A station
takes part when stations.csv beside this file (source, id, latitude, longitude, elevation in m) has it. It prints a table
for README.md.
"""
import argparse
import collections
import csv
import json
import math
import pathlib
import statistics
import subprocess
import sys

import pandas

import associate

SOURCES = ("cont_malmi_iceland", "cont_seismonitor_cm", "cont_redpan_ridgecrest", "cont_scdetect_ch", "openeew_mx2")
# Fewer stations have no four picks of which three are P.
STATIONS = 3
# An event is the catalogue's where its distances to the stations are: half of them within that.
NEAR_KM = 50


def groups(folder, source):
    """Records that overlap: lists of begin, end and row."""
    with open(folder / "index.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == source]
    spans = [(associate.seconds(row["start"]), int(row["npts"]) / float(row["fs"]), row) for row in rows]
    found = []
    for begin, length, row in sorted(spans, key=lambda span: span[0]):
        if not found or begin > max(end for _, end, _ in found[-1]):
            found.append([])
        found[-1].append((begin, begin + length, row))
    return found


def picks(onset, folder, group):
    """The confirmed picks of a group of records."""
    rows = []
    for name, station in {row["file"]: row["station"] for *_, row in group}.items():
        done = subprocess.run([onset, "replay", "--only", "pick", folder / name], stdout=subprocess.PIPE, text=True)
        for pick in map(json.loads, done.stdout.splitlines()):
            if pick["status"] == "confirmed":
                rows.append({"station": station, "phase": pick["phase"], "time": associate.seconds(pick["time"])})
    return pandas.DataFrame(rows, columns=["station", "phase", "time"])


def kilometres(a, b):
    """Between two pairs of latitude and longitude, on a sphere."""
    (north, east), (other_north, other_east) = (map(math.radians, place) for place in (a, b))
    return 6371 * math.acos(min(1, math.sin(north) * math.sin(other_north)
                                + math.cos(north) * math.cos(other_north) * math.cos(east - other_east)))


def differences(body, group, places):
    """By how much an event's distances to the stations differ from the catalogue's, km."""
    found = body["latitude"], body["longitude"]
    return [abs(kilometres(found, places[row["station"]]) - float(row["epi_km"])) for *_, row in group
            if row["epi_km"] and row["station"] in places]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tools", type=pathlib.Path, help="the folder with onset, such as .build/release")
    parser.add_argument("data", type=pathlib.Path)
    options = parser.parse_args()
    folder = options.data / "waveforms"
    stations = pandas.read_csv(pathlib.Path(__file__).parent / "stations.csv", dtype={"id": str})
    crust = associate.Uniform(associate.P_KM_S, associate.S_KM_S)
    print("| source | stations | hours | picks | events | picks used | rms s | catalogue | found | Δ km | others |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for source in SOURCES:
        total, used, rms, far = collections.Counter(), set(), [], []
        for group in groups(folder, source):
            codes = {row["station"] for *_, row in group}
            here = stations[(stations["source"] == source) & stations["id"].isin(codes)]
            if len(here) < STATIONS:
                continue
            used |= set(here["id"])
            places = {row.id: (row.latitude, row.longitude) for row in here.itertuples()}
            table = picks(options.tools / "onset", folder, group)
            bodies = associate.associate_files(table, here, crust, associate.DEPTH_KM)
            rms += [body["rms_s"] for body in bodies]
            near = [statistics.median(differences(body, group, places) or [math.inf]) for body in bodies]
            total.update({
                "seconds": max(end for _, end, _ in group) - min(begin for begin, *_ in group),
                "picks": sum(table["station"].isin(places)), "events": len(bodies),
                "members": sum(len(body["picks"]) for body in bodies),
                "catalogue": any(row["epi_km"] for *_, row in group), "found": min(near, default=math.inf) < NEAR_KM})
            far += [min(near)] if min(near, default=math.inf) < NEAR_KM else []
        if not used:
            print(f"| {source} | none in stations.csv, or fewer than {STATIONS} at once |" + " |" * 9)
            continue
        cells = [source, len(used), f"{total['seconds'] / 3600:.1f}", total["picks"], total["events"], total["members"],
                 f"{statistics.median(rms or [0]):.2f}", "none", "", "", ""]
        if total["catalogue"]:
            a_day = (total["events"] - total["found"]) / (total["seconds"] / 86_400)
            distance = f"{statistics.median(far):.0f}" if far else ""
            cells[-4:] = total["catalogue"], total["found"], distance, f"{a_day:.0f} a day"
        print("|", " | ".join(map(str, cells)), "|")


if __name__ == "__main__":
    main()
