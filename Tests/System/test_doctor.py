#!/usr/bin/env python3
"""test_doctor.py ONSETD TOOLS [TEST…]: what `onset doctor` and `onsetd --self-test` say on the spot, where the machine
itself must be made so; and the yearly visit that the doctor walks through, by a script and on a terminal.
"""
import json
import os
import pathlib
import pty
import subprocess
import sys
import tempfile
import threading
import tomllib
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from live_station import LiveStation

ONSETD, TOOLS = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
PROGRAMS = [TOOLS / "onset", "doctor"], [ONSETD, "--self-test"]


class StateFolder(unittest.TestCase):
    """Each in mounts of its own, which are gone with the program."""

    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.station = LiveStation(ONSETD, TOOLS, pathlib.Path(place.name))
        self.station.socket.close()
        self.state = self.station.host / "state"
        self.state.mkdir(exist_ok=True)

    def examine(self, program, mounting=":"):
        into = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-ec",
                f'{mounting}; exec "$@"', "sh"]
        done = subprocess.run([*into, *program, *self.station.arguments()[1:], "--json"], cwd=self.station.folder,
                              env=self.station.environment(), capture_output=True, text=True, timeout=60)
        found = {f["part"]: f for f in map(json.loads, done.stdout.splitlines())}
        self.assertEqual(found["disk"]["verdict"], "good", done.stderr)
        return found

    def test_one_that_forgets_is_named(self):
        memory = f"mount -t tmpfs onset '{self.state}'"
        # Beneath lies memory too: not every disk can be the upper part of an overlay.
        overlay = (f"{memory}; cd '{self.state}'; mkdir lower upper work root; "
                   f"mount -t overlay onset -o lowerdir=lower,upperdir=upper,workdir=work root; mount --bind root '{self.state}'; cd /")
        for mounting, phrase in (memory, "is in memory (tmpfs): a power cut takes the boot counter"), \
                                (overlay, "is on an overlay; where its upper part is memory, a power cut takes"):
            for program in PROGRAMS:
                with self.subTest(phrase=phrase, program=program[-1]):
                    found = self.examine(program, mounting)
                    self.assertEqual(found["state"]["verdict"], "doubtful")
                    self.assertIn(phrase, found["state"]["text"])

    def test_one_on_a_disk_is_not(self):
        kind = subprocess.check_output(["stat", "--file-system", "--format", "%T", self.state], text=True).strip()
        self.assertEqual("state" in self.examine(PROGRAMS[0]), kind in ("tmpfs", "ramfs", "overlayfs"), kind)


ANSWERS = {
    "visitor": "Ada Lovelace", "untouched": "yes", "level": "no, a foot had sunk", "north_azimuth_degrees": "12.5", "fixed": "yes",
    "sensor_serial": "GS-11 4711", "digitizer_serial": "none \"at all\"", "cables": "yes", "stamp_is_picked": "yes", "seals": "yes",
    "earth": "- no arrester here", "battery_volts": "12.7", "battery_year": "2024", "stays_on": "yes", "clock_agrees": "yes",
    "antenna": "yes", "card_year": "2025", "collector_hears": "yes", "photos": "1 to 7", "remarks": ""}


class Visit(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        # Some seconds of a ramp, so that the self-test hears something.
        frames = b"".join((n % 977).to_bytes(4, "little") * 3 for n in range(8 * 8000))
        self.station = LiveStation(ONSETD, TOOLS, pathlib.Path(place.name), frames)
        self.addCleanup(self.station.socket.close)
        self.report = self.station.folder / "visit.toml"
        self.draft = self.station.folder / "visit.toml.draft"
        self.files = self.station.arguments()[1:]

    def command(self, *options):
        return [TOOLS / "onset", "doctor", *options]

    def run_it(self, *options):
        return subprocess.run(self.command(*options), cwd=self.station.folder, env=self.station.environment(),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90)

    def answers(self, change=()):
        path = self.station.folder / "answers"
        path.write_text("".join(f"{key} = {text}\n" for key, text in (ANSWERS | dict(change)).items() if text is not None))
        return path

    def verify(self, *options, report=None):
        return self.run_it("--verify-visit", report or self.report, *options)

    def test_a_script_makes_a_report_that_is_signed(self):
        done = self.run_it(*self.files, "--visit", self.report, "--answers", self.answers(), "--key",
                           self.station.host / "operator")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("is the report, signed by an operator", done.stdout)
        self.assertRegex(done.stdout, r"to be mended: level(, \w+)*\n")
        self.assertFalse(self.draft.exists())
        found = tomllib.loads(self.report.read_text())
        self.assertEqual(found["visit"]["station"], "XX.ONST1.00.EH")
        self.assertEqual((found["visit"]["visitor"], found["sensor"]["level"]), ("Ada Lovelace", "no, a foot had sunk"))
        self.assertEqual((found["power"]["battery_volts"], found["power"]["battery_year"]), (12.7, 2024))
        self.assertEqual(found["digitizer"]["digitizer_serial"], 'none "at all"')
        self.assertEqual(found["enclosure"]["earth"], "- no arrester here")
        self.assertRegex(found["measured"]["digitizer"], r"^good: 3 channels, \d+ frames")
        # The board has no relay, so nobody is asked about it.
        self.assertNotIn("relay", found)
        for options in (["--public", self.station.host / "operator.pub"], ["--station", self.station.host / "station.toml"]):
            done = self.verify(*options)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout, r"is as it was signed by an operator: a visit to XX.ONST1.00.EH by Ada Lovelace, which "
                                          r"ended 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ; to be mended: level")
        self.assertEqual(self.verify("--public", self.station.host / "station.key.pub").returncode, 1)
        self.assertEqual(self.verify().returncode, 2)
        changed = self.station.folder / "changed.toml"
        changed.write_text(self.report.read_text().replace("battery_volts = 12.7", "battery_volts = 13.7"))
        done = self.verify("--public", self.station.host / "operator.pub", report=changed)
        self.assertEqual(done.returncode, 1)
        self.assertIn("it is not as it was signed: something was changed, added or taken away", done.stderr)
        # Another visit does not take its place.
        done = self.run_it(*self.files, "--visit", self.report, "--answers", self.answers())
        self.assertEqual(done.returncode, 1)
        self.assertIn("is there already: a report is never written over", done.stderr)

    def test_the_station_signs_where_no_operator_does(self):
        done = self.run_it(*self.files, "--visit", self.report, "--answers", self.answers())
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.verify("--public", self.station.host / "station.key.pub")
        self.assertIn("signed by the station itself", done.stdout)
        self.assertEqual(self.verify("--public", self.station.host / "operator.pub").returncode, 1)

    def test_a_script_is_told_of_all_that_it_lacks(self):
        for change, phrase in (
                ({"level": None, "seals": None}, "must answer what nobody can be asked here: level, seals"),
                ({"level": "perhaps"}, "answers:3: level: perhaps is no answer: yes or no"),
                ({"relay_standby": "yes, Bo"}, "relay_standby: the board has no [relay] that could move")):
            done = self.run_it(*self.files, "--visit", self.report, "--answers", self.answers(change))
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(phrase, done.stderr)
            self.assertFalse(self.report.exists() or self.draft.exists())

    def test_the_relay_moves_for_nobody_but_who_stands_by(self):
        board = self.station.host / "board.toml"
        board.write_text(board.read_text() + '\n[relay]\nchip = "gpiochip9"\nline = 17\nfail_safe = "released"\n')
        ask = [*self.files, "--visit", self.report, "--answers"]
        done = self.run_it(*ask, self.answers({"relay_standby": "yes, Bo", "relay_moved": "yes"}))
        self.assertEqual(done.returncode, 2)
        self.assertIn("relay_standby = yes, Bo moves the relay only with --relay beside it", done.stderr)
        self.assertIn("relay_standby", self.run_it(*ask, self.answers()).stderr)
        done = self.run_it(*ask, self.answers({"relay_standby": "no"}))
        self.assertEqual(done.returncode, 0, done.stderr)
        found = tomllib.loads(self.report.read_text())
        self.assertEqual(found["relay"], {"relay_standby": "no"})
        # With consent it is tried, and a line that is not there does not obey.
        self.report.unlink()
        done = self.run_it(*ask, self.answers({"relay_standby": "yes, Bo", "relay_moved": "yes"}), "--relay")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = tomllib.loads(self.report.read_text())
        self.assertEqual(found["relay"], {"relay_standby": "yes, Bo"})
        self.assertRegex(found["measured"]["relay"], "^BAD: .*gpiochip9")
        self.assertRegex(found["visit"]["to_mend"], r"\brelay\b")

    def on_a_terminal(self, lines, *options):
        """Answers as they are typed; then the terminal is gone."""
        master, slave = pty.openpty()
        process = subprocess.Popen(self.command(*options), cwd=self.station.folder, env=self.station.environment(), stdin=slave,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        os.close(slave)
        watch = threading.Timer(90, process.kill)
        watch.start()
        self.addCleanup(watch.cancel)
        # In canonical mode ^D ends what can be read.
        os.write(master, "".join(line + "\n" for line in lines).encode() + b"\x04")
        said, _ = process.communicate()
        os.close(master)
        return process.returncode, said

    def test_a_visit_on_a_terminal_is_interrupted_and_goes_on(self):
        typed = list(ANSWERS.values())
        first, rest = typed[:3], typed[3:]
        options = [*self.files, "--visit", self.report]
        status, said = self.on_a_terminal(["", *first[:2], "perhaps", first[2]], *options)
        self.assertEqual(status, 1, said)
        self.assertIn("visitor: nothing is no answer: a few words", said)
        self.assertIn("level: perhaps is no answer", said)
        self.assertIn("the same command goes on from there", said)
        self.assertFalse(self.report.exists())
        status, said = self.on_a_terminal(rest, *options)
        self.assertEqual(status, 0, said)
        self.assertIn("going on with the visit of 20", said)
        self.assertNotIn("Who visits?", said)
        self.assertNotIn("measuring the station", said)
        found = tomllib.loads(self.report.read_text())
        self.assertEqual(found["sensor"]["level"], "no, a foot had sunk")
        self.assertEqual(found["papers"]["photos"], "1 to 7")
        self.assertRegex(found["measured"]["digitizer"], "^good: ")

    def test_a_station_that_runs_is_visited_too(self):
        with self.station as station:
            station.receive(lambda m: m["type"] == "health" and m["state"] & 1)
            done = self.run_it(*station.operator(), "--visit", self.report, "--answers", self.answers())
            self.assertEqual(station.stop(), 0)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = tomllib.loads(self.report.read_text())
        self.assertEqual((found["visit"]["station"], found["measured"]["by"]), ("XX.ONST1.00.EH", "health of the running station"))
        self.assertIn("NOT armed, because the board has no [relay]", found["measured"]["alarm"])
        self.assertEqual(self.verify("--station", station.host / "station.toml").returncode, 0)


if __name__ == "__main__":
    sys.argv = sys.argv[:1] + sys.argv[3:]
    unittest.main()
