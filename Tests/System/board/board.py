"""onsetd on the emulated board, what it hears, and what its upstream receives."""
import json
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

from machine import Machine, MachineError

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "Tests" / "Golden"), str(ROOT / "Tests" / "System")]
from live_station import free_udp_port, make_operator
from receiver import message

PPS, INHIBIT, RELAY, WATCH, HEARTBEAT = 0, 1, 4, 5, 6  # as boards/emulated wires them
CODE = "XX.EMUL..HN"
LISTEN_PORT = 6465
STATION = "/run/station/boards/emulated"
STATE = f"{STATION}/state"
KEY = bytes(range(32))
WAIT_S = 120  # a wait ends with what was waited for; this only ends one that is in vain
NANOSECONDS_PER_FRAME = 125_000  # of the board's own clock, which is what drives the loopback card
# The board's crystal, and with it the sample clock, is so much faster than it should be. (The loopback card can shift
# its rate too, but it rounds to frames on both of its sides, and where they differ the shift is lost for seconds.)
CRYSTAL_PPM = 50


class Upstream:
    """Receives and verifies datagrams as an upstream would, and notes when each came."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.messages = []
        self.refused = []
        self.changed = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while True:
            datagram = self.socket.recv(401)
            came = time.clock_gettime_ns(time.CLOCK_REALTIME)
            with self.changed:
                try:
                    found, length = message(datagram, KEY)
                    if length != len(datagram):
                        raise ValueError("is longer than its length field says")
                    self.messages.append(found | {"received_ns": came})
                except ValueError as error:
                    self.refused.append(str(error))
                self.changed.notify_all()

    def mark(self):
        """What comes from now on begins here."""
        with self.changed:
            return len(self.messages)

    def since(self, mark=0, kind=None):
        with self.changed:
            return [m for m in self.messages[mark:] if kind in (None, m["type"])]

    def wait(self, wanted, mark=0, timeout_s=WAIT_S):
        """The first message since `mark` that `wanted` accepts."""
        def found():
            return next((m for m in self.messages[mark:] if wanted(m)), None)
        with self.changed:
            if not self.changed.wait_for(found, timeout_s):
                last = next((m for m in reversed(self.messages) if m["type"] == "health"), None)
                raise MachineError(f"the expected message did not come within {timeout_s} s; the last health: {last}")
            return found()

    def health(self, wanted=lambda m: True, mark=0, timeout_s=WAIT_S):
        return self.wait(lambda m: m["type"] == "health" and wanted(m), mark, timeout_s)


class TimeServer:
    """Tells this machine's UTC by NTP, over a way that is longer back than there."""

    def __init__(self, longer_s):
        self.longer_s = longer_s
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    @staticmethod
    def stamp():
        """Seconds since 1900 and their 2^32nd parts."""
        seconds, nanoseconds = divmod(time.clock_gettime_ns(time.CLOCK_REALTIME), 10**9)
        return seconds + 2208988800 << 32 | (nanoseconds << 32) // 10**9

    def serve(self):
        while True:
            asked, sender = self.socket.recvfrom(512)
            heard = self.stamp()
            # RFC 5905, figure 8: version 4, mode 4, stratum 1, a precision of a microsecond.
            answer = struct.pack(">BBbb2I4s4Q", 4 << 3 | 4, 1, asked[2], -20, 0, 0, b"TEST", heard,
                                 int.from_bytes(asked[40:48], "big"), heard, self.stamp())
            threading.Timer(self.longer_s, self.socket.sendto, (answer, sender)).start()


class Board:
    """A booted board with a station on it. Each start of onsetd is a boot of the station, not of the machine."""

    def __init__(self, onsetd, tools, files, folder):
        self.onsetd, self.tools, self.share = onsetd, tools, pathlib.Path(folder)
        self.upstream = Upstream()
        self.port = free_udp_port()
        self.key_file = self.share / "station.key"
        self.key_file.write_bytes(KEY)
        self.key_file.chmod(0o600)
        self.write_files()
        self.operator = make_operator(self.tools, self.share, self.share / "station/boards/emulated/station.toml")
        self.machine = Machine(files, self.share, self.port, LISTEN_PORT)
        self.pins = self.machine.pins
        self.machine.run("cp -r /host/station /run/station; chmod 755 /run/station/onsetd")

    def write_files(self):
        station = self.share / "station"
        for part in ("boards/emulated", "calibration/models"):
            shutil.copytree(ROOT / part, station / part)
        shutil.copy(self.onsetd, station)
        file = station / "boards/emulated/station.toml"
        file.write_text(file.read_text().replace("port = 6464", f"port = {self.upstream.port}"))

    # Between cases

    def reset(self):
        """As after installation: nothing runs, no boot was counted, files and key are right, the switch is closed, the
        clock was never set."""
        self.machine.status(f"fsfreeze --unfreeze {STATE}")
        self.kill()
        self.stop_player()
        if self.machine.status("[ -e /dev/snd/controlC0 ]")[0] != 0:
            self.plug_in_card()
        self.machine.run("killall -q -9 gpioset notified chronyd; rm -f /run/chrony*; ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up; "
                         f"cd {STATION} && while umount state 2> /dev/null; do :; done; rm -rf state station.key && "
                         "mkdir state && cp /host/station/boards/emulated/*.toml . && "
                         "cp /host/station.key station.key && chmod 600 station.key")
        self.pins.order("pulses none")
        self.close_switch()
        self.machine.run(f"adjtimex -q -t 10000 -f {CRYSTAL_PPM * 65536}")
        self.machine.set_clock(error_us=-1)

    # Its files and its disk

    def change(self, file, old, new):
        """One of the station's files, until the next case."""
        text = self.machine.run(f"cat {STATION}/{file}")
        if old not in text:
            raise MachineError(f"{file} should contain {old!r}; it does not")
        (self.share / "changed").write_text(text.replace(old, new))
        self.machine.run(f"cp /host/changed {STATION}/{file}")

    def put_state_on_a_disk(self):
        """A file system of its own for the state directory, which the kernel can be told to stall."""
        self.machine.run(f"mke2fs /dev/ram0 > /dev/null 2>&1 && mount -t ext4 /dev/ram0 {STATE}")

    def leave_alarm_standing(self):
        """As a station does that stops while a latched alarm stands."""
        self.change("station.toml", "[alarm]\n", "[alarm]\nlatch = true\n")
        self.machine.run(f"echo 2 > {STATE}/latch")

    def is_alarm_stored(self):
        return self.machine.status(f"grep -q 2 {STATE}/latch")[0] == 0

    # Its inhibiting switch, which is closed while alarms may close the relay

    def close_switch(self):
        self.pins.order(f"level {INHIBIT} 1")

    def open_switch(self):
        """Or cut its wire: the board sees no difference."""
        self.pins.order(f"level {INHIBIT} 0")

    # The station's program

    @staticmethod
    def command_line(environment=""):
        return f"cd {STATION} && {environment} ../../onsetd --board board.toml --station station.toml"

    def rest(self):
        """What the service manager runs after every end; its exit status and what it said."""
        return self.machine.status(f"cd {STATION} && ../../onsetd --board board.toml --rest 2>&1")

    def start(self, environment=""):
        self.machine.run(f"rm -f /run/exit; ({self.command_line(environment)} > /run/said 2>&1; "
                         "echo $? > /run/exit.part; mv /run/exit.part /run/exit) > /dev/null 2>&1 &")

    def refusal(self, timeout_s=WAIT_S):
        """Starts what must not start; its exit status and what it said."""
        self.start()
        return self.ended(timeout_s), self.said()

    def said(self):
        return self.machine.run("cat /run/said")

    def examine(self, *options):
        """The firmware's self-test: its exit status, and its findings by part."""
        status, text = self.machine.status(f"{self.command_line()} --self-test --json {' '.join(options)} 2>&1")
        return status, {found["part"]: found for found in map(json.loads, text.splitlines())}

    def signal(self, name):
        self.machine.run(f"kill -{name} $(pidof onsetd)")

    def ended(self, timeout_s=WAIT_S):
        """The exit status, when there is one."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            status, text = self.machine.status("cat /run/exit")
            if status == 0:
                return int(text)
            time.sleep(0.05)
        raise MachineError(f"onsetd should have ended within {timeout_s} s; it said: {self.said()}")

    def stop(self):
        """Asks to stop as the service manager does; returns the exit status."""
        self.signal("TERM")
        return self.ended()

    def kill(self):
        if self.machine.status("pidof onsetd")[0] == 0:
            self.signal("CONT")
            self.signal("KILL")
            self.ended()

    # Its service manager

    def listen_to_notifications(self):
        """For a start with NOTIFY_SOCKET=/run/notify."""
        self.machine.run("notified /run/notify > /run/notified 2>&1 & "
                         "while ! [ -S /run/notify ]; do usleep 10000; done")

    def notifications(self):
        """(CLOCK_MONOTONIC nanoseconds, message), in order."""
        lines = self.machine.run("cat /run/notified").splitlines()
        return [(int(stamp), said) for stamp, said in (line.split(" ", 1) for line in lines)]

    # Its time daemon

    def keep_time(self, *lines):
        """A chronyd that is told so much."""
        # Without rtcsync chronyd does not tell the kernel that its clock is right.
        (self.share / "chrony.conf").write_text("\n".join((*lines, "rtcsync", "pidfile /run/chronyd.pid", "")))
        self.machine.run("chronyd -d -u root -f /host/chrony.conf > /run/chrony.said 2>&1 &")

    # What it hears

    def play(self, frames=None, *options):
        """Plays a file of the share, then noise; returns when it plays."""
        file = f"/host/{frames}" if frames else ""
        self.machine.run(
            f"player hw:Loopback,0 /run/player.log {file} {' '.join(options)} > /run/player.said 2>&1 & "
            "while pidof player > /dev/null && ! grep -q RUNNING /proc/asound/Loopback/pcm0p/sub0/status; do "
            "usleep 10000; done; cat /run/player.said; pidof player")

    def stop_player(self):
        self.machine.run("killall -q player; while pidof player > /dev/null; do usleep 20000; done")

    def frames_apart(self):
        """Which frame of the capture is the first of what is played. The capture's position is read before that of what
        is played: where the card ticks in between, the difference is too small. So of many the largest is right."""
        status = "/proc/asound/Loopback/pcm{}/sub0/status"
        files = status.format("1c") + " " + status.format("0p")
        text = self.machine.run(f"for i in $(seq 40); do cat {files}; done")
        positions = [int(n) for n in re.findall(r"hw_ptr\s*: (\d+)", text)]
        return max(a - b for a, b in zip(positions[::2], positions[1::2]))

    def frame_clock(self):
        """CLOCK_MONOTONIC of the first frame played. Stamps of positions come late and never early, and by this clock
        the rate is what it should be: so the earliest decides."""
        points = [tuple(map(int, line.split())) for line in self.machine.run("cat /run/player.log").splitlines()]
        return min(stamp - frame * NANOSECONDS_PER_FRAME for frame, stamp in points if stamp > 0)

    def wait_for_overrun(self):
        """Until the kernel says that the capture's buffer was full."""
        self.machine.run("while ! grep -q XRUN /proc/asound/Loopback/pcm1c/sub0/status; do usleep 20000; done")

    def unplug_card(self):
        """The driver waits until everybody has let go of the card, so it is told in the background."""
        self.machine.run("echo snd_aloop.0 > /sys/bus/platform/drivers/snd_aloop/unbind 2> /dev/null &")

    def plug_in_card(self):
        self.machine.run("while [ -e /sys/bus/platform/drivers/snd_aloop/snd_aloop.0 ]; do usleep 20000; done; "
                         "echo snd_aloop.0 > /sys/bus/platform/drivers/snd_aloop/bind")

    # Its neighbours

    def take_line(self, line):
        self.machine.run(f"gpioset --mode=signal gpiochip0 {line}=0 > /dev/null 2>&1 & "
                         f"while ! gpioinfo | grep -q 'line *{line}:.*gpioset'; do usleep 20000; done")

    def release_lines(self):
        self.machine.run("killall gpioset; while pidof gpioset > /dev/null; do usleep 20000; done")

    # Its operator

    def reach(self):
        return f"127.0.0.1:{self.port}", "--key", self.operator, "--public", f"{self.key_file}.pub"

    def onset(self, *arguments):
        return subprocess.run([str(a) for a in (self.tools / "onset", *arguments)], capture_output=True, text=True)

    def ping(self):
        return self.onset("ping", *self.reach())

    def doctor(self):
        """What the operator's program says of the running station, by part."""
        done = self.onset("doctor", *self.reach(), "--json")
        return done.returncode, {found["part"]: found for found in map(json.loads, done.stdout.splitlines())}

    def order(self, *arguments):
        return self.onset("command", *self.reach(), *arguments)

    def recorded(self, frames):
        """What the board's firmware makes of these frames when nothing depends on a clock: its picks, in order."""
        (self.share / "recording.raw").write_bytes(frames)
        self.machine.run(self.command_line() + " --recording /host/recording.raw --wire /host/recording.bin")
        rest, found = (self.share / "recording.bin").read_bytes(), []
        while rest:
            one, length = message(rest[:400], KEY)
            rest = rest[length:]
            found.append(one)
        return found

    def close(self):
        self.machine.close()


def json_line(done):
    return json.loads(done.stdout)
