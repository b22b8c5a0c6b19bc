"""Picks that stations send to a real onset-collector become events there, by the service that associates them: a
simulated fleet's earthquake; forged picks that come, change and go; restarts of either.

    python3 Tests/System/test_association.py BUILD_FOLDER

PyOcto runs in the Python that runs this. CI must have it; elsewhere its absence is said.
"""
import hashlib
import importlib.util
import json
import math
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

BUILD = pathlib.Path(sys.argv[1]).resolve()
SERVICE = pathlib.Path(__file__).resolve().parents[2] / "calibration/association/associate.py"
if importlib.util.find_spec("pyocto") is None:
    print("skipped: PyOcto is not there: pip install pyocto", file=sys.stderr)
    sys.exit(1 if os.environ.get("CI") else 0)

STATIONS, TOKEN = 30, "0123456789abcdef"
# Who waits for something waits for the event. This is when a test gives up, seconds.
DEADLINE = 60
# Where the forged network stands, and how fast waves cross it.
LATITUDE, LONGITUDE, P_KM_S, S_KM_S = 47.0, 8.5, 6.0, 3.46
KM, KM_EAST = 111.2, 111.2 * math.cos(math.radians(47))
PROVISIONAL, CONFIRMED, RETRACTED = 1, 2, 3
BEGIN = 1_800_000_000


class Process:
    """A program whose complaints are read as they come."""

    def __init__(self, test, *command):
        self.process = subprocess.Popen(
            [str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.said, self.news = [], threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        test.addCleanup(self.end)

    def read(self):
        for line in self.process.stderr:
            with self.news:
                self.said.append(line)
                self.news.notify_all()

    def hears(self, words):
        with self.news:
            if not self.news.wait_for(lambda: any(words in line for line in self.said), DEADLINE):
                raise AssertionError(f"{words} was not said; said was {self.said}")
            return next(line for line in self.said if words in line)

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(DEADLINE)
        self.reader.join()
        self.process.stderr.close()
        return self.process.returncode


class Association(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.folder = pathlib.Path(place.name)
        self.master, self.token = self.folder / "master.key", self.folder / "token"
        self.token.write_text(TOKEN + "\n")
        subprocess.run([BUILD / "onset", "key", "new", self.master], check=True)
        self.http = self.udp = 0
        self.collect()
        self.sequences = {}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)

    def collect(self):
        """A collector at the ports that it had before."""
        self.collector = Process(
            self, BUILD / "onset-collector", "--master", self.master, "--database", self.folder / "onset.sqlite",
            "--port", self.udp, "--http", f"127.0.0.1:{self.http}", "--operate-token", self.token, "--only", "audit")
        self.udp = int(re.search(r"UDP port (\d+)", self.collector.hears("UDP port"))[1])
        self.http = int(re.search(r"http://127.0.0.1:(\d+)/", self.collector.hears("http://"))[1])

    def associate(self):
        return Process(
            self, sys.executable, SERVICE, f"http://127.0.0.1:{self.http}", "--operate-token", self.token)

    def ask(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=DEADLINE) as answer:
            return json.load(answer)

    def fleet(self, *arguments):
        """What an operator's command line has of the events."""
        return subprocess.run([BUILD / "onset", "fleet", f"http://127.0.0.1:{self.http}", "--origins", *arguments],
                              check=True, capture_output=True, text=True, timeout=DEADLINE).stdout.splitlines()

    def origins(self, fits):
        """The events that the collector has, once they are as wanted."""
        late = time.monotonic() + DEADLINE
        while not fits(found := self.ask("/api/origins")["origins"]):
            self.assertLess(time.monotonic(), late, f"the collector has {found}")
            self.socket.settimeout(0.1)
            try:
                self.socket.recv(500)  # An acknowledgement, or a tenth of a second.
            except TimeoutError:
                pass
        return found

    # MARK: Forged stations

    def code(self, number):
        return f"XX.S{number:03}.00.HH"

    def place(self, number):
        """East and north of the middle, km: rows of five."""
        return 20 * (number % 5 - 2), 20 * (number // 5 - 2)

    def send(self, number, kind, payload):
        """A datagram as that station seals it."""
        code = self.code(number).encode().ljust(24, b"\0")
        sequence = self.sequences[number] = self.sequences.get(number, -1) + 1
        signed = struct.pack("<4sBBH24sQIIqBBHI", b"ONST", 2, kind, 80 + len(payload), code, 9, 7, sequence,
                             BEGIN * 10**9, 3, 2, 0, 1000) + payload
        key = hashlib.blake2b(b"onset station key" + code, key=self.master.read_bytes(), digest_size=32).digest()
        self.socket.sendto(signed + hashlib.blake2b(signed, key=key, digest_size=16).digest(), ("127.0.0.1", self.udp))

    def stand(self, number):
        """Tells where it stands."""
        east, north = self.place(number)
        latitude, longitude = LATITUDE + north / KM, LONGITUDE + east / KM_EAST
        component = struct.pack("<24sHHI", b"", 65535, 65535, 0x7FC00000)
        place = struct.pack("<iiiiHBBI", round(latitude * 1e7), round(longitude * 1e7), 0, 0, 0, 7, 1, 100_000)
        self.send(number, 11, place + component * 3 + struct.pack("<40s40s24s16sII", b"", b"", b"", b"", 0, 0))

    def pick(self, number, pick_id, phase, at, status):
        self.send(number, 1, struct.pack(
            "<IBBbBqIHHhBBQ", pick_id, status, phase, 0, 1, round(at * 1e9), 30_000, 9000, 65535, 1500, 2, 0, 0))

    def quake(self, at, east, north, numbers, status=CONFIRMED, first_id=1):
        """P and S of an earthquake 10 km deep, at these stations."""
        for number in numbers:
            distance = math.dist((*self.place(number), 0), (east, north, 10))
            for phase, velocity in ((1, P_KM_S), (2, S_KM_S)):
                self.pick(number, first_id + phase - 1, phase, at + distance / velocity, status)

    # MARK: Tests

    def test_an_earthquake_that_crosses_a_fleet(self):
        self.associate()
        done = subprocess.run(
            [BUILD / "onset", "simulate", f"127.0.0.1:{self.udp}", "--master", self.master, "--stations", str(STATIONS),
             "--seconds", "20", "--health", "2", "--loss", "0.1"], check=True, capture_output=True, text=True)
        self.assertEqual(json.loads(done.stdout)["waiting"], 0)
        origin, = self.origins(lambda found: found and len(found[0]["picks"]) >= 2 * STATIONS - 2)
        self.assertEqual(origin["magnitude"], 5.5)
        self.assertLess(origin["rms_s"], 0.2)
        self.assertLess(abs(origin["latitude"] - LATITUDE), 1)
        self.assertLess(abs(origin["longitude"] - LONGITUDE), 1)
        self.assertEqual(origin["station_count"], STATIONS)
        line, = self.fleet()
        self.assertRegex(line, rf"^{origin['time']}  M 5.5 .* picks of {STATIONS} stations, within 0.\d+ s; {origin['id']}$")
        self.assertEqual(json.loads(*self.fleet("--json")), origin)
        code = origin["picks"][0]["station"]
        self.assertEqual((len(self.fleet("--stations", code)), self.fleet("--stations", "YY.*")), (1, []))

    def test_picks_that_come_change_and_go_and_restarts_of_either(self):
        service = self.associate()
        for number in range(25):
            self.stand(number)
        # One of them tells no place.
        self.pick(25, 1, 1, BEGIN + 10, CONFIRMED)
        service.hears("XX.S025.00.HH is left out")
        self.quake(BEGIN, 5, 8, range(8, 18), PROVISIONAL)
        first, = self.origins(lambda found: found and len(found[0]["picks"]) == 20)
        north, east = (first["latitude"] - LATITUDE) * KM, (first["longitude"] - LONGITUDE) * KM_EAST
        self.assertLess(math.dist((east, north), (5, 8)), 1)
        self.assertLess(abs(first["depth_km"] - 10), 2)
        self.assertRegex(first["time"], r"^2027-01-15T(07:59:59\.9|08:00:00\.[01])")
        self.assertEqual({pick["epoch"] for pick in first["picks"]}, {f"{9:016x}"})
        # More of it comes: it is the same event, in another version.
        self.quake(BEGIN, 5, 8, range(25), CONFIRMED)
        same, = self.origins(lambda found: len(found[0]["picks"]) == 50)
        self.assertEqual(same["id"], first["id"])
        self.assertGreater(same["version"], first["version"])
        # While the collector is away nothing is lost, and the service begins anew meanwhile.
        self.assertEqual(self.collector.end(), 0)
        service.hears("is asked again in")
        self.assertEqual(service.end(), 0)
        service = self.associate()
        service.hears("is asked again in")
        self.collect()
        self.quake(BEGIN + 3600, -12, -20, range(25), CONFIRMED, first_id=3)
        other, known = self.origins(lambda found: len(found) == 2 and len(found[0]["picks"]) == 50)
        self.assertEqual((known["id"], len(known["picks"])), (same["id"], 50))
        self.assertNotEqual(other["id"], same["id"])
        # It is withdrawn with its picks.
        self.quake(BEGIN + 3600, -12, -20, range(25), RETRACTED, first_id=3)
        left, = self.origins(lambda found: len(found) == 1)
        self.assertEqual(left["id"], same["id"])
        self.assertEqual([line for line in service.said if "version" in line], [], "nothing was refused")

    def test_who_may_not_operate(self):
        self.token = self.folder / "wrong"
        self.token.write_text("fedcba9876543210\n")
        service = self.associate()
        for number in range(25):
            self.stand(number)
        self.quake(BEGIN, 5, 8, range(25))
        self.assertIn("the token of who operates", service.hears(": 401"))
        self.assertEqual(self.ask("/api/origins")["origins"], [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
