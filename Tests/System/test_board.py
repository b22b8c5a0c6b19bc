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
from board import CODE, CRYSTAL_PPM, HEARTBEAT, INHIBIT, NANOSECONDS_PER_FRAME, RELAY, WATCH, Board, json_line

ONSETD, TOOLS, FILES = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
FRAME_BYTES, RATE = 12, 8000
RECORDING_START_NS = 1_767_225_600 * 10**9  # 2026-01-01, the beginning of every recording
UNSYNCHRONISED, HOLDOVER, LOCKED = 0, 2, 3
SYSTEM, PULSE = 1, 2
ALARM, CLEAR = 2, 3
PICK_ERROR_NS_MAX, RATE_ERROR_PPM_MAX = 2e6, 1


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
    """The demonstration's frames until just before S: what comes after would hold the alarm for a minute. The quiet
    before P is mirrored and put before it, which makes 29.5 s for the clock to settle, and comes again at the end."""
    with tempfile.TemporaryDirectory() as folder:
        raw = pathlib.Path(folder) / "demo.raw"
        subprocess.run([TOOLS / "onset", "demo", "--raw", raw], check=True, capture_output=True)
        frames = raw.read_bytes()
    quiet = frames[:int(14.5 * RATE) * FRAME_BYTES]
    mirrored = b"".join(quiet[i:i + FRAME_BYTES] for i in range(len(quiet) - FRAME_BYTES, -1, -FRAME_BYTES))
    return mirrored + frames[:int(19.9 * RATE) * FRAME_BYTES] + quiet


def alert(level):
    return lambda m: m["type"] == "alert" and m["level"] == level


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

        warned = upstream.wait(alert(ALARM))
        closed = pins.wait(RELAY, 1)
        upstream.wait(alert(CLEAR))
        opened = pins.wait(RELAY, 0, after=closed)
        pins.wait(WATCH, 0, after=closed)
        pong = board.ping()
        self.assertEqual(pong.returncode, 0, pong.stderr)
        self.assertEqual(json_line(pong)["station"], CODE)
        self.check_relay_test(opened)

        health = upstream.health(lambda m: m["edges"] >= 60, upstream.mark())
        after = board.machine.clock_pair()
        self.assertEqual((health["gaps"], health["overruns"], health["clock_state"]), (0, 0, LOCKED))
        rate_error_ppm = health["clock_rate_ppb"] / 1000 - CRYSTAL_PPM
        self.assertLess(abs(rate_error_ppm), RATE_ERROR_PPM_MAX)
        first, _ = board.frame_clock()
        errors = self.pick_errors(frames[-apart * FRAME_BYTES:], first - apart * NANOSECONDS_PER_FRAME, before, after)
        self.assertLess(max(map(abs, errors)), PICK_ERROR_NS_MAX)
        print(f"picks off by {', '.join(f'{e / 1e6:+.3f}' for e in errors)} ms, rate by {rate_error_ppm:+.2f} ppm; "
              f"relay {(closed - warned['decided_ns']) / 1e6:.1f} ms after the decision; "
              f"{health['edges']} pulses, {health['rejected_edges']} of them rejected", file=sys.stderr)
        self.assertGreater(len(pins.changes(HEARTBEAT)), 50)
        self.assertEqual(board.stop(), 0)
        self.assertEqual(pins.changes(RELAY)[-1][0], 0)
        self.check_stream()

    def check_stream(self):
        """Nothing was lost, nothing doubled, nothing false."""
        self.assertEqual(self.upstream.refused, [])
        numbers = [m["sequence"] for m in self.upstream.since(self.mark)]
        self.assertEqual(numbers, list(range(len(numbers))))

    def check_relay_test(self, opened):
        board, pins = self.board, self.pins
        done = board.order("relay_test_seconds", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        tested = pins.wait(RELAY, 1, after=opened)
        pins.wait(RELAY, 0, after=tested)
        pins.order(f"level {INHIBIT} 1")
        refused = board.order("relay_test_seconds", "1")
        self.assertEqual((refused.returncode, json_line(refused)["result"]), (1, "not possible here"))
        pins.order(f"level {INHIBIT} 0")

    def pick_errors(self, captured, first, before, after):
        """By how many nanoseconds each pick differs from when its frame was taken. Which frame is meant the firmware
        says of the same frames as a recording, where no clock is involved; when it was taken the player knows, by the
        board's clock, whose distance from this machine's UTC was measured before and after."""
        slope = (after[1] - before[1]) / (after[0] - before[0])
        expected = [m for m in self.board.recorded(captured) if m["type"] == "pick"]
        picks = self.upstream.since(self.mark, "pick")
        def identity(pick):
            return pick["id"], pick["phase"], pick["status"]
        self.assertEqual([identity(p) for p in picks], [identity(p) for p in expected])
        self.assertEqual([p["status"] for p in picks if p["phase"] == 1][:2], [1, 2])
        errors = []
        for pick, recorded in zip(picks, expected):
            frame = (recorded["time_ns"] - RECORDING_START_NS) / NANOSECONDS_PER_FRAME
            taken = first + frame * NANOSECONDS_PER_FRAME
            errors.append(pick["time_ns"] - (before[1] + (taken - before[0]) * slope))
        return errors


if __name__ == "__main__":
    if machine.is_missing():
        sentence = f"{machine.QEMU} is not installed; it is in Debian's package qemu-system-arm"
        sys.exit(sentence if os.environ.get("CI") else print(f"test_board.py: skipped: {sentence}"))
    unittest.main(argv=sys.argv[:1] + sys.argv[4:], verbosity=1)
