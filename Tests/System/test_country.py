"""What a country's network needs, with real servers: several collectors behind one address that share a PostgreSQL and pass
on to a NATS cluster; any of them killed; a broker, a database and receivers of alarms that go away and come back.

    /usr/bin/python3 Tests/System/test_country.py BUILD_FOLDER

Each server is started for the test on loopback, where it is installed; CI must have them all.
"""
import contextlib
import datetime
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import random
import re
import selectors
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from servers import DEADLINE, NEWS, Mosquitto, Nats, Postgres, follow, free_port, program

BUILD = pathlib.Path(sys.argv[1]).resolve()
STATIONS = int(os.environ.get("ONSET_STATIONS", "1000"))
SEED = 20261130


def eventually(what, fits, seconds=2 * DEADLINE):
    """Waits for what is to become true, however long this machine takes; collectors report every second."""
    late = time.monotonic() + seconds
    while True:
        NEWS.clear()
        if found := fits(): return found
        if not NEWS.wait(late - time.monotonic()): raise AssertionError(f"{what} did not come about")


class Balancer(threading.Thread):
    """One UDP address before several collectors: each datagram goes to one of those that are there."""

    def __init__(self):
        super().__init__(daemon=True)
        self.outside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.outside.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.outside.bind(("127.0.0.1", 0))
        self.port = self.outside.getsockname()[1]
        self.inside, self.targets, self.random, self.over = {}, [], random.Random(SEED), False

    def run(self):
        waiting = selectors.DefaultSelector()
        waiting.register(self.outside, selectors.EVENT_READ)
        while not self.over:
            for key, _ in waiting.select(0.2):
                try:
                    datagram, sender = key.fileobj.recvfrom(2048)
                except OSError:
                    continue  # A collector that is not there refuses, and says so here.
                if key.fileobj is not self.outside:
                    self.outside.sendto(datagram, key.data)
                    continue
                if sender not in self.inside:
                    self.inside[sender] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    waiting.register(self.inside[sender], selectors.EVENT_READ, sender)
                with contextlib.suppress(OSError):
                    self.inside[sender].sendto(datagram, ("127.0.0.1", self.random.choice(self.targets)))
        for one in [self.outside, *self.inside.values()]: one.close()


class Told(http.server.BaseHTTPRequestHandler):
    """A receiver of alarms; its server has what came, and the status with which it answers."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told.append((time.time(), dict(self.headers), body))
        NEWS.set()
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Collector:
    def __init__(self, folder, name, *options):
        self.folder, self.name, self.options = folder, name, options
        self.port, self.process = free_port(), None

    def start(self):
        self.log = self.folder / f"{self.name}.log"
        self.process = subprocess.Popen(
            [BUILD / "onset-collector", "--master", self.folder / "master.key", "--port", str(self.port), "--report", "1",
             "--name", self.name, "--only", "alert", *self.options], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.log.touch()
        self.followers = [follow(self.process.stdout, self.folder / f"{self.name}.jsonl"), follow(self.process.stderr, self.log)]
        eventually(f"{self.name} listens", lambda: "listens at" in self.said().rsplit("~", 1)[-1] or self.process.poll() is not None)
        assert self.process.poll() is None, self.said()
        return self

    def said(self):
        return self.log.read_text()

    def kill(self):
        self.process.kill()
        self.process.wait()
        for follower in self.followers: follower.join()
        with open(self.log, "a") as log: log.write("~")  # What follows is of the next one.

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()


class Country(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.folder = pathlib.Path(self.temporary.name)
        subprocess.run([BUILD / "onset", "key", "new", self.folder / "master.key"], check=True)

    def started(self, server):
        self.addCleanup(server.kill)
        return server.start()

    def collector(self, *arguments):
        collector = Collector(self.folder, *arguments)
        self.addCleanup(collector.end)
        return collector.start()

    def fleet(self, port, stations, *options):
        fleet = subprocess.Popen(
            [BUILD / "onset", "simulate", f"127.0.0.1:{port}", "--master", self.folder / "master.key", "--stations",
             str(stations), *options], stdout=subprocess.PIPE, text=True)
        self.addCleanup(fleet.stdout.close)
        self.addCleanup(fleet.wait)
        self.addCleanup(fleet.kill)
        return fleet

    def finished(self, fleet):
        """All of it is acknowledged, and nothing was given up."""
        line, _ = fleet.communicate(timeout=10 * DEADLINE)
        summary = json.loads(line)
        self.assertEqual((fleet.returncode, summary["waiting"], summary["given_up"]), (0, 0, 0), summary)
        return summary

    def listener(self, port, name="watcher"):
        """A subscriber that loses nothing; the file with what it gets, a topic and its message a line."""
        told = self.folder / f"{name}.txt"
        told.touch()
        process = subprocess.Popen(
            [program("mosquitto_sub", "mosquitto-clients"), "-p", str(port), "-i", name, "-c", "-q", "1", "-t", "onset/#", "-v"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        follow(process.stdout, told)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return told

    def report(self, name, fits):
        """The newest that the collector has told of itself, where it fits."""
        whole = (self.folder / f"{name}.jsonl").read_text().split("\n")[:-1]  # The last may still be written.
        lines = [line for line in map(json.loads, whole) if line["type"] == "collector"]
        return lines[-1] if lines and fits(lines[-1]) else None

    def receiver(self, folder, name, rule):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Told)
        server.told, server.status = [], 200
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        folder.mkdir(exist_ok=True)
        (folder / "secret").write_text("a secret of the siren")
        (folder / f"{name}.toml").write_text(
            f'[receiver]\nkind = "webhook"\nurl = "http://127.0.0.1:{server.server_port}/"\nsecret_file = "secret"\n[rule]\n{rule}\n')
        return server

    @staticmethod
    def messages(told):
        """What a subscriber got: (type, station, epoch, boot, sequence) of each."""
        found = []
        for line in told.read_text(errors="replace").splitlines():
            topic, _, text = line.partition(" ")
            if topic.count("/") == 4 and text.endswith("}"):
                message = json.loads(text)
                found.append((message["type"], message["station"], message["epoch"], message["boot"], message["sequence"]))
        return found

    def stored(self, rows):
        """The same of what is stored, by a function that gives rows of SQL, columns between bars."""
        found = []
        for kind in ("pick", "estimate", "alert"):
            for row in rows(f"SELECT code, epoch, boot, sequence FROM {kind} JOIN station ON station.id = {kind}.station"):
                code, epoch, boot, sequence = row.split("|")
                found.append((kind, code, f"{int(epoch) % 2**64:016x}", int(boot), int(sequence)))
        return found

    def test_any_collector_and_any_node_may_be_killed(self):
        """Three collectors, one PostgreSQL, three nodes of NATS: nothing is lost and nothing is stored twice."""
        program("mosquitto_sub", "mosquitto-clients")
        postgres = self.started(Postgres(self.folder / "postgres"))
        ports = [(free_port(), free_port(), free_port()) for _ in range(3)]
        nodes = [Nats(self.folder / f"nats{number}", number, ports) for number in range(3)]
        starters = [threading.Thread(target=self.started, args=(node,)) for node in nodes]
        for starter in starters: starter.start()
        for starter in starters: starter.join()
        siren = self.receiver(self.folder / "receivers", "siren", 'level = "alarm"\nquorum = 3\nwithin_seconds = 5')
        brokers = ",".join(f"mqtt://127.0.0.1:{node.mqtt}" for node in nodes)
        collectors = [
            self.collector(f"c{number}", "--database", postgres.url, "--mqtt", brokers, "--receivers", self.folder / "receivers")
            for number in range(3)]
        told = self.listener(nodes[2].mqtt)
        eventually("the collectors are known at the broker", lambda: told.read_text().count("online") >= 3)
        balancer = Balancer()
        balancer.targets = [one.port for one in collectors]
        balancer.start()
        self.addCleanup(balancer.join)
        self.addCleanup(setattr, balancer, "over", True)
        fleet = self.fleet(balancer.port, STATIONS, "--seconds", "24", "--health", "8", "--loss", "0.05")
        count = lambda: int(postgres.rows("SELECT count(*) FROM pick")[0])
        eventually("the earthquake has come", lambda: count() > STATIONS // 5)
        collectors[0].kill()
        nodes[0].kill()
        eventually("it goes on", lambda: count() > STATIONS // 2)
        collectors[0].start()
        nodes[0].start()
        eventually("half of it has come", lambda: count() > STATIONS)
        collectors[1].kill()
        nodes[1].kill()
        self.finished(fleet)
        stored = self.stored(postgres.rows)
        self.assertEqual(len(stored), len(set(stored)))
        detections = int(postgres.rows("SELECT (SELECT count(*) FROM pick) + (SELECT count(*) FROM estimate)")[0])
        self.assertGreater(detections, 5 * STATIONS)
        # P and S of each station are confirmed, and each has said where it stands and what it expects.
        whole = postgres.rows(
            "SELECT (SELECT count(*) FROM pick WHERE status = 2), (SELECT count(*) FROM instrument), "
            "(SELECT count(DISTINCT station) FROM estimate)")
        self.assertEqual(whole, [f"{2 * STATIONS}|{STATIONS}|{STATIONS}"])
        nodes[1].start()
        eventually("everything has been passed on", lambda: postgres.rows("SELECT count(*) FROM outgoing") == ["0"], 10 * DEADLINE)
        eventually("the subscriber has everything", lambda: set(stored) <= set(self.messages(told)), 10 * DEADLINE)
        # One of the collectors has told the siren: that it began, and that it is over.
        states = [json.loads(body)["state"] for _, _, body in siren.told]
        self.assertEqual((states[0], states[-1]), ("raised", "ended"))
        names = [headers["Idempotency-Key"] for _, headers, _ in siren.told]
        self.assertLessEqual(len(names) - len(set(names)), 2, "told twice only where a collector was killed as it told")
        self.assertEqual(states.count("raised") - (len(names) - len(set(names))) <= 1, True, names)

    def alert(self, port, code, level, sequence):
        """Sends one as a station signs it, until it is acknowledged."""
        now = time.time_ns()
        secret = hashlib.blake2b(b"onset station key" + code.encode().ljust(24, b"\0"), digest_size=32,
                                 key=(self.folder / "master.key").read_bytes()).digest()
        payload = struct.pack("<IIqqBBBBBBH", 1 + sequence // 2, 0, -2**63, now, level, 3, 2, 0, 0, 1, 0)
        signed = struct.pack("<4sBBH24sQIIqBBHI", b"ONST", 2, 3, 80 + len(payload), code.encode(), 9, 7, sequence, now, 3, 2, 0,
                             1000) + payload
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as station:
            station.settimeout(DEADLINE)
            station.sendto(signed + hashlib.blake2b(signed, key=secret, digest_size=16).digest(), ("127.0.0.1", port))
            self.assertEqual(station.recv(400)[5], 7)

    def test_two_collectors_hear_what_neither_heard_alone(self):
        """A station each, and a siren that hears two; one of them shows both."""
        postgres = self.started(Postgres(self.folder / "postgres"))
        siren = self.receiver(self.folder / "receivers", "siren", 'level = "alarm"\nquorum = 2\nwithin_seconds = 60')
        port = free_port()
        collectors = [
            self.collector(f"c{number}", "--database", postgres.url, "--receivers", self.folder / "receivers", *options)
            for number, options in enumerate([("--http", f"127.0.0.1:{port}"), ()])]
        codes = ["XX.A.00.HH", "XX.B.00.HH"]
        for collector, code in zip(collectors, codes): self.alert(collector.port, code, 2, 0)
        eventually("the siren is told", lambda: siren.told)
        self.assertEqual([part["station"] for part in json.loads(siren.told[0][2])["stations"]], codes)
        def shown():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/stations", timeout=DEADLINE) as answer:
                return sorted(station["station"] for station in json.load(answer)["stations"])
        eventually("one shows both", lambda: shown() == codes)
        for collector, code in zip(collectors, codes): self.alert(collector.port, code, 3, 1)
        eventually("the siren hears the end", lambda: len(siren.told) == 2)
        self.assertEqual([json.loads(body)["state"] for _, _, body in siren.told], ["raised", "ended"])

    def test_a_database_that_hangs_keeps_no_alarm_waiting(self):
        """The stations notice nothing but slower acknowledgements; the siren is told in time."""
        postgres = self.started(Postgres(self.folder / "postgres"))
        siren = self.receiver(self.folder / "receivers", "siren", 'level = "alarm"')
        collector = self.collector("c", "--database", postgres.url, "--receivers", self.folder / "receivers")
        fleet = self.fleet(collector.port, 100, "--seconds", "12", "--health", "2")
        eventually("health has come", lambda: int(postgres.rows("SELECT count(*) FROM health")[0]) > 10)
        postgres.hang()
        self.addCleanup(lambda: postgres.process and postgres.go_on())
        eventually("the siren is told", lambda: siren.told)
        came, headers, body = siren.told[0]
        first = json.loads(body)
        decided = datetime.datetime.fromisoformat(first["begun"].replace("Z", "+00:00")).timestamp()
        print(f"the siren was told {came - decided:.2f} s after the decision", file=sys.stderr)
        self.assertEqual((first["state"], first["level"]), ("raised", "alarm"))
        second, seal = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers["Onset-Signature"]).groups()
        secret = b"a secret of the siren"
        self.assertEqual(hmac.new(secret, f"{second}.".encode() + body, hashlib.sha256).hexdigest(), seal)
        report = eventually("it is said that messages wait", lambda: self.report("c", lambda line: line["oldest_waiting_s"] > 3))
        self.assertEqual(report["lost"], 0)
        postgres.go_on()
        self.finished(fleet)
        eventually("the siren hears that it is over", lambda: json.loads(siren.told[-1][2])["state"] == "ended")
        self.assertEqual(int(postgres.rows("SELECT count(*) FROM station")[0]), 100)
        stored = self.stored(postgres.rows)
        self.assertEqual(len(stored), len(set(stored)))

    def test_a_broker_that_restarts_loses_nothing(self):
        """One machine: SQLite and mosquitto, which is killed in the middle and comes back."""
        broker = self.started(Mosquitto(self.folder / "mosquitto"))
        path = self.folder / "onset.sqlite"
        collector = self.collector("c", "--database", path, "--mqtt", f"mqtt://127.0.0.1:{broker.port}")
        told = self.listener(broker.port)
        eventually("the collector is known at the broker", lambda: "onset/collector/c online" in told.read_text())
        fleet = self.fleet(collector.port, 100, "--seconds", "12", "--health", "2")
        def rows(sql):
            with contextlib.closing(sqlite3.connect(path, timeout=10)) as database:
                return ["|".join(map(str, row)) for row in database.execute(sql)]
        eventually("half of it has come", lambda: int(rows("SELECT count(*) FROM pick")[0]) > 100)
        broker.kill()
        eventually("it is said", lambda: "is not there: what was stored waits" in collector.said())
        self.finished(fleet)
        self.assertNotEqual(rows("SELECT count(*) FROM outgoing"), ["0"])
        self.started(broker)
        eventually("everything has been passed on", lambda: rows("SELECT count(*) FROM outgoing") == ["0"])
        stored = self.stored(rows)
        eventually("the subscriber has everything", lambda: set(stored) <= set(self.messages(told)))
        # Whoever comes later has the newest health of each.
        late = self.listener(broker.port, "late")
        eventually("health is retained", lambda: len({m[1] for m in self.messages(late) if m[0] == "health"}) == 100)
        collector.end()
        eventually("its end is known", lambda: "onset/collector/c offline" in late.read_text())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
