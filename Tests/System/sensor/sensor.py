#!/usr/bin/env python3
"""sensor.py CACHE OUT ONSETD TOOLS: an ADXL355 under the kernel's own driver, sampled by the kernel's own timer.

The machine is the soak's, in virtual time; only the sensor's registers are memory. An earthquake over it is picked as
over a card; the sensor is taken away, comes back without its settings, and is switched off by somebody else.
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
# Of the demonstration's accelerometer, whose full scale of 2 g is 2^31, and of the ADXL355.
CARD_COUNTS, SENSOR_COUNTS = 2684354560.0 * 0.0407886, 256_000 / 9.80665
RECORDING_BEGIN_NS = 1_767_225_600 * 10**9
CONFIRMED = 2
LIBRARIES = "usr/lib/x86_64-linux-gnu"


def run(*command, **more):
    return subprocess.run(command, check=True, **more)


def frames(folder):
    """The demonstration's earthquake, as the sensor gives it: 125 a second, and the same a thousand times a second."""
    run(TOOLS / "onset", "demo", "--raw", folder / "demo.raw", capture_output=True)
    raw = np.fromfile(folder / "demo.raw", "<i4").reshape(-1, 3)[8 * CARD_RATE:(8 + SECONDS) * CARD_RATE]
    slow = resample_poly(raw * (SENSOR_COUNTS / CARD_COUNTS), RATE, CARD_RATE)
    vertical, north, east = (np.clip(np.round(lane), -2**19, 2**19 - 1) for lane in slow.T)
    slow = np.stack([east, north, vertical], 1)
    fine = resample_poly(slow, FINE_RATE // RATE, 1)
    return slow.astype("<i4"), np.clip(np.round(fine), -2**19, 2**19 - 1).astype("<i4")


def boards(folder):
    text = (ROOT / "boards/adxl355/board.toml").read_text()
    # What was played has been through no filter of the sensor's.
    text = text.replace("delay_microseconds = 12340", "delay_microseconds = 0")
    (folder / "board.toml").write_text(text.replace('device = "adxl355"', 'device = "adxl355"\ntrigger = "onset"'))
    card = 'device = "none"\nsample_format = "S32"\nchannels = 3\nperiod_frames = 1\nbuffer_frames = 250'
    names = 'channel_names = "accel_x,accel_y,accel_z"'
    (folder / "card.toml").write_text(
        text.replace('kind = "iio"', "").replace('device = "adxl355"', card).replace(names, ""))


def station(folder):
    (folder / "state").mkdir(parents=True)
    (folder / "station.key").write_bytes(KEY)
    (folder / "station.key").chmod(0o600)
    for file in [*(ROOT / "calibration/models").glob("*.onet"), ROOT / "calibration/instruments/adxl355.toml", ONSETD]:
        shutil.copy(file, folder)
    text = (ROOT / "boards/emulated/station.toml").read_text()
    for old, new in (('"../../calibration/models/', '"'), ("accelerometer.toml", "adxl355.toml"), ("10.0.2.2", "127.0.0.1")):
        assert old in text
        text = text.replace(old, new)
    (folder / "station.toml").write_text(text)
    boards(folder)


def boot(root):
    for folder in ("bin", "dev", "lib64", "modules", "out", "proc", "run", "sys", LIBRARIES):
        (root / folder).mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    shutil.copy(CACHE / "busybox/bin/busybox", root / "bin")
    for applet in "cat echo ifconfig insmod kill ls mkdir mount poweroff sh sleep".split():
        (root / "bin" / applet).symlink_to("busybox")
    shutil.copy(CACHE / "i2c-stub.ko", root / "modules")
    for source, program in ((HERE / "ground.c", "ground"), (HERE.parent / "soak/upstream.c", "upstream")):
        run("gcc", "-O2", source, "-o", root / "bin" / program)
    needed = run("ldd", root / "station/onsetd", capture_output=True, text=True).stdout
    for line in needed.splitlines():
        if "=> /" in line: shutil.copy(line.split("=> ")[1].split()[0], root / LIBRARIES)
    shutil.copy("/lib64/ld-linux-x86-64.so.2", root / "lib64")
    shutil.copytree("/usr/share/alsa", root / "usr/share/alsa")
    shutil.copy(HERE / "init", root / "init")
    run(CACHE / "linux", "mem=128M", "rootfstype=hostfs", f"rootflags={root}", "rw", "init=/init", "con0=null,fd:1",
        "con=null", "ssl=null", "quiet", "time-travel=inf-cpu", stdin=subprocess.DEVNULL, timeout=300)


class SensorTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        root = OUT / "root"
        shutil.rmtree(root, ignore_errors=True)
        station(root / "station")
        with tempfile.TemporaryDirectory() as temporary:
            slow, fine = frames(pathlib.Path(temporary))
        (root / "station/frames.raw").write_bytes(fine.tobytes())
        cls.expected = cls.card(root / "station", slow)
        boot(root)
        cls.out = root / "out"
        cls.messages = [found | {"came_ns": came} for came, found in cls.datagrams((cls.out / "datagrams.bin").read_bytes())]
        cls.began_ns = int((cls.out / "began").read_text())

    @staticmethod
    def datagrams(data):
        while data:
            found, length = message(data[8:408], KEY)
            yield int.from_bytes(data[:8], "little"), found
            data = data[8 + length:]

    @staticmethod
    def card(folder, slow):
        """The picks of the same frames from a card: nanoseconds after the first."""
        (folder / "slow.raw").write_bytes(slow.tobytes())
        run(folder / "onsetd", "--board", folder / "card.toml", "--station", folder / "station.toml",
            "--recording", folder / "slow.raw", "--wire", folder / "slow.bin")
        rest, found = (folder / "slow.bin").read_bytes(), {}
        while rest:
            one, length = message(rest, KEY)
            rest = rest[length:]
            if one["type"] == "pick":
                found.setdefault((one["phase"], one["status"]), one["time_ns"] - RECORDING_BEGIN_NS)
        return found

    def health(self): return [m for m in self.messages if m["type"] == "health"]

    def test_the_station_says_what_happened_and_ends_in_order(self):
        gone, again = "onsetd: the digitizer is gone; trying to open it again\n", "onsetd: the digitizer is there again\n"
        self.assertEqual((self.out / "said").read_text(), 2 * (gone + again))
        self.assertEqual((self.out / "exit").read_text(), "0\n")
        self.assertEqual((self.out / "init").read_text(), "")

    def test_it_sets_the_device_up_and_the_doctor_hears_it(self):
        said = (self.out / "doctor").read_text()
        self.assertRegex(said, r"good +digitizer +3 channels, \d+ frames")

    def test_an_earthquake_is_picked_as_from_a_card(self):
        picks = {}
        for m in self.messages:
            if m["type"] == "pick": picks.setdefault((m["phase"], m["status"]), m["time_ns"] - self.began_ns)
        self.assertEqual(picks.keys(), self.expected.keys())
        for (phase, status), at in self.expected.items():
            # The ground moves in steps of a millisecond; an announced pick is good to a row of the network, a hundredth of
            # a second, which begins elsewhere than on the card.
            error_ns = 1_000_000 + (2_000_000 if status == CONFIRMED else 10_000_000)
            self.assertLessEqual(abs(picks[phase, status] - at), error_ns, (phase, status))
        announced = next(m for m in self.messages if m["type"] == "pick")
        self.assertLess((announced["emitted_ns"] - announced["time_ns"]) * 1e-9, 0.75)

    def test_it_is_found_again_and_set_up_anew(self):
        self.assertIn("No such file", (self.out / "away").read_text())
        last = self.health()[-1]
        self.assertEqual(last["reopenings"], 2)
        self.assertEqual(last["gaps"], 2)
        # This kernel ends the second line with a zero.
        self.assertEqual((self.out / "after").read_text().rstrip("\0"), "1\nmonotonic\n")
        self.assertEqual(last["short_reads"], 0)

    def test_no_frame_is_lost_beside_the_gaps(self):
        last = self.health()[-1]
        # From the first health, which says how many there were and when.
        first = next(m for m in self.health() if m["frames"] > 0)
        expected = (last["emitted_ns"] - first["emitted_ns"]) * RATE / 1e9
        counted = last["frames"] + last["gap_frames"] - first["frames"]
        self.assertLessEqual(abs(counted - expected), 2)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]], verbosity=2)
