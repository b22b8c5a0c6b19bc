#!/usr/bin/env python3
"""test_tools.py TOOLS: the operator's program from its command line, on records written here byte by byte."""
import hashlib
import json
import os
import re
import shutil
import math
import pathlib
import pty
import random
import socket
import struct
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree
import zipfile

ONSET = pathlib.Path(sys.argv[1]).resolve() / "onset"
ROOT = pathlib.Path(__file__).resolve().parents[2]
NETWORKS = ROOT / "Tests/Golden/networks"
RATE, ONSET_SECONDS, SECONDS = 100, 40, 90
PICK_KEYS = ["type", "id", "status", "station", "phase", "time", "time_sigma_s", "probability", "polarity",
             "polarity_probability", "snr_db", "quality"]


def mseed_record(channel, start, samples, rate=RATE):
    """One miniSEED 2 record of 4096 bytes, big-endian int32 (SEED manual 2.4, chapter 8). `start` in seconds
    after 2026-01-01, in ten-thousandths exactly."""
    ticks = round(start * 10_000)
    day, rest = divmod(ticks, 86_400 * 10_000)
    second, fraction = divmod(rest, 10_000)
    header = struct.pack(
        ">6scc5s2s3s2sHHBBBxHHhhBBBBlHH", b"000001", b"D", b" ", b"TEST ", b"  ", channel.encode(),
        b"XX", 2026, day + 1, second // 3600, second // 60 % 60, second % 60, fraction, len(samples), rate, 1,
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


def write_npz(path, arrays):
    """{name: (shape, values)} as float32 in an .npz, without NumPy (NEP 1)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, (shape, values) in arrays.items():
            assert math.prod(shape) == len(values)
            sizes = "".join(f"{size}," for size in shape)
            header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({sizes}), }}"
            header += " " * (-(10 + len(header) + 1) % 64) + "\n"
            data = b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header.encode()
            archive.writestr(f"{name}.npy", data + struct.pack(f"<{len(values)}f", *values))


DESCRIPTION = {
    "name": "tiny", "sample_rate_millihertz": 100000, "window_rows": 64, "components": "ENZ",
    "normalization": "window", "weight_order": "tap-in-out", "precision": "int16", "layers": [
        {"name": "hidden", "kind": "convolution", "from": "input", "weights": "hidden/kernel", "bias": "hidden/bias",
         "before": 1, "relu": True},
        {"name": "logits", "kind": "convolution", "from": "hidden", "weights": "logits/kernel"},
        {"name": "probabilities", "kind": "softmax", "from": "logits", "classes": "NPS"}]}


def split(wire):
    """The datagrams of a file, by the length that each tells."""
    datagrams = []
    while wire:
        length = int.from_bytes(wire[6:8], "little")
        datagrams.append(wire[:length])
        wire = wire[length:]
    return datagrams


def run(*arguments, status=0, stdin=None):
    done = subprocess.run([ONSET, *map(str, arguments)], capture_output=True, input=stdin)
    assert done.returncode == status, (arguments, done.returncode, done.stderr.decode())
    return done.stdout.decode(), done.stderr.decode()


def run_on_a_terminal(*arguments):
    """The same with a terminal for standard error."""
    ours, theirs = pty.openpty()
    done = subprocess.run([ONSET, *map(str, arguments)], stdout=subprocess.PIPE, stderr=theirs, check=True)
    os.close(theirs)
    said = b""
    try:
        while part := os.read(ours, 10_000):
            said += part
    except OSError:  # What Linux says of a terminal whose other end is closed.
        pass
    os.close(ours)
    return done.stdout.decode(), said.decode()


class ToolsTest(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.temporary.name)
        self.record = self.folder / "record.mseed"
        record_file(self.record)

    def tearDown(self):
        self.temporary.cleanup()

    def test_replay_prints_the_designs_json(self):
        out, err = run("replay", "--picker", "sta-lta", self.record)
        self.assertEqual(err, "")
        lines = [json.loads(line) for line in out.splitlines()]
        picks = [line for line in lines if line["type"] == "pick"]
        self.assertEqual([p["status"] for p in picks], ["provisional", "confirmed"])
        self.assertTrue(all(p["picker"] == "sta-lta" and p["sta_lta"] is None for p in picks))
        self.assertEqual({line["model"] for line in lines if line["type"] == "health"}, {"sta-lta"})
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

    def test_the_network_picks_unless_told_otherwise(self):
        lines = [json.loads(line) for line in run("replay", self.record)[0].splitlines()]
        picks = [line for line in lines if line["type"] == "pick"]
        near = [p for p in picks if abs(float(p["time"][17:26]) - 40) < 0.5]
        self.assertEqual([p["status"] for p in near][:2], ["provisional", "confirmed"])
        self.assertTrue(all(list(p)[:12] == PICK_KEYS and p["picker"] == "network" for p in picks))
        self.assertTrue(all(0 < p["probability"] <= 1 for p in picks))
        self.assertEqual({line["model"] for line in lines if line["type"] == "health"}, {"onset-picker"})
        shipped = ROOT / "calibration/models/onset-picker.onet"
        self.assertEqual(run("replay", "--picker", shipped, self.record)[0], run("replay", self.record)[0])

    def test_wire_file_decodes_to_the_same_lines(self):
        wire, svg = self.folder / "out.bin", self.folder / "out.svg"
        out, _ = run("replay", "--wire", wire, "--svg", svg, "--speed", "max", "--picker", "sta-lta", self.record)
        self.assertEqual(run("decode", wire)[0], out)
        self.assertEqual(run("decode", "-", stdin=wire.read_bytes())[0], out)
        self.assertEqual(xml.etree.ElementTree.parse(svg).getroot().tag, "{http://www.w3.org/2000/svg}svg")
        wire.write_bytes(wire.read_bytes()[:-1])
        self.assertIn("no datagram of version 2 begins here", run("decode", wire, status=1)[1])

    def test_known_response_changes_no_pick(self):
        def picks(*options):
            lines = [json.loads(line) for line in run("replay", *options, self.record)[0].splitlines()]
            return [{name: value for name, value in line.items() if name != "sequence"}
                    for line in lines if line["type"] == "pick"], {line["type"] for line in lines}
        plain, types = picks()
        physical, more = picks("--kind", "velocity", "--counts-per-unit", "1e9")
        self.assertEqual(plain, physical)
        self.assertEqual((types, more), ({"pick", "health"}, {"pick", "health", "estimate", "peaks"}))

    def test_the_alarm_is_right_on_synthetic_earthquakes(self):
        out, _ = run("evaluate", "--synthetic", "500", "--seed", "7")
        counts = [int(n) for n in re.findall(r"(?:in time|late|missed|wrong) (\d+)", out)]
        in_time, late, missed, wrong = counts
        self.assertGreater(in_time, 0.9 * (in_time + late + missed))
        # The synthesizer's P are larger beside their S than real ones, for which alarm_probability was chosen.
        self.assertGreater(in_time + late, 0.8 * (in_time + late + wrong))

    def test_what_is_no_earthquake_raises_no_alarm(self):
        out, _ = run("evaluate", "--quiet-days", "0.5", "--seed", "7")
        self.assertRegex(out, r"^0\.5 days of noise with \d+ impostors: 0 alarms, ")

    def test_strong_motion_records_are_judged(self):
        index = ROOT.parent / "shared/data/waveforms/index.csv"
        if not index.exists():
            self.skipTest(f"no strong-motion records at {index}")
        out, err = run("evaluate", "--strong-motion", index, "--json")
        self.assertEqual(err, "")
        found = json.loads(out)["strong_motion"]
        self.assertGreaterEqual(found["records"], 61)
        everything = {(line["after_p_s"], line["what"]): line for line in found["groups"][0]["residuals"]}
        acceleration = everything[3.0, "log PGA"]
        self.assertGreaterEqual(acceleration["n"], 40)
        self.assertLess(acceleration["sigma"], 0.5)
        self.assertTrue(0.55 <= acceleration["within_68"] <= 0.8)
        alone = everything[3.0, "log PGV of Pd alone, Wu and Kanamori 2008"]
        self.assertLess(everything[3.0, "log PGV"]["sigma"], alone["sigma"])
        for alarm in found["alarms"]:
            self.assertGreaterEqual(alarm["right"], 10)
            self.assertLessEqual(alarm["wrong"], 0.2 * alarm["right"])

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
        folder = self.folder / "shipped"
        for part in ("boards", "calibration"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("training", "station.key"))
        files = sorted([*folder.glob("boards/*/*.toml"), *folder.glob("calibration/*/*.toml")])
        host = folder / "boards/host"
        _, said = run("check", host / "station.toml", status=1)
        self.assertIn("station.key", said, "without a key onsetd does not start")
        for station in folder.glob("boards/*/*station.toml"):
            self.write_key(station.parent)
        self.assertGreaterEqual(len(files), 7)
        self.assertEqual(run("check", *files)[0].count("\n"), len(files))
        (folder / "calibration/instruments/geophone-4.5hz.toml").unlink()
        _, said = run("check", host / "station.toml", status=1)
        self.assertIn("geophone-4.5hz.toml: cannot be read", said)
        bad = self.folder / "board.toml"
        bad.write_text((ROOT / "boards/host/board.toml").read_text().replace("channels = 3", "channels = 0"))
        line = bad.read_text().splitlines().index("channels = 0") + 1
        _, said = run("check", bad, status=1)
        self.assertIn(f"{bad}:{line}: channels must be a whole number from 1 to 32", said)

    @staticmethod
    def write_key(folder):
        key = folder / "station.key"
        key.write_bytes(bytes(range(32)))
        key.chmod(0o600)

    def test_check_of_a_board_with_a_station(self):
        """Each is right by itself; what a relay waits for must be able to come."""
        relay, none = ROOT / "boards/emulated/board.toml", ROOT / "boards/host/board.toml"
        station = self.folder / "station.toml"
        text = (ROOT / "boards/emulated/station.toml").read_text().replace('"../../', f'"{ROOT}/')
        text = text.replace('"accelerometer.toml"', f'"{ROOT}/boards/emulated/accelerometer.toml"')
        station.write_text(text)
        self.write_key(self.folder)
        self.assertEqual(run("check", relay, station)[0].count("\n"), 2)
        station.write_text(re.sub("(north|east)_calibration = .*", "", text))
        told, _ = run("check", relay, station)
        self.assertIn(f"{station}: without both horizontal calibrations nothing is expected of the shaking", told)
        station.write_text(re.sub("vertical_calibration = .*", "", text))
        self.assertEqual(run("check", none, station)[0].count("\n"), 2)
        _, said = run("check", relay, station, status=1)
        self.assertIn(f"{station}: the vertical has no calibration, so that no alarm can ever come", said)
        self.assertIn("name vertical_calibration in [sensor]", said)

    def test_evaluate_judges_pickers_side_by_side(self):
        index, picks = self.folder / "index.csv", self.folder / "theirs.csv"
        index.write_text("file,split,source,fs,p_sample,s_sample,polarity\n"
                         f"record.mseed,dev,here,{RATE},{ONSET_SECONDS * RATE},,up\n")
        picks.write_text(f"file,phase,time_s,probability\nrecord.mseed,P,{ONSET_SECONDS + 0.3},0.9\n")
        out, err = run("evaluate", index, "--json", "--pickers", f"onset,sta-lta,{picks}", "--split", "dev")
        self.assertEqual(err, "")
        rows = {row["picker"]: row for row in json.loads(out)["evaluation"]}
        self.assertEqual(sorted(rows), ["onset", "sta-lta", "theirs.csv"])
        self.assertEqual([at["hits"] for at in rows["theirs.csv"]["p"]["at"]], [0, 1])
        for name in ("onset", "sta-lta"):
            self.assertEqual([at["hits"] for at in rows[name]["p"]["at"]], [1, 1], name)
            self.assertLess(rows[name]["delay_median_s"], 0.6)
        self.assertIn("theirs.csv, here: 1 records", run("evaluate", index, "--pickers", picks)[0])
        for sources, count in (("there,here", 1), ("there", 0)):
            self.assertEqual(run("evaluate", index, "--pickers", picks, "--sources", sources)[0].count(" records"), count)
        _, said = run("evaluate", index, "--split", "other", status=1)
        self.assertIn("no record of split other", said)

    def two_of_three(self):
        """An index of a good record, one at 1 Hz, a good one."""
        slow, index = self.folder / "slow.mseed", self.folder / "index.csv"
        slow.write_bytes(mseed_record("LHZ", 0, [1] * 600, rate=1))
        (self.folder / "again.mseed").write_bytes(self.record.read_bytes())
        index.write_text("file\nrecord.mseed\nslow.mseed\nagain.mseed\n")
        return index, slow

    def test_a_record_that_cannot_be_judged_is_named_and_counted(self):
        index, slow = self.two_of_three()
        out, err = run("evaluate", index, "--pickers", "sta-lta", status=1)
        self.assertIn("sta-lta, unnamed: 2 records", out)
        self.assertIn(f"{slow}: no instrument to replay", err)
        self.assertIn("1 of 3 records could not be read", err)
        index.write_text("file,counts_per_unit\nrecord.mseed,1e4\nslow.mseed,1e4\nabsent,1e4\n")
        out, err = run("evaluate", "--strong-motion", index, "--json", status=1)
        self.assertEqual(json.loads(out)["strong_motion"]["records"], 1)
        self.assertIn(f"{slow}: no instrument to replay", err)
        self.assertIn("absent: cannot be read", err)
        self.assertIn("2 of 3 records could not be read", err)

    def test_a_file_that_cannot_be_replayed_is_named_and_counted(self):
        _, slow = self.two_of_three()
        whole, _ = run("replay", self.record)
        for file, reason in ((slow, "no instrument to replay"), (ROOT / "README.md", "no miniSEED 2 record"),
                             (self.folder / "absent", "cannot be read"), (self.folder, "cannot be read")):
            with self.subTest(reason=reason):
                out, err = run("replay", file, self.record, status=1)
                self.assertEqual(out, whole)
                self.assertIn(f"onset: {file}: {reason}", err)
                self.assertIn("1 of 2 files could not be read", err)
        self.assertIn("none of 2 files can be read", run("replay", slow, ROOT / "README.md", status=1)[1])

    def two_sensors(self):
        """A seismometer and an accelerometer of one station, in one file."""
        both = self.folder / "both.mseed"
        velocity = self.record.read_bytes()
        both.write_bytes(velocity + velocity.replace(b"HHZ", b"HNZ").replace(b"HHN", b"HNN").replace(b"HHE", b"HNE"))
        return both

    def test_a_kind_is_for_the_sensors_of_that_kind(self):
        both = self.two_sensors()
        out, err = run("replay", "--kind", "acceleration", "--counts-per-unit", "1e5", "--only", "estimate", both)
        self.assertEqual({json.loads(line)["station"] for line in out.splitlines()}, {"XX.TEST..HN"})
        self.assertIn("XX.TEST..HH: its code is no acceleration sensor's", err)
        _, err = run("replay", "--kind", "acceleration", "--counts-per-unit", "1e5", self.record)
        self.assertEqual(err, "")  # alone: the operator knows better than a code

    def station(self, code, valid):
        """A station file of this code, whose calibration holds for these dates."""
        calibration = (ROOT / "boards/emulated/accelerometer.toml").read_text()
        for key, date in zip(("valid_from", "valid_until"), valid):
            calibration = re.sub(f'{key} = ".*"', f'{key} = "{date}"', calibration)
        (self.folder / "sensor.toml").write_text(calibration)
        station = self.folder / "station.toml"
        station.write_text((ROOT / "boards/host/demo-station.toml").read_text()
                           .replace("../emulated/accelerometer.toml", "sensor.toml").replace("XX.DEMO..HN", code)
                           .replace("../../calibration", str(ROOT / "calibration")))
        return station

    def test_a_stations_calibration_is_for_its_own_sensor(self):
        station = self.station("XX.TEST..HN", ("2025-01-01", "2027-12-31"))
        out, err = run("replay", "--station", station, "--only", "estimate", self.two_sensors())
        self.assertEqual({json.loads(line)["station"] for line in out.splitlines()}, {"XX.TEST..HN"})
        self.assertIn("XX.TEST..HH: " + str(station) + " calibrates XX.TEST..HN alone: replayed in counts", err)
        out, err = run("replay", "--station", station, "--only", "estimate", self.record)
        self.assertTrue(out)
        self.assertIn("XX.TEST..HH: calibrated as " + str(station) + " has it for XX.TEST..HN", err)

    def test_a_calibrations_dates_are_compared_with_the_records(self):
        for valid, isExpired in ((("2025-01-01", "2027-12-31"), False), (("2020-01-01", "2025-12-31"), True),
                                 (("2026-01-02", "2027-12-31"), False)):
            with self.subTest(valid=valid):
                station = self.station("XX.TEST..HH", valid)
                out, err = run("replay", "--station", station, "--only", "estimate", self.record)
                marks = {json.loads(line)["calibration_expired"] for line in out.splitlines()}
                self.assertEqual(marks, {isExpired})
                said = f"holds from {valid[0]} to {valid[1]}, and the record is of 2026-01-01"
                self.assertEqual(said in err, valid[0] > "2026-01-01" or valid[1] < "2026-01-01", err)

    def test_what_evaluate_could_not_read_of_a_record_is_said(self):
        index = self.folder / "index.csv"
        index.write_text("file\nboth.mseed\n")
        self.two_sensors()
        with open(self.folder / "both.mseed", "ab") as file:
            file.write(b"x" * 4096)
        _, err = run("evaluate", index, "--pickers", "sta-lta")
        self.assertIn("both.mseed: 4096 bytes belong to no miniSEED 2 record: skipped", err)
        self.assertIn("both.mseed: has 2 instruments; the first is judged", err)

    def test_everything_that_is_wrong_with_a_file_is_told(self):
        station = self.station("XX.TEST..HH", ("2025-01-01", "2027-12-31"))
        text = station.read_text()
        station.write_text(text.replace("port = 6464", "port = 66464").replace("[state]", "[alarm]\nlach = true\n[state]"))
        _, err = run("check", station, status=1)
        self.assertIn("port must be a whole number from 1 to 65535", err)
        self.assertIn("unknown key lach in [alarm]; did you mean latch in [alarm]?", err)
        out, _ = run("keys", "station")
        self.assertIn("hold_seconds                            whole, 1 to 3600 s; default 30", out)
        self.assertIn("none of the files with keys", run("keys", "stations", status=1)[1])

    def test_an_index_needs_no_more_than_files(self):
        """What can be known from the record is; a rate that is given is that of the picks alone."""
        index = self.folder / "index.csv"
        found = []
        for text in (f"file,p_sample\nrecord.mseed,{ONSET_SECONDS * RATE}\n",
                     f"p_sample,fs,file,notes\n{ONSET_SECONDS * 50},50,record.mseed,what else is known\n"):
            index.write_text(text)
            found.append(json.loads(run("evaluate", index, "--json", "--pickers", "sta-lta")[0])["evaluation"][0])
        self.assertEqual([at["hits"] for at in found[0]["p"]["at"]], [1, 1])
        self.assertEqual(found[0], found[1])
        index.write_text("path\nrecord.mseed\n")
        self.assertIn("there is no column file", run("evaluate", index, status=1)[1])
        index.write_text("file\nrecord.mseed\n")
        self.assertIn("there is no column split", run("evaluate", index, "--split", "dev", status=1)[1])
        self.assertIn("there is no column counts_per_unit", run("evaluate", "--strong-motion", index, status=1)[1])

    def test_only_some_types(self):
        wire = self.folder / "out.bin"
        lines = run("replay", self.record)[0].splitlines()
        health = [line for line in lines if '"type":"health"' in line]
        others = [line for line in lines if line not in health]
        self.assertTrue(health and others)
        out, _ = run("replay", "--only", "pick,estimate,alert", "--wire", wire, self.record)
        self.assertEqual(out.splitlines(), others)
        self.assertEqual(run("decode", "--only", "health", wire)[0].splitlines(), health)
        _, said = run("decode", "--only", "pick,hearth", wire, status=1)
        self.assertIn("--only hearth: no message has this type; there are pick, estimate, alert, health", said)

    def test_decode_streams(self):
        """Each line is there before the next datagram is sent, and half a datagram is none."""
        wire = self.folder / "out.bin"
        expected = run("replay", "--wire", wire, self.record)[0].splitlines(keepends=True)
        datagrams = split(wire.read_bytes())
        with subprocess.Popen([ONSET, "decode", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as decode:
            for datagram, line in zip(datagrams[:5], expected):
                for part in (datagram[:50], datagram[50:]):
                    decode.stdin.write(part)
                    decode.stdin.flush()
                self.assertEqual(decode.stdout.readline().decode(), line)
            decode.stdin.write(datagrams[5][:-1])
            decode.stdin.close()
            self.assertEqual(decode.stdout.read(), b"")
            at = sum(map(len, datagrams[:5]))
            self.assertIn(f"byte {at}: no datagram of version 2 begins here", decode.stderr.read().decode())
        self.assertEqual(decode.returncode, 1)

    def key(self, content=bytes([5]) * 32):
        path = self.folder / "key"
        path.write_bytes(content)
        path.chmod(0o600)
        return path

    def test_listen_prints_what_is_signed_and_counts_the_rest(self):
        wire = self.folder / "out.bin"
        expected = run("replay", "--only", "pick", "--wire", wire, self.record)[0].splitlines(keepends=True)
        # A replay signs with zeros, which no program takes for a key.
        datagrams = [datagram[:-16] + hashlib.blake2b(datagram[:-16], digest_size=16, key=bytes([5]) * 32).digest()
                     for datagram in split(wire.read_bytes())]
        with subprocess.Popen([ONSET, "listen", "0", "--key", self.key(), "--only", "pick", "--count",
                               str(len(expected))], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as listen:
            port = int(re.fullmatch(r"onset: listening on UDP port (\d+)\n", listen.stderr.readline().decode())[1])
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                def send(content):
                    sender.sendto(content, ("127.0.0.1", port))
                send(datagrams[0][:-1] + bytes([datagrams[0][-1] ^ 1]))
                refused = f"onset: refused, {{}} so far: a datagram from 127.0.0.1:{sender.getsockname()[1]} "
                self.assertEqual(listen.stderr.readline().decode(), refused.format(1) + "is not sealed with this key\n")
                send(b"rubbish")
                self.assertIn(refused.format(2) + "is shorter than", listen.stderr.readline().decode())
                for datagram in datagrams:
                    send(datagram)
                    if datagram[5] == 1:
                        # Before the next is sent.
                        self.assertEqual(listen.stdout.readline().decode(), expected.pop(0))
            self.assertEqual((expected, listen.stdout.read()), ([], b""))
        self.assertEqual(listen.returncode, 0)

    def test_progress_on_a_terminal_alone(self):
        index, _ = self.two_of_three()
        index.write_text("file\nrecord.mseed\nagain.mseed\n")
        arguments = ("evaluate", index, "--pickers", "sta-lta")
        out, err = run(*arguments)
        self.assertEqual(err, "")
        self.assertEqual(run_on_a_terminal(*arguments), (out, "\r\x1b[K1 of 2\r\x1b[K"))

    def test_refusals(self):
        cases = {
            (): (2, "onset help COMMAND tells all of one"),
            ("nonsense",): (2, "usage"),
            ("repaly",): (2, "there is no command repaly; did you mean replay?"),
            ("help", "repaly"): (2, "did you mean replay?"),
            ("replay",): (1, "needs a miniSEED file"),
            ("replay", "--sped", "1", self.record): (2, "--sped is not known here; did you mean --speed?"),
            ("replay", "--nonsense", self.record): (2, "--nonsense is not known here; there are --counts-per-unit"),
            ("check", "--json"): (2, "--json is not known here; there are no options"),
            ("evaluate", "--strong", self.record): (2, "did you mean --strong-motion?"),
            ("completion", "fish"): (1, "completion needs the shell: bash"),
            ("listen", "6464"): (1, "listen needs PORT and --key FILE"),
            ("listen", "70000", "--key", self.record): (1, "70000 is no port"),
            ("replay", "--kind", "velocity", self.record): (1, "--counts-per-unit beside it"),
            ("replay", "--counts-per-unit", "5", self.record): (1, "without --kind"),
            ("replay", "--speed", "0", self.record): (1, "--speed must be a number"),
            ("replay", "--picker", "phasenet", self.record): (1, "phasenet: cannot be read"),
            ("replay", "--picker", NETWORKS / "unet.onet", self.record): (1, "not a picker: "),
            ("replay", self.folder / "absent"): (1, "cannot be read"),
            ("replay", ROOT / "README.md"): (1, "no miniSEED 2 record"),
            ("decode", self.record): (1, "byte 0: the datagram is longer than any message"),
            ("ping", "localhost"): (1, "needs HOST:PORT, --key FILE and --public FILE.pub"),
            ("ping", "localhost:x", "--key", self.record, "--public", self.record): (1, "is not HOST:PORT"),
            ("ping", "localhost:1", "--key", self.record, "--public", self.record):
                (1, "an operator's key has 64 bytes"),
            ("bench", "everything"): (1, "there are loop, kernels, picker"),
            ("evaluate",): (1, "needs one INDEX.csv"),
            ("evaluate", self.folder / "absent.csv"): (1, "absent.csv: cannot be read as text"),
            ("evaluate", "--snr", "3", self.record): (1, "--snr needs --noise"),
            ("evaluate", "--noise", self.record, self.record): (1, "--noise needs --snr"),
        }
        for arguments, (status, phrase) in cases.items():
            with self.subTest(arguments=arguments):
                self.assertIn(phrase, run(*arguments, status=status)[1])


class ModelTest(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.temporary.name)
        self.network = self.folder / "unet.onet"
        self.network.write_bytes((NETWORKS / "unet.onet").read_bytes())

    def tearDown(self):
        self.temporary.cleanup()

    def refused(self, phrase, *arguments, status=1):
        """Nothing on standard output; one line on the other, which ends in the phrase or holds it."""
        out, err = run("model", *arguments, status=status)
        self.assertEqual(out, "")
        self.assertEqual(err.count("\n"), 1, err)
        self.assertTrue(err.startswith("onset model: "), err)
        self.assertIn(phrase, err)

    def accepted(self, *arguments):
        out, err = run("model", *arguments)
        self.assertEqual(err, "")
        return out

    def write_import(self, description=None, **changes):
        """Description, arrays and windows of a tiny network; the paths."""
        chance = random.Random(3)

        def array(*shape):
            return shape, [chance.gauss(0, 0.4) for _ in range(math.prod(shape))]

        paths = [self.folder / name for name in ("tiny.json", "arrays.npz", "windows.npz")]
        paths[0].write_text(json.dumps({**(description or DESCRIPTION), **changes}))
        write_npz(paths[1], {"hidden/kernel": array(3, 3, 8), "hidden/bias": array(8), "logits/kernel": array(1, 8, 3)})
        windows = array(4, 64, 3)
        write_npz(paths[2], {"calibration": windows, "windows": windows, "analyst": ((4,), [1, 0, 1, 0]),
                             "probabilities": ((4, 64, 3), [0.2, 0.7, 0.1] * 256)})
        return paths

    def test_info_of_every_golden_network(self):
        for path in sorted(NETWORKS.glob("*.onet")):
            with self.subTest(path=path.name):
                out = self.accepted("info", path)
                self.assertTrue(out.startswith(f"{path.stem}: "), out)
                self.assertIn(f"{path.stat().st_size} bytes, checksum ", out)
                self.assertIn("output in buffer ", out)
                self.assertEqual(self.accepted("verify", path), f"{path}: a sound network, unsigned\n")
        self.assertIn("arena ", self.accepted("info", "--chunk", "7", self.network))
        self.assertIn("for pushes of up to 7 rows", self.accepted("info", "--chunk", "7", self.network))

    def test_damage_is_named(self):
        good = self.network.read_bytes()
        cases = {
            "not a network file": b"ONES" + good[4:],
            "another version": good[:4] + b"\2\0" + good[6:],
            "the checksum is wrong: the file is damaged": good[:5000] + bytes([good[5000] ^ 1]) + good[5001:],
            "shorter than it says: the file was cut off": good[:-1],
            "shorter than the header": good[:79],
            "longer than it says, and not by a signature": good + b"\0",
            "does not begin as a signature": good + bytes(100)}
        reference = self.write_import()[2]
        for sentence, content in cases.items():
            with self.subTest(sentence=sentence):
                self.network.write_bytes(content)
                self.refused(f"{self.network}: {sentence}" if sentence[0] == "n" else sentence, "info", self.network)
                self.refused(sentence, "verify", self.network)
                self.refused(sentence, "compare", self.network, reference)

    def test_signed_networks(self):
        key, other, public = self.folder / "key", self.folder / "other", self.folder / "key.pub"
        self.refused("it is not signed", "verify", "--public-key", self.public(key), self.network)
        self.accepted("sign", "--new-key", other)
        self.assertEqual(key.stat().st_mode & 0o777, 0o600)
        self.assertEqual((key.stat().st_size, public.stat().st_size), (64, 32))
        unsigned = self.network.read_bytes()
        for _ in range(2):  # A second signature takes the place of the first.
            self.assertEqual(self.accepted("sign", self.network, "--key", key), f"{self.network}: signed\n")
            self.assertEqual(len(self.network.read_bytes()), len(unsigned) + 100)
        signed = self.network.read_bytes()
        self.assertEqual(signed[:-100], unsigned)
        self.assertIn("signed by the holder of that key", self.accepted("verify", "--public-key", public, self.network))
        self.assertIn("signed (not checked: no --public-key)", self.accepted("verify", self.network))
        self.refused("its signature is not that key's", "verify", "--public-key", f"{other}.pub", self.network)
        for at in (-1, -50, -64, -80):
            self.network.write_bytes(signed[:at] + bytes([signed[at] ^ 4]) + signed[len(signed) + at + 1:])
            self.refused("its signature is not that key's", "verify", "--public-key", public, self.network)
        self.network.write_bytes(signed[:9000] + bytes([signed[9000] ^ 4]) + signed[9001:])
        self.refused("the checksum is wrong", "verify", "--public-key", public, self.network)
        self.refused("the checksum is wrong", "sign", self.network, "--key", key)

    def public(self, key):
        self.assertIn("keep it secret", self.accepted("sign", "--new-key", key))
        return f"{key}.pub"

    def test_import_and_compare(self):
        description, arrays, windows = self.write_import()
        network = self.folder / "tiny.onet"
        out = self.accepted("import", description, arrays, "--calibration", windows, "-o", network)
        for layer in ("hidden", "logits", "probabilities"):
            self.assertIn(f"\n  {layer} ", out)
        self.assertIn("tiny: ENZ at 100.000 sps, windows of 64 rows, each normalized", out)
        first = network.read_bytes()
        self.accepted("import", description, arrays, "--calibration", windows, "--ranges", "percentile", "-o", network)
        self.assertEqual(network.read_bytes(), first)
        self.accepted("import", description, arrays, "--calibration", windows, "--ranges", "mse", "-o", network)
        self.assertIn("a sound network, unsigned", self.accepted("verify", network))
        said = run_on_a_terminal("model", "import", description, arrays, "--calibration", windows, "-o", network)[1]
        self.assertIn("\r\x1b[K3 of 4\r\x1b[K", said)
        found = json.loads(self.accepted("compare", "--json", network, windows))
        self.assertEqual(list(found), ["windows", "picks", "agreeing", "analyst_picks", "analyst_agreeing",
                                       "mean_difference"])
        self.assertEqual((found["windows"], found["picks"], found["analyst_picks"]), (4, 4, 2))
        self.assertTrue(0 < found["mean_difference"] < 1)
        self.assertIn("4 windows, picks at probability 0.5, P and S", self.accepted("compare", network, windows))

    def test_imports_that_cannot_be(self):
        description, arrays, windows = self.write_import()
        out = self.folder / "out.onet"
        tail = (arrays, "--calibration", windows, "-o", out)
        layers = DESCRIPTION["layers"]
        wrong = {
            "layer hidden: no array kernel in " + str(arrays): [{**layers[0], "weights": "kernel"}, *layers[1:]],
            'layers[0]: "relo" is no key': [{**layers[0], "relo": True}, *layers[1:]],
            "layer logits: nothing before it is called hid": [layers[0], {**layers[1], "from": "hid"}, layers[2]],
            "no layer is a softmax or sigmoid": layers[:2]}
        for sentence, changed in wrong.items():
            with self.subTest(sentence=sentence):
                self.write_import(layers=changed)
                self.refused(f"{description}: ", "import", description, *tail)
                self.refused(sentence, "import", description, *tail)
        self.write_import()
        description.write_text(description.read_text().replace(":", ";", 1))
        self.refused("not a network description: no JSON: something is wrong in line 1", "import", description, *tail)
        self.write_import()
        self.refused("windows.npz: no array calibration", "import", description, arrays, "--calibration",
                     self.windows_without_calibration(), "-o", out)
        with zipfile.ZipFile(arrays, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("hidden/kernel.npy", b"0" * 100)
        self.refused("is compressed: write the archive with numpy.savez", "import", description, *tail)
        self.assertFalse(out.exists())

    def windows_without_calibration(self):
        path = self.folder / "other-windows.npz"
        write_npz(path, {"windows": ((1, 64, 3), [0.0] * 192)})
        return path

    def test_bad_command_lines(self):
        network, absent, arrays = self.network, self.folder / "absent", self.write_import()[1]
        cases = {
            ("info",): "info needs one network file",
            ("info", network, network): "info needs one network file",
            ("info", absent): f"{absent}: cannot be read",
            ("info", self.folder): f"{self.folder}: cannot be read",
            ("info", "--chunk", "0", network): "--chunk must be a whole number from 1 to 65536, not 0",
            ("info", "--chunk", "2.5", network): "--chunk must be a whole number from 1 to 65536, not 2.5",
            ("info", "--chunk"): "--chunk needs a value",
            ("verify", absent): f"onset model: {absent}: cannot be read",
            ("verify", "--public-key", absent, network): f"{absent}: cannot be read",
            ("verify", "--public-key", network, network): "a public key has 32 bytes, not 56960",
            ("import", absent, arrays): "import needs DESCRIPTION.json ARRAYS.npz --calibration",
            ("import", absent, arrays, "--calibration", arrays, "-o", absent): f"{absent}: cannot be read",
            ("import", absent, arrays, "--calibration", arrays, "-o", absent, "--ranges", "all"):
                "--ranges is percentile or mse, not all",
            ("compare", network): "compare needs NETWORK.onet and REFERENCE.npz",
            ("compare", network, absent): f"{absent}: cannot be read",
            ("compare", network, network): f"{network}: not an .npz archive",
            ("compare", network, arrays): f"no array windows in {arrays}; there are hidden/bias",
            ("sign", network): "sign needs NETWORK.onet and --key FILE",
            ("sign", network, "--key", absent): f"{absent}: cannot be read",
            ("sign", network, "--key", network): f"{network}: not a secret key of 64 bytes",
            ("sign", "--new-key", network): f"{network} exists: a key is not written over",
            ("sign", network, "--new-key", absent): "makes a key pair",
            ("sign", "--new-key", absent / "key"): "cannot be written"}
        for arguments, phrase in cases.items():
            with self.subTest(arguments=arguments):
                self.refused(phrase, *arguments)
        there_is_none = {
            (): "model needs a verb: info, verify, import, compare or sign",
            ("show",): "model show: there are info, verify, import, compare and sign",
            ("ifno",): "did you mean info?",
            ("info", "--rows", "3", network): "--rows is not known here; there are --chunk"}
        for arguments, phrase in there_is_none.items():
            with self.subTest(arguments=arguments):
                self.refused(phrase, *arguments, status=2)


class HelpTest(unittest.TestCase):
    """The program as it explains itself; that help and parser agree is ToolsTests' business."""

    def commands(self):
        lines = run("help")[0].split("Exit status:")[0].splitlines()
        return [line[2:20].strip() for line in lines if line.startswith("  ")]

    def test_every_command_explains_itself_three_ways(self):
        self.assertGreaterEqual(len(self.commands()), 17)
        for command in self.commands():
            with self.subTest(command=command):
                words = command.split()
                out, err = run("help", *words)
                self.assertEqual(err, "")
                self.assertTrue(out.startswith(f"onset {command}: "), out)
                self.assertIn("For example:\n", out)
                self.assertEqual(run(*words, "--help")[0], out)
                self.assertEqual(run(*words, "-h")[0], out)
                # Each is carried out, too, and takes what its help names alone.
                self.assertIn("--no-such is not known here", run(*words, "--no-such", status=2)[1])

    def test_the_first_page(self):
        out, err = run(status=2)
        self.assertEqual(out, "")
        self.assertLessEqual(err.count("\n"), 12)
        self.assertLessEqual(max(map(len, err.splitlines())), 100)
        for command in self.commands():
            self.assertIn(command.split()[-1], err)
        self.assertEqual(run("--help"), run("help"))
        self.assertIn("Exit status:\n  0  done\n  1  ", run("help")[0])
        self.assertEqual(run("model", "--help"), run("help", "model"))

    def test_an_index_is_documented(self):
        out, _ = run("evaluate", "--help")
        for column in "file source split fs p_sample s_sample polarity kind counts_per_unit magnitude hypo_km".split():
            self.assertIn(f"\n  {column} ", out)

    def complete(self, *words):
        script = ('source <("$1" completion bash); shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _onset; '
                  'echo "${COMPREPLY[*]}"')
        done = subprocess.run(["bash", "-c", script, "bash", str(ONSET), "onset", *words], capture_output=True)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout.decode().split()

    def test_bash_completes(self):
        self.assertEqual(self.complete("rep"), ["replay"])
        self.assertEqual(self.complete("replay", "--sp"), ["--speed"])
        self.assertEqual(self.complete("replay", "--kind", ""), ["acceleration", "velocity"])
        self.assertEqual(self.complete("model", "ver"), ["verify"])
        self.assertEqual(self.complete("model", "import", "--ranges", "m"), ["mse"])
        self.assertEqual(self.complete("model", "sign", "--n"), ["--new-key"])
        self.assertEqual(self.complete("help", "ev"), ["evaluate"])
        self.assertEqual(self.complete("replay", "rec"), [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
