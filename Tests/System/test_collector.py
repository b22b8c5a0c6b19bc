"""onset-collector as a process: killed at random moments, strangers, a full disk, a database that is held, a port that is
taken, a reader that stalls.

    /usr/bin/python3 Tests/System/test_collector.py BUILD_FOLDER
"""
import contextlib
import errno
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
import threading
import unittest

COLLECTOR = pathlib.Path(sys.argv[1]).resolve() / "onset-collector"
STATIONS, DETECTIONS, KILLS, SEED = 8, 250, 25, 20261129
# Who waits for something waits for the event. This is when a test gives up, seconds.
DEADLINE = 120


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


class Watched:
    """A collector whose lines and complaints are read as they come. Its lines are left in the pipe until `read`."""

    def __init__(self, folder, *options, database="onset.sqlite", report=1, stdout=subprocess.PIPE):
        self.lines, self.said, self.news, self.threads = [], [], threading.Condition(), []
        self.process = subprocess.Popen(
            [COLLECTOR, "--keys", folder, "--database", folder / database, "--port", "0", "--report",
             str(report), *options], stdout=stdout, stderr=subprocess.PIPE, text=True)
        self.follow(self.process.stderr, self.said, str)
        self.port = int(self.hears("listens at UDP port").split("port ")[1].split()[0])

    def follow(self, pipe, found, parse):
        def run():
            for line in pipe:
                with self.news:
                    found.append(parse(line))
                    self.news.notify_all()
        self.threads.append(threading.Thread(target=run, daemon=True))
        self.threads[-1].start()

    def read(self):
        self.follow(self.process.stdout, self.lines, json.loads)

    def first(self, found, fits, what):
        """The first that fits, of what has come and comes."""
        with self.news:
            if not self.news.wait_for(lambda: any(map(fits, found)), DEADLINE):
                raise AssertionError(f"{what} did not come; said was {self.said}, the last line {self.lines[-1:]}")
            return next(filter(fits, found))

    def hears(self, words):
        return self.first(self.said, lambda sentence: words in sentence, words)

    def reports(self, fits, what):
        return self.first(self.lines, lambda line: line["type"] == "collector" and fits(line), what)

    def end(self):
        self.process.terminate()
        self.process.wait(DEADLINE)
        for thread in self.threads:
            thread.join()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()
        return self.process.returncode


class Station:
    """Sends picks, and knows which of them it may forget."""

    def __init__(self, code, port):
        self.code, self.port, self.sent, self.acknowledged = code, port, 0, set()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(self, count):
        for number in range(self.sent, self.sent + count):
            self.socket.sendto(pick(self.code, number), ("127.0.0.1", self.port))
        self.sent += count

    def receive(self):
        """What has come back until now."""
        self.socket.setblocking(False)
        try:
            while True:
                self.take(self.socket.recv(500))
        except BlockingIOError:
            return self.acknowledged

    def take(self, datagram):
        assert hashlib.blake2b(datagram[:-16], key=key(self.code), digest_size=16).digest() == datagram[-16:]
        _, newest, stored = struct.unpack("<IIQ", datagram[64:80])
        self.acknowledged |= {newest - bit for bit in range(64) if stored >> bit & 1}

    def settle(self):
        """Until all is acknowledged; what is lost on the way is sent again."""
        for _ in range(DEADLINE):
            self.socket.settimeout(1)
            try:
                while missing := set(range(self.sent)) - self.acknowledged:
                    self.take(self.socket.recv(500))
                return
            except TimeoutError:
                for number in missing:
                    self.socket.sendto(pick(self.code, number), ("127.0.0.1", self.port))
        raise AssertionError(f"{len(missing)} picks were not acknowledged")


class Disk:
    """A small disk that can be filled."""

    def __init__(self, test, folder):
        self.folder, self.filler = folder, folder / "filler"
        folder.mkdir()
        if os.geteuid() != 0 or subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], capture_output=True).returncode != 0:
            test.skipTest("a disk to fill is a tmpfs, which this user may not mount")
        test.addCleanup(subprocess.run, ["umount", folder], check=True)

    def fill(self):
        with open(self.filler, "ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError as error:
                assert error.errno == errno.ENOSPC, error

    def free(self):
        self.filler.unlink()


class Collector(unittest.TestCase):
    def setUp(self):
        self.place = tempfile.TemporaryDirectory()
        self.addCleanup(self.place.cleanup)
        self.folder = pathlib.Path(self.place.name)
        self.stations = [f"XX.S{number:03}.00.HH" for number in range(STATIONS)]
        for station in self.stations:
            path = self.folder / f"{station}.key"
            path.touch(mode=0o600)
            path.write_bytes(key(station))
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def tearDown(self):
        self.socket.close()

    def send(self, port, *datagrams):
        for datagram in datagrams:
            self.socket.sendto(datagram, ("127.0.0.1", port))

    def lines(self, kind):
        with open(self.folder / "out.jsonl") as file:
            return [line for line in map(json.loads, filter(str.strip, file)) if line["type"] == kind]

    def rows(self, sql, name="onset.sqlite"):
        with contextlib.closing(sqlite3.connect(self.folder / name, timeout=10)) as database:
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

    def watch(self, *options, **others):
        collector = Watched(self.folder, *options, **others)
        self.addCleanup(collector.process.wait)
        self.addCleanup(collector.process.kill)
        return collector

    def station(self, collector):
        station = Station(self.stations[0], collector.port)
        self.addCleanup(station.socket.close)
        return station

    def detect_until(self, collector, station, words, count):
        """All that is sent is acknowledged, so many picks at once, until the collector says this."""
        while not any(words in sentence for sentence in collector.said):
            self.assertLess(station.sent, 200_000, f"{words} was not said; said was {collector.said}")
            station.send(count)
            station.settle()

    def outlive(self, database, begin, mend, cause):
        """A fleet and a station detect while nothing can be stored; all of it is stored in the end."""
        onset, master = COLLECTOR.parent / "onset", self.folder / "master.key"
        subprocess.run([onset, "key", "new", master], check=True)
        collector = self.watch("--master", master, database=database)
        collector.read()
        station = self.station(collector)
        station.send(20)
        station.settle()
        begin()
        fleet = subprocess.Popen(
            [onset, "simulate", f"127.0.0.1:{collector.port}", "--master", master, "--stations", "30", "--seconds", "6",
             "--health", "1", "--loss", "0.2", "--power-cuts", "5"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(fleet.kill)
        station.send(20)
        self.assertIn(cause, collector.hears("nothing can be stored, and is kept in memory"))
        report = collector.reports(
            lambda line: not line["storing"] and line["failures"] > 1 and line["waiting"] > 20, "a report that nothing is stored")
        self.assertGreater(report["oldest_waiting_s"], 0)
        self.assertEqual(station.receive(), set(range(20)), "acknowledged, and not stored")
        self.assertEqual(self.rows("SELECT count(*) FROM pick", database), [(20,)])
        mend()
        collector.hears("what was kept in memory is stored")
        station.settle()
        told = json.loads(fleet.communicate()[0])
        self.assertEqual((told["stations"], told["waiting"], told["given_up"]), (30, 0, 0))
        self.assertEqual((fleet.returncode, collector.end()), (0, 0))
        last = collector.lines[-1]
        self.assertEqual((last["storing"], last["waiting"], last["oldest_waiting_s"], last["lost"]), (True, 0, 0, 0))
        # Each of the fleet confirms P and S once.
        self.assertEqual(self.rows("SELECT count(*) FROM pick WHERE status = 2", database), [(60,)])
        stored = [row[0] for row in self.rows(
            f"SELECT sequence FROM pick JOIN station ON station.id = station WHERE code = '{station.code}' ORDER BY 1", database)]
        self.assertEqual(stored, list(range(40)))
        picks = [(line["station"], line["boot"], line["sequence"]) for line in collector.lines if line["type"] == "pick"]
        self.assertEqual((len(picks), len(set(picks))), (self.rows("SELECT count(*) FROM pick", database)[0][0], len(picks)))
        self.assertEqual(self.rows("PRAGMA integrity_check", database), [("ok",)])

    def test_a_full_disk_loses_nothing(self):
        disk = Disk(self, self.folder / "disk")
        self.outlive("disk/onset.sqlite", disk.fill, disk.free, "database or disk is full: make room on its disk")

    def test_a_database_that_is_held_loses_nothing(self):
        holder = sqlite3.connect(self.folder / "onset.sqlite", isolation_level=None)
        self.addCleanup(holder.close)
        self.outlive("onset.sqlite", lambda: holder.execute("BEGIN EXCLUSIVE"), lambda: holder.execute("ROLLBACK"),
                     "database is locked: another program holds it")

    def test_a_disk_without_room_for_lines_loses_no_messages(self):
        """The lines go to a file on a disk of its own, and are whole again when there is room."""
        disk = Disk(self, self.folder / "disk")
        with open(disk.folder / "out.jsonl", "ab") as out:
            # No report comes between the picks, so that what is lost can be counted.
            collector = self.watch(stdout=out, report=86_400)
        station = self.station(collector)
        station.send(10)
        station.settle()
        disk.fill()
        self.detect_until(collector, station, "No space left on device", 10)
        station.send(10)
        station.settle()
        disk.free()
        self.detect_until(collector, station, "lines on standard output are taken again", 10)
        self.assertEqual(collector.end(), 0)
        self.assertEqual(len(self.stored()), station.sent)
        self.assertEqual(sum("nobody takes the lines" in sentence for sentence in collector.said), 1, "once")
        whole, torn = [], 0
        for line in (disk.folder / "out.jsonl").read_text().splitlines():
            try:
                whole.append(json.loads(line))
            except json.JSONDecodeError:
                torn += 1
        self.assertLessEqual(torn, 1)
        told = [line["sequence"] for line in whole if line["type"] == "pick"]
        lost = whole[-1]["lines_lost"]
        self.assertEqual((len(set(told)), len(told) + lost), (len(told), station.sent))
        self.assertGreaterEqual(lost, 10)
        self.assertIn(f"again; {lost} were dropped", collector.hears("are taken again"))

    def test_a_reader_that_stalls_stops_nothing(self):
        collector = self.watch(report=86_400)
        station = self.station(collector)
        self.detect_until(collector, station, "nobody takes the lines on standard output (16384 KiB of them wait)", 200)
        # Nobody reads, and what comes is stored and acknowledged.
        station.send(200)
        station.settle()
        self.assertEqual(len(self.stored()), station.sent)
        collector.read()
        collector.hears("lines on standard output are taken again")
        station.send(200)
        station.settle()
        self.assertEqual(collector.end(), 0)
        lost = collector.lines[-1]["lines_lost"]
        told = [line["sequence"] for line in collector.lines if line["type"] == "pick"]
        self.assertEqual((len(set(told)), len(told) + lost), (len(told), station.sent))
        self.assertGreaterEqual(lost, 200)
        self.assertEqual(sorted(told[-200:]), list(range(station.sent - 200, station.sent)))
        self.assertEqual(len(collector.said), 3, "each is said once")
        self.assertIn(f"; {lost} were dropped", collector.said[-1])

    def test_a_reader_that_stalls_does_not_keep_it_from_ending(self):
        collector = self.watch()
        station = self.station(collector)
        station.send(400)
        station.settle()
        self.assertEqual(collector.end(), 0)
        self.assertIn("lines on standard output were not taken, and end with this program", collector.said[-1])
        self.assertEqual(len(self.stored()), 400)

    def test_a_port_that_is_taken_is_said(self):
        first = Running(self.folder)
        second = Running(self.folder, "other.sqlite", port=first.port)
        self.assertEqual(second.said, f"onset-collector: UDP port {first.port} cannot be had (Address already in use): another "
                         "program is on it\n")
        self.assertEqual(second.process.wait(), 2)
        self.assertFalse((self.folder / "other.sqlite").exists())
        second.process.stderr.close()
        second.out.close()
        self.assertEqual(first.end(), 0)
        third = Running(self.folder, port=first.port)
        self.assertEqual(third.port, first.port)
        self.assertEqual(third.end(), 0)

    def test_what_it_cannot_do_it_says(self):
        collector = Running(self.folder)
        for arguments, said in ((["--keys", "/nowhere", "--database", "x"], "is no folder that can be read"),
                                (["--keys", str(self.folder), "--database", "/nowhere/x"], "name a file in a folder"),
                                (["--keys"], "--keys needs a value"), (["--ports", "1"], "--ports is not known here; did you mean --port?"),
                                ([], "and --database FILE are needed"),
                                (["--keys", ".", "--database", "x", "--port", "70000"], "must be a whole number from 0 to 65535")):
            done = subprocess.run([COLLECTOR, *arguments], capture_output=True, text=True, cwd=self.folder)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(said, done.stderr)
        self.assertEqual(collector.end(), 0)
        self.assertIn("onset-collector --config FILE", subprocess.run([COLLECTOR, "--help"], capture_output=True, text=True).stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
