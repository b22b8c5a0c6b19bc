#!/usr/bin/env python3
"""associate.py: picks become events, by PyOcto.

    associate.py http://127.0.0.1:8080 --operate-token FILE [--look-token FILE] [--velocity FILE.csv | --p 6 --s 3.46]
    associate.py --picks picks.csv --stations stations.csv [--velocity FILE.csv | --p 6 --s 3.46]

The first follows an onset-collector and writes events back to it (POST /api/origins). The second reads PyOcto's own
tables and prints events as JSON lines: picks have station, phase and time (seconds since 1970); stations have id and
latitude, longitude, elevation (m), or id and x, y, z (km, z downwards). A velocity file has depth (km), vp and vs (km/s).

A pick belongs to no event by itself. An event is told as soon as four picks agree on one, so it is often told while
most of its waves are still on their way, and everything later may change it. `Stream` therefore associates a window of
picks anew whenever one comes, and tells what differs from what it told before. Time is the stream's own: that of picks.
"""
import argparse
import collections
import dataclasses
import datetime
import hashlib
import http.client
import json
import math
import pathlib
import queue
import signal
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import pandas as pd
import pyocto
import pyproj

# An average of the crust: 6 km/s, and the square root of three between P and S.
P_KM_S, S_KM_S = 6.0, 3.46
# Most crustal earthquakes are above that.
DEPTH_KM = 30.0
# Sources are sought so far beyond the outermost stations. Further out their place is little more than a direction.
MARGIN_KM = 50
# Stations further away than this do not take part in the search: one crust does not describe their travel times.
REACH_KM = 250
# The first four unknowns of an event are its place and time. Fewer picks say nothing.
PICKS = 4
# Three P: they are told after 0.4 s, an S after 3.3 s.
P_PICKS = 3
# How far a pick may be from its travel time. A uniform crust is wrong by that much across a network.
TOLERANCE_S = 1.0
# So fine are the travel times of a layered crust: they are right to some hundredths of a second.
GRID_KM = 1.0
# What such a difference weighs in a location: beyond three of these, nothing. So one wrong pick moves no event.
PICK_SIGMA_S = 0.3
# Where waves pass, stations pick: of the nearest ones, as many as have picked, this share must have.
NEAREST_SHARE = 0.6
# What is left over when an event has taken its picks may look like another one, at its place and time.
ECHO_S, ECHO_KM = 3.0, 30.0
# A pick is confirmed or retracted within 4 s; the rest is the network's delay.
LATENESS_S = 10
# What can change no more is settled in steps, at whole multiples, so that the order in which picks come is no matter.
STEP_S = 10
# So many settled events stay known, for picks that come again or are retracted late.
SETTLED_MAXIMUM = 200
# More picks than that at once are no earthquake. The oldest go first.
PICKS_MAXIMUM = 10_000
# Versions stay below that, whatever a wrong clock says.
VERSION_MAXIMUM = 1_000_000_000
# A station without a pick for that long says nothing by its silence.
SILENCE_S = 86_400
# As many arrivals as /api/events has. Where it is full, it may begin within an event.
LISTED = 200
# Waits of the service: between two runs, for an answer, for anything on the stream (a sign of life comes every 15 s).
RUN_S, ANSWER_S, STREAM_S = 0.25, 10, 60
BACK_OFF_S = (0.5, 1, 2, 5, 10)
# A station that has no place yet may be told one.
ASKED_AGAIN_S = 30
# So much of a file is taken at once.
FILE_STEP_S = 60


def say(text):
    print(f"associate.py: {text}", file=sys.stderr, flush=True)


def iso8601(seconds):
    at = datetime.datetime.fromtimestamp(round(seconds, 3), datetime.timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


class Key(collections.namedtuple("Key", "station epoch boot pick_id")):
    """What names an arrival for ever."""

    @property
    def digest(self):
        return hashlib.blake2b("/".join(map(str, self)).encode(), digest_size=6).hexdigest()


@dataclasses.dataclass(frozen=True)
class Pick:
    key: Key
    phase: str
    time: float


@dataclasses.dataclass
class Found:
    """An event of one run. `picks`: by key, the pick, its residual (s) and epicentral distance (km)."""
    time: float
    x: float
    y: float
    z: float
    picks: dict

    @property
    def first(self):
        return min((pick.time for pick, _, _ in self.picks.values()), default=self.time)


class Network:
    """Stations in a plane, and the engine that associates what they pick.

    `stations`: a table of id and latitude, longitude, elevation, or of id and x, y, z. `velocity`: a table of depth, vp
    and vs, or the velocities of P and S of a uniform crust.
    """

    def __init__(self, stations, velocity, depth, projection=None):
        slowest = velocity[1] if isinstance(velocity, tuple) else velocity["vs"].min()
        # From an event's time to its last S.
        self.places, self.projection, self.reach = {}, projection, REACH_KM / slowest
        if stations.empty:
            return
        stations = stations.copy()
        if "x" not in stations and projection is None:
            self.projection = projection = pyocto.OctoAssociator.get_crs(stations)
        self.engine = pyocto.OctoAssociator(
            (0, 0), (0, 0), (0, depth), None, 0, crs=projection, n_picks=PICKS, n_p_picks=P_PICKS, n_s_picks=0,
            n_p_and_s_picks=0, pick_match_tolerance=TOLERANCE_S, exponential_edt=True, edt_pick_std=PICK_SIGMA_S,
            # Two events may begin at once. All of a window is one slice, so that no event is cut.
            min_interevent_time=0, time_slicing=3600, n_threads=1)
        if projection is not None:
            self.engine.transform_stations(stations)
        self.stations = stations[["id", "x", "y", "z"]]
        self.places = {row.id: (row.x, row.y) for row in self.stations.itertuples()}
        self.degrees = projection and pyproj.Transformer.from_crs(projection, 4326)
        limits = [(stations[axis].min() - MARGIN_KM, stations[axis].max() + MARGIN_KM) for axis in "xy"]
        self.engine.xlim, self.engine.ylim = limits
        diagonal = math.dist(*zip(*limits, (0, depth)))
        self.reach = min(diagonal, REACH_KM) / slowest
        self.engine.time_before = self.reach
        if isinstance(velocity, tuple):
            model = pyocto.VelocityModel0D(*velocity, TOLERANCE_S, REACH_KM)
        else:
            model = self.layered(velocity, diagonal + 1, depth + 1)
        self.engine.velocity_model_association = self.engine.velocity_model_location = model

    def layered(self, velocity, distance, depth):
        """Times in a layered crust. The engine reads them from a file at every run, and makes them by Pyrocko."""
        self.folder = tempfile.TemporaryDirectory(prefix="associate")
        times = pathlib.Path(self.folder.name, "times")
        pyocto.VelocityModel1D.create_model(velocity, GRID_KM, distance, depth, times)
        top = velocity.iloc[0]
        return pyocto.VelocityModel1D(times, TOLERANCE_S, REACH_KM, top.vp, top.vs)

    def associate(self, picks, silent=frozenset()):
        """Events, those with most picks first. `silent`: stations of which no pick is expected."""
        picks = sorted((pick for pick in picks if pick.key.station in self.places), key=lambda pick: (pick.time, pick.key))
        if len(picks) < PICKS:
            return []
        table = pd.DataFrame({"station": [pick.key.station for pick in picks], "phase": [pick.phase for pick in picks],
                              "time": [pick.time - picks[0].time for pick in picks]})
        events, assignments = self.engine.associate(table, self.stations)
        members = {number: group for number, group in assignments.groupby("event_idx")}
        found = []
        for event in events.itertuples():
            rows = members[event.idx].itertuples()
            found.append(Found(picks[0].time + event.time, event.x, event.y, event.z, {
                picks[row.pick_idx].key: (picks[row.pick_idx], row.residual, math.dist(
                    (event.x, event.y), self.places[picks[row.pick_idx].key.station])) for row in rows}))
        found.sort(key=lambda event: (-len(event.picks), event.time))
        return [event for event in found if self.is_seen_nearby(event, silent)]

    def is_seen_nearby(self, event, silent):
        have = {key.station for key in event.picks}
        expected = sorted((station for station in self.places if station in have or station not in silent),
                          key=lambda station: math.dist((event.x, event.y), self.places[station]))
        return len(have.intersection(expected[:len(have)])) >= NEAREST_SHARE * len(have)

    def place(self, x, y):
        """As fields of what is told: degrees, or km where stations have no degrees."""
        if self.degrees is None:
            return {"x_km": round(x, 3), "y_km": round(y, 3)}
        latitude, longitude = self.degrees.transform(x, y)
        return {"latitude": round(latitude, 5), "longitude": round(longitude, 5)}


@dataclasses.dataclass
class Origin:
    """An event under its name. `is_reduced`: some of its picks were retracted after it was settled."""
    id: str
    version: int = 0
    event: Found = None
    is_reduced: bool = False

    def body(self, network, is_withdrawn):
        event, picks = self.event, sorted(self.event.picks.values(), key=lambda member: (member[0].time, member[0].key))
        squares = sum(residual ** 2 for _, residual, _ in picks)
        return {
            "id": self.id, "version": self.version, "time": iso8601(event.time), **network.place(event.x, event.y),
            "depth_km": round(event.z, 2), "rms_s": round(math.sqrt(squares / max(len(picks), 1)), 3),
            "picks": [] if is_withdrawn else [
                {**pick.key._asdict(), "phase": pick.phase, "residual_s": round(residual, 3),
                 "distance_km": round(distance, 2)} for pick, residual, distance in picks]}


class Stream:
    """Picks as they come, and what is to be told of events.

        stream = Stream(network)
        stream.note(pick, is_retracted)
        for body in stream.changes(): …

    What lies so far back that all its picks have come is settled: its event is told for the last time and takes its
    picks with it. A run that settles sees the picks before its step and no others, whenever it is made. So what is
    settled does not depend on the order in which picks came, and a file gives what the stream gave.
    """

    def __init__(self, network):
        self.network = network
        self.picks, self.standing, self.settled = {}, {}, collections.OrderedDict()
        self.first, self.newest = {}, {}
        self.step = None
        self.is_changed = False

    @property
    def now(self):
        """The newest time that three stations have reached: two wrong clocks do not move it."""
        return sorted(self.newest.values())[-3:][0]

    def note(self, pick, is_retracted=False):
        key, station = pick.key, pick.key.station
        owner = next((origin for origin in self.settled.values() if key in origin.event.picks), None)
        if owner:
            if is_retracted:
                del owner.event.picks[key]
                self.is_changed = owner.is_reduced = True
            return
        if is_retracted:
            self.is_changed |= self.picks.pop(key, None) is not None
            return
        if self.step is not None and pick.time < self.horizon(self.step) or self.picks.get(key) == pick:
            return
        self.picks[key] = pick
        if len(self.picks) > PICKS_MAXIMUM:
            del self.picks[min(self.picks, key=lambda key: self.picks[key].time)]
        self.first[station] = min(pick.time, self.first.get(station, math.inf))
        self.newest[station] = max(pick.time, self.newest.get(station, -math.inf))
        self.is_changed = True

    def horizon(self, step):
        """No event that is not settled at this step has earlier picks."""
        return step - self.network.reach - STEP_S

    def changes(self):
        """What is to be told: events that are new, changed or withdrawn (without picks)."""
        if not self.is_changed:
            return []
        self.is_changed = False
        told = []
        for origin in self.settled.values():
            if origin.is_reduced:
                origin.is_reduced = False
                told.append(self.tell(origin, is_withdrawn=len(origin.event.picks) < PICKS))
        while self.picks:
            earliest = min(pick.time for pick in self.picks.values()) // STEP_S * STEP_S
            step = max(earliest, -math.inf if self.step is None else self.step) + STEP_S
            if self.now - LATENESS_S < step:
                break
            told += self.settle(step)
        if self.picks:
            told += self.match(self.run(self.now + self.network.reach), list(self.standing.values()))
        return told

    def run(self, end):
        silent = {station for station in self.first
                  if self.first[station] > end or self.newest[station] < end - SILENCE_S}
        silent |= self.network.places.keys() - self.first.keys()
        events = self.network.associate((pick for pick in self.picks.values() if pick.time < end), silent)
        kept = [origin.event for origin in self.settled.values()]
        found = []
        for event in events:
            if not any(abs(event.time - other.time) < ECHO_S and math.dist((event.x, event.y), (other.x, other.y)) < ECHO_KM
                       for other in kept):
                kept.append(event)
                found.append(event)
        return found

    def settle(self, step):
        self.step, edge = step, step - self.network.reach
        found = [event for event in self.run(step) if event.time < edge]
        told = self.match(found, [origin for origin in self.standing.values() if origin.event.time < edge])
        for event in found:
            origin = next(origin for origin in self.standing.values() if origin.event is event)
            self.settled[origin.id] = self.standing.pop(origin.id)
            for key in event.picks:
                del self.picks[key]
        while len(self.settled) > SETTLED_MAXIMUM:
            self.settled.popitem(last=False)
        self.picks = {key: pick for key, pick in self.picks.items() if pick.time >= self.horizon(step)}
        return told

    def match(self, found, before):
        """Gives each event the name of the one before with which it shares most picks; tells what differs."""
        told, before = [], list(before)
        for event in found:
            def shared(origin):
                return len(origin.event.picks.keys() & event.picks.keys())
            origin = max(before, key=shared, default=None)
            if origin is None or 2 * shared(origin) < min(len(origin.event.picks), len(event.picks)):
                origin = Origin(self.name(event))
                self.standing[origin.id] = origin
            else:
                before.remove(origin)
            known, origin.event = origin.event, event
            if event != known:
                told.append(self.tell(origin))
        for origin in before:
            del self.standing[origin.id]
            told.append(self.tell(origin, is_withdrawn=True))
        return told

    def tell(self, origin, is_withdrawn=False):
        # Milliseconds of stream time since its first pick: a service that begins anew counts on from there.
        since = round(1000 * (self.now - origin.event.first))
        origin.version = max(origin.version + 1, min(since, VERSION_MAXIMUM))
        return origin.body(self.network, is_withdrawn)

    def name(self, event):
        """By its first pick, and its day for the reader's sake: the same again after a restart."""
        for pick, _, _ in sorted(event.picks.values(), key=lambda member: (member[0].time, member[0].key)):
            name = f"{iso8601(pick.time)[:10]}-{pick.key.digest}"
            if name not in self.standing and name not in self.settled:
                return name
        raise AssertionError("an event has a pick of its own")


def complaint(error):
    return f"{error.code} {error.read(500).decode(errors='replace').strip()}"


class Collector:
    """What is asked of an onset-collector and told to it, by HTTP."""

    def __init__(self, url, look, operate):
        self.url, self.look, self.operate = url.rstrip("/"), look, operate

    def open(self, path, patience, token=None, body=None):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        return urllib.request.urlopen(urllib.request.Request(self.url + path, body, headers), timeout=patience)

    def get(self, path):
        with self.open(path, ANSWER_S, self.look) as answer:
            return json.load(answer)

    def stations(self):
        """Those whose place is known, and the codes of the others."""
        everything = self.get("/api/stations")["stations"]
        known = [station for station in everything if station["latitude"] is not None and station["longitude"] is not None]
        return pd.DataFrame([{"id": station["station"], "latitude": station["latitude"], "longitude": station["longitude"],
                              "elevation": station["elevation_m"] or 0.0} for station in known]), {
            station["station"] for station in everything} - {station["station"] for station in known}

    def follow(self, put):
        """Puts lists of arrivals, after each interruption all that the collector still knows, and never ends."""
        failures = 0
        while True:
            try:
                with self.open("/api/live", STREAM_S, self.look) as stream:
                    # What comes from here on waits in the stream. So nothing is missed between the list and it.
                    put(self.get("/api/events")["events"])
                    failures, name = 0, None
                    for line in stream:
                        field, _, value = line.decode().rstrip("\n").partition(": ")
                        if field == "event":
                            name = value
                        elif field == "data" and name == "pick":
                            put([json.loads(value)])
                reason = "the stream has ended"
            except urllib.error.HTTPError as error:
                with error:
                    reason = complaint(error)
            except (OSError, http.client.HTTPException, ValueError) as error:
                reason = error
            wait = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]
            say(f"{self.url} is asked again in {wait} s: {reason}")
            failures += 1
            time.sleep(wait)

    def tell(self, body):
        """Whether it has been taken or refused for good; False where it must be sent again."""
        try:
            with self.open("/api/origins", ANSWER_S, self.operate, json.dumps(body).encode()):
                return True
        except urllib.error.HTTPError as error:
            with error:
                say(f"event {body['id']}, version {body['version']}: {complaint(error)}")
                return error.code < 500
        except (OSError, http.client.HTTPException) as error:
            say(f"event {body['id']}, version {body['version']}, is sent again: {error}")
            return False


class Service:
    """Follows a collector and writes events back to it."""

    def __init__(self, collector, velocity, depth):
        self.collector, self.velocity, self.depth = collector, velocity, depth
        self.stream = Stream(Network(pd.DataFrame(), velocity, depth))
        self.lists, self.is_begun, self.told_from = queue.Queue(), False, ""
        self.placeless, self.asked = set(), -math.inf
        self.waiting, self.failures, self.sent_again = {}, 0, -math.inf

    def run(self):
        threading.Thread(target=self.collector.follow, args=(self.lists.put,), daemon=True).start()
        while True:
            try:
                self.take(self.lists.get(timeout=RUN_S))
                while not self.lists.empty():
                    self.take(self.lists.get())
            except queue.Empty:
                pass
            self.ask_for_places()
            self.associate()
            self.send()
            time.sleep(RUN_S)

    def take(self, arrivals):
        picks = [(Pick(Key(arrival["station"], arrival["epoch"], arrival["boot"], arrival["pick_id"]), arrival["phase"],
                       datetime.datetime.fromisoformat(arrival["time"]).timestamp()), arrival["status"] == "retracted")
                 for arrival in arrivals]
        picks.sort(key=lambda pick: pick[0].time)
        if len(picks) > 1:
            # One by one, as they came: so each event is begun by the picks that began it before a restart.
            self.ask_for_places(pick.key.station for pick, _ in picks)
        if not self.is_begun and len(picks) >= LISTED:
            self.told_from = iso8601(picks[0][0].time + self.stream.network.reach)
        self.is_begun = True
        for pick, is_retracted in picks:
            self.stream.note(pick, is_retracted)
            if len(picks) > 1:
                self.associate()

    def associate(self):
        for body in self.stream.changes():
            # What began before the list may lack its first picks, and would take the place of something better.
            if body["time"] >= self.told_from:
                self.waiting[body["id"]] = body

    def ask_for_places(self, stations=()):
        """Where the stations stand, once one of them has picked whose place is not known."""
        unplaced = {key.station for key in self.stream.picks}.union(stations) - self.stream.network.places.keys()
        if not unplaced or not unplaced - self.placeless and time.monotonic() - self.asked < ASKED_AGAIN_S:
            return
        self.asked = time.monotonic()
        try:
            places, placeless = self.collector.stations()
        except (OSError, http.client.HTTPException, ValueError) as error:
            say(f"the stations' places are asked for again: {error}")
            return
        for station in sorted(unplaced & placeless - self.placeless):
            say(f"{station} is left out: its station file tells no latitude and longitude")
        self.placeless |= unplaced
        if set(places.get("id", ())) != self.stream.network.places.keys():
            self.stream.network = Network(places, self.velocity, self.depth, self.stream.network.projection)
            self.stream.is_changed = True

    def send(self):
        if time.monotonic() < self.sent_again:
            return
        for name in list(self.waiting):
            if not self.collector.tell(self.waiting[name]):
                self.sent_again = time.monotonic() + BACK_OFF_S[min(self.failures, len(BACK_OFF_S) - 1)]
                self.failures += 1
                return
            del self.waiting[name]
        self.failures = 0


def associate_files(picks, stations, velocity, depth):
    """The events of a table of picks, as they are when all is told."""
    stream, told, chunk = Stream(Network(stations, velocity, depth)), {}, None
    for row in picks.sort_values("time").itertuples():
        if row.time // FILE_STEP_S != chunk:
            told.update((body["id"], body) for body in stream.changes())
            chunk = row.time // FILE_STEP_S
        stream.note(Pick(Key(row.station, "0" * 16, 0, row.Index), row.phase, row.time))
    told.update((body["id"], body) for body in stream.changes())
    return sorted((body for body in told.values() if body["picks"]), key=lambda body: body["time"])


def table(path, *choices):
    """A file with one of these sets of columns."""
    found = pd.read_csv(path, dtype={"station": str, "id": str, "phase": str})
    if not any(set(columns) <= set(found) for columns in choices):
        raise ValueError(f"{path} has the columns {', '.join(found)}; it needs {' or '.join(map(', '.join, choices))}")
    return found


def token(path):
    return path and path.read_text().strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?", help="where the collector's room is, such as http://127.0.0.1:8080")
    parser.add_argument("--look-token", type=pathlib.Path, help="the collector's file of this name")
    parser.add_argument("--operate-token", type=pathlib.Path, help="the collector's file of this name")
    parser.add_argument("--picks", type=pathlib.Path)
    parser.add_argument("--stations", type=pathlib.Path)
    parser.add_argument("--velocity", type=pathlib.Path, help="depth, vp, vs; it needs Pyrocko")
    parser.add_argument("--p", type=float, default=P_KM_S, help="km/s in a uniform crust (%(default)s)")
    parser.add_argument("--s", type=float, default=S_KM_S, help="km/s in a uniform crust (%(default)s)")
    parser.add_argument("--depth", type=float, default=DEPTH_KM, help="down to which sources are sought, km (%(default)s)")
    options = parser.parse_args()
    if bool(options.url) == bool(options.picks) or bool(options.picks) != bool(options.stations):
        parser.error("it takes a collector's URL, or --picks and --stations")
    try:
        velocity = table(options.velocity, ("depth", "vp", "vs")) if options.velocity else (options.p, options.s)
        if options.picks:
            stations = table(options.stations, ("id", "x", "y", "z"), ("id", "latitude", "longitude", "elevation"))
            picks = table(options.picks, ("station", "phase", "time"))
            for body in associate_files(picks, stations, velocity, options.depth):
                print(json.dumps(body))
        else:
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
            Service(Collector(options.url, token(options.look_token), token(options.operate_token)), velocity,
                    options.depth).run()
    except (OSError, ValueError, ImportError) as error:
        say(error)
        sys.exit(2)
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
