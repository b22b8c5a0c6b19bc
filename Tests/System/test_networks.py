"""A real network, live: ten stations of Iceland's Hengill, a swarm of 2018, each played in real time into an onsetd of its
own, over sockets to a collector, from there to mosquitto and to the service that associates picks. What it finds is what
the same records give from a file.

    python3 Tests/System/test_networks.py BUILD_FOLDER ONSETD

It needs ../shared/data, ObsPy, PyOcto and mosquitto; CI must have the last three.
"""
import csv
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from live_station import ROOT, LiveStation
from servers import Mosquitto, program

BUILD, ONSETD = (pathlib.Path(path).resolve() for path in sys.argv[1:3])
WAVEFORMS = ROOT.parent / "shared/data/waveforms"
ASSOCIATION = ROOT / "calibration/association"
try:
    import numpy
    import obspy
    import pyocto  # The service's.
except ImportError as missing:
    print(f"skipped: {missing.name} is not there: make packages-association", file=sys.stderr)
    sys.exit(1 if os.environ.get("CI") else 0)
if not WAVEFORMS.exists():
    print("skipped: ../shared/data, with real records, is not there", file=sys.stderr)
    sys.exit(0)

STATIONS, BEGIN, SECONDS = 10, obspy.UTCDateTime("2018-12-30T03:00:20"), 100
# The service has heard them by then. A station starts within ten seconds, and picks when ten more are over.
STARTED = 25
TOKEN = "0123456789abcdef"


def places():
    with open(ASSOCIATION / "stations.csv", newline="") as file:
        return [row for row in csv.DictReader(file) if row["source"] == "cont_malmi_iceland"][:STATIONS]


class Member(LiveStation):
    """One of them: its record, from a moment on that is the same for all."""

    def __init__(self, folder, place, collector, begin):
        self.code = f"{place['id']}.00.HH"
        stream = obspy.read(WAVEFORMS / "cont_malmi_iceland" / f"{place['id']}.mseed").slice(BEGIN, BEGIN + SECONDS)
        lanes = [stream.select(component=component)[0].data[:SECONDS * 200] for component in "ZNE"]
        folder.mkdir()
        super().__init__(ONSETD, BUILD, folder, frames=numpy.array(lanes, "<i4").T.tobytes())
        card, board, station = self.host / "asound.conf", self.host / "board.toml", self.host / "station.toml"
        card.write_text(card.read_text().replace("speed 1.0", f"speed 1.0\n  begin_at {begin}"))
        board.write_text(re.sub(r"period_frames.*", "period_frames = 10", re.sub(
            r"buffer_frames.*", "buffer_frames = 200",
            board.read_text().replace("sample_rate_millihertz = 8000000", "sample_rate_millihertz = 200000"))))
        text = re.sub(r"(?s)\[sensor\].*?(?=\[picker\])", "", station.read_text())
        text = re.sub(r"(?m)^port = .*", f"port = {collector}", text.replace("XX.ONST1.00.EH", self.code))
        station.write_text(
            f"{text}\n[site]\nlatitude_degrees = {place['latitude']}\nlongitude_degrees = {place['longitude']}\n"
            f"elevation_metres = {place['elevation']}\n")


class Networks(unittest.TestCase):
    def test_a_swarm_in_iceland(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        folder = pathlib.Path(temporary.name)
        broker = Mosquitto(folder / "mosquitto").start()
        self.addCleanup(broker.kill)
        (folder / "keys").mkdir()
        for place in places():
            key = folder / "keys" / f"{place['id']}.00.HH.key"
            key.touch(mode=0o600)
            key.write_bytes(bytes(range(32)))
        (folder / "token").write_text(TOKEN)
        collector = self.started(
            [BUILD / "onset-collector", "--keys", folder / "keys", "--database", folder / "onset.sqlite", "--port", "0", "--http",
             "127.0.0.1:0", "--operate-token", folder / "token", "--mqtt", f"mqtt://127.0.0.1:{broker.port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(collector.stderr.close)
        page, stations = collector.stderr.readline(), collector.stderr.readline()
        url = re.search(r"http://[^/]+", page)[0]
        heard = open(folder / "mqtt.txt", "w")
        self.addCleanup(heard.close)
        self.started([program("mosquitto_sub", "mosquitto-clients"), "-p", str(broker.port), "-t", "onset/+/+/+/pick", "-v"],
                     stdout=heard, stderr=subprocess.DEVNULL)
        begin = int(time.time())
        members = [Member(folder / place["id"], place, re.search(r"port (\d+)", stations)[1], begin) for place in places()]
        for member in members:
            self.addCleanup(member.__exit__)
            member.start()
        self.started([sys.executable, ASSOCIATION / "associate.py", url, "--operate-token", folder / "token"],
                     stderr=subprocess.DEVNULL)
        # Each as the file has it, in the time of now.
        wanted = [event for event in self.from_file(folder) if event["after"] > STARTED]
        self.assertGreaterEqual(len(wanted), 2)
        for event in wanted:
            found = self.found(url, begin, event)
            self.assertLess(111.2 * abs(found["latitude"] - event["latitude"]), 3)
            self.assertLess(49 * abs(found["longitude"] - event["longitude"]), 3)
            print(f"{event['after']:.2f} s: {self.after(found, begin) - event['after']:+.3f} s, {len(found['picks'])} picks",
                  file=sys.stderr)
        # What was picked went over MQTT as well.
        told = {json.loads(line.split(" ", 1)[1])["station"] for line in (folder / "mqtt.txt").read_text().splitlines()}
        self.assertEqual(told, {member.code for member in members})

    def started(self, command, **options):
        process = subprocess.Popen(command, **options)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    @staticmethod
    def after(event, begin):
        return datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp() - begin

    def found(self, url, begin, event):
        """What the service makes of an event, when most of the file's picks are in it."""
        late = time.monotonic() + SECONDS + 60
        # What is there is looked at whenever the collector tells of something.
        with urllib.request.urlopen(f"{url}/api/live", timeout=SECONDS) as told:
            while time.monotonic() < late:
                with urllib.request.urlopen(f"{url}/api/origins", timeout=SECONDS) as answer:
                    events = json.load(answer)["origins"]
                near = [one for one in events if abs(self.after(one, begin) - event["after"]) < 0.5]
                self.assertLess(len(near), 2, near)
                if near and len(near[0]["picks"]) >= 0.7 * len(event["picks"]): return near[0]
                while not told.readline().startswith((b"event: origin", b"event: collector")): pass
        raise AssertionError(f"{event} was not found; there are {events}")

    def from_file(self, folder):
        rows = ["station,phase,time"]
        for place in places():
            done = subprocess.run(
                [BUILD / "onset", "replay", "--only", "pick", WAVEFORMS / "cont_malmi_iceland" / f"{place['id']}.mseed"],
                check=True, capture_output=True, text=True)
            for pick in map(json.loads, done.stdout.splitlines()):
                seconds = obspy.UTCDateTime(pick["time"]) - BEGIN
                if pick["status"] == "confirmed" and 0 < seconds < SECONDS:
                    rows.append(f"{place['id']},{pick['phase']},{obspy.UTCDateTime(pick['time']).timestamp}")
        (folder / "picks.csv").write_text("\n".join(rows) + "\n")
        (folder / "stations.csv").write_text("\n".join(
            ["id,latitude,longitude,elevation"] + [",".join((p["id"], p["latitude"], p["longitude"], p["elevation"])) for p in places()]))
        done = subprocess.run(
            [sys.executable, ASSOCIATION / "associate.py", "--picks", folder / "picks.csv", "--stations", folder / "stations.csv"],
            check=True, capture_output=True, text=True)
        events = [json.loads(line) for line in done.stdout.splitlines()]
        for event in events: event["after"] = obspy.UTCDateTime(event["time"]) - BEGIN
        # Those with few picks may be another's in part.
        return [event for event in events if len(event["picks"]) >= 10]


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
