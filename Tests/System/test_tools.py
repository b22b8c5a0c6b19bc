#!/usr/bin/env python3
"""test_tools.py TOOLS: the operator's program from its command line, on records written here byte by byte."""
import json
import math
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

ONSET = pathlib.Path(sys.argv[1]).resolve() / "onset"
ROOT = pathlib.Path(__file__).resolve().parents[2]
RATE, ONSET_SECONDS, SECONDS = 100, 40, 90
PICK_KEYS = ["type", "id", "status", "station", "phase", "time", "time_sigma_s", "probability", "polarity",
             "polarity_probability", "snr_db", "quality"]


def mseed_record(channel, start, samples):
    """One miniSEED 2 record of 4096 bytes, big-endian int32 (SEED manual 2.4, chapter 8). `start` in seconds
    after 2026-01-01, in ten-thousandths exactly."""
    ticks = round(start * 10_000)
    day, rest = divmod(ticks, 86_400 * 10_000)
    second, fraction = divmod(rest, 10_000)
    header = struct.pack(
        ">6scc5s2s3s2sHHBBBxHHhhBBBBlHH", b"000001", b"D", b" ", b"TEST ", b"  ", channel.encode(),
        b"XX", 2026, day + 1, second // 3600, second // 60 % 60, second % 60, fraction, len(samples), RATE, 1,
        0, 0, 0, 1, 0, 64, 48)
    blockette = struct.pack(">HHBBBx", 1000, 0, 3, 1, 12)
    data = struct.pack(f">{len(samples)}i", *samples)
    return (header + blockette).ljust(64, b"\0") + data.ljust(4096 - 64, b"\0")


def record_file(path, gap=None):
    """Three components of noise with an arrival at ONSET_SECONDS; `gap` leaves records of that time out."""
    chance = random.Random(7)
    out = b""
    for channel, scale in (("HHZ", 1.0), ("HHN", 0.3), ("HHE", 0.2)):
        trace = []
        for n in range(SECONDS * RATE):
            t = n / RATE - ONSET_SECONDS
            wave = 3000 * math.exp(-t / 3) * math.sin(2 * math.pi * 6 * t) if t >= 0 else 0
            trace.append(round(chance.gauss(0, 50) + scale * wave))
        for first in range(0, len(trace), 1000):
            if gap and gap[0] <= first / RATE < gap[1]:
                continue
            out += mseed_record(channel, first / RATE, trace[first:first + 1000])
    path.write_bytes(out)


def run(*arguments, status=0, stdin=None):
    done = subprocess.run([ONSET, *map(str, arguments)], capture_output=True, input=stdin)
    assert done.returncode == status, (arguments, done.returncode, done.stderr.decode())
    return done.stdout.decode(), done.stderr.decode()


class ToolsTest(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.temporary.name)
        self.record = self.folder / "record.mseed"
        record_file(self.record)

    def tearDown(self):
        self.temporary.cleanup()

    def test_replay_prints_the_designs_json(self):
        out, err = run("replay", self.record)
        self.assertEqual(err, "")
        lines = [json.loads(line) for line in out.splitlines()]
        picks = [line for line in lines if line["type"] == "pick"]
        self.assertEqual([p["status"] for p in picks], ["provisional", "confirmed"])
        for pick in picks:
            self.assertEqual(list(pick)[:12], PICK_KEYS)
            self.assertEqual(list(pick)[-1], "emitted")
            self.assertEqual(pick["station"], "XX.TEST..HH")
            self.assertLess(abs(float(pick["time"][17:26]) - 40), 0.05)
            self.assertIsNone(pick["probability"])
        self.assertEqual(picks[1]["polarity"], "up")
        self.assertGreaterEqual(len([line for line in lines if line["type"] == "health"]), 9)
        emitted = [line["emitted"] for line in lines]
        self.assertEqual(emitted, sorted(emitted))

    def test_wire_file_decodes_to_the_same_lines(self):
        wire, svg = self.folder / "out.bin", self.folder / "out.svg"
        out, _ = run("replay", "--wire", wire, "--svg", svg, "--speed", "max", "--picker", "sta-lta", self.record)
        self.assertEqual(run("decode", wire)[0], out)
        self.assertEqual(run("decode", "-", stdin=wire.read_bytes())[0], out)
        self.assertEqual(xml.etree.ElementTree.parse(svg).getroot().tag, "{http://www.w3.org/2000/svg}svg")
        wire.write_bytes(wire.read_bytes()[:-1])
        self.assertIn("no datagram of version 1 begins here", run("decode", wire, status=1)[1])

    def test_known_response_changes_no_pick(self):
        plain, _ = run("replay", self.record)
        physical, _ = run("replay", "--kind", "velocity", "--counts-per-unit", "1e9", self.record)
        self.assertEqual(plain, physical)

    def test_gaps_and_rubbish_are_told_and_survived(self):
        record_file(self.record, gap=(20, 30))
        self.record.write_bytes(b"rubbish!" * 8 + self.record.read_bytes())
        out, err = run("replay", self.record)
        self.assertIn("1 gaps", err)
        self.assertIn("64 bytes belong to no miniSEED 2 record", err)
        health = [json.loads(line) for line in out.splitlines() if '"health"' in line]
        self.assertEqual(health[-1]["gap_frames"], 1000)
        self.assertEqual(health[-1]["gaps"], 1)
        self.assertEqual(out.count('"status":"confirmed"'), 1)

    def test_paced_replay_gives_the_same_lines(self):
        self.assertEqual(run("replay", "--speed", "1000", self.record), run("replay", self.record))

    def test_check(self):
        files = sorted([*ROOT.glob("boards/*/*.toml"), *ROOT.glob("calibration/*/*.toml")])
        self.assertGreaterEqual(len(files), 7)
        self.assertEqual(run("check", *files)[0].count("\n"), len(files))
        bad = self.folder / "board.toml"
        bad.write_text((ROOT / "boards/host/board.toml").read_text().replace("channels = 3", "channels = 0"))
        line = bad.read_text().splitlines().index("channels = 0") + 1
        _, said = run("check", bad, status=1)
        self.assertIn(f"{bad}:{line}: channels must be a whole number from 1 to 8", said)

    def test_refusals(self):
        cases = {
            ("nonsense",): (2, "usage"),
            ("replay",): (1, "needs a miniSEED file"),
            ("replay", "--sped", "1", self.record): (1, "--sped is not known here"),
            ("replay", "--kind", "velocity", self.record): (1, "--counts-per-unit beside it"),
            ("replay", "--counts-per-unit", "5", self.record): (1, "without --kind"),
            ("replay", "--speed", "0", self.record): (1, "--speed must be a number"),
            ("replay", "--picker", "phasenet", self.record): (1, "this version has sta-lta alone"),
            ("replay", self.folder / "absent"): (1, "cannot be read"),
            ("replay", ROOT / "README.md"): (1, "no miniSEED 2 record"),
            ("decode", self.record): (1, "byte 0: the datagram is longer than any message"),
            ("ping", "localhost"): (1, "needs HOST:PORT and --key FILE"),
            ("ping", "localhost:x", "--key", self.record): (1, "is not HOST:PORT"),
            ("bench", "picker"): (1, "there are loop and kernels"),
        }
        for arguments, (status, phrase) in cases.items():
            with self.subTest(arguments=arguments):
                self.assertIn(phrase, run(*arguments, status=status)[1])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
