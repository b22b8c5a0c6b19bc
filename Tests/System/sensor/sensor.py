#!/usr/bin/env python3
"""sensor.py CACHE OUT ONSETD TOOLS [TEST...]: digitizers on a board's own pins, in the soak's kernel and in virtual time.

An ADXL355 under the kernel's own driver, sampled by the kernel's own timer; only its registers are memory. It is taken
away, comes back without its settings, and is switched off by somebody else. And an ADS1256 behind the calls that the SPI
bus takes, with the kernel's GPIO lines; it forgets its registers, its data-ready wire is cut, the machine stands still.
An earthquake over each is picked as over a card.
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy as np
from scipy.signal import resample_poly

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(HERE.parent), str(ROOT / "Tests/Golden")]
from receiver import message

CACHE, OUT, ONSETD, TOOLS = (pathlib.Path(argument).resolve() for argument in sys.argv[1:5])
KEY = b"the key of the sensor, 32 bytes."
CARD_RATE, RATE, FINE_RATE, SECONDS = 8000, 125, 1000, 24
# Counts per m/s² of the demonstration's accelerometer, whose full scale of 2 g is 2^31.
CARD_COUNTS = 2684354560.0 * 0.0407886
RECORDING_BEGIN_NS = 1_767_225_600 * 10**9
PULSE, LOCKED = 2, 3
# Of the converter's stand-in.
GAIN, POINTS, SETTLING_MS = 4, 32, 1.18
STEP_NS, PLAYED_S = 10**9 // RATE, 26
LIBRARIES = "usr/lib/x86_64-linux-gnu"
CARD = 'device = "none"\nsample_format = "S32"\nchannels = 3\nperiod_frames = 1\nbuffer_frames = 250'


def run(*command, **more):
    return subprocess.run(command, check=True, **more)


def frames(folder, counts, full_scale, order):
    """The demonstration's earthquake in the sensor's counts, a thousand times a second and without what 125 cannot hold."""
    run(TOOLS / "onset", "demo", "--raw", folder / "demo.raw", capture_output=True)
    raw = np.fromfile(folder / "demo.raw", "<i4").reshape(-1, 3)[8 * CARD_RATE:(8 + SECONDS) * CARD_RATE]
    slow = resample_poly(raw * (counts / CARD_COUNTS), RATE, CARD_RATE)[:, order]
    return np.clip(np.round(resample_poly(slow, FINE_RATE // RATE, 1)), -full_scale, full_scale - 1).astype("<i4")


def replaced(text, *changes):
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


class Sensor(unittest.TestCase):
    """One machine's life, which the tests then look at."""

    @classmethod
    def start(cls, name, frames, board, *card, instrument=None):
        """`card`: what makes the board's file that of a card with the same frames."""
        cls.root = OUT / name
        shutil.rmtree(cls.root, ignore_errors=True)
        station, cls.ground = cls.root / "station", frames
        (station / "state").mkdir(parents=True)
        (station / "board.toml").write_text(board)
        (station / "card.toml").write_text(replaced(board, *card))
        (station / "frames.raw").write_bytes(frames.tobytes())
        (station / "station.key").write_bytes(KEY)
        (station / "station.key").chmod(0o600)
        for file in [*(ROOT / "calibration/models").glob("*.onet"), ONSETD]: shutil.copy(file, station)
        (station / "instrument.toml").write_text(instrument)
        (station / "station.toml").write_text(replaced(
            (ROOT / "boards/emulated/station.toml").read_text(), ('"../../calibration/models/', '"'),
            ("accelerometer.toml", "instrument.toml"), ("10.0.2.2", "127.0.0.1")))
        cls.boot(name)
        cls.out = cls.root / "out"
        cls.messages = list(cls.datagrams((cls.out / "datagrams.bin").read_bytes()))
        cls.began_ns = int((cls.out / "began").read_text())

    @classmethod
    def boot(cls, name):
        root = cls.root
        for folder in ("bin", "dev", "lib64", "modules", "out", "proc", "run", "sys", LIBRARIES):
            (root / folder).mkdir(parents=True)
        (root / "lib").symlink_to("usr/lib")
        shutil.copy(CACHE / "busybox/bin/busybox", root / "bin")
        for applet in "cat echo ifconfig insmod kill ls mkdir mount poweroff sh sleep usleep".split():
            (root / "bin" / applet).symlink_to("busybox")
        shutil.copy(CACHE / "i2c-stub.ko", root / "modules")
        for source, program, *options in (
                (HERE / "ground.c", "ground"), (HERE.parent / "soak/upstream.c", "upstream"),
                (HERE / "converter.c", "converter.so", "-shared", "-fPIC", "-ldl", "-lpthread")):
            run("gcc", "-O2", source, "-o", root / "bin" / program, *options)
        needed = run("ldd", root / "station/onsetd", capture_output=True, text=True).stdout
        for line in needed.splitlines():
            if "=> /" in line: shutil.copy(line.split("=> ")[1].split()[0], root / LIBRARIES)
        shutil.copy("/lib64/ld-linux-x86-64.so.2", root / "lib64")
        shutil.copytree("/usr/share/alsa", root / "usr/share/alsa")
        shutil.copy(HERE / name, root / "init")
        run(CACHE / "linux", "mem=128M", "rootfstype=hostfs", f"rootflags={root}", "rw", "init=/init", "con0=null,fd:1",
            "con=null", "ssl=null", "quiet", "time-travel=inf-cpu", stdin=subprocess.DEVNULL, timeout=300)

    @staticmethod
    def datagrams(data):
        while data:
            found, length = message(data[8:408], KEY)
            yield found
            data = data[8 + length:]

    def over_a_card(self):
        """The picks of the frames that the sensor must have given, from a card: a health message says how many frames there
        were by when, and so at what moment of the ground each was taken."""
        folder = self.root / "station"
        known = next(m for m in self.health() if m["frames"] > 500)
        first_ns = known["emitted_ns"] - known["frames"] * STEP_NS - self.began_ns
        seen = self.seen(first_ns / 1e6 + np.arange(PLAYED_S * RATE) * (STEP_NS / 1e6))
        (folder / "card.raw").write_bytes(np.round(seen).astype("<i4").tobytes())
        run(folder / "onsetd", "--board", folder / "card.toml", "--station", folder / "station.toml",
            "--recording", folder / "card.raw", "--wire", folder / "card.bin")
        rest, found = (folder / "card.bin").read_bytes(), {}
        while rest:
            one, length = message(rest, KEY)
            rest = rest[length:]
            if one["type"] == "pick":
                found.setdefault((one["phase"], one["status"]), one["time_ns"] - RECORDING_BEGIN_NS + first_ns)
        return found

    def health(self): return [m for m in self.messages if m["type"] == "health"]
    def read(self, name): return (self.out / name).read_text()

    def assert_picked_as_from_a_card(self):
        picks, expected = {}, self.over_a_card()
        for m in self.messages:
            if m["type"] == "pick": picks.setdefault((m["phase"], m["status"]), m["time_ns"] - self.began_ns)
        self.assertEqual(picks.keys(), expected.keys())
        self.assertGreaterEqual(len(picks), 3)
        for (phase, status), at in expected.items():
            # Where the time of this S is flat, half a count of rounding moves it by some milliseconds of its own σ of 0.11 s.
            self.assertLessEqual(abs(picks[phase, status] - at), 1_000_000 if phase == 1 else 20_000_000, (picks, expected))
        announced = next(m for m in self.messages if m["type"] == "pick")
        self.assertLess((announced["emitted_ns"] - announced["time_ns"]) * 1e-9, 0.75)

    def assert_no_frame_is_lost_beside_the_gaps(self):
        last = self.health()[-1]
        # From the first health, which says how many there were and when.
        first = next(m for m in self.health() if m["frames"] > 0)
        expected = (last["emitted_ns"] - first["emitted_ns"]) * RATE / 1e9
        counted = last["frames"] + last["gap_frames"] - first["frames"] - first["gap_frames"]
        self.assertLessEqual(abs(counted - expected), 3)

    def assert_ended_in_order(self, losses):
        gone, again = "onsetd: the digitizer is gone; trying to open it again\n", "onsetd: the digitizer is there again\n"
        self.assertEqual(self.read("said"), losses * (gone + again))
        self.assertEqual(self.read("exit"), "0\n")
        self.assertEqual(self.read("init"), "")


class AccelerometerTest(Sensor):
    @classmethod
    def setUpClass(cls):
        board = (ROOT / "boards/adxl355/board.toml").read_text()
        with tempfile.TemporaryDirectory() as folder:
            # East, north, vertical; 256,000 counts a g in 20 bits.
            played = frames(pathlib.Path(folder), 256_000 / 9.80665, 2**19, [2, 1, 0])
        # What is played has been through no filter of the sensor's.
        board = replaced(board, ("delay_microseconds = 12340", "delay_microseconds = 0"),
                         ('device = "adxl355"', 'device = "adxl355"\ntrigger = "onset"'))
        cls.start("adxl355", played, board, ('kind = "iio"', CARD), ('device = "adxl355"\ntrigger = "onset"', ""),
                  ('channel_names = "accel_x,accel_y,accel_z"', ""),
                  instrument=(ROOT / "calibration/instruments/adxl355.toml").read_text())

    def seen(self, milliseconds):
        """The registers have the ground of the last whole millisecond."""
        at = np.floor(milliseconds).astype(int)
        return self.ground[np.clip(at, 0, len(self.ground) - 1)]

    def test_the_station_says_what_happened_and_ends_in_order(self): self.assert_ended_in_order(2)

    def test_it_sets_the_device_up_and_the_doctor_hears_it(self):
        self.assertRegex(self.read("doctor"), r"good +digitizer +3 channels, \d+ frames")

    def test_an_earthquake_is_picked_as_from_a_card(self):
        self.assert_picked_as_from_a_card()

    def test_the_kernels_own_pulse_is_heard(self):
        # By a timer that has ticks of a hundredth of a second, and comes some of them late.
        self.assertRegex(self.read("pulse"), r"pps +[3-6] edges of /dev/pps0, not a second apart \([1-9]\d ms off\)")

    def test_it_is_found_again_and_set_up_anew(self):
        self.assertIn("No such file", self.read("away"))
        last = self.health()[-1]
        self.assertEqual((last["reopenings"], last["gaps"], last["short_reads"]), (2, 2, 0))
        # This kernel ends the second line with a zero.
        self.assertEqual(self.read("after").rstrip("\0"), "1\nmonotonic\n")

    def test_no_frame_is_lost_beside_the_gaps(self): self.assert_no_frame_is_lost_beside_the_gaps()


class ConverterTest(Sensor):
    @classmethod
    def setUpClass(cls):
        board = (ROOT / "boards/ads1256/board.toml").read_text()
        with tempfile.TemporaryDirectory() as folder:
            # A million counts per m/s², at an amplifier's gain of four.
            played = frames(pathlib.Path(folder), 250_000, 2**21, [0, 1, 2])
        board = replaced(board, ('"gpiochip0"', '"board-gpio"'), ("line = 17", "line = 3"),
                         ("amplifier_gain = 64", f"amplifier_gain = {GAIN}")) + '\n[pps]\ndevice = "/dev/pps0"\n'
        drop = [(line, "") for line in board.splitlines()
                if line.startswith(("device = \"/dev/spi", "data_ready", "channel_inputs", "amplifier", "input_buffer"))]
        cls.start("ads1256", played, board, ('kind = "ads1256"', CARD), *drop,
                  instrument=replaced((ROOT / "calibration/instruments/adxl355.toml").read_text(),
                                      ("26104.73", "1000000.0")))

    def seen(self, milliseconds):
        """What a conversion hears is the mean of its 1.18 ms; north and east are heard 2 and 4 ms after the vertical."""
        points = (np.arange(POINTS) + 0.5) / POINTS * SETTLING_MS - SETTLING_MS / 2
        def lane(channel):
            at = milliseconds[:, None] + 2 * channel + points
            heard = np.interp(at, np.arange(len(self.ground)), self.ground[:, channel], left=0, right=0)
            return np.trunc(GAIN * heard.mean(1))
        return np.stack([lane(channel) for channel in range(3)], 1)

    def test_the_doctor_says_who_answers(self):
        self.assertRegex(self.read("mute"), r"BAD +digitizer +digitizer: nobody answers on /dev/spidev0.0: are DIN")
        self.assertRegex(self.read("doctor"), r"good +digitizer +3 channels, \d+ frames, channel after channel 2 ms apart, "
                                              r"rate off by -?0\.\d+ ppm")

    def test_an_earthquake_is_picked_as_from_a_card(self):
        self.assert_picked_as_from_a_card()

    def test_a_pulse_device_is_the_clock_whatever_the_machines_clock_is_set_to(self):
        locked = [m for m in self.health() if m["clock_source"] == PULSE]
        self.assertGreater(len(locked), 3)
        self.assertLess(locked[0]["emitted_ns"], self.began_ns + 10 * 10**9)
        before = [m["clock_uncertainty_ns"] for m in locked if m["gaps"] == 0]
        self.assertLess(max(before), 10_000)
        self.assertEqual({m["clock_state"] for m in locked}, {LOCKED})
        after = [m for m in self.health() if m["emitted_ns"] > self.began_ns + 11 * 10**9]
        self.assertEqual({m["clock_source"] for m in after}, {PULSE})
        # The edge before the clock was set.
        self.assertEqual(after[0]["missed_edges"], 1)

    def test_a_supply_that_drops_and_a_wire_that_is_cut(self):
        last = self.health()[-1]
        # While the wire is off the converter answers, is set up anew, and has no conversion.
        self.assert_ended_in_order(last["reopenings"])
        self.assertIn(last["reopenings"], (2, 3))
        self.assert_no_frame_is_lost_beside_the_gaps()

    def test_a_machine_that_stands_still_loses_frames_of_their_number(self):
        stood = next(m for m in self.health() if m["gaps"] > 0)
        # Those of a quarter of a second, and the one that was under way.
        self.assertIn(stood["gap_frames"], (31, 32, 33))
        self.assertEqual(stood["reopenings"], 0)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[5:]], verbosity=2)
