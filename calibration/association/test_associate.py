"""Association on a simulated network, where the truth is known: 20 stations in a square of 100 km, 200 earthquakes in
three hours as a Poisson process, so that many overlap; a tenth of the picks is missing, 5 % are false.

    python3 calibration/association/test_associate.py [SEED…]

It prints the figures that README.md gives. CI must have PyOcto; elsewhere its absence is said. Layers are tried where
Pyrocko is.
"""
import collections
import dataclasses
import http.server
import importlib.util
import json
import math
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import unittest

try:
    import pandas

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
        self.stations = pandas.DataFrame(
            [{"id": code, "x": x, "y": y, "z": 0.0} for code, (x, y) in self.places.items()])
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
        return pandas.DataFrame(
            [{"station": pick.key.station, "phase": pick.phase, "time": pick.time} for pick in self.picks],
            index=[pick.key.pick_id for pick in self.picks])

    def source(self, body):
        """The earthquake that most of an event's picks are of; None where there is none."""
        (source, count), = collections.Counter(
            self.truth[Key(pick["station"], f"{7:016x}", 1, pick["pick_id"])] for pick in body["picks"]).most_common(1)
        return source if 2 * count > len(body["picks"]) else None


def streamed(simulation, stream):
    """The newest body of each event, when it was told first, and how long each run took."""
    newest, first, durations = {}, {}, []
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


def members(body):
    return {(pick["station"], pick["pick_id"]) for pick in body["picks"]}


def contents(bodies):
    """What is left of events without names, versions and epochs, which a file does not have."""
    return sorted((body["time"], body["x_km"], body["y_km"], sorted(members(body))) for body in bodies if body["picks"])


class Association(unittest.TestCase):
    def test_three_hours(self):
        """What must be reached. Of the events in the middle one may be mixed with another that began at once."""
        for seed in SEEDS:
            simulation, errors = Simulation(seed), []
            bodies = associate.associate_files(simulation.table(), simulation.stations, CRUST, associate.DEPTH_KM)
            sources = [simulation.source(body) for body in bodies]
            found = set(sources) - {None}
            false = len(bodies) - len(found)
            for body, source in zip(bodies, sources):
                if source is not None and simulation.quakes[source].is_central:
                    quake = simulation.quakes[source]
                    errors.append((abs(associate.seconds(body["time"]) - quake.time),
                                   math.dist((body["x_km"], body["y_km"]), (quake.x, quake.y)),
                                   abs(body["depth_km"] - quake.z)))
            near = sum(late < 0.5 and far < 5 for late, far, _ in errors)
            late, far, deep = map(statistics.median, zip(*errors))
            print(f"seed {seed}: {len(simulation.picks)} picks, {len(found)} of {EVENTS} events, {false} false; "
                  f"{near} of {len(errors)} in the middle within 0.5 s and 5 km, the median {late:.2f} s, {far:.2f} "
                  f"km, in depth {deep:.1f} km")
            self.assertGreaterEqual(len(found), 0.95 * EVENTS)
            self.assertLessEqual(false, 2)
            self.assertGreater(len(errors), 30)
            self.assertGreaterEqual(near, len(errors) - 1)

    def test_a_stream_is_told_soon_and_ends_as_a_file(self):
        simulation = Simulation(11, hours=1 / 3, events=22)
        stream = Stream(Network(simulation.stations, CRUST, associate.DEPTH_KM))
        newest, first, durations = streamed(simulation, stream)
        bodies = associate.associate_files(simulation.table(), simulation.stations, CRUST, associate.DEPTH_KM)
        self.assertEqual(contents(newest.values()), contents(bodies))
        self.assertGreater(len(stream.settled), 15)
        told = {}
        for at, pick in simulation.arrivals():
            told.setdefault(pick.key, at)
        delays = []
        for name, body in newest.items():
            source = simulation.source(body) if body["picks"] else None
            if source is not None:
                fourth = sorted(told[key] for key, of in simulation.truth.items() if of == source)[3]
                delays.append(first[name] - fourth)
        withdrawn = sum(not body["picks"] for body in newest.values())
        print(f"stream: {len(delays)} events told {statistics.median(delays):.2f} s after the fourth pick, at most "
              f"{max(delays):.2f}; {withdrawn} withdrawn; {len(durations)} runs, the median "
              f"{1e3 * statistics.median(durations):.0f} ms, at most {1e3 * max(durations):.0f}")
        self.assertEqual(len(delays), 22)
        self.assertLess(max(delays), 2)
        self.assertLessEqual(withdrawn, 2)


class OneEvent(unittest.TestCase):
    """An earthquake in the middle and all of its picks."""

    def setUp(self):
        self.simulation = Simulation(5, events=0)
        self.quake = Quake(BEGIN + 100, 50, 50, 10, 6)
        self.picks = [Pick(Key(station, f"{7:016x}", 1, number), phase, at) for number, (station, phase, at, _) in
                      enumerate(self.simulation.seen(random.Random(2), 0, self.quake))]
        self.network = Network(self.simulation.stations, CRUST, associate.DEPTH_KM)

    def told(self, stream, picks=(), is_retracted=False):
        for pick in picks:
            stream.note(pick, is_retracted)
        return stream.changes()

    def later(self):
        """The same again, so much later that the first is settled."""
        return [dataclasses.replace(pick, key=pick.key._replace(boot=2), time=pick.time + 1000) for pick in self.picks]

    def test_it_keeps_its_name_and_is_told_when_it_changes(self):
        stream, half = Stream(self.network), len(self.picks) // 2
        ordered = sorted(self.picks, key=associate.by_time)
        one, = self.told(stream, ordered[:half])
        two, = self.told(stream, ordered[half:])
        self.assertEqual((one["version"], two["version"], two["id"]), (1, 2, one["id"]))
        self.assertLess(members(one), members(two))
        self.assertEqual(members(two), {(pick.key.station, pick.key.pick_id) for pick in self.picks})
        self.assertEqual(self.told(stream, ordered), [])
        self.assertRegex(one["id"], r"^[A-Za-z0-9_.-]{1,64}$")
        self.assertLess(two["rms_s"], 0.3)

    def test_retracted_picks_go_and_the_event_with_them(self):
        for settles in (False, True):
            stream = Stream(self.network)
            one, = self.told(stream, self.picks)
            if settles:
                another, = self.told(stream, self.later())
                self.assertEqual(list(stream.settled), [one["id"]])
                self.assertNotEqual(another["id"], one["id"])
            fewer, = self.told(stream, self.picks[:5], is_retracted=True)
            self.assertEqual((fewer["id"], fewer["version"]), (one["id"], 2))
            self.assertEqual(len(fewer["picks"]), len(self.picks) - 5)
            gone, = self.told(stream, self.picks[5:], is_retracted=True)
            self.assertEqual((gone["id"], gone["version"], gone["picks"]), (one["id"], 3, []))
            if not settles:
                again, = self.told(stream, self.picks)
                self.assertEqual((again["id"], again["version"]), (one["id"], 4))

    def test_a_settled_event_takes_its_picks_with_it(self):
        stream = Stream(self.network)
        self.told(stream, self.picks)
        self.told(stream, self.later())
        self.assertEqual(self.told(stream, self.picks), [])
        self.assertEqual(len(stream.picks), len(self.picks))

    def test_a_run_that_settles_sees_no_pick_after_its_step(self):
        stream, seen = Stream(self.network), []
        associate_all = self.network.associate

        def watched(picks, silent):
            picks = list(picks)
            seen.append((stream.step, max(pick.time for pick in picks)))
            return associate_all(picks, silent)
        self.network.associate = watched
        self.told(stream, self.picks + self.later())
        *settling, (last, newest) = seen
        self.assertGreater(len(settling), 5)
        self.assertTrue(all(latest < step for step, latest in settling))
        self.assertGreater(newest, last)

    def test_another_run_gives_the_same_names(self):
        first, again = Stream(self.network), Stream(self.network)
        ordered = sorted(self.picks, key=associate.by_time)
        names = {body["id"] for number in range(len(ordered)) for body in self.told(first, [ordered[number]])}
        self.assertEqual(names, {body["id"] for body in self.told(again, ordered)})

    def test_what_was_told_before_a_restart_counts_on(self):
        network = Network(pandas.DataFrame([
            {"id": station, "latitude": 47 + (y - 50) / 111.2, "longitude": 8.5 + (x - 50) / 75.9, "elevation": 0.0}
            for station, (x, y) in self.simulation.places.items()]), CRUST, associate.DEPTH_KM)
        ordered = sorted(self.picks, key=associate.by_time)
        # Its first pick comes last, so that its name says nothing.
        one, = self.told(Stream(network), ordered[1:20])
        self.assertLess(math.dist((one["latitude"], one["longitude"]), (47, 8.5)), 0.03)
        restarted = Stream(network)
        for pick in ordered:
            restarted.note(pick)
        foreign = {**one, "id": "analyst-1"}
        for told in ({**one, "version": 17}, foreign):
            restarted.remember(told, {pick.key for pick in self.picks})
        body, = restarted.changes()
        self.assertEqual((body["id"], body["version"]), (one["id"], 18))

    def test_stations_that_stay_silent_nearby_speak_against_it(self):
        stations = self.network.places
        near = sorted(stations, key=lambda station: math.dist(stations[station][:2], (50, 50)))
        for silent, count in ((near[:10], 0), (near[10:], 1)):
            stream = Stream(self.network)
            # All stations have picked before, so that silence means something.
            for number, station in enumerate(stations):
                stream.note(Pick(Key(station, f"{7:016x}", 1, 1000 + number), "P", BEGIN - 5000 + 300 * number))
            told = self.told(stream, [pick for pick in self.picks if pick.key.station not in silent])
            self.assertEqual(len(told), count)

    @unittest.skipUnless(importlib.util.find_spec("pyrocko"), "Pyrocko is not there: pip install pyrocko")
    def test_layers_of_one_velocity_are_a_uniform_crust(self):
        table = pandas.DataFrame({"depth": [0, 20, 100], "vp": [6.0] * 3, "vs": [3.46] * 3})
        crust = associate.Layered(table)
        layered = Network(self.simulation.stations, crust, associate.DEPTH_KM)
        self.addCleanup(crust.folder.cleanup)
        one, = self.told(Stream(self.network), self.picks)
        two, = self.told(Stream(layered), self.picks)
        self.assertEqual(members(one), members(two))
        self.assertLess(math.dist((one["x_km"], one["y_km"]), (two["x_km"], two["y_km"])), 0.5)
        self.assertLess(abs(associate.seconds(one["time"]) - associate.seconds(two["time"])), 0.1)


class Program(unittest.TestCase):
    def run_with(self, *arguments):
        command = [sys.executable, associate.__file__, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True)

    def test_files(self):
        simulation = Simulation(3, hours=1 / 12, events=4)
        with tempfile.TemporaryDirectory() as folder:
            picks, stations = pathlib.Path(folder, "picks.csv"), pathlib.Path(folder, "stations.csv")
            simulation.table().to_csv(picks, index=False)
            simulation.stations.to_csv(stations, index=False)
            done = self.run_with("--picks", picks, "--stations", stations)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(len(done.stdout.splitlines()), 4)
            self.assertGreater(len(json.loads(done.stdout.splitlines()[0])["picks"]), 10)
            for arguments, complaint in (
                    (("--picks", stations, "--stations", stations), "it needs station, phase, time"),
                    (("--picks", picks, "--stations", picks), "it needs id, x, y, z or id, latitude, longitude"),
                    (("--picks", folder + "/none.csv", "--stations", stations), "none.csv"),
                    (("--picks", picks), "a collector's URL, or --picks and --stations")):
                done = self.run_with(*arguments)
                self.assertEqual(done.returncode, 2)
                self.assertIn(complaint, done.stderr)


class Refusing(http.server.BaseHTTPRequestHandler):
    """Answers one status after the other, and keeps what was told."""
    statuses, bodies = [], []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.bodies.append((self.headers["Authorization"], body["id"], body["version"]))
        self.send_response(self.statuses.pop(0))
        self.end_headers()

    def log_message(self, *_):
        pass


class Delivery(unittest.TestCase):
    def test_what_is_not_taken_is_sent_again_and_what_is_refused_is_not(self):
        server = http.server.HTTPServer(("127.0.0.1", 0), Refusing)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        collector = associate.Collector(f"http://127.0.0.1:{server.server_port}/", None, "0123456789abcdef")
        service = associate.Service(collector, CRUST, associate.DEPTH_KM)
        Refusing.statuses = [503, 200, 400, 200]
        for version, waits in ((1, True), (2, False), (3, False), (4, False)):
            # A newer version takes the place of the one that waits.
            service.waiting["event"] = {"id": "event", "version": version}
            service.sent_again = -math.inf
            service.send()
            self.assertEqual(bool(service.waiting), waits)
        self.assertEqual(Refusing.bodies, [("Bearer 0123456789abcdef", "event", version) for version in (1, 2, 3, 4)])
        nobody = associate.Collector("http://127.0.0.1:1", None, None)
        self.assertFalse(nobody.tell({"id": "event", "version": 1}))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
