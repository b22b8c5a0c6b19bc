#!/usr/bin/env python3
"""test_board.py ONSETD TOOLS FILES [CASE…]: the AArch64 firmware on an emulated board, watched from outside.

A stock Debian kernel in QEMU, real libasound, libgpiod and sockets; the tests give the pulse per second, watch relay
and lamps, receive the datagrams, and break things. ONSETD is the firmware, TOOLS a folder with `onset`, FILES what
board/prepare.sh made. Nothing waits for a fixed time: every wait ends with what it waits for.
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "board"))
import machine
from board import CRYSTAL_PPM, HEARTBEAT, INHIBIT, NANOSECONDS_PER_FRAME, RELAY, WATCH, Board, json_line

ONSETD, TOOLS, FILES = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
FRAME_BYTES, RATE = 12, 8000
RECORDING_START_NS = 1_767_225_600 * 10**9  # 2026-01-01, the beginning of every recording
HOLDOVER, LOCKED = 2, 3
PULSE = 2


class BoardTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.board = Board(ONSETD, TOOLS, FILES, cls.folder.name)
        cls.upstream, cls.pins = cls.board.upstream, cls.board.pins

    @classmethod
    def tearDownClass(cls):
        cls.board.close()
        cls.folder.cleanup()

    def setUp(self):
        self.board.reset()
        self.mark = self.upstream.mark()


def earthquake():
    """The demonstration's frames: 29.5 s of quiet, which is that before P, first mirrored and then as it is; P and S;
    and the quiet again, so that the alarm ends soon."""
    with tempfile.TemporaryDirectory() as folder:
        raw = pathlib.Path(folder) / "demo.raw"
        subprocess.run([TOOLS / "onset", "demo", "--raw", raw], check=True, capture_output=True)
        frames = raw.read_bytes()
    quiet = frames[:int(14.5 * RATE) * FRAME_BYTES]
    mirrored = b"".join(quiet[i:i + FRAME_BYTES] for i in range(len(quiet) - FRAME_BYTES, -1, -FRAME_BYTES))
    return mirrored + frames[:32 * RATE * FRAME_BYTES] + quiet


class HealthyBoard(BoardTest):
    def test_earthquake(self):
        """The crystal is 50 ppm fast and the system's clock 50 ms ahead; a pulse a second puts both right."""
        board, upstream, pins = self.board, self.upstream, self.pins
        frames = earthquake()
        (board.share / "earthquake.raw").write_bytes(frames)
        board.machine.set_clock(ahead_s=0.05, error_us=100_000)
        pins.order("pulses one")
        before = board.machine.clock_pair()
        board.play("earthquake.raw")
        board.start()
        health = upstream.health(lambda m: m["clock_source"] == PULSE)
        self.assertEqual(health["clock_state"], LOCKED)
        apart = board.frames_apart()
        self.assertLess(apart, 0, "the player must have been first")

        upstream.wait(lambda m: m["type"] == "alert" and m["level"] == 2)
        closed = pins.wait(RELAY, 1)
        upstream.wait(lambda m: m["type"] == "alert" and m["level"] == 3)
        opened = pins.wait(RELAY, 0, after=closed)
        self.assertEqual(pins.changes(WATCH)[-1][0], 0)
        pong = board.ping()
        self.assertEqual(pong.returncode, 0, pong.stderr)
        self.assertEqual(json_line(pong)["station"], "XX.EMUL..HN")
        self.check_relay_test(opened)

        health = upstream.health(lambda m: m["edges"] >= 62, upstream.mark())
        after = board.machine.clock_pair()
        first, spread = board.frame_clock()
        print("rate", health["clock_rate_ppb"], "offset", health["clock_offset_ns"], "spread", spread, before, after,
              "edges", health["edges"], health["rejected_edges"], health["missed_edges"], "unc", health["clock_uncertainty_ns"])
        self.assertEqual((health["gaps"], health["overruns"], health["clock_state"]), (0, 0, LOCKED))
        self.assertLess(abs(health["clock_rate_ppb"] - CRYSTAL_PPM * 1000), 1000)
        self.check_picks(frames[-apart * FRAME_BYTES:], first - apart * NANOSECONDS_PER_FRAME, before, after)
        beats = [level for level, _ in pins.changes(HEARTBEAT)]
        self.assertGreater(len(beats), 50)
        self.assertEqual(board.stop(), 0)
        self.assertEqual(pins.changes(RELAY)[-1][0], 0)
        self.assertEqual(upstream.refused, [])
        numbers = [m["sequence"] for m in upstream.since(self.mark)]
        self.assertEqual(numbers, list(range(len(numbers))))

    def check_relay_test(self, opened):
        board, pins = self.board, self.pins
        done = board.order("relay_test_seconds", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        tested = pins.wait(RELAY, 1, after=opened)
        pins.wait(RELAY, 0, after=tested)
        pins.order(f"level {INHIBIT} 1")
        # Once a turn of the loop the switch is read.
        refused = board.order("relay_test_seconds", "1")
        self.assertEqual((refused.returncode, json_line(refused)["result"]), (1, "not possible here"))
        pins.order(f"level {INHIBIT} 0")

    def check_picks(self, captured, first, before, after):
        """Each pick's time against when its frame was taken: the same frames, recorded, say which frame is meant."""
        slope = (after[1] - before[1]) / (after[0] - before[0])
        expected = [m for m in self.board.recorded(captured) if m["type"] == "pick"]
        picks = self.upstream.since(self.mark, "pick")
        def identity(pick):
            return pick["id"], pick["phase"], pick["status"]
        self.assertEqual([identity(p) for p in picks], [identity(p) for p in expected])
        self.assertEqual([p["status"] for p in picks if p["phase"] == 1][:2], [1, 2])
        for pick, recorded in zip(picks, expected):
            frame = (recorded["time_ns"] - RECORDING_START_NS) / 125_000
            taken = first + frame * NANOSECONDS_PER_FRAME
            truth = before[1] + (taken - before[0]) * slope
            print("pick", identity(pick), "error us", (pick["time_ns"] - truth) / 1e3)
            self.assertLess(abs(pick["time_ns"] - truth), 2e6)


if __name__ == "__main__":
    if machine.is_missing():
        sentence = f"{machine.QEMU} is not installed; it is in Debian's package qemu-system-arm"
        sys.exit(sentence if os.environ.get("CI") else print(f"test_board.py: skipped: {sentence}"))
    unittest.main(argv=sys.argv[:1] + sys.argv[4:], verbosity=2)
