#!/usr/bin/env python3
"""test_quorum.py ONSETD TOOLS [TEST…]: stations of one site, as processes on this machine, whose alarms wait for each other."""
import contextlib
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from live_station import ROOT, LiveStation

ONSETD, TOOLS = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
RATE, FRAME_BYTES = 8000, 12
ALARM, CLEAR = 2, 3
OUTVOTED = 11
PEERS_SILENT = 256
OWN_VOTE = 0x80


def earthquake():
    """The demonstration from 7 s before P on."""
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run([TOOLS / "onset", "demo", "--raw", file.name], check=True, capture_output=True)
        return file.read()[8 * RATE * FRAME_BYTES:]


class Member(LiveStation):
    """A station of a site, with a key of its own."""

    def __init__(self, folder, number, frames):
        folder.mkdir()
        super().__init__(ONSETD, TOOLS, folder, frames, key=bytes([number] * 32))
        shutil.copy(ROOT / "boards/emulated/accelerometer.toml", self.host)
        self.change("../../calibration/instruments/geophone-4.5hz.toml", "accelerometer.toml")

    def change(self, old, new):
        file = self.host / "station.toml"
        text = file.read_text()
        assert old in text, old
        file.write_text(text.replace(old, new))

    def name(self, others, when_silent):
        """Puts the others into its file."""
        lines = ["[quorum]", "needed = 2", f'when_silent = "{when_silent}"']
        for number, other in enumerate(others, 1):
            public = (other.host / "station.key.pub").read_bytes().hex()
            lines.append(f'peer_{number} = "{public} 127.0.0.1 {other.listen_port}"')
        self.change("[uplink]", "\n".join(lines) + "\n\n[uplink]")

    def set_period(self, frames):
        """So many at a time come from its digitizer."""
        file = self.host / "board.toml"
        file.write_text(re.sub("period_frames = .*", f"period_frames = {frames}",
                               re.sub("buffer_frames = .*", f"buffer_frames = {4 * frames}", file.read_text())))

    def end(self):
        """Stops it, after what it says now; all that it told is in `messages` then."""
        self.receive(lambda m: m["type"] == "health")
        assert self.stop() == 0
        self.socket.settimeout(0)
        with contextlib.suppress(BlockingIOError): self.receive(lambda m: False)

    def alerts(self):
        return [m for m in self.messages if m["type"] == "alert" and m["repeat"] == 0]


class QuorumTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.strong = earthquake()
        # Its noise before P, again and again.
        cls.quiet = cls.strong[:6 * RATE * FRAME_BYTES] * 8

    def site(self, *frames, when_silent="alone"):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        members = [Member(folder / f"station{n}", n + 1, one) for n, one in enumerate(frames)]
        for member in members: self.addCleanup(member.__exit__)
        for member in members:
            member.name([other for other in members if other is not member], when_silent)
        return members

    def start(self, members):
        for member in members: member.start()

    def doctor(self, member):
        return subprocess.run([TOOLS / "onset", "doctor", *member.operator()], capture_output=True, text=True).stdout

    def test_two_that_feel_it_alarm_and_the_third_does_not(self):
        first, second, still = members = self.site(self.strong, self.strong, self.quiet)
        self.start(members)
        told = [member.receive(lambda m: m["type"] == "alert" and m["level"] == ALARM) for member in (first, second)]
        # Peers are counted as each file names them.
        self.assertEqual([alarm["votes"] & ~2 for alarm in told], [OWN_VOTE | 1] * 2)
        self.assertEqual([alarm["relay"] for alarm in told], [0, 0])
        called = [next(alert for alert in member.alerts() if alert["votes"] & OWN_VOTE) for member in (first, second)]
        # The later of both is told of the other's decision in the same moment.
        self.assertLess(max(a["decided_ns"] for a in told) - max(c["decided_ns"] for c in called), 0.2e9)
        said = self.doctor(still)
        self.assertIn("2 of the site's other stations are heard and could decide, 1 must agree", said)
        for member in members: member.end()
        self.assertEqual(still.alerts(), [])
        self.assertIn(2 << 4 | 2, [m["quorum"] for m in still.messages if m["type"] == "health"])

    def test_what_one_alone_feels_is_outvoted(self):
        shaken, still = self.site(self.strong, self.quiet)
        self.start((shaken, still))
        clear = shaken.receive(lambda m: m["type"] == "alert" and (m["reason"] == OUTVOTED or m["level"] == ALARM))
        self.assertEqual(clear["level"], CLEAR)
        self.assertIn(OWN_VOTE, [alert["votes"] for alert in shaken.alerts()])
        for member in (shaken, still): member.end()
        self.assertEqual(still.alerts(), [])

    def test_whose_frames_come_once_a_second_hears_the_others_all_the_same(self):
        shaken, still = self.site(self.strong, self.quiet)
        shaken.set_period(RATE)
        self.start((shaken, still))
        clear = shaken.receive(lambda m: m["type"] == "alert" and (m["reason"] == OUTVOTED or m["level"] == ALARM))
        self.assertEqual(clear["level"], CLEAR)
        for member in (shaken, still): member.end()

    def test_where_nobody_is_heard_the_file_decides(self):
        alone, _ = self.site(self.strong, self.quiet)
        waiting, _ = self.site(self.strong, self.quiet, when_silent="wait")
        self.start((alone, waiting))
        alarm = alone.receive(lambda m: m["type"] == "alert" and m["level"] == ALARM)
        self.assertEqual(alarm["votes"], OWN_VOTE)
        self.assertIn("an alarm comes without them", self.doctor(alone))
        waiting.receive(lambda m: m["type"] == "alert" and m["reason"] == OUTVOTED)
        self.assertNotIn(ALARM, [alert["level"] for alert in waiting.alerts()])
        health = waiting.receive(lambda m: m["type"] == "health")
        self.assertTrue(health["incapacity"] & PEERS_SILENT)
        said = self.doctor(waiting)
        self.assertIn("too few of the site's other stations are heard (see peers)", said)
        self.assertIn("no alarm can come; do they run", said)
        for member in (alone, waiting): member.end()

    def test_a_station_that_names_itself_is_refused(self):
        one, other = self.site(self.quiet, self.quiet)
        own = (one.host / "station.key.pub").read_bytes().hex()
        theirs = (other.host / "station.key.pub").read_bytes().hex()
        one.change(theirs, own)
        status, said = one.refusal()
        self.assertNotEqual(status, 0)
        self.assertIn("[quorum] names this station's own key as a peer's", said)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
