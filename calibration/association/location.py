"""location.py: which picks agree on an event, and where and when it was.

    network = Network(stations, Uniform(P_KM_S, S_KM_S), DEPTH_KM)
    picks = [Pick(Key("ZUR", "0" * 16, 0, 7), "P", 1_800_000_000.25), …]
    for event in network.associate(picks):
        print(event.time, network.place(event.x, event.y), event.z)

associate.py imports it. A crust (`Uniform` or `Layered`) knows how long waves travel, `Network` knows where stations
are and finds events with PyOcto, and `Window` refines their places. Each call stands by itself: what events are called,
and what was told of them before, is known to `Stream` in associate.py.

Times are seconds since 1970. Places are x, y and z (km, z downwards) in a plane that belongs to the network.
"""
import collections
import dataclasses
import hashlib
import math
import pathlib
import tempfile

import numpy as np
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
# Beyond that a location counts a difference by its size and no longer by its square. So one wrong pick moves no event.
PICK_SIGMA_S = 0.3
# Where waves pass, stations pick: of the nearest ones, as many as have picked, this share must have.
NEAREST_SHARE = 0.5
# Location: rounds of place and picks, steps in each, and what keeps a depth that the picks do not tell where it was.
ROUNDS, ITERATIONS, DAMPING = 3, 6, 1e-3


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


def by_time(pick):
    return pick.time, pick.key


@dataclasses.dataclass
class Found:
    """An event of one run. `picks`: by key, the pick, its residual (s) and epicentral distance (km)."""
    time: float
    x: float
    y: float
    z: float
    picks: dict


class Uniform:
    """A crust of one velocity for each wave."""

    def __init__(self, p, s):
        self.velocities, self.slowest = np.array((p, s)), s

    def model(self, diagonal, depth):
        """As the engine has it."""
        return pyocto.VelocityModel0D(*self.velocities, TOLERANCE_S, REACH_KM)

    def times(self, source, stations, shear):
        """Seconds from x, y, z to each station, by P where `shear` is 0 and by S where it is 1."""
        return np.linalg.norm(stations - source, axis=1) / self.velocities[shear]


class Layered:
    """A crust that a table of depth, vp and vs describes. Pyrocko makes the engine's table of times from it."""

    def __init__(self, table):
        self.table, self.slowest = table, table["vs"].min()

    def model(self, diagonal, depth):
        self.folder = tempfile.TemporaryDirectory(prefix="associate")
        path, top = pathlib.Path(self.folder.name, "times"), self.table.iloc[0]
        pyocto.VelocityModel1D.create_model(self.table, GRID_KM, diagonal + 2 * GRID_KM, depth + 2 * GRID_KM, path)
        # The file: numbers of nodes across and down, the distance between them, times of P and of S.
        self.grids = np.fromfile(path, "f8", offset=16).reshape(2, *np.fromfile(path, "i4", 2))
        self.above = np.array((top.vp, top.vs))
        return pyocto.VelocityModel1D(path, TOLERANCE_S, REACH_KM, *self.above)

    def times(self, source, stations, shear):
        """Between four nodes, and from the surface up to the station as the engine has it."""
        across, down = np.hypot(*(stations - source)[:, :2].T) / GRID_KM, source[2] / GRID_KM
        column, row = across.astype(int), int(down)
        across, down = across - column, down - row
        return ((1 - across) * (1 - down) * self.grids[shear, column, row]
                + across * (1 - down) * self.grids[shear, column + 1, row]
                + (1 - across) * down * self.grids[shear, column, row + 1]
                + across * down * self.grids[shear, column + 1, row + 1]) - stations[:, 2] / self.above[shear]


class Network:
    """Stations in a plane, and the engine that associates what they pick.

    `stations`: a table of id and latitude, longitude, elevation, or of id and x, y, z.
    """

    def __init__(self, stations, crust, depth, projection=None):
        # `reach`: seconds from an event to its last S.
        self.places, self.projection, self.reach = {}, projection, REACH_KM / crust.slowest
        if stations.empty:
            return
        stations = stations.copy()
        if "x" not in stations and projection is None:
            self.projection = projection = pyocto.OctoAssociator.get_crs(stations)
        self.engine = pyocto.OctoAssociator(
            (0, 0), (0, 0), (0, depth), None, 0, crs=projection, n_picks=PICKS, n_p_picks=P_PICKS, n_s_picks=0,
            n_p_and_s_picks=0, pick_match_tolerance=TOLERANCE_S,
            # Two events may begin at once. All of a window is one slice, so that no event is cut. The place is refined
            # here: one round less.
            min_interevent_time=0, time_slicing=3600, refinement_iterations=2, n_threads=1)
        if projection is not None:
            self.engine.transform_stations(stations)
            self.degrees = pyproj.Transformer.from_crs(projection, 4326)
        self.stations, self.crust = stations[["id", "x", "y", "z"]], crust
        self.places = {row.id: np.array((row.x, row.y, row.z)) for row in self.stations.itertuples()}
        limits = [(stations[axis].min() - MARGIN_KM, stations[axis].max() + MARGIN_KM) for axis in "xy"]
        self.engine.xlim, self.engine.ylim = limits
        self.lower, self.upper = np.array((*limits, (0, depth))).T
        diagonal = math.dist(self.lower, self.upper)
        self.engine.time_before = self.reach = min(diagonal, REACH_KM) / crust.slowest
        self.engine.velocity_model_association = self.engine.velocity_model_location = crust.model(diagonal, depth)

    def associate(self, picks, silent=frozenset()):
        """Events, those with most picks first. `silent`: stations of which no pick is expected."""
        picks = sorted((pick for pick in picks if pick.key.station in self.places), key=by_time)
        if len(picks) < PICKS:
            return []
        table = pd.DataFrame({"station": [pick.key.station for pick in picks], "phase": [pick.phase for pick in picks],
                              "time": [pick.time - picks[0].time for pick in picks]})
        events, assignments = self.engine.associate(table, self.stations)
        groups = [group["pick_idx"].to_numpy() for _, group in assignments.groupby("event_idx")]
        starts = events[["x", "y", "z"]].to_numpy() if groups else []
        window = Window(picks, self)
        found = [window.event(*one) for one in window.apart(window.located(zip(groups, starts)))]
        return [event for event in found if self.is_seen_nearby(event, silent)]

    def is_seen_nearby(self, event, silent):
        """Where waves pass stations pick, from the nearest one on."""
        have = {key.station for key in event.picks}
        expected = sorted((station for station in self.places if station in have or station not in silent),
                          key=lambda station: math.dist((event.x, event.y), self.places[station][:2]))
        return len(have.intersection(expected[:len(have)])) >= NEAREST_SHARE * len(have)

    def place(self, x, y):
        """As fields of what is told: degrees, or km where stations have no degrees."""
        if self.projection is None:
            return {"x_km": round(x, 3), "y_km": round(y, 3)}
        latitude, longitude = self.degrees.transform(x, y)
        return {"latitude": round(latitude, 5), "longitude": round(longitude, 5)}


class Window:
    """Picks of one run side by side, and where the events among them are.

    The engine's places are nodes of its tree, now and then of a wrong branch, and its picks those that fit there. Here
    places and picks are had in turn. A place is x, y, z (km) and the time since the first pick; members are numbers of
    picks.
    """

    def __init__(self, picks, network):
        self.picks, self.network = picks, network
        self.times = np.array([pick.time - picks[0].time for pick in picks])
        self.shear = np.array([int(pick.phase == "S") for pick in picks])
        self.stations = np.array([network.places[pick.key.station] for pick in picks])

    def located(self, candidates):
        """Places and members: the event with most picks takes what fits it, then the next."""
        found, free = [], np.ones(len(self.picks), bool)
        for members, start in sorted(candidates, key=lambda candidate: -len(candidate[0])):
            place, members = np.append(start, 0), members[free[members]]
            for _ in range(ROUNDS):
                if self.suffices(members):
                    place = self.locate(place, members)
                    members = self.fitting(self.residuals(place), free)
            if self.suffices(members):
                found.append((place, members))
                free[members] = False
        return found

    def apart(self, found):
        """The same after each pick has gone to the event that it fits best, not to the largest."""
        for _ in range(ROUNDS):
            residuals = np.array([self.residuals(place) for place, _ in found])
            nearest = np.abs(residuals).argmin(axis=0) if found else None
            shares = [self.fitting(row, nearest == number) for number, row in enumerate(residuals)]
            found = [(self.locate(place, members), members) for (place, _), members in zip(found, shares)
                     if self.suffices(members)]
        return found

    def event(self, place, members):
        residuals, distances = self.residuals(place), np.hypot(*(self.stations - place[:3])[:, :2].T)
        return Found(self.picks[0].time + place[3], *place[:3], {
            self.picks[member].key: (self.picks[member], residuals[member], distances[member]) for member in members})

    def residuals(self, place):
        return self.times - place[3] - self.network.crust.times(place[:3], self.stations, self.shear)

    def suffices(self, members):
        return len(members) >= PICKS and np.count_nonzero(self.shear[members] == 0) >= P_PICKS

    def fitting(self, residuals, free):
        """Of each station's P and S the one that fits best, if it does."""
        best = {}
        for member in np.flatnonzero(free & (np.abs(residuals) < TOLERANCE_S)):
            wave = self.picks[member].key.station, self.shear[member]
            if wave not in best or abs(residuals[member]) < abs(residuals[best[wave]]):
                best[wave] = member
        return np.array(list(best.values()), int)

    def locate(self, place, members):
        """By least absolute residuals (beyond PICK_SIGMA_S), damped after Levenberg."""
        stations, shear, arrivals = self.stations[members], self.shear[members], self.times[members]
        lower, upper = self.network.lower, self.network.upper

        def times(source):
            return self.network.crust.times(source, stations, shear)
        source = place[:3]
        origin = np.median(arrivals - times(source))
        for _ in range(ITERATIONS):
            residuals = arrivals - origin - times(source)
            slopes = []
            for axis, step in enumerate(np.eye(3)):
                before, after = np.clip((source - step, source + step), lower, upper)
                slopes.append((times(after) - times(before)) / (after - before)[axis])
            matrix = np.column_stack((*slopes, np.ones(len(members))))
            weighted = matrix / np.maximum(np.abs(residuals), PICK_SIGMA_S)[:, None]
            change = np.linalg.solve(weighted.T @ matrix + DAMPING * np.eye(4), weighted.T @ residuals)
            source, origin = np.clip(source + change[:3], lower, upper), origin + change[3]
        return np.append(source, origin)
