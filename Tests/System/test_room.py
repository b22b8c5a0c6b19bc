"""What people and programs look at, asked over real connections of a collector that a fleet feeds: the page in Chromium,
lists, a stream, figures and picks as ObsPy reads them.

    /usr/bin/python3 Tests/System/test_room.py BUILD_FOLDER

Chromium and ObsPy are used where they are; CI must have Chromium.
"""
import hashlib
import http.client
import io
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from test_collector import pick

try:
    import obspy
    import obspy.clients.fdsn
    import obspy.io.quakeml.core
    from lxml import etree
except ImportError:
    obspy = None

BUILD = pathlib.Path(sys.argv[1]).resolve()
CHROMIUM = shutil.which("chromium")
STATIONS = 40
# Who waits for something waits for the event. This is when a test gives up, seconds.
DEADLINE = 60


class Room(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """A collector, somebody who stays, and a fleet on which an earthquake comes after two seconds."""
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)
        cls.master = cls.folder / "master.key"
        subprocess.run([BUILD / "onset", "key", "new", cls.master], check=True)
        cls.token = cls.folder / "operate"
        cls.token.write_text("a-token-to-operate")
        cls.process, udp, cls.port = cls.start("c", "--operate-token", cls.token)
        cls.told, cls.is_open = [], threading.Event()
        cls.listener = threading.Thread(target=cls.listen, daemon=True)
        cls.listener.start()
        cls.is_open.wait(DEADLINE)
        cls.fleet = subprocess.Popen(
            [BUILD / "onset", "simulate", f"127.0.0.1:{udp}", "--master", cls.master, "--stations", str(STATIONS),
             "--seconds", "6", "--health", "1", "--loss", "0.1"], stdout=subprocess.PIPE, text=True)

    @classmethod
    def tearDownClass(cls):
        for process in (cls.fleet, cls.process):
            process.kill()
            process.wait()
        cls.fleet.stdout.close()
        cls.process.stderr.close()
        cls.temporary.cleanup()

    @classmethod
    def start(cls, name, *options):
        """A collector's process, UDP port and HTTP port."""
        process = subprocess.Popen(
            [BUILD / "onset-collector", "--master", cls.master, "--database", cls.folder / f"{name}.sqlite", "--port", "0",
             "--http", "127.0.0.1:0", "--report", "1", "--only", "audit", *options],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        page, stations = process.stderr.readline(), process.stderr.readline()
        return process, int(re.search(r"UDP port (\d+)", stations)[1]), int(re.search(r":(\d+)/", page)[1])

    def collector(self, name, *options):
        process, udp, port = self.start(name, *options)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process, udp, port

    @classmethod
    def listen(cls):
        """What the stream tells, (name, object) after (name, object), until it ends."""
        connection = http.client.HTTPConnection("127.0.0.1", cls.port)
        connection.request("GET", "/api/live")
        answer, name = connection.getresponse(), None
        try:
            for line in io.TextIOWrapper(answer, "utf-8"):
                if line.startswith("event: "): name = line[7:].strip()
                if line.startswith("data: "): cls.told.append((name, json.loads(line[6:])))
                cls.is_open.set()
        except http.client.HTTPException:
            pass  # The collector has ended.
        finally:
            answer.close()
            connection.close()

    def finish(self):
        """The fleet's earthquake is over, and all of it is acknowledged."""
        line, _ = self.fleet.communicate(timeout=2 * DEADLINE)
        if line: type(self).summary = json.loads(line)
        self.assertEqual((self.fleet.returncode, self.summary["waiting"]), (0, 0))

    def ask(self, port, path, method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
        self.addCleanup(connection.close)
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        return connection.getresponse()

    def read(self, port, path, **headers):
        answer = self.ask(port, path, **headers)
        self.assertEqual(answer.status, 200, path)
        return answer.read().decode()

    def test_lists_stream_and_forms(self):
        self.finish()
        port = self.port
        stations = json.loads(self.read(port, "/api/stations"))["stations"]
        self.assertEqual(len(stations), STATIONS)
        self.assertTrue(all(s["armed"] and s["live"] and s["latitude"] and s["clock"] == "locked" for s in stations))
        events = json.loads(self.read(port, "/api/events"))["events"]
        self.assertEqual(len({e["station"] for e in events if e["status"] == "confirmed"}), STATIONS)
        self.assertEqual({e["magnitude"] for e in events if e["magnitude"]}, {5.5})
        one = json.loads(self.read(port, "/api/stations/" + stations[0]["station"]))
        self.assertGreaterEqual(len(one["history"]), 2)
        figures = self.read(port, "/metrics")
        self.assertEqual(figures.count("\nonset_station_armed{"), STATIONS)
        self.assertIn("onset_collector_storing 1.0\n", figures)
        # Two picks a station, in each form.
        text = self.read(port, "/api/picks").splitlines()
        self.assertEqual(len(text), 1 + 2 * STATIONS)
        self.assertEqual(len({len(line.split("|")) for line in text}), 1)
        for form in ("quakeml", "scml"):
            root = xml.etree.ElementTree.fromstring(self.read(port, f"/api/picks?format={form}"))
            self.assertEqual(sum(e.tag.endswith("}pick") for e in root.iter()), 2 * STATIONS, form)
        for line in self.read(port, "/api/picks?format=earthworm").splitlines():
            self.assertRegex(line, r"^8 \d+ \d+ \d+ \w+\.\w+\.\w+\.[\w-]+ [UD?][0-4] \d{14}\.\d{3} \d+ \d+ \d+$")
        # Whoever stayed was told of every station and arrival, and of the alerts.
        told = {kind: {what["station"] for name, what in self.told if name == kind} for kind in ("station", "pick", "alert")}
        self.assertEqual([len(told["station"]), len(told["pick"])], [STATIONS, STATIONS])
        levels = {level: {what["station"] for name, what in self.told if name == "alert" and what["level"] == level}
                  for level in ("alarm", "clear")}
        self.assertTrue(levels["alarm"])
        self.assertEqual(levels["alarm"], levels["clear"])
        self.assertEqual(levels["clear"], {e["station"] for e in events if e["level"] == "clear"})
        # After a restart it is as it was.
        self.process.terminate()
        self.assertEqual(self.process.wait(), 0)
        self.listener.join(DEADLINE)
        self.assertFalse(self.listener.is_alive())
        self.process.stderr.close()
        type(self).process, _, type(self).port = self.start("c", "--operate-token", self.token)
        self.assertEqual(json.loads(self.read(self.port, "/api/events"))["events"], events)
        after = json.loads(self.read(self.port, "/api/stations"))["stations"]
        for station in stations + after: station["loss_percent"] = 0  # It is counted from the start on.
        key = lambda station: station["station"]
        self.assertEqual(sorted(after, key=key), sorted(stations, key=key))

    @unittest.skipUnless(obspy or os.environ.get("CI"), "ObsPy is not there: make packages-association")
    def test_obspy_reads_the_quakeml(self):
        self.finish()
        port = self.port
        text = self.read(port, "/api/picks?format=quakeml")
        self.assertTrue(obspy.io.quakeml.core._validate(io.BytesIO(text.encode())))
        schema = pathlib.Path(obspy.__file__).parent / "io/seiscomp/data/sc3ml_0.12.xsd"
        etree.XMLSchema(etree.parse(schema)).assertValid(etree.fromstring(self.read(port, "/api/picks?format=scml").encode()))
        catalog = obspy.read_events(io.BytesIO(text.encode()), format="QUAKEML")
        lines = [line.split("|") for line in self.read(port, "/api/picks").splitlines()[1:]]
        self.assertEqual(len(catalog), len(lines))
        for event, line in zip(catalog, lines):
            pick = event.picks[0]
            self.assertEqual([pick.waveform_id.network_code, pick.waveform_id.station_code, pick.phase_hint],
                             [line[1], line[2], line[7]])
            self.assertEqual(str(pick.time)[:-1], line[5])
            self.assertAlmostEqual(pick.time_errors.uncertainty, float(line[6]))

    @unittest.skipUnless(obspy or os.environ.get("CI"), "ObsPy is not there: make packages-association")
    def test_an_event_that_somebody_located(self):
        """It is told to who stays, and ObsPy's client finds it with its picks."""
        self.finish()
        port = self.port
        arrivals = [e for e in json.loads(self.read(port, "/api/events"))["events"] if e["phase"] == "P"][:20]
        picks = [{"station": e["station"], "epoch": e["epoch"], "boot": e["boot"], "pick_id": e["pick_id"], "phase": "P",
                  "residual_s": 0.01, "distance_km": 20} for e in arrivals]
        event = {"id": "e.1", "version": 1, "time": arrivals[0]["time"], "latitude": 47, "longitude": 8.5, "depth_km": 10,
                 "rms_s": 0.05, "picks": picks}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
        self.addCleanup(connection.close)
        for token, status in (("a-token-to-look-at", 401), ("a-token-to-operate", 200), ("a-token-to-operate", 409)):
            connection.request("POST", "/api/origins", json.dumps(event), {"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            self.assertEqual((answer.status, answer.read() != b""), (status, True))
        connection.request("POST", "/api/origins", b"x" * 300_000, {"Authorization": "Bearer a-token-to-operate"})
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.read() != b""), (413, True))
        client = obspy.clients.fdsn.Client(f"http://127.0.0.1:{port}")
        found = client.get_events(minmagnitude=5, maxlatitude=48)
        self.assertEqual((len(found), len(found[0].picks), len(found[0].origins[0].arrivals)), (1, 20, 20))
        self.assertEqual((found[0].preferred_magnitude().mag, found[0].preferred_origin().depth), (5.5, 10_000))
        self.assertTrue(obspy.io.quakeml.core._validate(io.BytesIO(self.read(port, "/fdsnws/event/1/query").encode())))
        with self.assertRaises(obspy.clients.fdsn.header.FDSNNoDataException): client.get_events(minmagnitude=6)
        if self.listener.is_alive():
            late = time.monotonic() + DEADLINE
            while "origin" not in [name for name, _ in self.told]: self.assertLess(time.monotonic(), late)

    def test_who_may_not_look(self):
        port = self.port
        page = self.ask(port, "/")
        self.assertEqual(page.status, 200)
        self.assertIn("default-src 'none'", page.headers["Content-Security-Policy"])
        self.assertLess(len(page.read()), 300_000)
        self.assertEqual(self.ask(port, "/", method="HEAD").read(), b"")
        self.assertEqual(self.ask(port, "/api/stations", method="POST").status, 405)
        self.assertEqual(self.ask(port, "/api/stations", Host="elsewhere.example").status, 403)
        self.assertEqual(self.ask(port, "/nothing").status, 404)
        token = self.folder / "token"
        token.write_text("0123456789abcdef\n")
        _, _, port = self.collector("closed", "--look-token", token)
        for path in ("/api/stations", "/api/live", "/metrics"):
            answer = self.ask(port, path)
            self.assertEqual((answer.status, answer.headers["WWW-Authenticate"]), (401, "Bearer"))
            self.assertEqual(self.ask(port, path, Authorization="Bearer 0123456789abcdeg").status, 401)
        self.assertIn("stations", self.read(port, "/api/stations", Authorization="Bearer 0123456789abcdef"))

        def refused(*options):
            ended = subprocess.run(
                [BUILD / "onset-collector", "--master", self.master, "--database", self.folder / "r.sqlite", "--port", "0",
                 *options], capture_output=True, text=True, timeout=DEADLINE)
            self.assertEqual(ended.returncode, 2, ended.stderr)
            return ended.stderr
        self.assertIn("name a --look-token", refused("--http", "0.0.0.0:0"))
        self.assertIn("is not HOST:PORT", refused("--http", "8080"))
        self.assertIn("no numeric address", refused("--http", "room.example:0", "--look-token", token))
        self.assertIn("cannot be had", refused("--http", f"127.0.0.1:{port}"))
        token.write_text("short")
        self.assertIn("16 characters", refused("--http", "0.0.0.0:0", "--look-token", token))

    def test_strange_requests_and_readers_that_do_not_read(self):
        """Neither keeps the collector from its stations."""
        process, udp, port = self.collector("strange")
        idle = []
        for _ in range(20):
            idle.append(socket.create_connection(("127.0.0.1", port), timeout=DEADLINE))
            idle[-1].sendall(b"GET /api/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        half = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        half.sendall(b"GET /api/sta")
        for request in (b"\x00\x01\x02\r\n\r\n", b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 10_000 + b"\r\n",
                        b"POST /api/picks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\nx",
                        b"GET /%2e%2e/%00 HTTP/1.1\r\nHost: localhost\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as strange:
                try:
                    strange.sendall(request)
                    strange.recv(4096)
                except OSError:
                    pass  # It was let go before all of it was said.
        codes = [f"XX.S{number}.00.HH" for number in range(500)]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.settimeout(DEADLINE)
            for code in codes:
                name = b"onset station key" + code.encode().ljust(24, b"\0")
                secret = hashlib.blake2b(name, key=self.master.read_bytes(), digest_size=32).digest()
                sender.sendto(pick(code, 0, secret), ("127.0.0.1", udp))
                # Acknowledged, so stored.
                self.assertEqual(sender.recv(400)[5], 7)
        shown, late = set(), time.monotonic() + DEADLINE
        while shown != set(codes):  # It is noted right after.
            self.assertLess(time.monotonic(), late, "not all that was acknowledged is shown")
            shown = {station["station"] for station in json.loads(self.read(port, "/api/stations"))["stations"]}
        for connection in idle + [half]: connection.close()
        process.terminate()
        self.assertEqual(process.wait(), 0)

    @unittest.skipUnless(CHROMIUM or os.environ.get("CI"), "Chromium is not there: apt install chromium")
    def test_the_page_in_a_browser(self):
        """Every station and event is there, and nothing is wrong in its console."""
        self.finish()
        port = self.port
        browser = subprocess.run(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={self.folder / 'chromium'}",
             "--enable-logging=stderr", "--virtual-time-budget=3000", "--dump-dom", f"http://127.0.0.1:{port}/"],
            capture_output=True, text=True, timeout=DEADLINE)
        self.assertEqual(browser.returncode, 0, browser.stderr)
        wrong = [line for line in browser.stderr.splitlines() if "CONSOLE" in line]
        self.assertEqual(wrong, [])
        shown = set(re.findall(r"XX\.S\d+\.00\.HH", browser.stdout))
        self.assertEqual(len(shown), STATIONS)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
