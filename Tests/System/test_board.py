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
from board import CODE, CRYSTAL_PPM, HEARTBEAT, INHIBIT, NANOSECONDS_PER_FRAME, PPS, RELAY, WATCH, Board, json_line

ONSETD, TOOLS, FILES = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
FRAME_BYTES, RATE, BUFFER_FRAMES = 12, 8000, 8000
RECORDING_START_NS = 1_767_225_600 * 10**9  # 2026-01-01, the beginning of every recording
UNSYNCHRONISED, HOLDOVER, LOCKED = 0, 2, 3
SYSTEM, PULSE = 1, 2
ALARM, CLEAR = 2, 3
PICK_ERROR_NS_MAX, RATE_ERROR_PPM_MAX, PULSES_MAX = 2e6, 1, 150


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


def rate_error_ppm(health):
    return health["clock_rate_ppb"] / 1000 - CRYSTAL_PPM


class HealthyBoard(BoardTest):
    def test_earthquake(self):
        """The crystal is 50 ppm fast and the system's clock 10 ms ahead; a pulse a second puts both right."""
        board, upstream, pins = self.board, self.upstream, self.pins
        frames = earthquake()
        (board.share / "earthquake.raw").write_bytes(frames)
        board.machine.set_clock(ahead_s=0.01, error_us=100_000)
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

        health = self.settled_rate()
        after = board.machine.clock_pair()
        self.assertEqual((health["gaps"], health["overruns"], health["clock_state"]), (0, 0, LOCKED))
        first = board.frame_clock() - apart * NANOSECONDS_PER_FRAME
        errors = self.pick_errors(frames[-apart * FRAME_BYTES:], first, before, after)
        self.assertLess(max(map(abs, errors)), PICK_ERROR_NS_MAX)
        print(f"picks off by {', '.join(f'{e / 1e6:+.3f}' for e in errors)} ms, "
              f"rate by {rate_error_ppm(health):+.2f} ppm; "
              f"relay {(closed - warned['decided_ns']) / 1e6:.1f} ms after the decision; "
              f"{health['edges']} pulses, {health['rejected_edges']} rejected, {pins.left_out()} left out",
              file=sys.stderr)
        self.assertGreater(len(pins.changes(HEARTBEAT)), 50)
        self.assertEqual(board.stop(), 0)
        self.assertEqual(pins.changes(RELAY)[-1][0], 0)
        self.check_stream()

    def settled_rate(self):
        """The first health that knows the rate well. On a busy machine that grants no real-time priority pulses are
        late and left out, and it takes more of them."""
        health, mark = None, self.upstream.mark()
        while health is None or abs(rate_error_ppm(health)) >= RATE_ERROR_PPM_MAX:
            health = self.upstream.health(lambda m: m["edges"] >= 60, mark)
            mark = self.upstream.mark()
            self.assertLess(health["edges"], PULSES_MAX, f"the rate is off by {rate_error_ppm(health):+.2f} ppm")
        return health

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


class FaultyBoard(BoardTest):
    """What goes wrong, one at a time, and what the upstream is told of it."""

    def start(self, pulses="one", environment=""):
        """A station that hears noise; with pulses it is locked to them when this returns."""
        self.board.machine.set_clock()
        self.pins.order(f"pulses {pulses}")
        self.board.play()
        self.board.start(environment)
        source = SYSTEM if pulses == "none" else PULSE
        return self.health(lambda m: m["clock_source"] == source and m["clock_state"] == LOCKED)

    def health(self, wanted=lambda m: True, since=None):
        return self.upstream.health(wanted, self.mark if since is None else since)

    def next_health(self, wanted=lambda m: True):
        return self.health(wanted, self.upstream.mark())

    # The clock

    def test_no_pulse(self):
        health = self.start(pulses="none")
        # The chip remembers one edge from before anybody listened.
        self.assertLessEqual(health["edges"], 1)
        self.assertEqual(health["gaps"], 0)
        self.assertGreaterEqual(health["clock_uncertainty_ns"], 20e6)
        self.assertEqual(self.board.stop(), 0)

    def test_clock_never_set(self):
        self.board.play()
        self.board.start()
        health = self.health()
        self.assertEqual((health["clock_state"], health["clock_source"]), (UNSYNCHRONISED, 0))
        self.assertEqual(health["clock_uncertainty_ns"], 2**32 - 1)
        self.assertEqual(self.board.stop(), 0)

    def test_pulse_lost(self):
        self.start()
        self.pins.order("pulses none")
        first = self.health(lambda m: m["clock_state"] == HOLDOVER)
        second = self.next_health()
        self.assertEqual((second["clock_state"], second["clock_source"]), (HOLDOVER, PULSE))
        # What is still being worked off is stated as well; the rest grows by 1 ppm of the time.
        stated = [m["clock_uncertainty_ns"] - abs(m["clock_offset_ns"]) for m in (first, second)]
        elapsed = second["emitted_ns"] - first["emitted_ns"]
        self.assertAlmostEqual((stated[1] - stated[0]) / elapsed, 1e-6, delta=2e-7)
        self.pins.order("pulses one")
        self.next_health(lambda m: m["clock_state"] == LOCKED)
        self.assertEqual(self.board.stop(), 0)

    def test_missing_and_double_pulses(self):
        self.start(pulses="gaps")
        self.pins.order("pulses double")
        health = self.next_health(lambda m: m["rejected_edges"] >= 3)
        self.assertGreaterEqual(health["missed_edges"], 1)
        self.assertEqual((health["clock_state"], health["clock_source"]), (LOCKED, PULSE))
        self.assertEqual(self.board.stop(), 0)

    def test_clock_steps(self):
        """Where there is no pulse, a step that a time daemon vouches for is followed, but never back."""
        self.start(pulses="none")
        hour = 3600
        self.board.machine.set_clock(ahead_s=hour)
        health = self.next_health(lambda m: m["forward_steps"] == 1)
        self.assertLess(abs(health["received_ns"] + hour * 10**9 - health["emitted_ns"]), 1e9)
        self.board.machine.set_clock()
        health = self.next_health(lambda m: m["refused_backward_steps"] == 1)
        self.assertEqual(health["clock_state"], UNSYNCHRONISED)
        self.assertLess(abs(health["clock_offset_ns"] + hour * 10**9), 1e9)
        self.assertEqual(self.board.stop(), 0)

    def test_clock_steps_beside_a_pulse(self):
        """Whoever vouches for it: the pulse goes on, and the contradiction is stated as long as there is one."""
        self.start()
        for error_us in (-1, 20_000):
            self.board.machine.set_clock(ahead_s=3600, error_us=error_us)
            edges = self.next_health()["edges"]
            health = self.next_health(lambda m: m["edges"] >= edges + 8)
            self.assertEqual((health["clock_state"], health["clock_source"]), (LOCKED, PULSE))
            self.assertEqual((health["forward_steps"], health["refused_backward_steps"]), (0, 0))
            self.assertLess(abs(health["received_ns"] - health["emitted_ns"]), 1e9)
            self.assertEqual(health["clock_uncertainty_ns"] == 2**32 - 1, error_us > 0)
        self.board.machine.set_clock()
        self.next_health(lambda m: m["clock_uncertainty_ns"] < 5e6)
        self.assertEqual(self.board.stop(), 0)

    # The digitizer

    def test_card_vanishes(self):
        self.board.listen_to_notifications()
        self.start(environment="NOTIFY_SOCKET=/run/notify")
        self.health(lambda m: m["state"] & 1)
        self.board.unplug_card()
        self.next_health(lambda m: not m["state"] & 1)
        self.assertIn("the digitizer is gone; trying to open it again", self.board.said())
        fed = len(self.board.notifications())
        self.pins.wait_for_changes(HEARTBEAT, 3)
        self.assertGreater(len(self.board.notifications()), fed, "a loop that runs feeds its watchdog")
        self.board.plug_in_card()
        self.board.play()
        health = self.next_health(lambda m: m["state"] & 1)
        self.assertEqual((health["gaps"], health["reopenings"]), (1, 1))
        self.assertGreater(health["gap_frames"], 2 * RATE)
        self.assertEqual(self.board.stop(), 0)
        self.assertIn("the digitizer is there again", self.board.said())

    def test_overruns_and_watchdog(self):
        """A program that is held up until the card has overrun: each time one overrun, and meanwhile no watchdog fed."""
        self.board.listen_to_notifications()
        self.start(environment="NOTIFY_SOCKET=/run/notify")
        for count in (1, 2, 3):
            self.board.signal("STOP")
            fed = len(self.board.notifications())
            self.board.wait_for_overrun()
            self.assertEqual(len(self.board.notifications()), fed)
            self.board.signal("CONT")
            # A gap is known when the frames after it come.
            health = self.health(lambda m: m["gaps"] == count)
        self.assertEqual((health["overruns"], health["reopenings"], health["forward_steps"]), (3, 0, 0))
        # A buffer each time: nothing of what was held up can be had any more.
        self.assertGreaterEqual(health["gap_frames"], 3 * BUFFER_FRAMES)
        self.assertEqual(self.board.stop(), 0)
        words = [said for _, said in self.board.notifications()]
        self.assertEqual((words[0], words[-1], set(words[1:-1])), ("READY=1", "STOPPING=1", {"WATCHDOG=1"}))

    def test_dead_and_stuck_channels(self):
        self.start(pulses="none")
        self.board.stop_player()
        self.health(lambda m: m["dead_lanes"] == 0b111)
        self.board.play(None, "--stuck 1")
        self.health(lambda m: m["stuck_lanes"] == 0b010)
        self.board.stop_player()
        self.board.play()
        health = self.next_health(lambda m: m["stuck_lanes"] == 0 and m["dead_lanes"] == 0)
        self.assertEqual(health["gaps"], 0)
        self.assertEqual(self.board.stop(), 0)

    # The program's start and end

    def refuse(self, phrase):
        status, said = self.board.refusal()
        self.assertEqual(status, 1, said)
        self.assertIn(phrase, said)
        self.assertEqual(said.count("\n"), 1, said)
        self.assertEqual(self.board.machine.status("ls /run/station/boards/emulated/state/boot-counter")[0], 1)

    def test_lines_taken(self):
        self.board.play()
        for line, section in ((RELAY, "relay"), (HEARTBEAT, "relay"), (PPS, "pps")):
            with self.subTest(line=line):
                self.board.take_line(line)
                self.refuse(f"{section}: line {line} of gpiochip0 cannot be taken (Device or resource busy): "
                            "see gpioinfo for its name and who holds it")
                self.board.release_lines()

    def test_key(self):
        self.board.play()
        key = "/run/station/boards/emulated/station.key"
        self.board.machine.run(f"chmod 604 {key}")
        self.refuse("open to everyone")
        self.board.machine.run(f"rm {key}")
        self.refuse("cannot be read")

    def test_no_card(self):
        self.board.unplug_card()
        self.refuse('device "hw:CARD=Loopback,DEV=1" refuses open')
        self.board.plug_in_card()

    def test_killed_and_started_again(self):
        """A crash leaves the relay where it was; the next start puts it at rest, and repeats no number."""
        self.start()
        ordered = self.board.order("relay_test_seconds", "10")
        self.assertEqual(ordered.returncode, 0, ordered.stderr)
        closed = self.pins.wait(RELAY, 1)
        self.board.kill()
        self.assertEqual(self.pins.changes(RELAY)[-1][0], 1)
        self.board.start()
        self.pins.wait(RELAY, 0, after=closed)
        self.health(lambda m: m["boot"] == 2)
        self.assertEqual(self.board.stop(), 0)
        numbers = [(m["boot"], m["sequence"]) for m in self.upstream.since(self.mark)]
        self.assertEqual(len(numbers), len(set(numbers)))
        self.assertEqual(numbers, sorted(numbers))

    # The network

    def test_upstream_unreachable(self):
        self.start()
        before = self.upstream.since(self.mark)[-1]
        self.board.machine.run("ifconfig eth0 down")
        self.pins.wait_for_changes(HEARTBEAT, 60)  # seconds, in which six health messages are due
        self.board.machine.run("ifconfig eth0 up")
        health = self.next_health()
        lost = health["sequence"] - before["sequence"] - 1
        self.assertGreaterEqual(lost, 5)
        self.assertEqual(health["send_failures"], lost)
        self.assertEqual((health["gaps"], health["clock_state"], health["clock_source"]), (0, LOCKED, PULSE))
        self.assertEqual(self.board.ping().returncode, 0)
        self.assertEqual(self.board.stop(), 0)


class SelfTest(BoardTest):
    """The firmware's self-test, before the station runs: a healthy board, and each fault by name."""

    def prepare(self, pulses="one"):
        self.board.machine.set_clock()
        self.pins.order(f"pulses {pulses}")
        self.board.play()

    def find(self, bad, *options):
        """Exactly these parts are bad, and say so in these words."""
        status, found = self.board.examine(*options)
        said = {part: f["text"] for part, f in found.items() if f["verdict"] == "bad"}
        self.assertEqual(set(said), set(bad), found)
        for part, phrase in bad.items():
            self.assertIn(phrase, said[part])
        self.assertEqual(status, int(bool(bad)))
        return found

    def test_healthy(self):
        self.prepare()
        found = self.find({}, "--relay")
        self.assertEqual({f["verdict"] for f in found.values()}, {"good"}, found)
        self.assertIn("3 channels", found["digitizer"]["text"])
        self.assertIn("a second apart", found["pps"]["text"])
        levels = [level for level, _ in self.pins.changes(RELAY)]
        self.assertEqual(levels[-2:], [1, 0])
        status = self.board.machine.status("ls /run/station/boards/emulated/state/boot-counter")[0]
        self.assertEqual(status, 1, "no boot is used up")

    def test_the_relay_moves_with_consent_alone(self):
        self.prepare()
        before = self.pins.changes(RELAY)
        self.assertEqual(self.find({})["relay"]["verdict"], "skipped")
        self.assertEqual(self.pins.changes(RELAY), before)
        self.pins.order(f"level {INHIBIT} 1")
        self.assertIn("switch is on", self.find({}, "--relay")["relay"]["text"])
        self.assertNotIn(1, [level for level, _ in self.pins.changes(RELAY)[len(before):]])

    def test_pulses(self):
        self.prepare(pulses="none")
        self.find({"pps": "does the receiver see the sky"})
        self.pins.order("pulses double")
        self.find({"pps": "not a second apart"})

    def test_lines_taken(self):
        self.prepare()
        for line, part in ((RELAY, "relay"), (HEARTBEAT, "relay"), (PPS, "pps")):
            with self.subTest(line=line):
                self.board.take_line(line)
                self.find({part: "is held by gpioset"})
                self.board.release_lines()

    def test_channels(self):
        self.prepare()
        self.board.stop_player()
        self.find({part: "nothing but zeros" for part in ("vertical", "north", "east")})
        self.board.play(None, "--stuck 1")
        self.find({"north": "the same value all the time"})

    def test_no_card(self):
        self.prepare()
        self.board.stop_player()
        self.board.unplug_card()
        self.find({"digitizer": "refuses open"})

    def test_clock_never_set(self):
        self.prepare()
        self.board.machine.set_clock(error_us=-1)
        self.find({"clock": "nobody keeps it right"})

    def test_files_and_network(self):
        self.prepare()
        folder = "/run/station/boards/emulated"
        self.board.machine.run(
            f"cd {folder} && chmod 604 station.key && rm -r state && ifconfig eth0 down && "
            "cd ../../calibration/models && mv onset-estimator.onet kept && echo damaged > onset-estimator.onet")
        try:
            self.find({"key": "open to everyone", "disk": "cannot be written", "uplink": "have no way",
                       "estimator": "is not a regular file of 80 bytes"})
        finally:
            self.board.machine.run("cd /run/station/calibration/models && mv kept onset-estimator.onet")

    def test_doctor_of_a_running_station(self):
        self.prepare()
        self.board.start()
        self.upstream.health(lambda m: m["state"] & 1 and m["clock_source"] == PULSE, self.mark)
        status, found = self.board.doctor()
        self.assertEqual(status, 0, found)
        self.assertIn("locked to the pulse", found["clock"]["text"])
        self.board.stop_player()
        self.upstream.health(lambda m: m["dead_lanes"] == 0b111, self.mark)
        status, found = self.board.doctor()
        self.assertEqual((status, found["channels"]["verdict"]), (1, "bad"))
        self.assertEqual(self.board.stop(), 0)


if __name__ == "__main__":
    if machine.is_missing():
        sentence = f"{machine.QEMU} is not installed; it is in Debian's package qemu-system-arm"
        sys.exit(sentence if os.environ.get("CI") else print(f"test_board.py: skipped: {sentence}"))
    unittest.main(argv=sys.argv[:1] + sys.argv[4:], verbosity=1)
