"""Association on a simulated network, where the truth is known: 20 stations in a square of 100 km, 200 earthquakes in
three hours as a Poisson process, so that many overlap; a tenth of the picks is missing, 5 % are false.

    python3 calibration/association/test_associate.py [SEED…]

It prints the figures that README.md gives. CI must have PyOcto; elsewhere its absence is said.
"""
import collections
import dataclasses
import http.server
import json
import math
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
import unittest

try:
    import pandas
    import pyocto

    import associate
    from associate import Key, Network, Pick, Stream, Uniform
except ImportError as error:
    if os.environ.get("CI"):
        raise
    print(f"skipped: {error}. pip install pyocto", file=sys.stderr)
    sys.exit(0)

HOURS, EVENTS, STATIONS, SIDE_KM, DEPTHS_KM = 3, 200, 20, 100, (3, 15)
MISSING, FALSE = 0.10, 0.05
# Errors of picks, s: `onset` confirms a P within 0.05 s of the analyst's, an S within 0.1 s, in the median.
SIGMAS_S = {"P": 0.08, "S": 0.15}
VELOCITIES_KM_S = {"P": 6.0, "S": 3.46}
# How far the smallest earthquakes are seen, those of magnitude 2.5, and by how much further one magnitude up.
SEEN_KM, PER_MAGNITUDE = 60, 10 ** (1 / 1.5)
# A P is told 0.4 s after it has arrived and confirmed or retracted after 3.3 s, when an S is told for the first time.
TOLD_S, CONFIRMED_S = 0.4, 3.3
# Where stations of the simulation stand: 47 N 8.5 E is the middle.
BEGIN = 1_800_000_000
# Three hours take a minute of a core.
SEEDS = [int(seed) for seed in sys.argv[1:]] or [1]
CRUST = Uniform(*VELOCITIES_KM_S.values())


@dataclasses.dataclass(frozen=True)
class Quake:
    time: float
    x: float
    y: float
    z: float
    magnitude: float

    @property
    def is_central(self):
        return all(SIDE_KM / 4 < axis < SIDE_KM * 3 / 4 for axis in (self.x, self.y))


class Simulation:
    """`truth`: by pick, the number of its earthquake; None where it is false."""

    def __init__(self, seed, hours=HOURS, events=EVENTS):
        rng = random.Random(seed)
        uniform = rng.uniform
        self.places = {f"XX.S{n:03}.00.HH": (uniform(0, SIDE_KM), uniform(0, SIDE_KM)) for n in range(STATIONS)}
        self.stations = pandas.DataFrame([{"id": code, "x": x, "y": y, "z": 0.0} for code, (x, y) in self.places.items()])
        self.quakes = sorted((Quake(BEGIN + uniform(0, hours * 3600), uniform(0, SIDE_KM), uniform(0, SIDE_KM),
                                    uniform(*DEPTHS_KM), 2.5 + rng.expovariate(math.log(10))) for _ in range(events)),
                             key=lambda quake: quake.time)
        arrivals = [arrival for number, quake in enumerate(self.quakes) for arrival in self.seen(rng, number, quake)]
        for _ in range(round(FALSE * len(arrivals))):
            arrivals.append((rng.choice(list(self.places)), rng.choice("PS"), BEGIN + uniform(0, hours * 3600), None))
        self.picks = [Pick(Key(station, f"{7:016x}", 1, number), phase, at)
                      for number, (station, phase, at, _) in enumerate(arrivals, 1)]
        self.truth = {pick.key: source for pick, (*_, source) in zip(self.picks, arrivals)}

    def seen(self, rng, number, quake):
        for station, place in self.places.items():
            distance = math.dist((quake.x, quake.y, quake.z), (*place, 0))
            for phase, velocity in VELOCITIES_KM_S.items():
                limit = SEEN_KM * PER_MAGNITUDE ** (quake.magnitude - 2.5) * rng.lognormvariate(0, 0.25)
                if distance < limit and rng.random() >= MISSING:
                    yield station, phase, quake.time + distance / velocity + rng.gauss(0, SIGMAS_S[phase]), number

    def arrivals(self):
        """Picks as they come to the service: when, pick."""
        rng, told = random.Random(1), []
        for pick in self.picks:
            if pick.phase == "P":
                told.append((pick.time + TOLD_S, dataclasses.replace(pick, time=pick.time + rng.gauss(0, 0.03))))
            told.append((pick.time + CONFIRMED_S, pick))
        return sorted(told, key=lambda arrival: (arrival[0], arrival[1].key))

    def table(self):
        return pandas.DataFrame([{"station": pick.key.station, "phase": pick.phase, "time": pick.time} for pick in self.picks],
                                index=[pick.key.pick_id for pick in self.picks])

    def source(self, body):
        """The earthquake that most of an event's picks are of; None where there is none."""
        (source, count), = collections.Counter(
            self.truth[Key(pick["station"], f"{7:016x}", 1, pick["pick_id"])] for pick in body["picks"]).most_common(1)
        return source if 2 * count > len(body["picks"]) else None


def streamed(simulation, network):
    """The newest body of each event, when each was first told, how long runs took, and how many were withdrawn."""
    stream, newest, first, durations = Stream(network), {}, {}, []
    arrivals = collections.deque(simulation.arrivals())
    while arrivals:
        # As the service: what has come within its pause is taken at once.
        now = arrivals[0][0] + associate.RUN_S
        while arrivals and arrivals[0][0] <= now:
            stream.note(arrivals.popleft()[1])
        begun = time.perf_counter()
        for body in stream.changes():
            newest[body["id"]] = body
            first.setdefault(body["id"], now)
        durations.append(time.perf_counter() - begun)
    return newest, first, durations


class Association(unittest.TestCase):
    def test_a_day_of_swarms(self):
        """What must be reached."""
        for seed in SEEDS:
            simulation = Simulation(seed)
            bodies = associate.associate_files(simulation.table(), simulation.stations, CRUST, associate.DEPTH_KM)
            sources = [simulation.source(body) for body in bodies]
            found = set(sources) - {None}
            false = len(bodies) - len(found)
            errors = []
            for body, source in zip(bodies, sources):
                if source is not None and simulation.quakes[source].is_central:
                    quake = simulation.quakes[source]
                    errors.append((abs(associate.seconds(body["time"]) - quake.time),
                                   math.dist((body["x_km"], body["y_km"]), (quake.x, quake.y)), abs(body["depth_km"] - quake.z)))
            times, places, depths = zip(*errors)
            print(f"seed {seed}: {len(simulation.picks)} picks, {len(found)} of {EVENTS} found, {false} false; "
                  f"{len(errors)} in the middle: time {statistics.median(times):.2f} s, at most {max(times):.2f}; "
                  f"epicentre {statistics.median(places):.2f} km, at most {max(places):.2f}; "
                  f"depth {statistics.median(depths):.1f} km")
            self.assertGreaterEqual(len(found), 0.95 * EVENTS)
            self.assertLessEqual(false, 2)
            self.assertGreater(len(errors), 30)
            self.assertLess(max(times), 0.5)
            self.assertLess(max(places), 5)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
