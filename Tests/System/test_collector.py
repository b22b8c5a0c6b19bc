"""onset-collector as a process: killed at random moments, a database that is held, a port that is taken, strangers.

    /usr/bin/python3 Tests/System/test_collector.py BUILD_FOLDER
"""
import hashlib
import json
import os
import pathlib
import random
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import unittest

COLLECTOR = pathlib.Path(sys.argv[1]).resolve() / "onset-collector"
STATIONS, DETECTIONS, KILLS, SEED = 8, 250, 25, 20261129


def key(station):
    return hashlib.sha256(station.encode()).digest()


def pick(station, sequence, secret=None):
    """A pick as a station signs it."""
    payload = struct.pack("<IBBbBqIHHhBBQ", sequence + 1, 1, 1, 0, 4, 1_800_000_000 * 10**9, 30_000, 65535, 65535, 0, 1, 0, 0)
    signed = struct.pack("<4sBBH24sQIIqBBHI", b"ONST", 2, 1, 80 + len(payload), station.encode(), 9, 7, sequence,
                         1_800_000_000 * 10**9, 3, 2, 0, 1000) + payload
    return signed + hashlib.blake2b(signed, key=secret or key(station), digest_size=16).digest()


class Running:
    """A collector on a port that the system chose."""

    def __init__(self, folder, database="onset.sqlite", port=0):
        self.out = open(folder / "out.jsonl", "ab")
        self.process = subprocess.Popen(
            [COLLECTOR, "--keys", folder, "--database", folder / database, "--port", str(port), "--report", "1"],
            stdout=self.out, stderr=subprocess.PIPE, text=True)
        self.said = self.process.stderr.readline()
        words = self.said.split()
        self.port = int(words[words.index("port") + 1]) if "listens" in self.said else None

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.wait()
        self.process.stderr.close()
        self.out.close()
        return self.process.returncode


class Collector(unittest.TestCase):
    def setUp(self):
        self.place = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.place.name)
        self.stations = [f"XX.S{number:03}.00.HH" for number in range(STATIONS)]
        for station in self.stations:
            path = self.folder / f"{station}.key"
            path.touch(mode=0o600)
            path.write_bytes(key(station))
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def tearDown(self):
        self.socket.close()
        self.place.cleanup()

    def send(self, port, *datagrams):
        for datagram in datagrams:
            self.socket.sendto(datagram, ("127.0.0.1", port))

    def lines(self, kind):
        with open(self.folder / "out.jsonl") as file:
            return [line for line in map(json.loads, filter(str.strip, file)) if line["type"] == kind]

    def rows(self, sql):
        with sqlite3.connect(self.folder / "onset.sqlite", timeout=10) as database:
            return database.execute(sql).fetchall()

    def stored(self):
        try:
            return {tuple(row) for row in self.rows(
                "SELECT code, sequence FROM pick JOIN station ON station.id = pick.station")}
        except sqlite3.OperationalError:  # Killed before it had made the tables.
            return set()

    def test_nothing_that_was_told_is_lost_and_nothing_is_stored_twice(self):
        rng, everything = random.Random(SEED), [(station, n) for station in self.stations for n in range(DETECTIONS)]
        rng.shuffle(everything)
        share = len(everything) // KILLS
        for kill in range(KILLS):
            collector = Running(self.folder)
            for station, sequence in everything[kill * share:(kill + 1) * share]:
                for _ in range(rng.choice((1, 1, 2))):
                    self.send(collector.port, pick(station, sequence))
            # Now and then in the middle of a commit: what it has read is anything from none to all.
            for _ in range(rng.randrange(0, 40)):
                self.send(collector.port, pick(*rng.choice(everything[:(kill + 1) * share])))
            collector.end(signal.SIGKILL)
            told = {(line["station"], line["sequence"]) for line in self.lines("pick")}
            self.assertLessEqual(told, self.stored(), "told, and not on disk")
        collector = Running(self.folder)
        while missing := set(everything) - self.stored():
            self.send(collector.port, *(pick(*one) for one in list(missing)[:100]))
        self.assertEqual(collector.end(), 0)
        self.assertEqual(self.rows("SELECT count(*) FROM pick"), [(len(everything),)])
        self.assertEqual(self.rows("SELECT sum(received), max(highest) FROM boot"), [(len(everything), DETECTIONS - 1)])
        told = [(line["station"], line["sequence"]) for line in self.lines("pick")]
        self.assertEqual(len(told), len(set(told)), "told twice")
        self.assertEqual(self.rows("PRAGMA integrity_check"), [("ok",)])

    def test_what_is_stored_is_acknowledged_and_strangers_are_not_answered(self):
        collector = Running(self.folder)
        self.send(collector.port, b"", b"hello", pick(self.stations[0], 1, secret=bytes(32)), pick("XX.NONE..HH", 1),
                  pick(self.stations[0], 2))
        while not self.lines("pick"):
            pass
        self.assertEqual(collector.end(), 0)
        self.assertEqual(self.stored(), {(self.stations[0], 2)})
        self.assertEqual({cause: count for cause, count in self.rows("SELECT cause, count FROM refusal")}, {
            "is shorter than a header and a tag, 80 bytes": 2, "is not sealed with this key": 1,
            "is of a station that has no key in the folder": 1})
        answer = self.socket.recv(500)
        signed, tag = answer[:-16], answer[-16:]
        self.assertEqual(hashlib.blake2b(signed, key=key(self.stations[0]), digest_size=16).digest(), tag)
        self.assertEqual((signed[5], signed[8:32].rstrip(b"\0").decode()), (7, self.stations[0]))
        self.assertEqual(struct.unpack("<IIQ", signed[64:]), (7, 2, 1))
        self.socket.setblocking(False)
        self.assertRaises(BlockingIOError, self.socket.recv, 100)

    def test_a_fleet_with_a_bad_link_and_power_cuts(self):
        """Every message that a station of it keeps is stored once."""
        onset, master = COLLECTOR.parent / "onset", self.folder / "master.key"
        subprocess.run([onset, "key", "new", master], check=True)
        collector = subprocess.Popen(
            [COLLECTOR, "--master", master, "--database", self.folder / "onset.sqlite", "--port", "0", "--only", "alert"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        port = collector.stderr.readline().split()[5]
        done = subprocess.run(
            [onset, "simulate", f"127.0.0.1:{port}", "--master", master, "--stations", "60", "--seconds", "9", "--health", "1",
             "--loss", "0.3", "--power-cuts", "10"], check=True, capture_output=True, text=True)
        fleet = json.loads(done.stdout)
        collector.terminate()
        lines = [json.loads(line) for line in collector.communicate()[0].splitlines()]
        self.assertEqual(collector.returncode, 0)
        self.assertEqual((fleet["stations"], fleet["waiting"], fleet["given_up"]), (60, 0, 0))
        self.assertGreater(fleet["resent"], 0)
        stored = {kind: self.rows(f"SELECT count(*) FROM {kind}")[0][0] for kind in ("pick", "estimate", "alert", "instrument")}
        # A newer estimate takes the place of an older one, and a power cut a description; P told first are not kept.
        self.assertEqual(self.rows("SELECT count(*) FROM pick WHERE status = 2"), [(120,)])
        self.assertGreaterEqual(stored["instrument"], 60)
        self.assertEqual(self.rows("SELECT count(DISTINCT station) FROM estimate"), [(60,)])
        self.assertEqual(len([line for line in lines if line["type"] == "alert"]), stored["alert"], "each told once")
        self.assertLessEqual({line["type"] for line in lines}, {"alert", "collector"})

    def test_a_reader_that_goes_away_takes_nothing_with_it(self):
        reader, writer = os.pipe()
        process = subprocess.Popen(
            [COLLECTOR, "--keys", self.folder, "--database", self.folder / "onset.sqlite", "--port", "0"],
            stdout=writer, stderr=subprocess.PIPE, text=True)
        os.close(writer)
        os.close(reader)
        port = int(process.stderr.readline().split("port ")[1].split()[0])
        self.send(port, *(pick(self.stations[0], number) for number in range(20)))
        while len(self.stored()) < 20:
            pass
        process.terminate()
        self.assertEqual(process.wait(), 0)
        self.assertIn("nobody takes the lines", process.stderr.read())
        process.stderr.close()

    def test_what_it_cannot_do_it_says(self):
        collector = Running(self.folder)
        second = Running(self.folder, "other.sqlite", port=collector.port)
        self.assertIn("another program is on it", second.said)
        self.assertEqual(second.process.wait(), 2)
        second.process.stderr.close()
        for arguments, said in ((["--keys", "/nowhere", "--database", "x"], "is no folder that can be read"),
                                (["--keys", str(self.folder), "--database", "/nowhere/x"], "name a file in a folder"),
                                (["--keys"], "--keys needs a value"), (["--ports", "1"], "--ports is not known here; did you mean --port?"),
                                ([], "and --database FILE are needed"),
                                (["--keys", ".", "--database", "x", "--port", "70000"], "must be a whole number from 0 to 65535")):
            done = subprocess.run([COLLECTOR, *arguments], capture_output=True, text=True, cwd=self.folder)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(said, done.stderr)
        self.assertEqual(collector.end(), 0)
        self.assertIn("onset-collector --keys FOLDER", subprocess.run([COLLECTOR, "--help"], capture_output=True, text=True).stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
