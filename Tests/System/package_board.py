"""onset-station for arm64 in a Debian of that processor with its systemd and Debian's own kernel, on a machine that QEMU
emulates: for test_packages.py.
"""
import base64
import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

from debian import CACHE, EXAMPLE, NATIVE, package, RELEASE, Result, SOURCES, variant, wrapped

# When a test gives up on what it waits for, seconds: a processor that is emulated is slow.
DEADLINE = 600
PACKAGES = ["systemd", "systemd-sysv", "dbus", "udev", "busybox-static"]
LIBRARIES = {"12": ["libasound2", "libgpiod2", "libsodium23"], "13": ["libasound2t64", "libgpiod3", "libsodium23"]}
MODULES = ["virtio_mmio", "virtio_blk", "virtio_console", "ext4"]

# Obeys what comes over the machine's second serial line: a line is a command in base64; back come its status and what it said.
AGENT = """#!/bin/bash
exec 3<> /dev/virtio-ports/onset
echo ready >&3
while IFS= read -r line <&3; do
  said=$(bash -c "$(echo "$line" | base64 -d)" 2>&1 < /dev/null | base64 -w 0; exit ${PIPESTATUS[0]})
  echo "$? $said" >&3
done
"""
UNIT = """[Unit]
After=multi-user.target
[Service]
ExecStart=/usr/local/bin/agent
"""
INIT = """#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for module in /modules/*; do /bin/busybox insmod $module; done
until [ -e /dev/vda ]; do /bin/busybox sleep 1; done
/bin/busybox mount -t ext4 /dev/vda /root
exec /bin/busybox switch_root /root /sbin/init
"""


def base():
    """The folder of a Debian with all that the package depends on, and a kernel that nothing was set up for."""
    folder = CACHE / f"arm64-{RELEASE}"
    subprocess.run([SOURCES / "boards/packages/root.sh", RELEASE, folder, *PACKAGES, *LIBRARIES[RELEASE]], check=True,
                   env=os.environ | {"ARCH": "arm64"})
    if not (folder / "boot/release").exists():
        with tempfile.TemporaryDirectory(dir=CACHE) as place:
            ask = ["-o", f"Dir={folder}", "-o", f"Dir::State::status={folder}/var/lib/dpkg/status", "-o", "APT::Architecture=arm64",
                   "-o", "APT::Architectures=arm64", "-o", f"Dir::Etc::trustedparts={folder}/etc/apt/trusted.gpg.d",
                   "-o", "APT::Sandbox::User=root"]
            said = subprocess.check_output(["apt-cache", *ask, "depends", "linux-image-arm64"], text=True)
            name = re.search(r"Depends: (linux-image-\S+)", said)[1]
            subprocess.run(["apt-get", *ask, "-qq", "download", name], cwd=place, check=True)
            subprocess.run(["dpkg-deb", "--extract", *pathlib.Path(place).glob("*.deb"), f"{place}/t"], check=True)
            tree = pathlib.Path(place, "t")
            modules = next(tree.rglob("modules.builtin")).parent
            shutil.copytree(modules, folder / "usr/lib/modules" / modules.name, symlinks=True, dirs_exist_ok=True)
            subprocess.run(["depmod", "--basedir", folder / "usr", modules.name], check=True)
            shutil.copy(next(tree.glob("boot/vmlinuz-*")), folder / "boot/vmlinuz")
            (folder / "boot/release").write_text(modules.name)
    return folder


class Board:
    """The machine, thrown away at the end."""

    def __init__(self, *debs):
        self.debs, self.stack = debs, contextlib.ExitStack()

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
        lower = base()
        self.work = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="onset-board-")))
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "onset", self.work], check=True)
        self.stack.callback(subprocess.run, ["umount", "--lazy", self.work])
        for name in ("upper", "overlay", "root"): (self.work / name).mkdir()
        root = self.work / "root"
        subprocess.run(["mount", "-t", "overlay", "onset", "-o", f"lowerdir={lower},upperdir={self.work}/upper,"
                        f"workdir={self.work}/overlay", root], check=True)
        self.stack.callback(subprocess.run, ["umount", "--lazy", root])
        self.fill(root)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", root, self.work / "disk", "2G"], check=True)
        self.initramfs(root)
        self.machine = subprocess.Popen(
            ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-m", "1024", "-nographic", "-nic", "none", "-no-reboot",
             "-kernel", lower / "boot/vmlinuz", "-initrd", self.work / "initramfs", "-append", "console=ttyAMA0 quiet",
             "-drive", f"file={self.work}/disk,if=none,id=disk,format=raw,cache=unsafe", "-device", "virtio-blk-device,drive=disk",
             "-chardev", f"socket,id=agent,path={self.work}/agent,server=on,wait=off", "-device", "virtio-serial-device",
             "-device", "virtserialport,chardev=agent,name=onset"], stdin=subprocess.DEVNULL,
            stdout=self.stack.enter_context(open(self.work / "console", "wb")), stderr=subprocess.STDOUT)
        self.stack.callback(self.machine.wait)
        self.stack.callback(self.machine.kill)
        self.wait((self.work / "agent").exists, "a machine")
        line = self.stack.enter_context(socket.socket(socket.AF_UNIX))
        line.settimeout(DEADLINE)
        line.connect(str(self.work / "agent"))
        self.line = self.stack.enter_context(line.makefile("rwb", buffering=0))
        try:
            assert self.line.readline() == b"ready\n"
        except (OSError, AssertionError) as error:
            raise AssertionError("no started system: " + (self.work / "console").read_text(errors="replace")[-2000:]) from error

    def fill(self, root):
        (root / "debs").mkdir()
        for deb in self.debs: shutil.copy(deb, root / "debs")
        agent = root / "usr/local/bin/agent"
        agent.write_text(AGENT)
        agent.chmod(0o755)
        units = root / "etc/systemd/system"
        (units / "agent.service").write_text(UNIT)
        (units / "multi-user.target.wants").mkdir(exist_ok=True)
        (units / "multi-user.target.wants/agent.service").symlink_to("../agent.service")
        (root / "etc/fstab").write_text("/dev/vda / ext4 defaults 0 1\n")
        (root / "etc/hostname").write_text("onset\n")

    def initramfs(self, root):
        tree, release = self.work / "initramfs.d", (root / "boot/release").read_text()
        for name in ("bin", "dev", "root", "modules"): (tree / name).mkdir(parents=True)
        shutil.copy(root / "bin/busybox", tree / "bin")
        (tree / "init").write_text(INIT)
        (tree / "init").chmod(0o755)
        wanted = []
        for module in MODULES:
            said = subprocess.check_output(["modprobe", "--dirname", root / "usr", "--set-version", release, "--show-depends", module],
                                           text=True)
            wanted += [line.split()[1] for line in said.splitlines() if line.startswith("insmod")]
        # Numbered, so that each comes after what it needs.
        for number, module in enumerate(dict.fromkeys(wanted)):
            target = tree / f"modules/{number:02}-{pathlib.Path(module).name.removesuffix('.xz')}"
            with open(target, "wb") as file:
                subprocess.run(["xz", "-dc", module] if module.endswith(".xz") else ["cat", module], stdout=file, check=True)
        subprocess.run(f"find . | cpio -o -H newc -R 0:0 --quiet > {self.work}/initramfs", shell=True, cwd=tree, check=True)

    def wait(self, happens, what):
        end = time.monotonic() + DEADLINE
        while not happens():
            # The machine may end meanwhile, and with it what is waited for.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.machine.wait(0.05)
                end = 0
            assert time.monotonic() < end, f"{what} did not come"

    def run(self, command):
        self.line.write(base64.b64encode(command.encode()) + b"\n")
        status, _, said = self.line.readline().decode().strip().partition(" ")
        return Result(int(status), base64.b64decode(said).decode(errors="replace"))

    def do(self, command):
        result = self.run(command)
        assert result.status == 0, f"{command}: status {result.status}\n{result.said}"
        return result.said.strip()


@unittest.skipIf(NATIVE, "the packages are for this machine's processor, and tried in containers")
class Emulated(unittest.TestCase):
    """One life of a station, from its installation to its purge: a start takes a minute."""

    def test_life(self):
        place = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        deb = package("onset-station")
        good, bad = variant(deb, place, "+1"), variant(deb, place, "+2", wrapped("kill -SEGV $$"))
        with Board(deb, good, bad) as board:
            self.install(board, deb)
            self.start(board)
            self.upgrade(board, good, bad)
            self.remove(board)

    def install(self, board, deb):
        board.do(f"dpkg --install /debs/{deb.name}")
        self.assertEqual(board.run("systemctl is-enabled onsetd").said.strip(), "disabled")
        self.assertEqual(board.do("stat -c '%a %U:%G' /etc/onset/station.key /var/lib/onset").splitlines(),
                         ["640 root:onset", "750 onset:onset"])

    def start(self, board):
        """On a board without a digitizer, which a station waits for."""
        board.do("sed 's/^source = .*/source = \"127.0.0.1\"/' /usr/share/onset/boards/raspberry-shake/board.toml > /etc/onset/board.toml")
        board.do(f"cp {EXAMPLE} /etc/onset/station.toml && systemctl enable --now onsetd")
        pid = board.do("systemctl show -p MainPID --value onsetd")
        # In a user namespace of its own no capability counts outside of it: the unit's limits must carry both.
        self.assertNotEqual(*board.do(f"readlink /proc/{pid}/ns/user /proc/1/ns/user").splitlines())
        self.assertRegex(board.do(f"grep CapEff /proc/{pid}/status"), "\\s0+$")
        self.assertGreater(int(board.do(f"awk '/^VmLck/ {{ print $2 }}' /proc/{pid}/status")), 1000)
        said = board.do(f"chrt --pid {pid}")
        self.assertRegex(said, "policy: SCHED_FIFO")
        self.assertRegex(said, "priority: 50")
        # The thread that touches the disk has no priority.
        said = board.do(f"for task in /proc/{pid}/task/*; do chrt --pid ${{task##*/}}; done")
        self.assertEqual(len(re.findall("SCHED_FIFO", said)), 1, said)
        self.assertNotIn("raise Limit", board.do("journalctl -u onsetd -o cat"))
        self.assertEqual(board.do("systemctl show -p StatusText --value onsetd"), "no alarm stands")
        board.do("systemd-analyze security --threshold=20 onsetd.service")

    def upgrade(self, board, good, bad):
        """On trial: what lacks a digitizer lacks it in both versions, and a program that crashes goes."""
        before = board.do("sha256sum /etc/onset/*.toml /etc/onset/*.key /var/lib/onset/epoch")
        said = board.do(f"dpkg --install /debs/{good.name}")
        self.assertIn("with what was wrong here before", said)
        program = board.do("sha256sum /usr/bin/onsetd")
        result = board.run(f"dpkg --install /debs/{bad.name}")
        self.assertNotEqual(result.status, 0)
        self.assertIn("IS REFUSED", result.said)
        self.assertEqual(board.do("sha256sum /usr/bin/onsetd"), program)
        self.assertEqual(board.do("systemctl is-active onsetd"), "active")
        self.assertEqual(board.do("sha256sum /etc/onset/*.toml /etc/onset/*.key /var/lib/onset/epoch"), before)

    def remove(self, board):
        board.do("dpkg --purge onset-station")
        self.assertEqual(board.run("systemctl is-active onsetd").said.strip(), "inactive")
        self.assertEqual(board.run("ls -d /etc/onset /var/lib/onset /usr/bin/onsetd 2> /dev/null").said, "")
