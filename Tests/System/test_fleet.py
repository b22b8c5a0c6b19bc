"""Many stations from their operator's command line: three real stations, their collector, and `onset fleet`.

    python3 Tests/System/test_fleet.py BUILD_FOLDER ONSETD
"""
import http.server
import json
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from live_station import LiveStation

BUILD, ONSETD = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
RATE = 8000
CODES = [f"XX.ONST{number}.00.EH" for number in (1, 2, 3)]
ALL = ",".join(CODES)  # Named, so that a machine whose clock nobody sets leaves none of them out.
# Who waits for something waits for the event. This is when a test gives up, seconds.
DEADLINE = 120


def onset(*arguments):
    return subprocess.run([BUILD / "onset", *map(str, arguments)], check=True, capture_output=True, text=True).stdout


class Member(LiveStation):
    """One of a fleet: a code and a key of its own, and the operator and the networks' maker that all know."""

    def __init__(self, folder, code, number, frames, port, common):
        self.code = code
        host = folder / "boards/host"
        host.mkdir(parents=True)
        for name in ("operator", "operator.pub", "operators"): shutil.copy(common / name, host)
        super().__init__(ONSETD, BUILD, folder, frames)
        key = host / "station.key"
        key.write_bytes(bytes(range(number, number + 32)))
        onset("key", "public", key)
        file = host / "station.toml"
        text = file.read_text().replace(f"port = {self.socket.getsockname()[1]}\n", f"port = {port}\n")
        text = text.replace('code = "XX.ONST1.00.EH"', f'code = "{code}"')
        file.write_text(f'{text}\n[networks]\npublic_key = "{(common / "maker.pub").read_bytes().hex()}"\n')
        for name in ("onset-picker", "onset-estimator"):
            onset("model", "sign", folder / f"calibration/models/{name}.onet", "--key", common / "maker")


class Lines:
    """A program's JSON lines, as they come."""

    def __init__(self, process):
        self.process, self.all = process, []

    def until(self, wanted):
        for line in self.process.stdout:
            self.all.append(json.loads(line))
            if wanted(self.all[-1]): return self.all[-1]
        raise AssertionError(f"it ended: {self.process.stderr.read()}")


class Fleet(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.folder = pathlib.Path(cls.temporary.name)
        common, keys, operators = (cls.folder / name for name in ("common", "keys", "operators"))
        for folder in (common, keys, operators): folder.mkdir()
        (common / "operators").write_text(onset("key", "operator", common / "operator"))
        onset("model", "sign", "--new-key", common / "maker")
        shutil.copy(common / "operator.pub", operators / "ada.pub")
        shutil.copy(common / "operator", cls.folder / "ada")
        for number in range(3):
            key = keys / f"{CODES[number]}.key"
            key.write_bytes(bytes(range(number, number + 32)))
            key.chmod(0o600)
            onset("key", "public", key)
        cls.keys = keys
        cls.collector, cls.udp, cls.page = cls.start(cls.folder / "c.sqlite", "--keys", keys, "--operators", operators)
        # Longer than all tests: at its end the simulated card is gone for a moment.
        frames = b"".join((n % 977).to_bytes(4, "little") * 3 for n in range(5 * 60 * RATE))
        cls.stations = [Member(cls.folder / code, code, number, frames, cls.udp, common)
                        for number, code in enumerate(CODES)]
        for station in cls.stations: station.__enter__()
        for station in cls.stations: cls.addClassCleanup(station.__exit__)
        cls.lines = Lines(cls.collector)
        cls.live = set()
        cls.lines.until(lambda m: m["type"] == "health" and m["live"] and (cls.live.add(m["station"]) or len(cls.live) == 3))

    @classmethod
    def start(cls, database, *options):
        """A collector's process, UDP port and page. It ends after ten minutes at the latest, and with it whoever waits."""
        process = subprocess.Popen(
            [BUILD / "onset-collector", "--database", database, "--port", "0", "--http", "127.0.0.1:0", "--only",
             "health,trial", "--report", "1", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        watch = threading.Timer(600, process.kill)
        watch.start()

        def end():
            watch.cancel()
            process.kill()
            process.communicate()
        cls.addClassCleanup(end)
        page, stations = process.stderr.readline(), process.stderr.readline()
        return process, int(re.search(r"UDP port (\d+)", stations)[1]), re.search(r"http://\S+:\d+", page)[0]

    def fleet(self, *arguments, page=None):
        done = subprocess.run([BUILD / "onset", "fleet", page or self.page, *map(str, arguments)], capture_output=True,
                              text=True, timeout=DEADLINE)
        return done.returncode, done.stdout, done.stderr

    def way(self, audit, *arguments, stations=ALL):
        return ["--via", f"127.0.0.1:{self.udp}", "--key", self.folder / "ada", "--public", self.keys, "--audit",
                self.folder / audit, "--stations", stations, *arguments]

    def begin(self, *arguments):
        """A run whose lines are read as they come."""
        process = subprocess.Popen([BUILD / "onset", "fleet", self.page, "--json", *map(str, arguments)],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        watch = threading.Timer(DEADLINE, process.kill)
        watch.start()
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.addCleanup(watch.cancel)
        return Lines(process)

    def audits(self, parameter, count, codes=CODES):
        """What the stations themselves told that they were told to do: code and value, in parts of the wire. They tell
        it after they have answered: as many as are awaited are waited for, while the collector passes on what comes."""
        with sqlite3.connect(f"file:{self.folder / 'c.sqlite'}?mode=ro", uri=True) as database:
            while True:
                rows = [row for row in database.execute(
                    "SELECT station.code, value FROM audit JOIN station ON station.id = station "
                    "WHERE parameter = ? AND result = 1 ORDER BY received_ns", [parameter]) if row[0] in codes]
                if len(rows) >= count: return rows
                self.lines.until(lambda line: line["type"] == "health")

    def test_1_the_list(self):
        status, text, said = self.fleet()
        lines = text.splitlines()
        self.assertEqual((len(lines), said), (4, ""))
        self.assertRegex(lines[3], r"^3 stations, .*; onsetd \d+\.\d+\.\d+; network onset-picker$")
        status_json, text, _ = self.fleet("--json")
        stations = [json.loads(line) for line in text.splitlines()]
        self.assertEqual({station["station"] for station in stations}, set(CODES))
        self.assertEqual([s["rank"] for s in stations], sorted(s["rank"] for s in stations))
        self.assertTrue(all(s["live"] and s["why"] == ["no relay"] for s in stations))
        verdicts = [found["verdict"] for station in stations for found in station["wrong"]]
        self.assertEqual({status, status_json}, {int("bad" in verdicts)})
        self.assertFalse({"armed", "live", "silent"} & {f["part"] for s in stations for f in s["wrong"]})
        wrong = [json.loads(line) for line in self.fleet("--json", "--wrong", "--stations", "XX.ONST[12].*")[1].splitlines()]
        self.assertTrue(all(s["wrong"] and s["station"] in CODES[:2] for s in wrong))
        _, text, _ = self.fleet(CODES[1])
        self.assertIn("\nthe last day, of ", text)
        _, text, _ = self.fleet(CODES[1], "--json")
        one = json.loads(text)
        self.assertEqual((one["station"]["station"], one["events"]), (CODES[1], []))
        self.assertGreaterEqual(len(one["history"]), 1)
        self.assertEqual(self.fleet("--events"), (0, "", ""))
        self.assertEqual(self.fleet("--origins"), (0, "", ""))
        _, _, said = self.fleet("XX.ONST4.00.EH")
        self.assertIn("did you mean XX.ONST", said)

    def test_2_a_command_in_waves(self):
        arguments = self.way("first.jsonl", "--command", "health_interval_seconds", "--value", "1", "--patience", "60")
        status, text, said = self.fleet(*arguments)
        self.assertEqual((status, said), (0, ""), text)
        self.assertEqual(text.splitlines()[-1], "3 of 3 have it, 3 as well as before")
        audit = [json.loads(line) for line in (self.folder / "first.jsonl").read_text().splitlines()]
        self.assertEqual([line["type"] for line in audit], ["begin"] + 3 * ["intent", "result", "verdict"] + ["end"])
        self.assertEqual([line["wave"] for line in audit[1:-1]], [1, 1, 1, 2, 2, 2, 3, 3, 3])
        self.assertEqual({(line["operator"], line["parameter"], line["value"]) for line in audit},
                         {("ada", "health_interval_seconds", "1")})
        self.assertEqual(sorted(self.audits(14, 3)), [(code, 1) for code in CODES])
        with sqlite3.connect(f"file:{self.folder / 'c.sqlite'}?mode=ro", uri=True) as database:
            (key,), = database.execute("SELECT DISTINCT operator FROM audit")
        self.assertEqual({int(line["key"], 16) for line in audit}, {key % 2**64})
        # Asked, all of them tell it.
        status, text, _ = self.fleet(*self.way("first.jsonl", "--command", "health_interval_seconds", "--json"))
        holds = [json.loads(line).get("holds") for line in text.splitlines() if '"type":"result"' in line]
        self.assertEqual((status, holds), (0, ["1", "1", "1"]))
        # What was done is done.
        self.assertEqual(sorted(self.audits(14, 6)), [(code, 1) for code in CODES for _ in range(2)])
        status, text, _ = self.fleet(*arguments, "--resume")
        self.assertEqual((status, text.count("it has it already")), (0, 3))
        self.assertEqual(len(self.audits(14, 6)), 6)

    def test_3_an_interruption(self):
        """The program is gone before the first wave is judged; going on, each station has it once."""
        arguments = self.way("second.jsonl", "--command", "trigger_ratio", "--value", "7", "--patience", "60")
        run = self.begin(*arguments)
        self.assertEqual(run.until(lambda line: line["type"] == "result")["result"], "done")
        run.process.kill()
        run.process.wait()
        status, _, said = self.fleet(*arguments)
        self.assertEqual(status, 1)
        self.assertIn("--resume goes on with it", said)
        status, text, said = self.fleet(*arguments, "--resume")
        self.assertEqual((status, said), (0, ""), text)
        self.assertIn(f"wave 0  {CODES[0]}", text)
        self.assertEqual(self.audits(1, 3), [(code, 7000) for code in CODES])

    def test_4_a_new_start(self):
        """The station's service manager starts it again; the wave waits until it is as before."""
        station = self.stations[0]
        run = self.begin(*self.way("third.jsonl", "--command", "restart", "--value", "1", stations=CODES[0]))
        run.until(lambda line: line["type"] == "result")
        station.process.communicate(timeout=DEADLINE)
        station.start()
        verdict = run.until(lambda line: line["type"] == "verdict")
        self.assertTrue(verdict["well"], verdict)
        self.assertEqual(run.process.wait(DEADLINE), 0)

    def test_5_a_network(self):
        """Its trial is over before the run is."""
        station, network = self.stations[0], self.folder / "other.onet"
        shutil.copy(station.folder / "calibration/models/onset-picker.onet", network)
        run = self.begin(*self.way("fourth.jsonl", "--network", network, "--shadow", "0", stations=CODES[0]))
        given = run.until(lambda line: line["type"] == "result")
        self.assertEqual(given["result"], "done", given)
        station.process.communicate(timeout=DEADLINE)
        station.start()
        verdict = run.until(lambda line: line["type"] == "verdict")
        self.assertTrue(verdict["well"], verdict)
        self.assertEqual(run.process.wait(DEADLINE), 0)
        self.assertFalse((station.host / "state/network.trial").exists())
        self.lines.until(lambda m: m["type"] == "trial" and m["state"] == "accepted")
        unsigned = self.folder / "unsigned.onet"
        unsigned.write_bytes(network.read_bytes()[:-100])
        status, text, _ = self.fleet(*self.way("fourth.jsonl", "--network", unsigned, "--shadow", "0", stations=CODES[1]))
        self.assertEqual(status, 1)
        self.assertIn("REFUSED", text)
        self.assertIn(f"untouched: {CODES[1]}", text)

    def test_6_a_station_that_dies_stops_the_waves(self):
        arguments = self.way("fifth.jsonl", "--command", "trigger_ratio", "--value", "8", "--patience", "15")
        run = self.begin(*arguments)
        run.until(lambda line: line["type"] == "result" and line["station"] == CODES[1])
        self.stations[1].process.kill()
        self.stations[1].process.communicate()
        self.stations[1].process = None
        end = run.until(lambda line: line["type"] == "end")
        self.assertEqual(run.process.wait(DEADLINE), 1)
        self.assertEqual((end["finished"], end["untouched"]), (False, [CODES[2]]))
        self.assertIn(f"stopped, because of {CODES[1]}: it has not told its health since", end["text"])
        self.assertEqual(self.audits(1, 1, CODES[2:]), [(CODES[2], 7000)])
        status, text, _ = self.fleet("--silent", "5")
        self.assertEqual(status, 1)
        self.assertRegex(text.splitlines()[0], f"^BAD +{CODES[1]} +silent for ")
        # Whoever goes on reaches the third, and the second does not get it again.
        status, text, _ = self.fleet(*arguments, "--resume", "--silent", "5")
        self.assertEqual(status, 1)
        self.assertEqual(text.splitlines()[-1], "3 of 3 have it, 2 as well as before")
        self.assertEqual(self.audits(1, 2, CODES[2:]), [(CODES[2], 7000), (CODES[2], 8000)])

    def test_7_who_may_look(self):
        token, master = self.folder / "token", self.folder / "master.key"
        token.write_text("0123456789abcdef\n")
        onset("key", "new", master)
        _, _, page = self.start(self.folder / "t.sqlite", "--master", master, "--look-token", token)
        status, _, said = self.fleet(page=page)
        self.assertEqual(status, 1)
        self.assertIn("wants a token", said)
        self.assertEqual(self.fleet("--look-token", token, page=page), (0, "0 stations, nothing is wrong\n", ""))
        token.write_text("0123456789abcdeg")
        self.assertIn("the token is not the collector's", self.fleet("--look-token", token, page=page)[2])

    def test_8_what_is_no_collector(self):
        class Strange(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"time":"2026-11-30T10:00:00Z","stations":[{"station":"../../etc"}]}')

            def log_message(self, *_): pass
        server = http.server.HTTPServer(("127.0.0.1", 0), Strange)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        status, out, said = self.fleet(page=f"http://127.0.0.1:{server.server_port}")
        self.assertEqual((status, out), (1, ""))
        self.assertIn('"../../etc" is no station\'s code; is it a collector\'s --http?', said)
        for arguments, words in {("--wave", "2"): "says nothing beside a list", ("--command", "drill"): "takes --stations",
                                 (CODES[0], "--wrong"): "says nothing beside STATION"}.items():
            status, _, said = self.fleet(*arguments)
            self.assertEqual(status, 2, said)
            self.assertIn(words, said)
        self.assertEqual(self.fleet(page="127.0.0.1:8080")[0], 2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=1)
