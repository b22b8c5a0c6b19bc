"""A running onsetd on the simulated card, and the socket at its other end."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests" / "Golden"))


def free_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ServiceManager:
    """The other end of sd_notify: what it was told so far."""

    def __init__(self, path):
        self.path, self.said = str(path), []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            self.said.append(self.socket.recv(256).decode())

    def fed(self):
        """How often the watchdog was."""
        return sum(said.startswith("WATCHDOG=1\n") for said in self.said)


class Disk:
    """The station's disk, which can be made ill: a library between the firmware and its C library."""

    def __init__(self, folder, directory, illness):
        self.library, self.flag = folder / "stall.so", folder / "the disk is ill"
        self.directory, self.illness = directory, illness
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", ROOT / "Tests" / "System" / "stall.c", "-o", self.library],
                       check=True)

    def environment(self):
        return {"LD_PRELOAD": str(self.library), "STALL": self.illness, "STALL_FOLDER": str(self.directory),
                "STALL_WHILE": str(self.flag)}

    def fall_ill(self):
        self.flag.touch()

    def recover(self):
        self.flag.unlink()


class Power:
    """The power of a station, whose cut takes back what was made, moved or removed in a folder and not flushed."""

    def __init__(self, folder, directory):
        self.directory, self.saved = directory, directory.parent / "saved"
        self.saved.mkdir()
        self.library, self.journal = folder / "power.so", folder / "journal"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", ROOT / "Tests" / "System" / "power.c", "-o", self.library],
                       check=True)
        os.mkfifo(self.journal)
        # Open at both ends, so that neither waits for the other.
        self.lines = os.fdopen(os.open(self.journal, os.O_RDWR), "r")
        self.pending = []

    def environment(self):
        return {"LD_PRELOAD": str(self.library), "POWER_FOLDER": str(self.directory), "POWER_SAVED": str(self.saved),
                "POWER_JOURNAL": str(self.journal)}

    def read(self):
        words = self.lines.readline().split()
        if words[0] == "flushed":
            self.pending = []
        elif words[0] != "synced":
            self.pending.append(words)
        return words

    def wait(self, *words):
        while self.read() != list(words): pass

    def cut(self):
        """After the program is gone. The names of what was taken back."""
        with open(self.journal, "w") as journal:
            journal.write("cut\n")
        self.wait("cut")
        self.pending.pop()
        taken = [words[-1] if words[0] == "made" else words[-2] for words in self.pending]
        for kind, *names in reversed(self.pending):
            paths = [self.directory / name for name in names]
            if kind == "made":
                paths[0].unlink(missing_ok=True)
                continue
            if kind == "moved": paths[1].rename(paths[0])
            if names[-1] != "-": (self.saved / names[-1]).rename(paths[-2])
        self.pending = []
        return taken


def make_operator(tools, folder, station_file):
    """An operator who may do everything: the file of the secret key. The station's public key is beside its own."""
    secret, lines = folder / "operator", folder / "operators"
    if not secret.exists():
        lines.write_text(subprocess.run([tools / "onset", "key", "operator", secret], check=True, capture_output=True,
                                        text=True).stdout)
        subprocess.run([tools / "onset", "key", "public", folder / "station.key"], check=True, stdout=subprocess.DEVNULL)
    station_file.write_text(station_file.read_text() + "\n" + lines.read_text())
    return secret


class LiveStation:
    """A folder with everything that onsetd needs, and the process while the context is open."""

    def __init__(self, onsetd, tools, folder, frames=None, key=bytes(range(32))):
        self.onsetd, self.tools, self.folder = onsetd, tools, folder
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(30)
        self.listen_port = free_udp_port()
        self.key = key
        self.process = None
        self.messages = []
        self.surroundings = {}
        self.write_files(frames)

    def write_files(self, frames):
        folder = self.folder
        for part in ("boards/host", "calibration/instruments", "calibration/models"):
            shutil.copytree(ROOT / part, folder / part, dirs_exist_ok=True)
        host = folder / "boards" / "host"
        (host / "state").mkdir(exist_ok=True)
        key = host / "station.key"
        key.write_bytes(self.key)
        key.chmod(0o600)
        text = (host / "station.toml").read_text()
        text = text.replace("port = 6464", f"port = {self.socket.getsockname()[1]}")
        (host / "station.toml").write_text(text.replace("listen_port = 6465", f"listen_port = {self.listen_port}"))
        make_operator(self.tools, host, host / "station.toml")
        raw = folder / "synthetic.raw"
        if frames is None:
            # Three seconds of a small ramp: enough for a start, and never stuck.
            frames = b"".join((n % 977).to_bytes(4, "little") * 3 for n in range(3 * 8000))
        raw.write_bytes(frames)

    def operator(self):
        """What the operator's program needs to reach it."""
        return [f"127.0.0.1:{self.listen_port}", "--key", self.host / "operator", "--public", self.host / "station.key.pub"]

    @property
    def host(self):
        return self.folder / "boards" / "host"

    def environment(self):
        return dict(os.environ, ALSA_CONFIG_PATH=str(self.host / "asound.conf"),
                    ALSA_PLUGIN_DIR=str(self.tools), **self.surroundings)

    def arguments(self):
        return [str(self.onsetd), "--board", str(self.host / "board.toml"),
                "--station", str(self.host / "station.toml")]

    def start(self):
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(self.arguments(), cwd=self.folder, env=self.environment(),
                                        stderr=subprocess.PIPE, text=True)

    def stop(self):
        """Asks to stop as the service manager does; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        _, self.said = self.process.communicate(timeout=30)
        status, self.process = self.process.returncode, None
        return status

    def refusal(self):
        """Starts what must not start; returns its exit status and what it said."""
        done = subprocess.run(self.arguments(), cwd=self.folder, env=self.environment(),
                              capture_output=True, text=True, timeout=30)
        return done.returncode, done.stderr

    def receive(self, wanted):
        """The next message that `wanted` accepts; every one on the way is verified and kept."""
        from receiver import message
        while True:
            datagram = self.socket.recv(401)
            self.received_at = time.monotonic()
            found, length = message(datagram, self.key)
            assert length == len(datagram)
            self.messages.append(found)
            if wanted(found):
                return found

    def resident_kibibytes(self):
        """Without the Swift runtime that the simulated card loads beside the firmware, which no board has."""
        kibibytes, counts = 0, True
        for line in pathlib.Path(f"/proc/{self.process.pid}/smaps").read_text().splitlines():
            first, *rest = line.split()
            if not first.endswith(":"):
                library = rest[-1].rsplit("/", 1)[-1]
                counts = not library.startswith(("libswift", "libstdc++", "libgcc_s", "libasound_module"))
            elif first == "Rss:" and counts:
                kibibytes += int(rest[0])
        return kibibytes

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.kill()
            self.process.communicate()
        self.socket.close()
