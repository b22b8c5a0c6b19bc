#!/usr/bin/env python3
"""test_board.py ONSETD TOOLS FILES [CASE…]: the AArch64 firmware on an emulated board, watched from outside.

A stock Debian kernel in QEMU, real libasound, libgpiod and sockets; the tests give the pulse per second, watch relay
and lamps, receive the datagrams, and break things. ONSETD is the firmware, TOOLS a folder with `onset`, FILES what
board/prepare.sh made. Nothing waits for a fixed time: every wait ends with what it waits for.
"""
import functools
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "board"))
import machine
from board import CODE, CRYSTAL_PPM, HEARTBEAT, NANOSECONDS_PER_FRAME, PPS, RELAY, ROOT, STATE, WATCH, Board, TimeServer, json_line

ONSETD, TOOLS, FILES = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
FRAME_BYTES, RATE, BUFFER_FRAMES = 12, 8000, 8000
RECORDING_START_NS = 1_767_225_600 * 10**9  # 2026-01-01, the beginning of every recording
UNSYNCHRONISED, HOLDOVER, LOCKED = 0, 2, 3
SYSTEM, PULSE = 1, 2
TAKEN = 2  # what becomes of edges that chrony is to have
ALARM, CLEAR = 2, 3
BLIND, RESTORED = 9, 10  # why an alert was told
AT_REST, ACTUATED = 1, 2  # where it says that the relay stands
IS_BLIND = 3  # the alarm's state in health
LATCHED, LOSES_STATE, CALIBRATION_EXPIRED = 1, 2, 8  # bits of keeping and estimate_flags
INHIBITED, NOT_LIVE = 4, 32  # why health says that the station is not armed
TRIGGER_RATIO, RELEASE = 1, 11  # numbers of parameters
HOLD_NS = 5 * 10**9  # boards/emulated/station.toml
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
        self.begun = self.pins.now()
        self.mark = self.upstream.mark()

    def closed(self, after=None):
        """When the relay closed, in this case or after something in it."""
        return self.pins.wait(RELAY, 1, after=self.begun if after is None else after)

    def opened(self, after):
        return self.pins.wait(RELAY, 0, after=after)

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


@functools.cache
def demonstration():
    with tempfile.TemporaryDirectory() as folder:
        raw = pathlib.Path(folder) / "demo.raw"
        subprocess.run([TOOLS / "onset", "demo", "--raw", raw], check=True, capture_output=True)
        return raw.read_bytes()


def short_earthquake():
    """The demonstration's frames until just before S: what comes after would hold the alarm for a minute."""
    return demonstration()[:int(19.9 * RATE) * FRAME_BYTES]


def earthquake():
    """The quiet before P is mirrored and put before it, which makes 29.5 s for the clock to settle, and comes again at
    the end."""
    quiet = demonstration()[:int(14.5 * RATE) * FRAME_BYTES]
    mirrored = b"".join(quiet[i:i + FRAME_BYTES] for i in range(len(quiet) - FRAME_BYTES, -1, -FRAME_BYTES))
    return mirrored + short_earthquake() + quiet


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
        self.assertLess(max(map(abs, errors)), PICK_ERROR_NS_MAX, f"picks off by {errors} ns")
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
        board.open_switch()
        refused = board.order("relay_test_seconds", "1")
        self.assertEqual((refused.returncode, json_line(refused)["result"]), (1, "not possible here"))
        board.close_switch()


class RunningBoard(BoardTest):
    """A board whose station is started by each case in its own way."""

    def start(self, pulses="one", environment="", frames=None):
        """A station that hears noise; with pulses it is locked to them when this returns."""
        self.board.machine.set_clock()
        self.pins.order(f"pulses {pulses}")
        self.board.play(frames)
        self.board.start(environment)
        source = SYSTEM if pulses == "none" else PULSE
        return self.health(lambda m: m["clock_source"] == source and m["clock_state"] == LOCKED)

    def health(self, wanted=lambda m: True, since=None):
        return self.upstream.health(wanted, self.mark if since is None else since)

    def next_health(self, wanted=lambda m: True):
        return self.health(wanted, self.upstream.mark())


class TimedBoard(RunningBoard):
    """What sources of time are worth: how far picks are off, in UTC."""

    def play_earthquake(self, source, environment=""):
        """How many frames are missing at its beginning, once the station has this source."""
        (self.board.share / "earthquake.raw").write_bytes(earthquake())
        self.board.play("earthquake.raw")
        self.board.start(environment)
        self.health(lambda m: m["clock_source"] == source and m["clock_state"] == LOCKED)
        return self.board.frames_apart()

    def picks_off(self, source, apart, before, after):
        self.assertEqual(self.health()["gaps"], 0)
        first = self.board.frame_clock() - apart * NANOSECONDS_PER_FRAME
        errors = self.pick_errors(earthquake()[-apart * FRAME_BYTES:], first, before, after)
        print(f"{source}: picks off by {', '.join(f'{e / 1e6:+.3f}' for e in errors)} ms", file=sys.stderr)
        self.assertLess(max(map(abs, errors)), PICK_ERROR_NS_MAX)
        self.assertEqual(self.board.stop(), 0)

    def test_a_pulse_device(self):
        """As on the station's own line, though the kernel dates its edges on a clock that is 10 ms ahead."""
        board = self.board
        board.machine.set_clock(ahead_s=0.01, error_us=100_000)
        board.change("board.toml", 'chip = "gpiochip0"      # the PL061, the only one\nline = 0\nedge = "rising"\n',
                     'device = "/dev/pps0"\n')
        self.pins.order("pulses one")
        before = board.machine.clock_pair()
        apart = self.play_earthquake(PULSE, "LD_PRELOAD=pps.so")
        self.upstream.wait(alert(CLEAR), self.mark)
        self.picks_off("a pulse device", apart, before, board.machine.clock_pair())

    def test_the_machines_clock(self):
        """What the station adds to its error: against that clock itself."""
        offset = self.board.machine.set_clock()
        apart = self.play_earthquake(SYSTEM)
        self.upstream.wait(alert(CLEAR), self.mark)
        self.picks_off("the machine's clock", apart, (0, offset), (1, 1 + offset))

    def test_chrony_by_a_lopsided_way_and_by_our_edges(self):
        """The way back from the time server takes 40 ms more than the way there, half of which is chrony's error. It
        states that, and so does the station. Edges of the station's own pulse put it right."""
        board, machine = self.board, self.board.machine
        server = TimeServer(longer_s=0.04)
        machine.set_clock(error_us=-1)
        board.keep_time(f"server 10.0.2.2 port {server.port} iburst minpoll 0 maxpoll 0",
                        "refclock SOCK /run/chrony.sock refid ONST poll 0 filter 4")
        board.change("board.toml", "[pps]\n", '[pps]\nchrony_socket = "/run/chrony.sock"\n')
        board.play()
        board.start()
        self.health(lambda m: m["time_stratum"] == 2 and m["clock_source"] == SYSTEM and m["root_distance_us"] >= 20_000)
        by_network, resolution = machine.clock_ahead()
        self.assertAlmostEqual(by_network / 1e6, -20, delta=10)
        self.pins.order("pulses one")
        # chrony goes over to them at a tenth of a second a second, which no pulse of the station's does.
        health = self.health(lambda m: m["time_reference"] == int.from_bytes(b"ONST", "big") and m["time_stratum"] == 1
                             and m["pulse_feed"] == TAKEN and m["clock_source"] == PULSE)
        while abs((by_edges := machine.clock_ahead())[0]) > 1e6:
            self.assertLess(self.next_health()["edges"], PULSES_MAX, f"the clock is {by_edges[0] / 1e6:+.3f} ms ahead")
        print(f"the machine's clock is off by {by_network / 1e6:+.3f} ms by the network, "
              f"{by_edges[0] / 1e6:+.3f} ms by our edges (known to {max(resolution, by_edges[1]) / 1e6:.3f} ms); "
              f"{health['root_distance_us'] / 1e3:.3f} ms stated", file=sys.stderr)
        self.assertEqual(board.stop(), 0)


class FaultyBoard(RunningBoard):
    """What goes wrong, one at a time, and what the upstream is told of it."""

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

    def test_clock_kept_by_timesyncd(self):
        """It states no error: that is none that a pulse would have to fear, and not one of zero."""
        self.start()
        self.board.machine.set_clock(error_us=0)
        edges = self.next_health()["edges"]
        health = self.next_health(lambda m: m["edges"] >= edges + 8)
        self.assertEqual((health["clock_state"], health["clock_source"]), (LOCKED, PULSE))
        self.assertLess(health["clock_uncertainty_ns"], 5e6)
        self.pins.order("pulses none")
        self.assertEqual(self.board.stop(), 0)
        found = self.board.examine()[1]["clock"]
        self.assertEqual(found["verdict"], "doubtful")
        self.assertIn("Install chrony", found["text"])
        self.mark = self.upstream.mark()
        self.board.start()
        health = self.health(lambda m: (m["clock_state"], m["clock_source"]) == (LOCKED, SYSTEM))
        self.assertGreaterEqual(health["clock_uncertainty_ns"], 50e6)
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
        self.assertEqual((words[0], words[-1], set(words[1:-1])), ("READY=1", "STOPPING=1", {"WATCHDOG=1 STATUS=no alarm stands"}))

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
        closed = self.closed()
        boot = self.health()["boot"]
        self.board.kill()
        self.assertEqual(self.pins.changes(RELAY)[-1][0], 1)
        self.board.start()
        self.opened(closed)
        self.health(lambda m: m["boot"] > boot)
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


class AlarmingBoard(RunningBoard):
    """An alarm, and what goes wrong meanwhile: where the relay is left, and who says so."""

    def start_shaking(self):
        """A station that hears noise for a quarter of a minute, and then a P whose amplitude alone is an alarm's."""
        (self.board.share / "short.raw").write_bytes(short_earthquake())
        return self.start("none", frames="short.raw")

    def start_standing(self, **options):
        """A station that finds a latched alarm standing."""
        self.board.leave_alarm_standing()
        rested = self.pins.now()
        health = self.start("none", **options)
        return health, self.closed_again(rested)

    def closed_again(self, after):
        """A latched alarm was restored: the relay is closed, and the upstream told so."""
        mark = self.mark
        closed = self.closed(after)
        told = self.upstream.wait(alert(ALARM), mark)
        self.assertEqual((told["reason"], told["relay"]), (RESTORED, ACTUATED))
        return closed

    def level(self):
        return self.pins.changes(RELAY)[-1][0]

    def start_again(self):
        self.mark = self.upstream.mark()
        rested = self.pins.now()
        self.assertEqual(self.level(), 0, "until the station runs again, nothing closes the relay")
        self.board.start()
        return self.closed_again(rested)

    def release(self):
        released = self.board.order("release")
        self.assertEqual(released.returncode, 0, released.stderr)

    def doctor(self, part):
        return self.board.doctor()[1][part]

    # What is lost during an alarm

    def test_card_lost_during_an_alarm(self):
        """Nobody is told that it is over when nobody sees: the relay is held as long as an alarm is at least."""
        self.start_shaking()
        warned = self.upstream.wait(alert(ALARM), self.mark)
        closed = self.closed()
        self.board.unplug_card()
        blind = self.health(lambda m: m["alarm_state"] == IS_BLIND)
        self.assertEqual(blind["relay"], ACTUATED)
        self.assertTrue(blind["incapacity"] & NOT_LIVE)
        told = self.upstream.wait(alert(CLEAR), self.mark)
        self.opened(closed)
        self.assertEqual((told["reason"], told["relay"]), (BLIND, AT_REST))
        self.assertGreaterEqual(told["decided_ns"] - warned["decided_ns"], HOLD_NS)
        self.assertEqual(self.board.stop(), 0)

    def test_killed_while_an_alarm_is_latched(self):
        """What the service manager runs afterwards opens the relay; so does a start that is refused for whatever else;
        a start that is right closes it again, until somebody releases it."""
        board, pins = self.board, self.pins
        board.change("station.toml", "[alarm]\n", "[alarm]\nlatch = true\n")
        self.start_shaking()
        closed = self.closed()
        board.machine.run(f"while ! grep -q 2 {STATE}/latch; do usleep 20000; done")
        board.kill()
        self.assertEqual(self.level(), 1, "a crash leaves the line as it was")
        board.change("board.toml", "period_frames", "period_frame")
        self.assertEqual(board.rest(), (0, ""))
        self.opened(closed)
        board.change("board.toml", "period_frame", "period_frames")
        closed = self.start_again()
        board.kill()
        self.assertEqual(self.level(), 1)
        board.machine.run("mv /run/station/boards/emulated/station.key /run/kept")
        status, said = board.refusal()
        self.assertEqual(status, 1, said)
        self.assertIn("cannot be read", said)
        self.opened(closed)
        board.machine.run("mv /run/kept /run/station/boards/emulated/station.key")
        closed = self.start_again()
        self.assertIn("the picker settles", self.doctor("alarm")["text"])
        self.assertIn("actuated; an alarm stands: look", self.doctor("relay")["text"])
        self.release()
        self.opened(closed)
        board.machine.run(f"while grep -q 2 {STATE}/latch; do usleep 20000; done")
        self.assertEqual(board.stop(), 0)
        self.mark = self.upstream.mark()
        board.start()
        self.assertEqual(self.health()["alarm_state"], 0)
        self.assertEqual(board.stop(), 0)
        self.assertEqual(self.level(), 0)

    def test_clock_starts_anew_while_an_alarm_is_latched(self):
        """The clock was ahead at the start and is put right: only a new start can follow."""
        board, pins = self.board, self.pins
        board.leave_alarm_standing()
        board.machine.set_clock(ahead_s=3600, error_us=-1)
        board.play()
        board.start()
        closed = self.closed_again(self.begun)
        board.machine.set_clock()
        self.assertEqual(board.ended(), 1)
        self.assertIn("starting anew is the way to follow it", board.said())
        self.opened(closed)
        self.start_again()
        health = self.health()
        self.assertLess(abs(health["received_ns"] - health["emitted_ns"]), 1e9)
        self.assertEqual(board.stop(), 0)

    # The relay's line and its switch

    def test_fail_safe_is_actuated(self):
        """At rest while the station runs, actuated when it does not, unless somebody inhibits it."""
        board, pins = self.board, self.pins
        board.change("board.toml", 'fail_safe = "released"', 'fail_safe = "actuated"')
        self.start("none")
        opened = self.opened(self.begun)
        self.assertEqual(self.health()["relay"], AT_REST)
        self.assertEqual(board.stop(), 0)
        closed = self.closed(opened)
        board.open_switch()
        self.assertEqual(board.rest(), (0, ""))
        self.opened(closed)
        changes = len(pins.changes(RELAY))
        self.mark = self.upstream.mark()
        board.start()
        self.assertTrue(self.health()["incapacity"] & INHIBITED)
        self.assertEqual(board.stop(), 0)
        self.assertEqual(len(pins.changes(RELAY)), changes, "what is inhibited does not move")

    def test_inhibiting_wire_is_cut(self):
        """A cut wire is a switch that is on: the relay opens and stays open, alerts go on, and the station says that it
        is not armed."""
        board, pins = self.board, self.pins
        _, closed = self.start_standing()
        self.health(lambda m: m["incapacity"] == 0)
        found = self.doctor("alarm")
        self.assertTrue(found["text"].startswith("armed, "), found)
        board.open_switch()
        opened = self.opened(closed)
        health = self.next_health(lambda m: m["incapacity"] == INHIBITED)
        self.assertEqual(health["relay"], AT_REST)
        found = self.doctor("alarm")
        self.assertEqual(found["verdict"], "bad")
        self.assertTrue(found["text"].startswith("NOT armed, because "), found)
        self.assertIn("its wire is cut", found["text"])
        board.close_switch()
        self.closed(opened)
        self.next_health(lambda m: m["incapacity"] == 0)
        self.assertEqual(board.stop(), 0)

    # The sensor

    def test_calibration_has_run_out(self):
        """A sensor does not stop on a day: the alarm comes, what is estimated is marked, and the doctor warns."""
        self.board.change("accelerometer.toml", 'valid_until = "2099-12-31"', 'valid_until = "2026-01-02"')
        self.start_shaking()
        health = self.health(lambda m: m["incapacity"] == 0)
        self.assertLess(health["calibration_days"], 0)
        found = self.doctor("calibration")
        self.assertEqual(found["verdict"], "bad")
        self.assertIn("ran out", found["text"])
        self.upstream.wait(alert(ALARM), self.mark)
        self.closed()
        estimates = self.upstream.since(self.mark, "estimate")
        self.assertTrue(estimates)
        self.assertTrue(all(m["estimate_flags"] & CALIBRATION_EXPIRED for m in estimates))
        self.assertEqual(self.board.stop(), 0)

    # The disk

    def test_state_is_read_only(self):
        """The station starts, picks, answers and obeys, and says that nothing is kept."""
        board = self.board
        board.machine.run(f"mount -t tmpfs state {STATE} && mount -o remount,ro {STATE}")
        health = self.start_shaking()
        self.assertTrue(health["keeping"] & LOSES_STATE)
        self.assertEqual(health["boot"], 1, "where nothing counts boots each has an epoch of its own")
        epoch = health["epoch"]
        self.assertIn("it goes on without, and health says so", board.said())
        self.assertEqual(board.ping().returncode, 0)
        done = board.order("trigger_ratio", "5")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = self.doctor("state")
        self.assertEqual(found["verdict"], "bad")
        self.assertIn("does not take what a restart needs", found["text"])
        self.upstream.wait(lambda m: m["type"] == "pick", self.mark)
        self.closed()
        self.assertEqual(board.stop(), 0)
        mark = self.upstream.mark()
        board.start()
        self.assertNotEqual(self.upstream.health(mark=mark)["epoch"], epoch)
        self.assertEqual(board.stop(), 0)

    def test_disk_is_full(self):
        board = self.board
        board.machine.run(f"mount -t tmpfs -o size=512k state {STATE} && "
                          f"! cat /dev/zero > {STATE}/full 2> /dev/null")
        health = self.start(pulses="none")
        self.assertTrue(health["keeping"] & LOSES_STATE)
        board.machine.run(f"rm {STATE}/full")
        done = board.order("trigger_ratio", "5")
        self.assertEqual(done.returncode, 0, done.stderr)
        # This boot has a name that the disk does not have: only a start ends that.
        self.assertTrue(self.next_health()["keeping"] & LOSES_STATE)
        self.assertEqual(board.stop(), 0)
        mark = self.upstream.mark()
        board.start()
        self.assertFalse(self.upstream.health(mark=mark)["keeping"] & LOSES_STATE)
        self.assertEqual(board.stop(), 0)

    def test_disk_stalls_during_an_alarm(self):
        """The kernel lets nobody write to it: the loop goes on, and operators are obeyed."""
        board, pins = self.board, self.pins
        board.put_state_on_a_disk()
        board.listen_to_notifications()
        _, closed = self.start_standing(environment="NOTIFY_SOCKET=/run/notify")
        board.machine.run(f"fsfreeze --freeze {STATE}")
        released = board.order("release")
        self.assertEqual(released.returncode, 0, released.stderr)
        self.opened(closed)
        fed = len(board.notifications())
        set_now = board.order("trigger_ratio", "5")
        self.assertEqual(set_now.returncode, 0, set_now.stderr)
        for parameter in (RELEASE, TRIGGER_RATIO):
            done = self.upstream.wait(lambda m: m.get("parameter") == parameter, self.mark)
            self.assertEqual((done["type"], done["result"]), ("audit", 1))
        pins.wait_for_changes(HEARTBEAT, 5)
        self.assertGreaterEqual(len(board.notifications()), fed + 5, "a loop that runs feeds its watchdog")
        board.machine.run(f"fsfreeze --unfreeze {STATE}")
        health = self.next_health()
        self.assertEqual((health["gaps"], health["keeping"]), (0, LATCHED))
        self.assertEqual(board.stop(), 0)
        self.assertFalse(board.is_alarm_stored())


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
        # All of this board is in memory.
        self.assertEqual({part for part, f in found.items() if f["verdict"] != "good"}, {"state"}, found)
        self.assertIn("the state folder is in memory (tmpfs)", found["state"]["text"])
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
        self.board.open_switch()
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


class FailureTable(unittest.TestCase):
    """What boards/emulated/README.md says of each failure, a case proves."""

    def test_every_case_exists(self):
        lines = (ROOT / "boards/emulated/README.md").read_text().splitlines()
        cases = {case for line in lines if line.startswith("|") for case in re.findall(r"`(\w+)\.(test_\w+)`", line)}
        self.assertGreater(len(cases), 15)
        programs = [ROOT / "Tests/System" / name for name in ("test_board.py", "test_firmware.py")]
        text = "\n".join(program.read_text() for program in programs)
        bodies = dict(re.findall(r"^class (\w+)\(.*?\):\n(.*?)(?=^\S)", text, re.MULTILINE | re.DOTALL))
        for group, case in sorted(cases):
            self.assertIn(f"    def {case}(self):", bodies.get(group, ""), f"{group} should have {case}")


if __name__ == "__main__":
    if machine.is_missing():
        sentence = f"{machine.QEMU} is not installed; it is in Debian's package qemu-system-arm"
        sys.exit(sentence if os.environ.get("CI") else print(f"test_board.py: skipped: {sentence}"))
    # The clocks of an emulated board are as steady as the machine under it: what failed is tried once more, alone,
    # and said.
    names = sys.argv[4:]
    first = unittest.main(argv=sys.argv[:1] + names, verbosity=1, exit=False).result
    failed = [case.id().removeprefix("__main__.") for case, _ in first.failures + first.errors]
    if 0 < len(failed) <= 2:
        print(f"once more: {', '.join(failed)}", file=sys.stderr)
        unittest.main(argv=sys.argv[:1] + failed, verbosity=1)
    sys.exit(bool(failed))
