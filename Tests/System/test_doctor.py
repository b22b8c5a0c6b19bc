#!/usr/bin/env python3
"""test_doctor.py ONSETD TOOLS [TEST…]: what `onset doctor` and `onsetd --self-test` say on the spot, where the machine
itself must be made so.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
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


if __name__ == "__main__":
    sys.argv = sys.argv[:1] + sys.argv[3:]
    unittest.main()
