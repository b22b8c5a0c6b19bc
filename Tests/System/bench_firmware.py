#!/usr/bin/env python3
"""bench_firmware.py ONSETD TOOLS: how soon the firmware has processed its first sample, and what it holds.

TOOLS is the folder with `onset` and the simulated card. The time runs from the start of the process to
the arrival of its first datagram, which leaves with the first block; medians of eleven starts.
"""
import pathlib
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from live_station import LiveStation

onsetd, tools = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
milliseconds, resident, load = [], [], []
for _ in range(11):
    with tempfile.TemporaryDirectory() as folder:
        with LiveStation(onsetd, tools, pathlib.Path(folder)) as station:
            first = station.receive(lambda m: m["type"] == "health" and m["frames"] > 0)
            milliseconds.append((station.received_at - station.started_at) * 1000)
            last = station.receive(lambda m: m["type"] == "health" and m["frames"] > 8000)
            resident.append(station.resident_kibibytes())
            before, since = station.cpu_seconds(), station.received_at
            last = station.receive(lambda m: m["type"] == "health" and m["frames"] > last["frames"])
            load.append((station.cpu_seconds() - before) / (station.received_at - since))
print(f"first sample processed {statistics.median(milliseconds):.1f} ms after start "
      f"({min(milliseconds):.1f} to {max(milliseconds):.1f}; limit 100, of which 10 are the first period)")
print(f"the whole program, three channels at 8 kHz in real time: {statistics.median(load) * 100:.1f} % of a core "
      "(ticks of 10 ms)")
print(f"resident memory {statistics.median(resident) / 1024:.1f} MiB (limit 8), "
      f"size stripped: see make firmware")
