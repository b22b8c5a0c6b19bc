"""The emulated board as a machine: QEMU, its pins, and a shell inside it. What runs on it is board.py's concern."""
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
QEMU = "qemu-system-aarch64"
START_S_MAX = 120  # a second or two is usual; a loaded machine may take its time


class MachineError(Exception):
    pass


def connect(path, process, deadline):
    """QEMU makes its sockets when it starts; until then there is nothing to connect to."""
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            link = socket.socket(socket.AF_UNIX)
            try:
                link.connect(str(path))
                return link
            except OSError:
                link.close()
                raise
        time.sleep(0.02)
    raise MachineError(f"QEMU did not open {path.name}: it must start and stay; see qemu.log")


class Pins:
    """The process that drives and watches the pins, and what it has told so far."""

    def __init__(self, path, chip):
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "pins.py"), str(path), chip], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.events = []
        self.changed = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.events.append(json.loads(line))
                self.changed.notify_all()

    def order(self, text, timeout_s=60):
        """Returns when it is obeyed."""
        with self.changed:
            before = len(self.events)
            self.process.stdin.write(text.encode() + b"\n")
            self.process.stdin.flush()
            if not self.changed.wait_for(lambda: {"obeyed": text} in self.events[before:], timeout_s):
                raise MachineError(f"the pins should have obeyed {text!r} within {timeout_s} s; they did not")

    def changes(self, pin):
        """(level, UTC nanoseconds) of each change of an output pin."""
        with self.changed:
            return [(e["level"], e["ns"]) for e in self.events if e.get("pin") == pin]

    def left_out(self):
        """How many pulses could not have been punctual."""
        with self.changed:
            return sum("omitted" in e for e in self.events)

    def wait_for_changes(self, pin, count, timeout_s=120):
        """So many more from now on."""
        with self.changed:
            end = len(self.changes(pin)) + count
            if not self.changed.wait_for(lambda: len(self.changes(pin)) >= end, timeout_s):
                raise MachineError(f"pin {pin} should have changed {count} times within {timeout_s} s; it did not")

    def now(self):
        """This machine's UTC: what changes from now on has changed after it."""
        return time.clock_gettime_ns(time.CLOCK_REALTIME)

    def wait(self, pin, level, after=0, timeout_s=60):
        """When this pin took this level, the first time after `after`."""
        def found():
            return next((ns for changed, ns in self.changes(pin) if changed == level and ns > after), None)
        with self.changed:
            if not self.changed.wait_for(found, timeout_s):
                raise MachineError(f"pin {pin} should have become {level} within {timeout_s} s; it did not")
            return found()

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


class Machine:
    """A booted board. `files` has kernel and initramfs, `share` is the guest's /host."""

    def __init__(self, files, share, forwarded_port, guest_port):
        self.share = pathlib.Path(share)
        self.folder = self.share / "qemu"
        self.folder.mkdir()
        deadline = time.monotonic() + START_S_MAX
        self.log = open(self.folder / "qemu.log", "w")
        self.process = subprocess.Popen(
            self.command(pathlib.Path(files), forwarded_port, guest_port), stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log)
        self.lock = threading.Lock()
        self.pins = None
        self.links = []
        try:
            for name in ("agent", "qmp"):
                self.links.append(connect(self.folder / name, self.process, deadline))
            self.agent = self.links[0].makefile("rwb", buffering=0)
            self.monitor = self.links[1].makefile("rw")
            self.monitor.readline()
            self.qmp("qmp_capabilities")
            self.pins = Pins(self.folder / "qtest", self.gpio_chip())
            self.wait_for_agent(deadline)
            self.hurry()
        except BaseException:
            self.close()
            raise

    def command(self, files, forwarded_port, guest_port):
        def unix(name):
            return f"unix:{self.folder / name},server=on,wait=off"
        return [
            QEMU, "-M", "virt", "-cpu", "cortex-a72", "-accel", "tcg", "-m", "256", "-nodefaults", "-nographic",
            "-no-reboot", "-kernel", files / "kernel", "-initrd", files / "initramfs",
            "-append", "console=ttyAMA0 quiet panic=-1", "-serial", f"file:{self.folder / 'console.log'}",
            "-qtest", unix("qtest"), "-qtest-log", "none", "-qmp", unix("qmp"),
            "-chardev", f"socket,id=agent,path={self.folder / 'agent'},server=on,wait=off",
            "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=agent",
            "-virtfs", f"local,path={self.share},mount_tag=host,security_model=none,id=host",
            "-netdev", f"user,id=net,hostfwd=udp:127.0.0.1:{forwarded_port}-:{guest_port}",
            "-device", "virtio-net-pci,netdev=net,romfile="]

    def qmp(self, command, **arguments):
        self.monitor.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.monitor.flush()
        while True:
            answer = json.loads(self.monitor.readline())
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise MachineError(f"QEMU refuses {command}: {answer['error']['desc']}")

    def gpio_chip(self):
        children = self.qmp("qom-list", path="/machine/unattached")
        return next("/machine/unattached/" + c["name"] for c in children if c["type"] == "child<pl061>")

    def wait_for_agent(self, deadline):
        line = threading.Thread(target=self.agent.readline, daemon=True)
        line.start()
        line.join(max(deadline - time.monotonic(), 0))
        if line.is_alive() or self.process.poll() is not None:
            raise MachineError("the board did not boot to its agent:\n" + self.console())

    def hurry(self):
        """Real hardware answers its interrupts at once. Where it is permitted, QEMU comes before other programs for the
        few per cent of a processor that a booted board takes; elsewhere its clocks are worse on a busy machine."""
        with contextlib.suppress(PermissionError):
            for thread in os.listdir(f"/proc/{self.process.pid}/task"):
                os.sched_setscheduler(int(thread), os.SCHED_FIFO, os.sched_param(5))

    def console(self):
        return (self.folder / "console.log").read_text(errors="replace")

    # What happens inside

    def status(self, command):
        """Exit status and output of a line of shell. What stays in the background must redirect its output."""
        with self.lock:
            self.agent.write(command.encode() + b"\n")
            header = self.agent.readline().split()
            if len(header) != 2:
                raise MachineError("the board's agent is gone:\n" + self.console())
            status, left = map(int, header)
            output = b""
            while len(output) < left:
                output += self.agent.read(left - len(output))
        return status, output.decode(errors="replace")

    def run(self, command):
        status, output = self.status(command)
        if status != 0:
            raise MachineError(f"on the board, {command!r} should have succeeded and ended with {status}: {output}")
        return output

    def clock_pair(self, tries=40):
        """The board's CLOCK_MONOTONIC, this machine's UTC at that moment, and how far the second may be off, in
        nanoseconds. Of many questions the one that was answered soonest counts: the answer was given between asking
        and hearing."""
        best = None
        with self.lock:
            for _ in range(tries):
                asked = time.clock_gettime_ns(time.CLOCK_REALTIME)
                self.agent.write(b"time\n")
                monotonic = int(self.agent.readline().split()[0])
                heard = time.clock_gettime_ns(time.CLOCK_REALTIME)
                if best is None or heard - asked < 2 * best[2]:
                    best = (monotonic, (asked + heard) // 2, (heard - asked) // 2)
        return best

    def clock_ahead(self, tries=40):
        """By how many nanoseconds the board's clock is ahead of this machine's UTC, and how far that may be off."""
        best = None
        with self.lock:
            for _ in range(tries):
                asked = time.clock_gettime_ns(time.CLOCK_REALTIME)
                self.agent.write(b"time\n")
                realtime = int(self.agent.readline().split()[1])
                heard = time.clock_gettime_ns(time.CLOCK_REALTIME)
                if best is None or heard - asked < 2 * best[1]:
                    best = (realtime - (asked + heard) // 2, (heard - asked) // 2)
        return best

    def set_clock(self, ahead_s=0, error_us=20_000):
        """What a time daemon does for the board; with a negative error the clock is set and not called right. Returns by how much
        the board's clock is ahead of its monotonic one from then on, in nanoseconds."""
        monotonic, utc, _ = self.clock_pair()
        offset = utc - monotonic + int(ahead_s * 1e9)
        with self.lock:
            self.agent.write(f"clock {offset} {error_us}\n".encode())
            self.agent.readline()
        return offset

    def close(self):
        if self.pins:
            self.pins.close()
        self.process.kill()
        self.process.wait()
        for link in self.links:
            link.close()
        self.log.close()


def is_missing():
    return shutil.which(QEMU) is None
