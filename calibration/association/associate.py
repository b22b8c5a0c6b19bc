#!/usr/bin/env python3
"""associate.py: picks become events, by PyOcto.

    associate.py http://127.0.0.1:8080 --operate-token FILE [--look-token FILE] [--velocity FILE.csv | --p 6 --s 3.46]
    associate.py --picks picks.csv --stations stations.csv [--velocity FILE.csv | --p 6 --s 3.46]

The first follows an onset-collector and writes events back to it (POST /api/origins). The second reads PyOcto's own
tables and prints events as JSON lines: picks have station, phase and time (seconds since 1970); stations have id and
latitude, longitude, elevation (m), or id and x, y, z (km, z downwards). A velocity file has depth (km), vp, vs (km/s).

A pick belongs to no event by itself. An event is told as soon as four picks agree on one, so it is often told while
most of its waves are still on their way, and everything later may change it. `Stream` therefore associates a window of
picks anew whenever one comes, and tells what differs from what it told before. Time is the stream's own: that of picks.
"""
import argparse
import collections
import dataclasses
import datetime
import http.client
import json
import math
import pathlib
import queue
import re
import signal
import sys
import threading
import time
import urllib.error
import urllib.request

import pandas as pd

from location import (
    DEPTH_KM, P_KM_S, PICKS, S_KM_S, Found, Key, Layered, Network, Pick, Uniform, by_time)

# A pick is confirmed or retracted within 4 s; the rest is the network's delay.
LATENESS_S = 10
# What can change no more is settled in steps, at whole multiples, so that the order in which picks come is no matter.
STEP_S = 10
# So many settled events stay known, for picks that come again or are retracted late.
SETTLED_MAXIMUM = 200
# A withdrawn event that comes back counts on; it does so within seconds.
VERSIONS_MAXIMUM = 10_000
# More picks than that at once are no earthquake. The oldest go first.
PICKS_MAXIMUM = 10_000
# As `Stream.name` makes them.
NAME = re.compile(r"\d{4}-\d\d-\d\d-[0-9a-f]{12}")
# A station without a pick for that long says nothing by its silence.
SILENCE_S = 86_400
# As many arrivals as /api/events has. Where it is full, it may begin within an event.
LISTED = 200
# Waits of the service: between two runs, for an answer, for anything on the stream (a sign of life comes every 15 s).
RUN_S, ANSWER_S, STREAM_S = 0.25, 10, 60
BACK_OFF_S = (0.5, 1, 2, 5, 10)
# The places of new stations are asked for so often, those of stations that have told none so seldom.
ASKED_S, ASKED_AGAIN_S = 1, 30
# So much of a file is taken at once.
FILE_STEP_S = 60


def say(text):
    print(f"associate.py: {text}", file=sys.stderr, flush=True)


def iso8601(seconds):
    at = datetime.datetime.fromtimestamp(round(seconds, 3), datetime.timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def seconds(text):
    return datetime.datetime.fromisoformat(text).timestamp()


@dataclasses.dataclass
class Origin:
    """An event under its name. `keys`: its picks; `told`: what was told of it last."""
    id: str
    keys: frozenset = frozenset()
    event: Found = None
    told: dict = None
    is_reduced: bool = False

    @property
    def time(self):
        return self.event.time if self.event else seconds(self.told["time"])


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
        # The first and newest pick of each station; the version of each event that was told.
        self.first, self.newest, self.versions = {}, {}, {}
        self.step = None
        self.is_changed = False

    @property
    def now(self):
        """The newest time that three stations have reached: two wrong clocks do not move it."""
        return sorted(self.newest.values())[-3:][0]

    def note(self, pick, is_retracted=False):
        key, station = pick.key, pick.key.station
        owner = next((origin for origin in self.settled.values() if key in origin.keys), None)
        if owner:
            if is_retracted:
                owner.event.picks.pop(key, None)
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
                told += self.tell(origin, is_withdrawn=len(origin.event.picks) < PICKS)
        while self.picks:
            earliest = min(pick.time for pick in self.picks.values()) // STEP_S * STEP_S
            step = max(earliest, -math.inf if self.step is None else self.step) + STEP_S
            if self.now - LATENESS_S < step:
                break
            told += self.settle(step)
        return told + self.match(self.run(self.now + self.network.reach))

    def run(self, end):
        silent = {station for station in self.first
                  if self.first[station] > end or self.newest[station] < end - SILENCE_S}
        silent |= self.network.places.keys() - self.first.keys()
        return self.network.associate((pick for pick in self.picks.values() if pick.time < end), silent)

    def settle(self, step):
        self.step, edge = step, step - self.network.reach
        events = self.run(step)
        found = [event for event in events if event.time < edge]
        later = {key for event in events if event.time >= edge for key in event.picks}
        told = self.match(found, lambda origin: origin.time < edge and not origin.keys & later)
        for event in found:
            origin = next(origin for origin in self.standing.values() if origin.event is event)
            self.settled[origin.id] = self.standing.pop(origin.id)
            for key in event.picks:
                del self.picks[key]
        while len(self.settled) > SETTLED_MAXIMUM:
            self.settled.popitem(last=False)
        self.picks = {key: pick for key, pick in self.picks.items() if pick.time >= self.horizon(step)}
        return told

    def match(self, found, is_over=lambda origin: True):
        """Gives each event the name of the one with which it shares most picks, and tells what differs.

        Those that nothing matches are withdrawn where `is_over`.
        """
        told, left = [], list(self.standing.values())
        for event in found:
            def shared(origin):
                return len(origin.keys & event.picks.keys())
            origin = max(left, key=shared, default=None)
            if origin is None or 2 * shared(origin) < min(len(origin.keys), len(event.picks)):
                origin = Origin(self.name(event))
                self.standing[origin.id] = origin
            else:
                left.remove(origin)
            origin.event, origin.keys = event, frozenset(event.picks)
            told += self.tell(origin)
        for origin in filter(is_over, left):
            del self.standing[origin.id]
            told += self.tell(origin, is_withdrawn=True)
        return told

    def tell(self, origin, is_withdrawn=False):
        """What is to be told of it, in a list that is empty where it has been told."""
        body = self.body(origin.event) if origin.event else dict(origin.told)
        if is_withdrawn:
            body["picks"] = []
        if body == origin.told:
            return []
        origin.told = body
        self.versions[origin.id] = self.versions.pop(origin.id, 0) + 1
        if len(self.versions) > VERSIONS_MAXIMUM:
            del self.versions[next(iter(self.versions))]
        return [{"id": origin.id, "version": self.versions[origin.id], **body}]

    def body(self, event):
        picks = sorted(event.picks.values(), key=lambda member: by_time(member[0]))
        squares = sum(residual ** 2 for _, residual, _ in picks)
        return {
            "time": iso8601(event.time), **self.network.place(event.x, event.y), "depth_km": round(event.z, 2),
            "rms_s": round(math.sqrt(squares / max(len(picks), 1)), 3), "picks": [
                {**pick.key._asdict(), "phase": pick.phase, "residual_s": round(residual, 3),
                 "distance_km": round(distance, 2)} for pick, residual, distance in picks]}

    def remember(self, told, keys):
        """What was told of an event before this program began: it keeps its name. `keys`: those of all known picks."""
        self.versions[told["id"]] = told["version"]
        mine = frozenset(Key(*(pick[field] for field in Key._fields)) for pick in told["picks"])
        # Events of others, and those of which not all is known any more, are left alone.
        if mine <= keys and NAME.fullmatch(told["id"]):
            body = {field: told[field] for field in ("time", "latitude", "longitude", "depth_km", "rms_s", "picks")}
            self.standing[told["id"]] = Origin(told["id"], mine, told=body)

    def name(self, event):
        """By its first pick, and the day for the reader's sake: the same again in another run."""
        for pick in sorted((pick for pick, _, _ in event.picks.values()), key=by_time):
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

    def again(self, path):
        """The same, for as long as it takes."""
        while True:
            try:
                return self.get(path)
            except (OSError, http.client.HTTPException, ValueError) as error:
                say(f"{self.url}{path} is asked again: {error}")
                time.sleep(BACK_OFF_S[-1])

    def stations(self):
        """Those whose place is known, and the codes of the others."""
        everything = self.get("/api/stations")["stations"]
        known = [one for one in everything if None not in (one["latitude"], one["longitude"])]
        places = pd.DataFrame([{"id": one["station"], "latitude": one["latitude"], "longitude": one["longitude"],
                                "elevation": one["elevation_m"] or 0.0} for one in known])
        return places, {one["station"] for one in everything if one not in known}

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

    def __init__(self, collector, crust, depth):
        self.collector, self.crust, self.depth = collector, crust, depth
        self.stream = Stream(Network(pd.DataFrame(), crust, depth))
        self.lists, self.told_from = queue.Queue(), ""
        self.placeless, self.asked = set(), -math.inf
        self.waiting, self.failures, self.sent_again = {}, 0, -math.inf

    def run(self):
        threading.Thread(target=self.collector.follow, args=(self.lists.put,), daemon=True).start()
        self.begin()
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

    def begin(self):
        """With what the collector knows, and what was told to it before."""
        arrivals = self.lists.get()
        self.take(arrivals)
        self.ask_for_places()
        if len(arrivals) >= LISTED:
            self.told_from = iso8601(min(seconds(arrival["time"]) for arrival in arrivals) + self.stream.network.reach)
        keys = {Key(*(arrival[field] for field in Key._fields)) for arrival in arrivals}
        for told in self.collector.again("/api/origins")["origins"]:
            if told["time"] >= self.told_from:
                self.stream.remember(told, keys)

    def take(self, arrivals):
        picks = [(Pick(Key(*(arrival[field] for field in Key._fields)), arrival["phase"], seconds(arrival["time"])),
                  arrival["status"] == "retracted") for arrival in arrivals]
        for pick, is_retracted in sorted(picks, key=lambda pick: pick[0].time):
            self.stream.note(pick, is_retracted)

    def associate(self):
        for body in self.stream.changes():
            # What began before the list may lack its first picks, and would take the place of something better.
            if body["time"] >= self.told_from:
                self.waiting[body["id"]] = body

    def ask_for_places(self):
        """Where the stations stand, once one of them has picked whose place is not known."""
        unplaced = {key.station for key in self.stream.picks} - self.stream.network.places.keys()
        pause = ASKED_AGAIN_S if unplaced <= self.placeless else ASKED_S
        if not unplaced or time.monotonic() - self.asked < pause:
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
            self.stream.network = Network(places, self.crust, self.depth, self.stream.network.projection)
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


def associate_files(picks, stations, crust, depth):
    """The events of a table of picks, as they are when all is told."""
    stream, told, chunk = Stream(Network(stations, crust, depth)), {}, None
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
    parser.add_argument("--depth", type=float, default=DEPTH_KM, help="of the deepest sources sought, km (%(default)s)")
    options = parser.parse_args()
    if bool(options.url) == bool(options.picks) or bool(options.picks) != bool(options.stations):
        parser.error("it takes a collector's URL, or --picks and --stations")
    try:
        crust = Uniform(options.p, options.s)
        if options.velocity:
            crust = Layered(table(options.velocity, ("depth", "vp", "vs")))
        if options.picks:
            stations = table(options.stations, ("id", "x", "y", "z"), ("id", "latitude", "longitude", "elevation"))
            picks = table(options.picks, ("station", "phase", "time"))
            for body in associate_files(picks, stations, crust, options.depth):
                print(json.dumps(body))
        else:
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
            collector = Collector(options.url, token(options.look_token), token(options.operate_token))
            Service(collector, crust, options.depth).run()
    except (OSError, ValueError, ImportError) as error:
        say(error)
        sys.exit(2)
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
