#!/usr/bin/env python3
"""test_firmware.py ONSETD TOOLS: the firmware itself, started as an operator would start it.

Nothing is mocked but the card: libasound, sockets, signals, files and the machine's clock are real.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from live_station import ROOT, Disk, LiveStation, Power, ServiceManager, free_udp_port

ONSETD, TOOLS = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
FRAME_BYTES, RATE = 12, 8000
ALARM, CLEAR, COMMAND = 2, 3, 7  # levels of an alert, and that an operator has ended it
TRIGGER_RATIO, RELEASE = 1, 11  # numbers of parameters
LOSES_STATE = 2  # a bit of health's keeping
# Of a decision in two runs of the same frames: some periods of a shared machine, a twentieth of the least stall.
LATER_NS_MAX = 500_000_000


def crc32c(data):
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ 0x82F63B78 * (register & 1)
    return register ^ 0xFFFFFFFF


class FirmwareTest(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.temporary.name)

    def tearDown(self):
        self.temporary.cleanup()

    def station(self, frames=None):
        return LiveStation(ONSETD, TOOLS, self.folder, frames)

    def earthquake(self):
        """The demonstration from 7 s before P on."""
        raw = self.folder / "demo.raw"
        subprocess.run([TOOLS / "onset", "demo", "--raw", raw], check=True, capture_output=True)
        return raw.read_bytes()[8 * RATE * FRAME_BYTES:]

    def latching_station(self):
        """One that hears the demonstration's earthquake by its own sensor, and whose alarm stands until released."""
        station = self.station(self.earthquake())
        shutil.copy(ROOT / "boards/emulated/accelerometer.toml", station.host)
        self.replace(station.host / "station.toml", "../../calibration/instruments/geophone-4.5hz.toml",
                     "accelerometer.toml")
        self.replace(station.host / "station.toml", "[uplink]", "[alarm]\nlatch = true\n\n[uplink]")
        return station

    @staticmethod
    def command(station, *arguments):
        return subprocess.run(
            [TOOLS / "onset", "command", *station.operator(), *arguments], capture_output=True, text=True)

    @staticmethod
    def ramp(seconds):
        return b"".join((n % 977).to_bytes(4, "little") * 3 for n in range(seconds * RATE))

    def replace(self, path, old, new):
        text = path.read_text()
        self.assertIn(old, text)
        path.write_text(text.replace(old, new))

    def test_earthquake_in_real_time(self):
        """P comes 7 s after the start; the pick must follow, provisional, then confirmed."""
        raw = self.folder / "demo.raw"
        subprocess.run([TOOLS / "onset", "demo", "--raw", raw], check=True, capture_output=True)
        frames = raw.read_bytes()[8 * RATE * FRAME_BYTES:20 * RATE * FRAME_BYTES]
        with self.station(frames) as station:
            first = station.receive(lambda m: m["type"] == "pick")
            second = station.receive(lambda m: m["type"] == "pick")
            self.assertEqual([first["status"], second["status"]], [1, 2])
            self.assertEqual(first["id"], second["id"])
            self.assertLess((first["emitted_ns"] - first["time_ns"]) * 1e-9, 0.5)
            self.assertLess((second["emitted_ns"] - second["time_ns"]) * 1e-9, 4)
            self.assertEqual(station.stop(), 0)
        start = next(m for m in station.messages if m["type"] == "health")
        # The first message left with the first block; P lies 7 s and one period after that block's start.
        onset = (first["time_ns"] - start["emitted_ns"]) * 1e-9
        self.assertAlmostEqual(onset, 7.0, delta=0.1)
        self.assertEqual([m["sequence"] for m in station.messages], list(range(len(station.messages))))

    def test_ping_health_memory_and_restart(self):
        with self.station() as station:
            health = station.receive(lambda m: m["type"] == "health" and m["frames"] > 8000)
            self.assertEqual(health["gaps"], 0)
            boot = health["boot"]
            self.assertLessEqual(station.resident_kibibytes(), 6 * 1024)
            pong = subprocess.run([TOOLS / "onset", "ping", *station.operator()],
                                  check=True, capture_output=True, text=True).stdout
            self.assertEqual(json.loads(pong)["station"], "XX.ONST1.00.EH")
            self.assertEqual(json.loads(pong)["type"], "pong")
            wrong = self.folder / "wrong"
            subprocess.run([TOOLS / "onset", "key", "operator", wrong], check=True, capture_output=True)
            for stranger in (["--key", wrong], ["--public", f"{wrong}.pub"]):
                arguments = station.operator()
                arguments[arguments.index(stranger[0]) + 1] = stranger[1]
                refused = subprocess.run([TOOLS / "onset", "ping", *arguments], capture_output=True, text=True)
                self.assertEqual(refused.returncode, 1)
                self.assertIn("no answer to 3 pings", refused.stderr)
            counted = station.receive(lambda m: m["type"] == "health" and m["datagrams_rejected"] >= 3)
            self.assertEqual(counted["datagrams_rejected"], 3)
            self.assertEqual(station.stop(), 0)
        with self.station() as again:
            self.assertGreater(again.receive(lambda m: True)["boot"], boot)

    def test_commands_set_thresholds_once_and_for_this_boot(self):
        command = self.command
        with self.station() as station:
            station.receive(lambda m: m["type"] == "health")
            told = json.loads(command(station, "confirm_probability").stdout)
            self.assertEqual(told["result"], "done")
            done = command(station, "confirm_probability", "0.625")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(json.loads(done.stdout)["value"], 0.625)
            self.assertNotEqual(told["value"], 0.625)
            refused = command(station, "trigger_ratio", "1.2")
            self.assertEqual((refused.returncode, json.loads(refused.stdout)["result"]), (1, "out of range"))
            audit = [m for m in station.messages if m["type"] == "audit"]
            while len(audit) < 3:
                audit.append(station.receive(lambda m: m["type"] == "audit"))
            self.assertEqual([m["result"] for m in audit], [1, 1, 3])
            self.assertEqual({f"{m['operator']:016x}" for m in audit}, {json.loads(done.stdout)["operator"]})
            counted = station.receive(lambda m: m["type"] == "health" and m["datagrams_accepted"] >= 6)
            self.assertEqual(counted["datagrams_rejected"], 0)
            self.assertEqual(station.stop(), 0)
        with self.station() as again:
            again.receive(lambda m: m["type"] == "health")
            after = json.loads(command(again, "confirm_probability").stdout)
            self.assertEqual(after["value"], told["value"])

    def test_vanished_card_is_opened_again(self):
        """The simulated card is gone after three seconds of file and starts over when it is opened."""
        with self.station() as station:
            back = station.receive(lambda m: m["type"] == "health" and m["gaps"] > 0)
            self.assertGreaterEqual(back["reopenings"], 1)
            # 0.1 s of back-off at 8 kHz, and as long again at most for the loop's own waiting.
            self.assertGreater(back["gap_frames"], 700)
            self.assertEqual(station.stop(), 0)

    def test_loop_sleeps_between_periods(self):
        """Three channels at 8 kHz in real time cost a few per cent of a core; a loop that spins, all of it."""
        with self.station() as station:
            station.receive(lambda m: m["type"] == "health" and m["frames"] > 16000)
            used, elapsed = station.cpu_seconds(), station.received_at - station.started_at
            self.assertLess(used / elapsed, 0.5)

    def test_boots_without_a_name_server(self):
        station = self.station()
        self.replace(station.host / "station.toml", 'host = "127.0.0.1"', 'host = "no-such-host.invalid"')
        with station:
            deadline = 50
            for _ in range(deadline):
                done = subprocess.run([TOOLS / "onset", "ping", *station.operator()], capture_output=True, text=True)
                if done.returncode == 0:
                    break
            pong = json.loads(done.stdout)
            self.assertEqual(pong["sent"], 0)
            self.assertEqual(station.stop(), 0)

    def test_without_its_network_sta_lta_takes_over(self):
        raw = self.folder / "demo.raw"
        subprocess.run([TOOLS / "onset", "demo", "--raw", raw], check=True, capture_output=True)
        frames = raw.read_bytes()[8 * RATE * FRAME_BYTES:20 * RATE * FRAME_BYTES]
        station = self.station(frames)
        model = station.folder / "calibration/models/onset-picker.onet"
        damaged = bytearray(model.read_bytes())
        damaged[5000] ^= 1
        model.write_bytes(damaged)
        with station:
            health = station.receive(lambda m: m["type"] == "health")
            self.assertEqual((health["state"] & 12, health["model"]), (4, "sta-lta"))
            pick = station.receive(lambda m: m["type"] == "pick")
            self.assertEqual((pick["picker"], pick["pick_flags"]), (1, 0))
            self.assertEqual(station.stop(), 0)
        self.assertIn("the checksum is wrong: the file is damaged; STA/LTA picks instead", station.said)

    def test_without_its_estimators_network_relations_estimate(self):
        station = self.station()
        (station.folder / "calibration/models/onset-estimator.onet").unlink()
        with station:
            health = station.receive(lambda m: m["type"] == "health")
            self.assertEqual((health["state"] & 12, health["model"]), (8, "onset-picker"))
            self.assertEqual(station.stop(), 0)
        self.assertIn("onset-estimator.onet cannot be read (No such file or directory); relations estimate alone",
                      station.said)

    def examine(self, station, program, *options):
        """Findings by part, and the exit status, of the doctor or of the firmware's self-test."""
        done = subprocess.run([*program, *station.arguments()[1:], "--json", *options], cwd=station.folder,
                              env=station.environment(), capture_output=True, text=True, timeout=60)
        findings = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(done.returncode, int(any(f["verdict"] == "bad" for f in findings)), done.stderr)
        return {f["part"]: f for f in findings}

    def test_the_doctor_and_the_self_test_say_the_same(self):
        station = self.station(self.ramp(seconds=8))
        programs = [TOOLS / "onset", "doctor"], [ONSETD, "--self-test"]
        by_tool, by_firmware = (self.examine(station, program) for program in programs)
        station.socket.close()
        verdicts = {part: found["verdict"] for part, found in by_tool.items()}
        self.assertEqual(verdicts, {part: found["verdict"] for part, found in by_firmware.items()})
        self.assertEqual(by_tool["picker"]["text"], by_firmware["picker"]["text"])
        for part in ("board", "station", "calibration", "key", "picker", "estimator", "digitizer", "vertical", "north",
                     "east", "disk", "uplink"):
            self.assertEqual(verdicts[part], "good", by_tool[part]["text"])
        self.assertEqual((verdicts["pps"], verdicts["relay"]), ("skipped", "skipped"))
        self.assertFalse((station.host / "state/boot-counter").exists(), "no boot is used up")

    def test_the_doctor_finds_what_is_wrong(self):
        # Eight seconds: zeros on the vertical, the same value on the north, the largest on the east.
        frames = b"".join((0).to_bytes(4, "little") + (77).to_bytes(4, "little") +
                          (2147483647 if n % 2 else 5).to_bytes(4, "little") for n in range(8 * RATE))
        station = self.station(frames)
        (station.host / "station.key").chmod(0o644)
        (station.folder / "calibration/models/onset-estimator.onet").unlink()
        self.replace(station.host / "station.toml", 'directory = "state"', 'directory = "nowhere"')
        self.replace(station.host / "station.toml", 'host = "127.0.0.1"', 'host = "255.255.255.255"')  # broadcasts are refused
        found = self.examine(station, [TOOLS / "onset", "doctor"])
        station.socket.close()
        for part, phrase in {
                "key": "open to everyone", "estimator": "cannot be read", "vertical": "nothing but zeros",
                "north": "the same value all the time", "east": "at full scale", "disk": "cannot be written",
                "uplink": "have no way"}.items():
            self.assertEqual(found[part]["verdict"], "bad", part)
            self.assertIn(phrase, found[part]["text"])
        self.assertEqual(found["digitizer"]["verdict"], "good")

    def test_the_doctor_of_a_running_station(self):
        with self.station(self.ramp(seconds=20)) as station:
            station.receive(lambda m: m["type"] == "health" and m["state"] & 1)
            done = subprocess.run([TOOLS / "onset", "doctor", *station.operator(), "--json"], capture_output=True, text=True)
            findings = {f["part"]: f for f in map(json.loads, done.stdout.splitlines())}
            self.assertEqual(station.stop(), 0)
        self.assertEqual(set(findings), {"alarm", "relay", "station", "clock", "digitizer", "channels",
                                         "calibration", "parameters", "networks", "state", "uplink", "machine"})
        self.assertEqual(findings["alarm"]["verdict"], "skipped", "the board has no relay")
        self.assertIn("NOT armed, because the board has no [relay]", findings["alarm"]["text"])
        self.assertEqual(findings["networks"]["verdict"], "good")
        self.assertEqual(findings["station"]["verdict"], "good", findings["station"])
        self.assertIn(", 0 gaps", findings["digitizer"]["text"])
        self.assertEqual(done.returncode, int(findings["clock"]["verdict"] == "bad"), findings)

    def test_the_network_picks(self):
        with self.station() as station:
            health = station.receive(lambda m: m["type"] == "health")
            self.assertEqual((health["state"] & 4, health["model"]), (0, "onset-picker"))
            self.assertEqual(station.stop(), 0)

    def collector(self, *options, port=0):
        """One that ends after three minutes at the latest, so that nobody waits for its lines for ever."""
        collector = subprocess.Popen([TOOLS / "onset-collector", *options, "--port", str(port), "--report", "86400"],
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        watch = threading.Timer(180, collector.kill)
        watch.start()
        self.addCleanup(collector.kill)
        self.addCleanup(watch.cancel)
        return collector, int(re.search(r"UDP port (\d+)", collector.stderr.readline())[1])

    def test_two_collectors_by_name_and_by_ipv6_get_the_same(self):
        """The second has a key of its own, is not there at first, and then has all that the first has."""
        station = self.station(self.ramp(seconds=60))
        ways, keys = [], [station.key, bytes(range(32, 64))]
        for number, key in enumerate(keys):
            folder = self.folder / f"keys{number}"
            folder.mkdir()
            file = folder / "XX.ONST1.00.EH.key"
            file.write_bytes(key)
            file.chmod(0o600)
            ways.append(["--keys", folder, "--database", self.folder / f"{number}.sqlite", "--only", "audit,instrument"])
        second_key = station.host / "second.key"
        second_key.write_bytes(keys[1])
        second_key.chmod(0o600)
        first, port = self.collector(*ways[0])
        second_port = free_udp_port()
        file = station.host / "station.toml"
        self.replace(file, 'host = "127.0.0.1"', 'host = "localhost"')
        self.replace(file, f"port = {station.socket.getsockname()[1]}\n", f"port = {port}\n")
        file.write_text(file.read_text() + f'''
            [second_uplink]
            host = "::1"
            port = {second_port}
            key_file = "second.key"''')
        with station:
            lines = [json.loads(first.stdout.readline())]
            for value in ("6", "7", "8"):
                self.assertEqual(self.command(station, "trigger_ratio", value).returncode, 0)
                lines.append(json.loads(first.stdout.readline()))
            self.assertEqual([line["type"] for line in lines], ["instrument"] + 3 * ["audit"])
            second, _ = self.collector(*ways[1], port=second_port)
            others = [json.loads(second.stdout.readline()) for _ in lines]
            self.assertEqual(sorted(map(json.dumps, others)), sorted(map(json.dumps, lines)))
            self.assertEqual(station.stop(), 0)
        for collector in (first, second):
            collector.terminate()
            self.assertEqual(collector.wait(), 0)
            collector.stdout.close()
            collector.stderr.close()

    def networks(self, station):
        """The station's networks signed, with whom its file names for it; and a picker's that has another name."""
        key, models = self.folder / "maker", station.folder / "calibration/models"
        subprocess.run([TOOLS / "onset", "model", "sign", "--new-key", key], check=True, capture_output=True)
        other = self.folder / "other.onet"
        network = bytearray((models / "onset-picker.onet").read_bytes())
        network[16:48] = b"onset-picker-2".ljust(32, b"\0")
        network[12:16] = crc32c(network[16:int.from_bytes(network[8:12], "little")]).to_bytes(4, "little")
        other.write_bytes(network)
        for path in (models / "onset-picker.onet", models / "onset-estimator.onet", other):
            subprocess.run([TOOLS / "onset", "model", "sign", path, "--key", key], check=True, capture_output=True)
        file = station.host / "station.toml"
        file.write_text(file.read_text() + f'\n[networks]\npublic_key = "{key.with_suffix(".pub").read_bytes().hex()}"\n')
        return other

    def test_another_network_over_the_air(self):
        """Refused without its signature; then in the shadow, tried in the next start, accepted, and there to stay. What
        nobody acknowledges is rolled back."""
        station = self.station(self.ramp(seconds=150))
        other, keys = self.networks(station), self.folder / "keys"
        keys.mkdir()
        shutil.copy(station.host / "station.key", keys / "XX.ONST1.00.EH.key")
        collector, port = self.collector("--keys", keys, "--database", self.folder / "c.sqlite", "--only", "trial,health")
        file = station.host / "station.toml"
        self.replace(file, f"port = {station.socket.getsockname()[1]}\n", f"port = {port}\n")
        unsigned = self.folder / "unsigned.onet"
        unsigned.write_bytes(other.read_bytes()[:-100])

        def send(path, *options):
            return subprocess.run([TOOLS / "onset", "network", *station.operator(), path, *options], capture_output=True,
                                  text=True)
        lines = map(json.loads, collector.stdout)
        with station:
            refused = send(unsigned, "--shadow", "0")
            self.assertEqual((refused.returncode, json.loads(refused.stdout)["result"]), (1, "not possible here"), refused.stderr)
            self.assertEqual(next(line for line in lines if line["type"] == "trial")["state"], "refused")
            taken = send(other, "--shadow", "0")
            self.assertEqual(json.loads(taken.stdout)["result"], "done", taken.stderr)
            states = [next(line for line in lines if line["type"] == "trial")["state"] for _ in range(2)]
            self.assertEqual(states, ["shadow", "switched"])
            _, said = station.process.communicate(timeout=60)
            self.assertIn("an operator has asked for a new start", said)
            station.process = None
        with station:
            self.assertEqual(next(line for line in lines if line["type"] == "trial")["state"], "accepted")
            self.assertEqual(next(line for line in lines if line["type"] == "health")["model"], "onset-picker-2")
            self.assertEqual(station.stop(), 0)
        self.assertFalse((station.host / "state" / "network.trial").exists())
        # Once more, and its first start is cut off before anybody has acknowledged.
        (station.host / "state" / "network.onet").rename(station.host / "state" / "network.trial")
        (station.host / "state" / "network-trial").write_text("1\n")
        collector.send_signal(signal.SIGSTOP)
        with station:
            ping = subprocess.run([TOOLS / "onset", "ping", *station.operator()], check=True, capture_output=True, text=True)
            self.assertEqual(json.loads(ping.stdout)["model"], "onset-picker-2")
            station.process.kill()
            station.process.communicate()
            station.process = None
        collector.send_signal(signal.SIGCONT)
        with station:
            self.assertIn("rolled back", [next(line for line in lines if line["type"] == "trial")["state"] for _ in range(1)])
            pong = subprocess.run([TOOLS / "onset", "ping", *station.operator()], check=True, capture_output=True, text=True)
            self.assertEqual(json.loads(pong.stdout)["model"], "onset-picker")
            self.assertEqual(station.stop(), 0)
        collector.terminate()
        self.assertEqual(collector.wait(), 0)
        collector.stdout.close()
        collector.stderr.close()

    def test_another_key_over_the_air(self):
        """Through the collector, which has it already; then nothing else counts, in the next boot too, until another key
        file is there."""
        station = self.station(self.ramp(seconds=60))
        keys, operators, code = self.folder / "keys", self.folder / "operators", "XX.ONST1.00.EH"
        keys.mkdir()
        operators.mkdir()
        old, new = keys / f"{code}.key", keys / f"{code}.next.key"
        shutil.copy(station.host / "station.key", old)
        shutil.copy(station.host / "operator.pub", operators / "ada.pub")
        options = ["--keys", keys, "--operators", operators, "--database", self.folder / "c.sqlite", "--only", "audit,health"]
        collector, port = self.collector(*options)
        self.replace(station.host / "station.toml", f"port = {station.socket.getsockname()[1]}\n", f"port = {port}\n")
        way = [code, "--via", f"127.0.0.1:{port}", *station.operator()[1:]]
        by_new = [*way[:-1], f"{new}.pub"]

        def onset(*arguments):
            return subprocess.run([TOOLS / "onset", *arguments], capture_output=True, text=True)
        lines = map(json.loads, collector.stdout)
        with station:
            next(line for line in lines if line["type"] == "health")
            self.assertEqual(onset("key", "new", new).returncode, 0)
            rolled = onset("rekey", *way, new)
            self.assertEqual((rolled.returncode, json.loads(rolled.stdout)["result"]), (0, "begun"), rolled.stderr)
            self.assertIn("believes no other", rolled.stderr)
            audits = [next(line for line in lines if line["type"] == "audit") for _ in range(2)]
            self.assertEqual([(audit["result"], audit["value"]) for audit in audits], [("begun", 1), ("done", -1)])
            self.assertEqual(onset("ping", *by_new).returncode, 0)
            self.assertEqual(onset("ping", *way).returncode, 1)
            twice = onset("rekey", *by_new, new)
            self.assertIn("it has this key already", twice.stderr)
            self.assertEqual(station.stop(), 0)
        self.assertIn("one that came over the air", self.examine(station, [ONSETD, "--self-test"])["key"]["text"])
        kept = station.host / "state" / "uplink.key"
        self.assertEqual(kept.stat().st_mode & 0o777, 0o600)
        # The collector has only the new one now.
        collector.terminate()
        self.assertEqual(collector.wait(), 0)
        new.rename(old)
        second, _ = self.collector(*options, port=port)
        with station:
            self.assertEqual(json.loads(second.stdout.readline())["type"], "health")
            self.assertEqual(onset("ping", *by_new).returncode, 0)
            self.assertEqual(station.stop(), 0)
        # Somebody comes by with a third.
        third = station.host / "station.key"
        third.write_bytes(bytes(range(64, 96)))
        shutil.copy(third, keys / f"{code}.next.key")
        with station:
            (station.host / "station.key.pub").unlink()
            self.assertEqual(onset("key", "public", third).returncode, 0)
            ping = onset("ping", *station.operator())
            self.assertEqual(ping.returncode, 0, ping.stderr)
            self.assertEqual(station.stop(), 0)
        key = self.examine(station, [ONSETD, "--self-test"])["key"]
        self.assertEqual((key["verdict"], "does not count" in key["text"]), ("doubtful", True))
        second.terminate()
        self.assertEqual(second.wait(), 0)
        for ended in (collector, second):
            ended.stdout.close()
            ended.stderr.close()

    def test_a_station_behind_a_wall_is_reached_through_its_collector(self):
        """The wall lets through what comes back from where the station sent to, and nothing else."""
        station = self.station(self.ramp(seconds=20))
        keys, operators = self.folder / "keys", self.folder / "operators"
        keys.mkdir()
        operators.mkdir()
        shutil.copy(station.host / "station.key", keys / "XX.ONST1.00.EH.key")
        shutil.copy(station.host / "operator.pub", operators / "ada.pub")
        collector, port = self.collector("--keys", keys, "--operators", operators, "--database", self.folder / "c.sqlite")
        self.replace(station.host / "station.toml", f"port = {station.socket.getsockname()[1]}\n", f"port = {port}\n")
        way = ["XX.ONST1.00.EH", "--via", f"127.0.0.1:{port}", *station.operator()[1:]]
        with station:
            lines = map(json.loads, collector.stdout)
            self.assertEqual(next(lines)["type"], "instrument")
            next(line for line in lines if line["type"] == "health")
            pong = subprocess.run([TOOLS / "onset", "ping", *way], check=True, capture_output=True, text=True)
            self.assertEqual(json.loads(pong.stdout)["station"], "XX.ONST1.00.EH")
            done = subprocess.run([TOOLS / "onset", "command", *way, "trigger_ratio", "7"], check=True, capture_output=True,
                                  text=True)
            self.assertEqual(json.loads(done.stdout)["value"], 7)
            audit = next(line for line in lines if line["type"] == "audit")
            self.assertEqual((audit["value"], audit["operator"]), (7, json.loads(done.stdout)["operator"]))
            told = subprocess.run([TOOLS / "onset", "doctor", *way], capture_output=True, text=True)
            self.assertIn("NOT armed, because the board has no [relay]", told.stdout)
            wrong = subprocess.run([TOOLS / "onset", "ping", "XX.OTHER.00.EH", *way[1:]], capture_output=True, text=True)
            self.assertIn("a collector that does not hear it", wrong.stderr)
            self.assertEqual(station.stop(), 0)
        collector.terminate()
        self.assertIn('"passed":', collector.stdout.read())
        self.assertEqual(collector.wait(), 0)
        collector.stdout.close()
        collector.stderr.close()

    # The disk

    def run_earthquake(self, station, manager, meanwhile=lambda: None):
        """How late each pick, and the alarm, were told; `meanwhile` comes after the first pick. And how often the
        watchdog was fed between two health messages, beside the seconds between them."""
        begin = len(manager.said)
        pick = station.receive(lambda m: m["type"] == "pick")
        meanwhile()
        first = station.receive(lambda m: m["type"] == "health")
        fed = manager.fed()
        if not any(m["type"] == "alert" and m["level"] == ALARM for m in station.messages):
            station.receive(lambda m: m["type"] == "alert" and m["level"] == ALARM)
        last = station.receive(lambda m: m["type"] == "health" and m["uptime_s"] >= first["uptime_s"] + 8)
        self.assertGreaterEqual(manager.fed() - fed, last["uptime_s"] - first["uptime_s"] - 1)
        told = [said.partition("STATUS=")[2] for said in manager.said[begin:] if "STATUS=" in said]
        self.assertEqual([a for a, b in zip(told, [None, *told]) if a != b], ["no alarm stands", "AN ALARM STANDS"])
        self.assertEqual((last["gaps"], last["overruns"], last["dropped_actions"]), (0, 0, 0))
        picks = {(m["id"], m["status"]): m["emitted_ns"] - m["time_ns"] for m in station.messages if m["type"] == "pick"}
        alarm = next(m for m in station.messages if m["type"] == "alert" and m["level"] == ALARM)
        return picks | {"alarm": alarm["emitted_ns"] - pick["time_ns"]}

    def test_a_stalled_disk_delays_nothing(self):
        """Every fsync takes ten seconds. Frames, picks, the alarm, the watchdog and operators do not notice."""
        manager = ServiceManager(self.folder / "notify")
        station = self.latching_station()
        station.surroundings = {"NOTIFY_SOCKET": manager.path}
        with station:
            expected = self.run_earthquake(station, manager)
            self.assertEqual(station.stop(), 0)
        station = self.latching_station()
        (station.host / "state" / "latch").unlink()
        disk = Disk(self.folder, station.host / "state", "10")
        station.surroundings = {"NOTIFY_SOCKET": manager.path} | disk.environment()
        with station:
            found = self.run_earthquake(station, manager, disk.fall_ill)
            self.assertEqual(found.keys(), expected.keys())
            for told, nanoseconds in found.items():
                self.assertLess(nanoseconds - expected[told], LATER_NS_MAX, told)
            self.assertFalse((station.host / "state" / "latch").exists(), "the stall must still be on")
            answered = self.command(station, "trigger_ratio", "5"), self.command(station, "release")
            self.assertEqual([done.returncode for done in answered], [0, 0], answered)
            if not any(m["type"] == "alert" and (m["level"], m["reason"]) == (CLEAR, COMMAND) for m in station.messages):
                station.receive(lambda m: m["type"] == "alert" and (m["level"], m["reason"]) == (CLEAR, COMMAND))
            self.assertFalse((station.host / "state" / "latch").exists(), "the stall must still be on")
            disk.recover()
            told = json.loads(self.command(station, "trigger_ratio").stdout)
            self.assertEqual(told["value"], 5)
            self.assertEqual(station.stop(), 0)
        self.assertEqual((station.host / "state" / "latch").read_text(), "1\n")

    def test_a_power_cut_takes_nothing_that_was_kept(self):
        """Cut when a message was on disk and nobody heard it: whatever directory entry was not flushed is gone. When the
        upstream is there at last all of them come, under names that nothing else has."""
        station = self.station(self.ramp(seconds=10))
        keys = self.folder / "keys"
        keys.mkdir()
        shutil.copy(station.host / "station.key", keys / "XX.ONST1.00.EH.key")
        port = free_udp_port()
        self.replace(station.host / "station.toml", f"port = {station.socket.getsockname()[1]}\n", f"port = {port}\n")
        power = Power(self.folder, station.host / "state")
        self.addCleanup(power.lines.close)
        station.surroundings = power.environment()
        ratios = ["5", "6", "7", "8"]

        def audit(ratio):
            """The end of its payload: parameter, result, reserved, value."""
            return struct.pack("<HBBIq", TRIGGER_RATIO, 1, 0, 0, int(ratio) * 1000)
        for ratio in ratios:
            with station:
                self.assertEqual(self.command(station, "trigger_ratio", ratio).returncode, 0)
                while audit(ratio) not in (station.host / "state" / "outbox").read_bytes():
                    power.wait("synced", "outbox")
                station.process.kill()
                station.process.communicate()
                station.process = None
            power.cut()
        collector, _ = self.collector(
            "--keys", keys, "--database", self.folder / "c.sqlite", "--only", "audit", port=port)
        with station:
            audits = [json.loads(collector.stdout.readline()) for _ in ratios]
            self.assertEqual(station.stop(), 0)
        collector.terminate()
        self.assertEqual(collector.wait(), 0)
        collector.stdout.close()
        collector.stderr.close()
        self.assertEqual([audit["value"] for audit in audits], [int(ratio) for ratio in ratios])
        self.assertEqual(len({audit["epoch"] for audit in audits}), 1)
        self.assertEqual([audit["boot"] for audit in audits], [1, 2, 3, 4])

    def test_a_disk_that_is_gone(self):
        """The station goes on, obeys, and says that nothing is kept."""
        for illness in ("EIO", "EROFS"):
            for is_gone_at_start in (False, True):
                with self.subTest(illness, is_gone_at_start=is_gone_at_start):
                    self.tearDown()
                    self.setUp()
                    self.lose_disk(illness, is_gone_at_start)

    def lose_disk(self, illness, is_gone_at_start):
        station = self.station(self.ramp(seconds=20))
        disk = Disk(self.folder, station.host / "state", illness)
        station.surroundings = disk.environment()
        if is_gone_at_start: disk.fall_ill()
        with station:
            health = station.receive(lambda m: m["type"] == "health")
            self.assertEqual(health["keeping"] & LOSES_STATE, LOSES_STATE * is_gone_at_start)
            if not is_gone_at_start: disk.fall_ill()
            obeyed = self.command(station, "trigger_ratio", "5")
            self.assertEqual(obeyed.returncode, 0, "no command needs a disk")
            health = station.receive(lambda m: m["type"] == "health" and m["keeping"] & LOSES_STATE)
            frames = health["frames"]
            health = station.receive(lambda m: m["type"] == "health" and m["frames"] > frames)
            self.assertEqual((health["gaps"], health["overruns"]), (0, 0))
            self.assertEqual(station.stop(), 0)
        self.assertEqual("it goes on without, and health says so" in station.said, is_gone_at_start)

    def refuse(self, change, phrase, lines=1):
        station = self.station()
        change(station)
        status, said = station.refusal()
        station.socket.close()
        self.assertEqual(status, 1, said)
        self.assertIn(phrase, said)
        self.assertEqual(said.count("\n"), lines, said)

    def test_refusals(self):
        board, toml = "boards/host/board.toml", "boards/host/station.toml"

        def edit(file, old, new):
            return lambda station: self.replace(station.folder / file, old, new)

        cases = {
            "missing device": (edit(board, 'device = "onset_host"', 'device = "absent"'),
                               'device "absent" refuses open'),
            "rate beyond the card": (edit("boards/host/asound.conf", "channels 3", "channels 2"),
                                     "refuses channels as configured"),
            "impossible rate": (edit(board, "= 8000000", "= 50000"), "from 100000 to 192000000"),
            "contradictory channels": (edit(board, "east_channel = 2", "east_channel = 1"),
                                       "names a channel that another component has already"),
            "unreadable key": (lambda s: (s.host / "station.key").unlink(), "cannot be read"),
            "key for everyone": (lambda s: (s.host / "station.key").chmod(0o604), "open to everyone"),
            "short key": (lambda s: (s.host / "station.key").write_bytes(b"short"), "exactly 32 bytes"),
            "unknown board key": (edit(board, "period_frames", "period_frame"), "did you mean period_frames", 2),
        }
        for name, case in cases.items():
            with self.subTest(name):
                self.tearDown()
                self.setUp()
                self.refuse(*case)

    def test_the_walk_through_of_the_host_board_ends_in_an_alarm(self):
        """boards/host/README.md: the demonstration's frames, on the station that knows their sensor."""
        raw, wire, folder = self.folder / "demo.raw", self.folder / "demo.bin", self.folder / "walk"
        for part in ("boards", "calibration/models"):
            shutil.copytree(ROOT / part, folder / part)
        host = folder / "boards/host"
        (host / "state").mkdir(exist_ok=True)
        (host / "station.key").write_bytes(bytes(range(32)))
        (host / "station.key").chmod(0o600)
        subprocess.run([TOOLS / "onset", "demo", "--raw", raw], check=True, capture_output=True)
        subprocess.run([ONSETD, "--board", host / "board.toml", "--station", host / "demo-station.toml",
                        "--recording", raw, "--wire", wire], check=True)
        told = subprocess.run([TOOLS / "onset", "decode", "--key", host / "station.key", "--only", "pick,alert", wire],
                              check=True, capture_output=True, text=True).stdout.splitlines()
        levels = [line["level"] for line in map(json.loads, told) if line["type"] == "alert" and line["repeat"] == 0]
        self.assertEqual(levels, ["watch", "alarm", "clear"])

    def test_usage(self):
        done = subprocess.run([ONSETD, "--bord", "x"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("usage", done.stderr)
        version = subprocess.run([ONSETD, "--version"], capture_output=True, text=True, check=True)
        self.assertRegex(version.stdout, r"^onsetd \d+\.\d+\.\d+\n$")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=1)
