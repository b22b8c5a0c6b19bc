#!/usr/bin/env python3
"""test_inputs.py ONSETD TOOLS [TEST…]: digitizers that are no sound card, each through the interface that it really has.

What a station makes of an earthquake over one of them is compared with what it makes of the same frames from a card.
"""
import os
import pathlib
import pty
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import numpy as np
from scipy.signal import resample_poly

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from explorer import Explorer
from live_station import ROOT, LiveStation, free_udp_port
from receiver import message
from shake import Shake

ONSETD, TOOLS = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
NAMES, RATE, CARD_RATE = ("EHZ", "EHN", "EHE"), 100, 8000
PACKET = RATE // 4
# Seconds from 2026-01-01, which a recording begins at.
RECORDING_BEGIN_NS = 1_767_225_600 * 10**9
BOARD = """
[board]
format = 1
name = "test"
description = "an input under test"

[digitizer]
{0}
sample_rate_millihertz = 100000
clip_counts = 2147483647
vertical_channel = 0
north_channel = 1
east_channel = 2
"""
CARD = 'device = "none"\nsample_format = "S32"\nchannels = 3\nperiod_frames = 25\nbuffer_frames = 100'


class Inputs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        folder = pathlib.Path(cls.temporary.name)
        raw = folder / "demo.raw"
        subprocess.run([TOOLS / "onset", "demo", "--raw", raw], check=True, capture_output=True)
        # From 7 s before P on, as a converter with 100 samples a second would have it.
        fast = np.fromfile(raw, "<i4").reshape(-1, 3)[8 * CARD_RATE:32 * CARD_RATE].astype(float)
        cls.frames = np.clip(np.round(resample_poly(fast, RATE, CARD_RATE)), -2**31, 2**31 - 1).astype("<i4")
        cls.expected = cls.record(folder, cls.frames)

    @staticmethod
    def record(folder, frames):
        """The picks of these frames from a card: phase, status, and nanoseconds after the first frame."""
        station = LiveStation(ONSETD, TOOLS, folder / "card")
        (station.host / "board.toml").write_text(BOARD.format(CARD))
        raw, wire = folder / "frames.raw", folder / "out.bin"
        raw.write_bytes(frames.tobytes())
        subprocess.run([*station.arguments(), "--recording", raw, "--wire", wire], check=True)
        station.socket.close()
        rest, found = wire.read_bytes(), []
        while rest:
            one, length = message(rest, station.key)
            rest = rest[length:]
            if one["type"] == "pick": found.append((one["phase"], one["status"], one["time_ns"] - RECORDING_BEGIN_NS))
        return found

    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.folder = pathlib.Path(place.name)

    def station(self, digitizer):
        station = LiveStation(ONSETD, TOOLS, self.folder)
        (station.host / "board.toml").write_text(BOARD.format(digitizer))
        station.start()
        self.addCleanup(station.__exit__)
        return station

    def assert_as_from_a_card(self, picks, begin_ns, uncertainty_ns):
        """The first of each phase and status, within 2 ms and what the input states."""
        def first(of):
            return {key: next(t for *k, t in of if tuple(k) == key) for key in sorted({tuple(k) for *k, _ in of})}
        expected, found = first(self.expected), first([(p, s, t - begin_ns) for p, s, t in picks])
        self.assertEqual(found.keys(), expected.keys())
        for key, at in expected.items():
            self.assertLessEqual(abs(found[key] - at), 2_000_000 + uncertainty_ns, key)


class ShakeTest(Inputs):
    def cast(self, station_port, frames):
        return Shake(frames, RATE, NAMES, ("127.0.0.1", station_port))

    def test_an_earthquake_a_pulled_cable_and_a_clock_that_is_set(self):
        port = free_udp_port()
        station = self.station(
            f'kind = "shake"\nsource = "127.0.0.1"\nport = {port}\nchannel_names = "{",".join(NAMES)}"')
        shake = self.cast(port, self.frames)
        quiet = self.cast(port, self.frames[:6 * RATE])
        begin = round(time.time(), 3)

        def play():
            shake.play(begin)
            # The cable is off for two seconds; then the Shake's clock is set forward by a minute.
            quiet.play(begin + 26)
            quiet.play(begin + 32, range(1))
            quiet.play(begin + 33, range(4, quiet.packets), ahead=60)
        player = threading.Thread(target=play, daemon=True)
        player.start()
        health = station.receive(lambda m: m["type"] == "health" and m["frames"] > 0)
        self.assertEqual((health["clock_source"], health["clock_state"]), (4, 3))
        self.assertEqual(health["clock_uncertainty_ns"], 10_000_000)
        away = station.receive(lambda m: m["type"] == "health" and m["gaps"] == 1)
        self.assertEqual(away["gap_frames"], 2 * RATE)
        picks = [(m["phase"], m["status"], m["time_ns"]) for m in station.messages if m["type"] == "pick"]
        self.assert_as_from_a_card(picks, round(begin * 1e9), 10_000_000)
        announced = next(m for m in station.messages if m["type"] == "pick")
        self.assertLess((announced["emitted_ns"] - announced["time_ns"]) * 1e-9, 0.75)
        step = station.receive(lambda m: m["type"] == "health" and m["gaps"] == 2)
        self.assertGreater(step["emitted_ns"], (begin + 90) * 1e9)
        player.join()
        self.assertEqual(station.stop(), 0)
        self.assertEqual([m["sequence"] for m in station.messages], list(range(len(station.messages))))


class SetupTest(Inputs):
    """From a machine that has the packages' files to one that reports a P: as a script does it, and as somebody who is asked."""

    def begin(self, *options, **more):
        """The program, and a Shake that casts to it all the while."""
        self.port, place = free_udp_port(), self.folder / "etc"
        shake = Shake(np.tile(self.frames[:6 * RATE], (20, 1)), RATE, NAMES, ("127.0.0.1", self.port))
        player = threading.Thread(target=shake.play, daemon=True)
        player.start()
        self.addCleanup(player.join)
        self.addCleanup(shake.over.set)
        self.end_of_cast = lambda: (shake.over.set(), player.join())
        process = subprocess.Popen(
            [TOOLS / "onset", "setup", "--shake-port", str(self.port), "--folder", place, "--state", self.folder / "state",
             "--share", ROOT, "--onsetd", ONSETD, "--no-start", *options], text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, **more)
        watch = threading.Timer(60, process.kill)
        watch.start()
        self.addCleanup(watch.cancel)
        return process, place

    def test_four_answers_and_the_station_reports(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as upstream:
            upstream.bind(("127.0.0.1", 0))
            upstream.settimeout(60)
            listen = free_udp_port()
            master, slave = pty.openpty()
            process, place = self.begin(stdin=slave)
            os.close(slave)
            answers = [b"1\n", b"nonsense\n", b"XX.ONST1.00.EH\n", f"127.0.0.1:{upstream.getsockname()[1]}\n".encode(),
                       b"geophone-4.5hz\n"]
            for answer in answers: os.write(master, answer)
            said, _ = process.communicate()
            os.close(master)
            self.assertEqual(process.returncode, 0, said)
            self.assertIn("  1  Raspberry Shake at 127.0.0.1, EHZ EHN EHE, 100 a second: board raspberry-shake", said)
            self.assertIn("nonsense is no code", said)
            self.assertRegex(said, r"good +digitizer +3 channels, \d+ frames")
            self.end_of_cast()
            station_file = place / "station.toml"
            station_file.write_text(station_file.read_text().replace("listen_port = 6465", f"listen_port = {listen}"))
            station = subprocess.Popen([ONSETD, "--board", place / "board.toml", "--station", station_file])
            self.addCleanup(station.wait)
            self.addCleanup(station.kill)
            shake = Shake(self.frames[:12 * RATE], RATE, NAMES, ("127.0.0.1", self.port))
            player = threading.Thread(target=shake.play, daemon=True)
            player.start()
            key = (place / "station.key").read_bytes()
            while (told := message(upstream.recv(401), key)[0])["type"] != "pick": pass
            self.assertEqual((told["station"], told["phase"]), ("XX.ONST1.00.EH", 1))
            player.join()

    def test_ten_stations_are_ten_times_the_same_line(self):
        line = ["--upstream", "127.0.0.1:6464", "--sensor", "none"]
        process, place = self.begin(*line, "--code", "XX.ONST2.00.EH", stdin=subprocess.DEVNULL)
        said, _ = process.communicate()
        self.assertEqual(process.returncode, 0, said)
        self.assertIn('host = "127.0.0.1"', (place / "station.toml").read_text())
        # What is there is left alone, and what nobody answers is named.
        process, _ = self.begin(*line, "--code", "XX.ONST3.00.EH", stdin=subprocess.DEVNULL)
        said, _ = process.communicate()
        self.assertEqual(process.returncode, 1, said)
        self.assertIn("board.toml is there already: --replace keeps it as", said)
        process, _ = self.begin(*line, stdin=subprocess.DEVNULL)
        said, _ = process.communicate()
        self.assertEqual(process.returncode, 2, said)
        self.assertIn("--code is needed where nobody can be asked", said)


class AnyShakeTest(Inputs):
    # A packet is stamped when it comes, which a busy machine may see so late at best, nanoseconds.
    ARRIVAL_NS = 5_000_000

    def listen(self, version, **more):
        """A station and its Explorer, plugged in, and when its first frame is."""
        explorer = Explorer(self.frames, RATE, version, self.folder / "explorer", **more)
        explorer.plug_in()
        station = self.station(
            f'kind = "anyshake"\ndevice = "{explorer.link}"\nbaud_rate = {explorer.baud}\nchannels = 3')
        return explorer, station, round(time.time(), 3)

    @staticmethod
    def picks(station):
        return [(m["phase"], m["status"], m["time_ns"]) for m in station.messages if m["type"] == "pick"]

    def test_an_earthquake_without_gnss_and_a_pulled_cable(self):
        explorer, station, begin = self.listen(2)
        packets = len(self.frames) // explorer.size

        def play():
            explorer.play(begin, range(packets))
            explorer.pull_out()
            explorer.plug_in()
            explorer.play(begin + 26, range(80))
        player = threading.Thread(target=play, daemon=True)
        player.start()
        away = station.receive(lambda m: m["type"] == "health" and m["gaps"] == 1)
        self.assertEqual(away["reopenings"], 1)
        # Two seconds, by when the first packet came again: it may be late, and the ones before it, by what a machine is busy.
        self.assertLessEqual(abs(away["gap_frames"] - 2 * RATE), 6)
        self.assert_as_from_a_card(self.picks(station), round(begin * 1e9), self.ARRIVAL_NS)
        player.join()
        self.assertEqual(station.stop(), 0)

    def self_test(self, explorer, packets):
        """What the self-test says of the digitizer."""
        board = self.folder / "line.toml"
        board.write_text(BOARD.format(
            f'kind = "anyshake"\ndevice = "{explorer.link}"\nbaud_rate = {explorer.baud}\nchannels = 3'))
        player = threading.Thread(target=explorer.play, args=(time.time(), packets), daemon=True)
        player.start()
        station = LiveStation(ONSETD, TOOLS, self.folder / "of-a-test")
        station.socket.close()
        said = subprocess.run([ONSETD, "--board", board, "--station", station.host / "station.toml", "--self-test"],
                              capture_output=True, text=True).stdout
        player.join()
        return next(line for line in said.splitlines() if " digitizer " in line)

    def test_the_self_test_says_why_nothing_comes(self):
        silent = Explorer(self.frames, RATE, 2, self.folder / "explorer")
        silent.plug_in()
        self.assertRegex(self.self_test(silent, []), "^BAD +digitizer +nothing comes on the line")
        other = Explorer(self.frames, 50, 3, self.folder / "explorer")
        other.plug_in()
        self.assertRegex(self.self_test(other, range(20)), "^BAD +digitizer +it sends 50 samples a second")
        noise = Explorer(self.frames, RATE, 2, self.folder / "explorer")
        noise.packet = lambda number, begin: bytes(range(60))
        noise.plug_in()
        self.assertRegex(self.self_test(noise, range(40)), "^BAD +digitizer +bytes come, and no packet")

    def test_an_earthquake_with_gnss_and_a_lost_packet(self):
        explorer, station, begin = self.listen(3, is_gnss=True, baud=115_200)
        packets = [n for n in range(len(self.frames) // explorer.size) if n != 235]
        player = threading.Thread(target=explorer.play, args=(begin, packets), daemon=True)
        player.start()
        lost = station.receive(lambda m: m["type"] == "health" and m["gaps"] == 1)
        self.assertEqual((lost["gap_frames"], lost["clock_source"], lost["clock_state"]), (explorer.size, 4, 3))
        self.assertEqual(lost["clock_uncertainty_ns"], 1_000_000)
        player.join()
        self.assert_as_from_a_card(self.picks(station), round(begin * 1e9), 1_000_000)
        self.assertEqual(station.stop(), 0)


if __name__ == "__main__":
    sys.argv = sys.argv[:1] + sys.argv[3:]
    unittest.main()
