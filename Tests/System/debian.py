"""A Debian of its own, which systemd-nspawn boots, and the packages that are put into it: for test_packages.py, whose
arguments say which.
"""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

RELEASE, ARCH = sys.argv[1:3]
# A network of its own, on which systemd can limit whom a unit talks to: it does that by BPF.
ISOLATED = ["--private-network", "--system-call-filter=bpf", "--capability=CAP_BPF,CAP_PERFMON"]
PACKAGES, CACHE = (pathlib.Path(a).resolve() for a in sys.argv[3:5])
SOURCES = pathlib.Path(__file__).resolve().parents[2]
NATIVE = subprocess.check_output(["dpkg", "--print-architecture"], text=True).strip() == ARCH
NAMES = ["onset-station", "onset-tools", "onset-collector"] if NATIVE else ["onset-station"]
EXAMPLE = "/usr/share/doc/onset-station/examples/station.toml"
# When a test gives up on what it waits for, seconds.
DEADLINE = 120


def package(name):
    found = sorted(PACKAGES.glob(f"{name}_*~deb{RELEASE}_{ARCH}.deb"))
    assert len(found) == 1, f"{len(found)} packages {name} for Debian {RELEASE} and {ARCH} in {PACKAGES}"
    return found[0]


def field(deb, name):
    return subprocess.check_output(["dpkg-deb", "--field", deb, name], text=True).strip()


def variant(deb, folder, suffix, change=lambda tree: None):
    """A later version of a package, with its files changed."""
    version = field(deb, "Version") + suffix
    with tempfile.TemporaryDirectory(dir=folder) as tree:
        tree = pathlib.Path(tree)
        subprocess.run(["dpkg-deb", "--raw-extract", deb, tree / "t"], check=True)
        for name in ("control", "postinst"):
            path = tree / "t/DEBIAN" / name
            path.write_text(path.read_text().replace(field(deb, "Version"), version))
        change(tree / "t")
        result = folder / f"{field(deb, 'Package')}{suffix}.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree / "t", result], check=True,
                       stdout=subprocess.DEVNULL)
    return result


def wrapped(script):
    """Makes `onsetd` a script, beside which the real one is `$real`."""
    def change(tree):
        os.rename(tree / "usr/bin/onsetd", tree / "usr/share/onset/real")
        (tree / "usr/bin/onsetd").write_text(f"#!/bin/sh\nreal=/usr/share/onset/real\n{script}\n")
        (tree / "usr/bin/onsetd").chmod(0o755)
    return change


def base():
    """The folder of a Debian with systemd and, in apt's cache, what the packages depend on."""
    folder = CACHE / f"test-{RELEASE}"
    subprocess.run([SOURCES / "boards/packages/root.sh", RELEASE, folder, "systemd", "systemd-sysv", "dbus", "udev",
                    "man-db"], check=True)
    debs = [package(name) for name in NAMES]
    wanted = "\n".join(field(deb, "Depends") for deb in debs)
    if not (folder / "wanted").exists() or (folder / "wanted").read_text() != wanted:
        copies = folder / "packages"
        shutil.rmtree(copies, ignore_errors=True)
        copies.mkdir()
        for deb in debs: shutil.copy(deb, copies)
        subprocess.run(["chroot", folder, "sh", "-ec", "apt-get -qq update; apt-get -qq --yes --no-install-recommends "
                        "--download-only install /packages/*.deb"], check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(copies)
        (folder / "wanted").write_text(wanted)
    return folder


class Result:
    def __init__(self, status, said):
        self.status, self.said = status, said


class System:
    """A Debian of its own, thrown away at the end. Without `boot` a chroot, in which systemd does not run. With `isolated` it
    has a network of its own, of which there is the loopback alone."""

    def __init__(self, boot=True, isolated=False):
        self.boots, self.isolated, self.stack = boot, isolated, contextlib.ExitStack()

    def __enter__(self):
        try:
            self.begin()
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *_):
        self.stack.close()

    def begin(self):
        self.work = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="onset-package-")))
        # Overlays do not lie on overlays, which a container's disk may be.
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "onset", self.work], check=True)
        self.stack.callback(subprocess.run, ["umount", "--lazy", self.work])
        for name in ("upper", "overlay", "root", "debs"): (self.work / name).mkdir()
        self.root, self.debs = self.work / "root", self.work / "debs"
        subprocess.run(["mount", "-t", "overlay", "onset", "-o", f"lowerdir={base()},upperdir={self.work}/upper,"
                        f"workdir={self.work}/overlay", self.root], check=True)
        self.stack.callback(subprocess.run, ["umount", "--lazy", self.root])
        (self.root / "debs").mkdir()
        # Nobody else is to hold apt's lock, whenever that would come.
        units = self.root / "etc/systemd/system"
        for timer in ("apt-daily.timer", "apt-daily-upgrade.timer"): (units / timer).symlink_to("/dev/null")
        if not self.boots: return
        self.nspawn = subprocess.Popen(
            ["systemd-nspawn", "--quiet", "--directory", self.root, "--boot", "--register=no", "--keep-unit",
             "--console=pipe", "--resolv-conf=bind-host", *(ISOLATED if self.isolated else [])], stdin=subprocess.DEVNULL,
            stdout=self.stack.enter_context(open(self.work / "console", "wb")), stderr=subprocess.STDOUT,
            start_new_session=True)
        self.stack.callback(self.end)
        self.wait(self.find_leader, "a container")
        self.wait(lambda: self.run("systemctl is-system-running").said.split()[-1:] in (["running"], ["degraded"]),
                  "a started system")

    def find_leader(self):
        children = pathlib.Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text().split()
        self.leader = children[0] if children else None
        # Before that it is still nspawn's own child, which has not gone into the container.
        return self.leader and pathlib.Path(f"/proc/{self.leader}/comm").read_text().strip() == "systemd"

    def end(self):
        if getattr(self, "leader", None): os.kill(int(self.leader), signal.SIGKILL)
        self.nspawn.wait()

    def wait(self, happens, what):
        end = time.monotonic() + DEADLINE
        while not happens():
            # The container may end meanwhile, and with it what is waited for.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.nspawn.wait(0.05)
                end = 0
            if time.monotonic() > end:
                raise AssertionError(f"{what} did not come: " + (self.work / "console").read_text(errors="replace")[-2000:])

    def run(self, command):
        into = ["nsenter", "--target", self.leader, "--mount", "--uts", "--ipc", "--pid", "--net", "--root"] \
            if self.boots else ["chroot", str(self.root)]
        done = subprocess.run(
            [*into, "env", "-i", "-C", "/", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8",
             "HOME=/root", "sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        return Result(done.returncode, done.stdout)

    def do(self, command):
        result = self.run(command)
        assert result.status == 0, f"{command}: status {result.status}\n{result.said}"
        return result.said.strip()

    def install(self, *debs):
        """By apt, from a folder; the result."""
        for deb in debs: self.put(f"/debs/{deb.name}", deb.read_bytes())
        return self.run("apt-get -q --yes --no-install-recommends install " + " ".join(f"/debs/{d.name}" for d in debs))

    def put(self, path, content):
        target = pathlib.Path(f"/proc/{self.leader}/root" if self.boots else self.root) / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())

    def read(self, path):
        return self.do(f"cat {path}")

    def has(self, path):
        return self.run(f"test -e {path}").status == 0

    def mode(self, path):
        return self.do(f"stat -c '%a %U:%G' {path}")


class Case(unittest.TestCase):
    boots, isolated, wants = True, False, []

    @classmethod
    def setUpClass(cls):
        if not NATIVE: raise unittest.SkipTest(f"programs for {ARCH} cannot be installed here")
        cls.system = cls.enterClassContext(System(cls.boots, cls.isolated))
        cls.keys = []
        if cls.wants: cls.must(cls.system.install(*(package(name) for name in cls.wants)))

    @classmethod
    def must(cls, result, status=0):
        assert result.status == status, f"status {result.status}: {result.said}"
        return result.said
