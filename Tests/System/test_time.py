#!/usr/bin/env python3
"""test_time.py ONSETD TOOLS CHRONY [TEST…]: a station beside a real chronyd, which it tells of its pulse and asks for the time.

CHRONY is a folder with Debian's package, or / where it is installed. Everything runs in a network of its own, because
chronyd answers at a port of its own, 323. No chronyd sets the clock.
"""
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from live_station import ROOT, LiveStation

ONSETD, TOOLS, CHRONY = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
SYSTEM, PULSE, HOLDOVER, LOCKED = 1, 2, 2, 3
WAITING, TAKEN, REFUSED = 1, 2, 3  # what becomes of edges, by health
SERVER_PORT, SERVER_STRATUM = 11123, 8
RATE, SECONDS = 8000, 120


class Chronyd:
    """A process that is told what to do by a file, and does not set the clock."""

    def __init__(self, folder, *lines):
        folder.mkdir(mode=0o700, exist_ok=True)
        file = folder / "chrony.conf"
        file.write_text("\n".join((*lines, f"pidfile {folder / 'pid'}", f"bindcmdaddress {folder / 'control'}", "")))
        self.log = open(folder / "log", "w")
        self.process = subprocess.Popen([CHRONY / "usr/sbin/chronyd", "-d", "-x", "-U", "-u", "root", "-f", file],
                                        env=environment(), stdout=self.log, stderr=self.log)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


def environment():
    libraries = [str(path) for path in (CHRONY / "usr/lib").glob("*-linux-gnu")] if CHRONY != pathlib.Path("/") else []
    return dict(os.environ, LD_LIBRARY_PATH=":".join(libraries))


def chronyc(command):
    """The fields of each line of chronyd's answer."""
    done = subprocess.run([CHRONY / "usr/bin/chronyc", "-h", "127.0.0.1", "-c", command], env=environment(),
                          capture_output=True, text=True)
    return [line.split(",") for line in done.stdout.splitlines()] if done.returncode == 0 else []


class TimeTest(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.folder = pathlib.Path(place.name)
        self.socket = self.folder / "onset.sock"
        self.library = self.folder / "pulse.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", ROOT / "Tests/System/pulse.c", "-o", self.library], check=True)
        self.chronyd = None
        self.addCleanup(self.stop_chronyd)
        server = Chronyd(self.folder / "server", f"local stratum {SERVER_STRATUM}", "allow 127.0.0.0/8",
                         f"port {SERVER_PORT}", "cmdport 0")
        self.addCleanup(server.stop)

    def start_chronyd(self, refclock):
        # A second from elsewhere, and edges of ours.
        self.chronyd = Chronyd(self.folder / "follower", f"server 127.0.0.1 port {SERVER_PORT} minpoll 0 maxpoll 0 iburst",
                               f"refclock SOCK {self.socket} refid ONST poll 0 filter 2 {refclock}")

    def stop_chronyd(self):
        if self.chronyd: self.chronyd.stop()
        self.chronyd = None

    def start_station(self, ahead_ns, error_us=5000):
        frames = b"".join((n % 977).to_bytes(4, "little") * 3 for n in range(RATE)) * SECONDS
        self.station = LiveStation(ONSETD, TOOLS, self.folder, frames=frames)
        with open(self.station.host / "board.toml", "a") as file:
            file.write(f'\n[pps]\ndevice = "/dev/pps0"\nchrony_socket = "{self.socket}"\n')
        self.gone = self.folder / "gone"
        self.station.surroundings = {"LD_PRELOAD": str(self.library), "PULSE_AHEAD_NS": str(ahead_ns),
                                     "PULSE_ERROR_US": str(error_us), "PULSE_GONE": str(self.gone)}
        self.station.start()
        self.addCleanup(self.station.__exit__)

    def health(self, **wanted):
        return self.station.receive(
            lambda m: m["type"] == "health" and all(m[key] == value for key, value in wanted.items()))

    def doctor(self):
        done = subprocess.run([TOOLS / "onset", "doctor", *self.station.operator()], capture_output=True, text=True)
        return done.stdout

    def source(self, name):
        """What chronyd says of one of its sources, once it has heard enough of it."""
        while True:
            found = [fields for fields in chronyc("sources") if fields[2] == name]
            # A bit for each of its last eight polls; two edges make one.
            if found and int(found[0][5], 8).bit_count() >= 3: return found[0]
            self.health()

    def test_chronyd_has_our_edges_and_the_station_knows_whom_it_follows(self):
        self.start_station(ahead_ns=3_000_000)
        self.health(clock_source=PULSE, pulse_feed=REFUSED, time_stratum=0)
        self.assertIn("nobody takes the pulse's edges", self.doctor())
        # The machine's clock is 3 ms ahead of the pulse, and right by the server's.
        self.start_chronyd("noselect")
        self.health(pulse_feed=TAKEN)
        edges = self.source("ONST")
        self.assertAlmostEqual(float(edges[7]), 0.003, delta=0.0001)
        health = self.health(time_stratum=SERVER_STRATUM + 1)
        self.assertEqual(health["time_reference"], 0x7F000001)
        tracking = chronyc("tracking")[0]
        distance_s = float(tracking[10]) / 2 + float(tracking[11])
        # It grows with time, and was asked before.
        self.assertAlmostEqual(health["root_distance_us"] * 1e-6, distance_s, delta=0.001)
        self.assertIn(f"chrony follows 127.0.0.1, stratum {SERVER_STRATUM + 1}, ", self.doctor())

        # The device is unplugged: nothing is told of edges that nobody hears.
        self.gone.touch()
        self.health(clock_state=HOLDOVER)
        self.health(clock_state=HOLDOVER, pulse_feed=WAITING)
        self.gone.unlink()
        self.health(clock_state=LOCKED, clock_source=PULSE, pulse_feed=TAKEN)
        self.stop_chronyd()
        self.health(pulse_feed=REFUSED, time_stratum=0)
        self.assertEqual(self.station.stop(), 0)

    def test_chronyd_follows_our_edges(self):
        # Trusted, because a server on the loopback has less doubt than 20 us and would be a majority of its own.
        self.start_chronyd("prefer trust")
        self.start_station(ahead_ns=20_000)
        health = self.health(time_reference=int.from_bytes(b"ONST", "big"))
        self.assertEqual((health["time_stratum"], health["pulse_feed"]), (1, TAKEN))
        self.assertLess(health["root_distance_us"], 1000)
        self.assertIn("chrony follows ONST, stratum 1, ", self.doctor())
        self.assertEqual(self.station.stop(), 0)

    def test_edges_that_nobody_has_confirmed_are_not_told(self):
        """The clock does not know to a tenth of a second when a second begins."""
        self.start_chronyd("noselect")
        self.start_station(ahead_ns=3_000_000, error_us=300_000)
        self.health(clock_source=PULSE)
        health = self.station.receive(lambda m: m["type"] == "health" and m["edges"] > 8)
        self.assertEqual(health["pulse_feed"], WAITING)
        self.assertEqual([f[5] for f in chronyc("sources") if f[2] == "ONST"], ["0"])
        self.assertEqual(self.station.stop(), 0)


def has_own_network():
    """Only the loop-back interface, and it is up."""
    return pathlib.Path("/sys/class/net").is_dir() and "ONSET_OWN_NETWORK" in os.environ


if __name__ == "__main__":
    if not has_own_network():
        words = [sys.executable, *sys.argv]
        os.environ["ONSET_OWN_NETWORK"] = "1"
        os.execvp("unshare", ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh",
                              *words])
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)
