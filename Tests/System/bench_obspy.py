#!/usr/bin/env python3
"""bench_obspy.py ONSET FILE.mseed: the same job with ObsPy (pip install obspy), alternately, in one run.

The job: read the record, band-pass the vertical at 2 to 20 Hz, recursive STA/LTA of 0.3 and 10 s, triggers.
ONSET does all that for a station: three components, conditioning, onset refinement, signed datagrams, JSON.
Both are timed as whole processes, ObsPy also without its import; medians of five.
"""
import statistics
import subprocess
import sys
import time

PEER = """
import sys, time
begin = time.perf_counter()
import obspy
from obspy.signal.trigger import recursive_sta_lta, trigger_onset
imported = time.perf_counter()
stream = obspy.read(sys.argv[1])
trace = stream.select(component="Z").merge()[0]
trace.filter("bandpass", freqmin=2, freqmax=20, corners=2)
rate = trace.stats.sampling_rate
ratio = recursive_sta_lta(trace.data, int(0.3 * rate), int(10 * rate))
triggers = trigger_onset(ratio, 6, 1.5)
print(time.perf_counter() - imported, trace.stats.npts / rate, len(triggers))
"""

onset, record = sys.argv[1:3]
ours, whole, inner = [], [], []
for _ in range(5):
    begin = time.perf_counter()
    lines = subprocess.run([onset, "replay", "--picker", "sta-lta", record], check=True, capture_output=True).stdout
    ours.append(time.perf_counter() - begin)
    begin = time.perf_counter()
    said = subprocess.run([sys.executable, "-c", PEER, record], check=True, capture_output=True, text=True).stdout
    whole.append(time.perf_counter() - begin)
    seconds, length, triggers = (float(word) for word in said.split())
    inner.append(seconds)
picks = lines.count(b'"status":"provisional"')
us, them, core = map(statistics.median, (ours, whole, inner))
print(f"{length:.0f} s of record: onset replay {us:.2f} s ({length / us:.0f} times real time, {picks} picks), "
      f"ObsPy {them:.2f} s ({core:.2f} s without imports, {triggers:.0f} triggers): "
      f"{them / us:.1f} times ours, {core / us:.1f} without imports")
