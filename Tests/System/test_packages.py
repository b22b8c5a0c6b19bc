"""The packages in Debian systems of their own: installed, started, upgraded, broken on purpose, rolled back, removed and
purged, by apt and with systemd, in containers of systemd-nspawn. Needs root.

    /usr/bin/python3 Tests/System/test_packages.py RELEASE ARCH PACKAGES CACHE [TEST…]

A station runs in them on the board "host", whose sound card plays noise. For another processor than this machine's the
package is looked at, and its program runs under QEMU.
"""
import contextlib
import os
import pathlib
import random
import re
import struct
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from debian import Case, EXAMPLE, field, NAMES, package, RELEASE, Result, SOURCES, variant, wrapped
from package_board import Emulated
from package_contents import Contents, Versions
from package_network import Network


class Installed(Case):
    """All three, just installed."""
    wants = NAMES

    def test_programs_run_without_a_toolchain(self):
        stated = re.match(r"[0-9.]+", field(package("onset-station"), "Version"))[0]
        for program in ("onsetd", "onset"):
            self.assertEqual(self.system.do(f"{program} --version"), f"{program} {stated}")
        self.assertIn("receives, verifies", self.system.do("onset-collector --help"))
        for program in ("onsetd", "onset", "onset-collector"):
            self.assertNotRegex(self.system.do(f"ldd /usr/bin/{program}"), "not found|libswift|libFoundation")

    def test_demonstration(self):
        said = self.system.do("cd /tmp && onset demo --collector /usr/bin/onset-collector")
        self.assertIn("before the S wave", said)

    def test_owners_and_modes(self):
        expected = {
            "/usr/bin/onsetd": "755 root:root", "/etc/onset": "755 root:root", "/etc/onset/station.key": "640 root:onset",
            "/var/lib/onset": "750 onset:onset", "/etc/onset/collector.toml": "644 root:root",
            "/usr/share/onset/models/onset-picker.onet": "644 root:root",
            "/etc/onset/instruments/geophone-4.5hz.toml": "644 root:root"}
        self.assertEqual({path: self.system.mode(path) for path in expected}, expected)

    def test_key_is_one_that_programs_take(self):
        self.assertEqual(self.system.do("stat -c %s /etc/onset/station.key"), "32")
        self.system.do("onset key public /etc/onset/station.key && rm /etc/onset/station.key.pub")

    def test_users_and_groups(self):
        groups = set(self.system.do("id -nG onset").split())
        self.assertLessEqual({"onset", "audio", "gpio", "dialout", "spi"}, groups)
        self.assertIn("nologin", self.system.do("getent passwd onset"))
        self.assertIn("/var/lib/onset-collector", self.system.do("getent passwd onset-collector"))

    def test_nothing_was_started_or_enabled(self):
        for unit in ("onsetd", "onset-collector"):
            self.assertEqual(self.system.run(f"systemctl is-enabled {unit}").said.strip(), "disabled")
            self.assertEqual(self.system.run(f"systemctl is-active {unit}").said.strip(), "inactive")

    def test_unconfigured_station_is_not_started_by_hand(self):
        self.system.do("systemctl start onsetd")
        self.assertEqual(self.system.do("systemctl show -p ConditionResult --value onsetd"), "no")
        self.assertEqual(self.system.run("systemctl is-active onsetd").said.strip(), "inactive")

    def test_units(self):
        for unit in ("onsetd", "onset-collector"):
            path = f"/usr/lib/systemd/system/{unit}.service"
            self.assertEqual(self.system.do(f"systemd-analyze verify {path}"), "")
            self.system.do(f"systemd-analyze security --offline=true --threshold=20 {path}")
            self.assertRegex(self.system.do(f"systemctl cat {unit}"), r"\nLimitCORE=0\n")
        self.assertEqual(self.system.do("systemd-analyze verify /usr/lib/systemd/system/onsetd.service"), "")

    def test_shipped_boards_and_networks_are_right(self):
        self.system.do(f"cp {EXAMPLE} /etc/onset/station.toml")
        self.addCleanup(self.system.do, "rm /etc/onset/station.toml")
        boards = self.system.do("ls /usr/share/onset/boards").split()
        self.assertEqual(boards, sorted(p.parent.name for p in SOURCES.glob("boards/*/board.toml")))
        for board in boards:
            self.system.do(f"onset check /usr/share/onset/boards/{board}/board.toml /etc/onset/station.toml")
        self.system.do("onset check /etc/onset/instruments/*.toml /etc/onset/relations/*.toml")
        for network in ("picker", "estimator"):
            self.system.do(f"onset model info /usr/share/onset/models/onset-{network}.onet")

    def test_manual_pages(self):
        for section, page in ((8, "onsetd"), (1, "onset"), (8, "onset-collector")):
            self.assertEqual(self.system.do(f"man --warnings {section} {page} 2>&1 > /dev/null"), "")
        self.assertIn("onset replay FILE.mseed", self.system.do("man 1 onset"))

    def test_completion(self):
        file = "/usr/share/bash-completion/completions/onset"
        said = self.system.do(f"bash -c '. {file}; COMP_WORDS=(onset rep); COMP_CWORD=1; _onset; echo ${{COMPREPLY[@]}}'")
        self.assertEqual(said, "replay")

    def test_files_are_as_they_were_packed(self):
        for name in NAMES: self.assertEqual(self.system.do(f"dpkg --verify {name}"), "")

    def test_udev_takes_the_rules(self):
        # Only from 13 on can udev be asked whether a file is right.
        if RELEASE == "12": self.skipTest("udevadm verify is not in Debian 12")
        self.system.do("udevadm verify /usr/lib/udev/rules.d/45-onset-station.rules")


class Unbooted(Case):
    """In a chroot, as an image is built, where no service manager runs."""
    boots, wants = False, NAMES

    def test_life_without_systemd(self):
        system = self.system
        self.assertEqual(system.mode("/etc/onset/station.key"), "640 root:onset")
        before = system.do("sha256sum /etc/onset/station.key")
        self.must(system.install(variant(package("onset-station"), system.debs, "+1")))
        self.assertEqual(system.do("sha256sum /etc/onset/station.key"), before)
        system.do("apt-get -q --yes purge onset-station onset-tools onset-collector")
        self.assertFalse(system.has("/etc/onset"))
        self.assertFalse(system.has("/var/lib/onset"))


# In the place of a command of a maintainer script: notes that it was called, and at the call whose number is in `at` does
# a part of its work, as a power cut would leave it, and kills the script.
CUTTING = """#!/bin/sh
name=${0##*/}
echo "$name $*" >> /tmp/cut/log
[ "$(/usr/bin/wc -l < /tmp/cut/log)" = "$(/usr/bin/cat /tmp/cut/at)" ] || exec "/usr/bin/$name" "$@"
for last in "$@"; do :; done
case "$name $2" in
  "rm "*) /usr/bin/find "$last" -type f | sort -r | head -n 1 | /usr/bin/xargs -r /usr/bin/rm ;;
  "cp --parents") mkdir -p "$last/${3%/*}"; if [ -d "$3" ]; then mkdir -p "$last/$3"; else : > "$last/$3"; fi ;;
  "cp "*) if [ -d "$2" ]; then mkdir -p "$last"; else : > "$last"; fi ;;
esac
kill -KILL "$(/usr/bin/cat /tmp/cut/shell)"
exit 1
"""
PARTS = "usr/bin/onsetd usr/share/onset usr/lib/systemd/system/onsetd.service"
SCRIPTS = "/var/lib/dpkg/info/onset-station"


class PowerCut(Case):
    """At every step of the scripts that put one version in another's place, and what the next try makes of it. Versions
    are told apart by a line in each part."""
    boots, wants = False, ["onset-station"]

    def setUp(self):
        for name in ("cp", "mv", "rm", "sync"): self.system.put(f"/tmp/cut/{name}", CUTTING)
        self.system.do("chmod +x /tmp/cut/*")
        # What postinst is made of, without what it does.
        self.system.do(f"sed '/^case \"\$1\"/,$d' {SCRIPTS}.postinst > /tmp/parts.sh")

    def lay(self, version, folder):
        self.system.do(f"rm -rf {folder}/usr/share/onset; mkdir -p /{folder}; test {folder} = / || (cd / && cp -a --parents {PARTS} /{folder}); "
                       f"for p in usr/bin/onsetd usr/share/onset/models/version usr/lib/systemd/system/onsetd.service; do "
                       f"mkdir -p {folder}/${{p%/*}}; echo {version} > {folder}/$p; done")

    def version(self, folder=""):
        """What the parts that lie there are of; a part without one is an empty or half a part."""
        return self.system.run(f"cd {folder}/ && cat usr/bin/onsetd usr/share/onset/models/version "
                               "usr/lib/systemd/system/onsetd.service 2>&1").said.split()

    def cut(self, command, at=0):
        """Runs it until its call of number `at`; whether it came so far."""
        self.system.do("rm -f /tmp/cut/log; touch /tmp/cut/log")
        self.system.put("/tmp/cut/at", str(at))
        return self.system.run(f"echo $$ > /tmp/cut/shell; PATH=/tmp/cut:$PATH exec {command}").status != 0

    def every_cut(self, prepare, command, judge):
        for at in range(1, 100):
            prepare()
            happened = self.cut(command, at)
            with self.subTest(cut=self.system.read("/tmp/cut/log").splitlines()[-1] if happened else "none"):
                judge()
            if not happened: break
        self.assertGreater(at, 8)

    def prepare(self):
        self.system.do("rm -rf /usr/lib/onset /usr/share/onset.* /usr/bin/onsetd.*")
        self.lay("new", "/")
        self.lay("old", "/usr/lib/onset/previous/files")
        self.system.put("/usr/lib/onset/previous/version", "1\n")

    def judge_next_try(self):
        self.system.do(f"{SCRIPTS}.postinst configure 1")
        self.assertEqual(self.version(), ["new"] * 3)
        self.assertEqual(self.version("/usr/lib/onset/previous/files"), ["old"] * 3)
        self.assertEqual(self.system.do("ls -d /usr/lib/onset/* /usr/share/onset* /usr/bin/onsetd*").split(),
                         ["/usr/bin/onsetd", "/usr/lib/onset/previous", "/usr/share/onset"])

    def test_while_a_new_version_is_refused(self):
        self.every_cut(self.prepare, "sh -ec '. /tmp/parts.sh; exchange $PREVIOUS $REFUSED'", self.judge_next_try)

    def test_while_a_refused_version_is_tried_again(self):
        def prepare():
            self.prepare()
            self.system.do("sh -ec '. /tmp/parts.sh; exchange $PREVIOUS $REFUSED'")
            self.assertEqual(self.version(), ["old"] * 3)
        self.every_cut(prepare, f"{SCRIPTS}.postinst configure 1", self.judge_next_try)

    def test_while_another_comes_after_a_refused_one(self):
        """What was put back by halves is not what is kept."""
        def judge():
            self.system.do(f"{SCRIPTS}.preinst upgrade 2")
            self.assertEqual(self.version("/usr/lib/onset/previous/files")[:3], ["old"] * 3)
            self.assertFalse(self.system.has("/usr/lib/onset/refused"))

        def prepare():
            self.prepare()
            self.assertTrue(self.cut("sh -ec '. /tmp/parts.sh; exchange $PREVIOUS $REFUSED'", self.last_renaming))
        self.prepare()
        self.cut("sh -ec '. /tmp/parts.sh; exchange $PREVIOUS $REFUSED'")
        calls = self.system.read("/tmp/cut/log").splitlines()
        self.last_renaming = max(n for n, call in enumerate(calls, 1) if call.startswith("mv"))
        prepare()
        judge()

    def test_names_come_after_what_they_name(self):
        self.prepare()
        for command in ("sh -ec '. /tmp/parts.sh; exchange $PREVIOUS $REFUSED'", f"{SCRIPTS}.postinst configure 1",
                        f"{SCRIPTS}.preinst upgrade 1"):
            self.assertFalse(self.cut(command))
            written, renamed = False, 0
            for call in self.system.read("/tmp/cut/log").splitlines():
                if call.startswith("cp"): written = True
                if call.startswith("sync"): written = False
                if call.startswith("mv"):
                    renamed += 1
                    self.assertFalse(written, f"{command}: {call}")
            self.assertGreater(renamed, 0)

    def test_nothing_is_exchanged_for_half_a_version(self):
        self.prepare()
        self.system.do("rm -r /usr/lib/onset/previous/files/usr/share")
        said = self.system.run("sh -ec '. /tmp/parts.sh; exchange $PREVIOUS $REFUSED'")
        self.assertIn("lacks a part", said.said)
        self.assertEqual(self.version(), ["new"] * 3)


def noise():
    """Some minutes of frames of three components."""
    random.seed(17)
    second = b"".join(struct.pack("<3i", *(random.randrange(-90000, 90000) for _ in range(3))) for _ in range(8000))
    return second * 600


class Station(Case):
    """A station that runs. Each test leaves one that runs."""
    wants = ["onset-station", "onset-tools"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        system = cls.system
        # The simulated sound card comes with the tools.
        sound = SOURCES.joinpath("boards/host/asound.conf").read_text()
        sound = sound.replace('"synthetic.raw"', '"/srv/frames.raw"').replace('lib "', 'lib "/usr/lib/onset/')
        system.put("/etc/asound.conf", sound)
        system.put("/srv/frames.raw", noise())
        # As a sound card's device is: nobody's but a group's, also inside the unit's sandbox.
        system.do("chown root:audio /srv/frames.raw && chmod 640 /srv/frames.raw")
        system.do(f"cp /usr/share/onset/boards/host/board.toml {EXAMPLE} /etc/onset")
        system.do("systemctl enable --now onsetd")
        cls.version = system.do("dpkg-query -W -f '${Version}' onset-station")

    def setUp(self):
        self.assertEqual(self.state(), "active")

    def state(self):
        return self.system.run("systemctl is-active onsetd").said.strip()

    def started(self):
        """What tells one run of the program from another."""
        return self.system.do("systemctl show -p InvocationID --value onsetd")

    def kept(self):
        """What an upgrade must not touch."""
        return self.system.do("sha256sum /etc/onset/*.toml /etc/onset/*.key /var/lib/onset/epoch")

    def program(self):
        return self.system.do("sha256sum /usr/bin/onsetd /usr/share/onset/models/*.onet")

    def upgrade(self, suffix, change=lambda tree: None):
        return self.system.install(variant(package("onset-station"), self.system.debs, suffix, change))

    def back(self):
        """The version as it was built; dpkg goes down when it is told to. A station that does not run is not on trial."""
        deb = package("onset-station")
        self.system.put(f"/debs/{deb.name}", deb.read_bytes())
        self.system.do(f"systemctl stop onsetd && dpkg --install --force-downgrade /debs/{deb.name} && systemctl start onsetd")

    def test_a_running_station(self):
        said = self.system.do("journalctl -u onsetd -o cat")
        self.assertNotIn("cannot", said)
        self.assertEqual(self.system.do("stat -c %a /var/lib/onset"), "750")
        pid = self.system.do("systemctl show -p MainPID --value onsetd")
        self.assertEqual(self.system.do(f"stat -c %U /proc/{pid}"), "onset")

    def test_starts_without_the_partition_of_its_state(self):
        self.system.do("systemctl stop onsetd && cp -a /etc/fstab /etc/fstab.before")
        self.system.do("echo 'none /var/lib/onset nothing nofail,x-systemd.before=onsetd.service 0 0' >> /etc/fstab")
        self.system.do("systemctl daemon-reload && systemctl start onsetd")
        self.assertEqual(self.state(), "active")
        self.system.do("mv /etc/fstab.before /etc/fstab && systemctl daemon-reload")

    def test_upgrade_keeps_and_restarts(self):
        self.system.do("echo '# mine' >> /etc/onset/instruments/geophone-4.5hz.toml")
        before, run = self.kept(), self.started()
        # The clock of the machine may be nobody's; what the version before finds as well is no reason.
        self.must(self.upgrade("+1"))
        self.assertEqual(self.kept(), before)
        self.assertIn("# mine", self.system.read("/etc/onset/instruments/geophone-4.5hz.toml"))
        self.assertEqual(self.state(), "active")
        self.assertNotEqual(self.started(), run)
        self.assertEqual(self.system.do("dpkg-query -W -f '${Status} ${Version}' onset-station"),
                         f"install ok installed {self.version}+1")
        self.assertFalse(self.system.has("/usr/lib/onset/refused"))
        self.assertEqual(self.system.read("/usr/lib/onset/previous/version"), self.version)
        self.back()

    def test_new_version_that_passes(self):
        self.must(self.upgrade("+2", wrapped(
            'case "$*" in *--self-test*) echo "good     all"; exit 0;; esac; exec $real "$@"')))
        self.assertEqual(self.state(), "active")
        self.assertIn("self-test", self.system.read("/usr/bin/onsetd"))
        self.back()

    def test_what_is_bad_once_is_no_reason(self):
        """A machine that is busy makes the self-test of a good version fail now and then."""
        self.must(self.upgrade("+8", wrapped(
            'case "$*" in *--self-test*) [ -e /tmp/tested ] && echo "good     all" && exit 0\n'
            'touch /tmp/tested; echo "BAD      digitizer   late"; exit 1;; esac; exec $real "$@"')))
        self.assertEqual(self.state(), "active")
        self.assertIn("tested", self.system.read("/usr/bin/onsetd"))
        self.back()

    def refused(self, result, because):
        self.assertNotEqual(result.status, 0, result.said)
        self.assertIn("IS REFUSED", result.said)
        self.assertIn(because, result.said)
        self.assertEqual(self.system.do("dpkg-query -W -f '${db:Status-Abbrev}' onset-station"), "iF")
        self.assertEqual(self.state(), "active")

    def test_broken_network_is_rolled_back_and_can_be_tried_again(self):
        before, program = self.kept(), self.program()

        def damage(tree):
            path = tree / "usr/share/onset/models/onset-picker.onet"
            path.write_bytes(path.read_bytes()[:-100] + bytes(100))
        self.refused(self.upgrade("+3", damage), "BAD      picker")
        self.assertEqual(self.program(), program)
        self.assertEqual(self.kept(), before)
        self.assertIn("IS REFUSED", self.system.do("journalctl -t onset-station -o cat"))
        # Trying it again ends as before, and loses neither version.
        self.refused(self.system.run("dpkg --configure onset-station"), "BAD      picker")
        self.assertEqual(self.program(), program)
        self.back()
        self.assertEqual(self.program(), program)
        self.assertFalse(self.system.has("/usr/lib/onset/refused"))
        self.assertEqual(self.system.do("dpkg --audit"), "")

    def test_program_that_crashes_is_rolled_back(self):
        program = self.program()
        self.refused(self.upgrade("+4", wrapped("kill -SEGV $$")), "self-test fails")
        self.assertEqual(self.program(), program)
        self.back()

    def test_program_that_does_not_start_is_rolled_back(self):
        program = self.program()
        self.refused(self.upgrade("+5", wrapped(
            'case "$*" in *--self-test*) echo "good     all"; exit 0;; *--rest*) exit 0;; esac; exit 1')), "does not start")
        self.assertEqual(self.program(), program)
        self.back()

    def test_pulled_cable_is_not_held_against_it(self):
        self.system.do("mv /srv/frames.raw /srv/pulled")
        try:
            said = self.must(self.upgrade("+6"))
            self.assertIn("BAD      digitizer", said)
            self.assertIn("with what was wrong here before", said)
            self.assertFalse(self.system.has("/usr/lib/onset/refused"))
        finally:
            self.system.do("mv /srv/pulled /srv/frames.raw")
        self.system.wait(lambda: self.state() == "active", "a station with its cable")
        self.back()

    def trial(self, suffix, self_test="exit 0"):
        """An upgrade whose self-test has begun; it goes on when there is /tmp/on."""
        self.system.do("rm -f /tmp/begun /tmp/on /tmp/ended")
        deb = variant(package("onset-station"), self.system.debs, suffix, wrapped(
            'case "$*" in *--self-test*) touch /tmp/begun; until [ -e /tmp/on ]; do sleep 0.1; done\n'
            f'{self_test};; esac; exec $real "$@"'))
        self.system.put(f"/debs/{deb.name}", deb.read_bytes())
        self.system.do(f"(dpkg --install /debs/{deb.name} > /tmp/said 2>&1; echo $? > /tmp/ended) < /dev/null > /dev/null 2>&1 &")
        self.system.wait(lambda: self.system.has("/tmp/begun"), "a self-test")
        self.assertEqual(self.state(), "inactive")
        return self.system.do("grep -lszx '/.*/onset-station[.]postinst' /proc/[0-9]*/cmdline").split("/")[2]

    def end_of_trial(self):
        self.system.do("touch /tmp/on")
        self.system.wait(lambda: self.system.run("test -s /tmp/ended").status == 0, "an end of the upgrade")
        return Result(int(self.system.read("/tmp/ended")), self.system.read("/tmp/said"))

    def test_lost_connection_does_not_end_an_upgrade(self):
        self.system.do(f"kill -HUP {self.trial('+A')}")
        self.must(self.end_of_trial())
        self.assertEqual(self.state(), "active")
        self.back()

    def test_interrupted_upgrade_leaves_a_station_that_runs(self):
        self.system.do(f"kill -TERM {self.trial('+B')}")
        self.assertNotEqual(self.end_of_trial().status, 0)
        self.assertEqual(self.state(), "active")
        self.back()

    def test_full_disk_leaves_a_station_that_runs(self):
        # As much room as the version that is kept wants, and half of what the refused one would.
        self.system.do("mkdir -p /tmp/disk && size=$(du -sk /usr/lib/onset | cut -f 1) && "
                       "own=$(du -skc /usr/bin/onsetd /usr/share/onset | tail -n 1 | cut -f 1) && "
                       "rm -rf /usr/lib/onset/previous && mount -t tmpfs -o size=$((size + own + own / 2))k disk /tmp/disk && "
                       "cp -a /usr/lib/onset/. /tmp/disk && mount --bind /tmp/disk /usr/lib/onset")
        try:
            self.trial("+C", "echo 'BAD      picker      bad'; exit 1")
            self.system.run("dd if=/dev/zero of=/usr/lib/onset/full bs=64k")
            result = self.end_of_trial()
            self.assertNotEqual(result.status, 0)
            self.assertIn("No space left", result.said)
            self.assertEqual(self.state(), "active")
        finally:
            self.system.do("umount --lazy /usr/lib/onset && umount --lazy /tmp/disk")
        self.back()

    def test_self_test_that_hangs_has_failed(self):
        def change(tree):
            wrapped('case "$*" in *--self-test*) sleep 40; exit 0;; esac; exec $real "$@"')(tree)
            script = tree / "DEBIAN/postinst"
            script.write_text(script.read_text().replace("--kill-after=10 120 ", "--kill-after=1 1 "))
        program = self.program()
        self.refused(self.upgrade("+D", change), "self-test fails")
        self.assertEqual(self.program(), program)
        self.back()

    def with_latch(self, value):
        """As the station leaves it on disk while a latched alarm stands (2), and after it (1)."""
        self.system.do(f"grep -q '^latch' /etc/onset/station.toml || sed -i 's/^\\[uplink\\]/[alarm]\\nlatch = true\\n\\n&/' "
                       f"/etc/onset/station.toml; echo {value} > /var/lib/onset/latch; chown onset:onset /var/lib/onset/latch")

    def test_no_upgrade_while_an_alarm_stands(self):
        self.system.do("cp -a /etc/onset/station.toml /tmp/station.toml")
        self.addCleanup(self.system.do, "cp -a /tmp/station.toml /etc/onset/station.toml; rm -f /var/lib/onset/latch")
        self.with_latch(2)
        program, run = self.program(), self.started()
        result = self.upgrade("+E")
        self.assertNotEqual(result.status, 0)
        self.assertIn("AN ALARM STANDS, so nothing is upgraded", result.said)
        self.assertEqual((self.program(), self.started()), (program, run))
        self.assertEqual(self.system.do("dpkg-query -W -f '${db:Status-Abbrev} ${Version}' onset-station"), f"ii  {self.version}")
        # One that comes when the files are there already: the program that runs goes on.
        self.system.do("rm /var/lib/onset/latch")
        deb = variant(package("onset-station"), self.system.debs, "+F")
        self.system.put("/debs/f.deb", deb.read_bytes())
        self.system.do("dpkg --unpack /debs/f.deb")
        self.with_latch(2)
        result = self.system.run("dpkg --configure onset-station")
        self.assertNotEqual(result.status, 0)
        self.assertIn("AN ALARM STANDS, so the version that runs goes on", result.said)
        self.assertEqual(self.started(), run)
        self.with_latch(1)
        self.system.do("dpkg --configure onset-station")
        self.assertNotEqual(self.started(), run)
        self.back()

    @contextlib.contextmanager
    def alarm(self):
        """The demonstration's earthquake, whose alarm stands for an hour and is not latched."""
        self.system.put("/etc/onset/instruments/accelerometer.toml", SOURCES.joinpath("boards/emulated/accelerometer.toml").read_bytes())
        self.system.do("systemctl stop onsetd && mkdir -p /tmp/kept && cp -a /etc/onset/station.toml /srv/frames.raw /tmp/kept && "
                       "onset demo --raw /tmp/demo.raw > /dev/null && cat /tmp/demo.raw > /srv/frames.raw")
        try:
            self.system.do("sed -i 's/geophone-4.5hz/accelerometer/' /etc/onset/station.toml")
            self.system.do("sed -i 's/^\\[uplink\\]/[alarm]\\nhold_seconds = 3600\\n\\n&/' /etc/onset/station.toml")
            self.system.do("systemctl start onsetd")
            self.system.wait(lambda: self.status() == "AN ALARM STANDS", "an alarm")
            self.assertFalse(self.system.has("/var/lib/onset/latch"), "it must not be latched")
            yield
        finally:
            self.system.do("systemctl stop onsetd; cp -a /tmp/kept/station.toml /etc/onset && cp -a /tmp/kept/frames.raw /srv && "
                           "rm /etc/onset/instruments/accelerometer.toml && systemctl start onsetd")

    def status(self):
        return self.system.do("systemctl show -p StatusText --value onsetd")

    def test_nothing_is_upgraded_or_removed_while_an_unlatched_alarm_stands(self):
        with self.alarm():
            program, run = self.program(), self.started()
            result = self.upgrade("+G")
            self.assertNotEqual(result.status, 0)
            self.assertIn("AN ALARM STANDS, so nothing is upgraded", result.said)
            for how in ("remove", "purge"):
                result = self.system.run(f"apt-get -q --yes {how} onset-station")
                self.assertNotEqual(result.status, 0)
                self.assertIn("AN ALARM STANDS, so nothing is removed", result.said)
            self.assertEqual((self.program(), self.started(), self.state()), (program, run, "active"))
            self.assertEqual(self.system.do("dpkg-query -W -f '${db:Status-Abbrev} ${Version}' onset-station"), f"ii  {self.version}")
            # What postinst asks when the files are there already.
            script = self.system.do(f"sed -n '/^alarm_stands/,/^}}/p' {SCRIPTS}.postinst")
            self.assertEqual(self.system.run(f"{script}\nalarm_stands").status, 0)
        self.system.wait(lambda: self.status() == "no alarm stands", "a quiet station")
        script = self.system.do(f"sed -n '/^alarm_stands/,/^}}/p' {SCRIPTS}.postinst")
        self.assertNotEqual(self.system.run(f"{script}\nalarm_stands").status, 0)

    def test_stopped_station_is_upgraded_and_stays_stopped(self):
        self.system.do("systemctl stop onsetd")
        self.must(self.upgrade("+7", wrapped("exit 1")))
        self.assertEqual(self.state(), "inactive")
        self.back()

    def test_z_remove_and_purge(self):
        """The last: nothing is there afterwards."""
        before = self.kept()
        # What a power cut leaves there.
        self.system.do("cd /usr/lib/onset && mkdir -p previous.new previous.again previous.gone refused.new")
        self.system.do("apt-get -q --yes remove onset-station")
        self.assertEqual(self.kept(), before)
        self.assertEqual(self.system.do("ls -d /usr/lib/onset/previous* /usr/lib/onset/refused* 2> /dev/null || true"), "")
        self.assertEqual(self.state(), "inactive")
        self.assertFalse(self.system.has("/usr/bin/onsetd"))
        self.assertFalse(self.system.has("/usr/lib/onset/previous"))
        self.must(self.system.install(package("onset-station")))
        self.assertEqual(self.kept(), before)
        # What setup leaves there.
        self.system.do("cd /etc/onset && touch board.toml.before station.toml.before board.toml.new station.toml.new "
                       "instruments/own.toml")
        self.system.do("apt-get -q --yes purge onset-station")
        for path in ("/etc/onset", "/var/lib/onset", "/usr/share/onset", "/usr/lib/onset/previous",
                     "/etc/systemd/system/multi-user.target.wants/onsetd.service"):
            self.assertFalse(self.system.has(path), path)
        self.assertIn("onset", self.system.do("getent passwd onset"))


class Collector(Case):
    wants = ["onset-collector"]

    def test_life(self):
        system, store = self.system, "/var/lib/onset-collector/onset.sqlite"
        system.put("/etc/onset/master.key", os.urandom(32))
        system.do("chown root:onset-collector /etc/onset/master.key && chmod 640 /etc/onset/master.key")
        system.do("sed -i 's/^port = .*/port = 0/; s/^listen = .*/listen = \"127.0.0.1:0\"/' /etc/onset/collector.toml")
        system.do("systemctl enable --now onset-collector")
        system.wait(lambda: system.has(store), "a store")
        file, run = system.do("sha256sum /etc/onset/collector.toml"), "systemctl show -p InvocationID --value onset-collector"
        before = system.do(run)
        self.must(system.install(variant(package("onset-collector"), system.debs, "+1")))
        self.assertEqual(system.do("sha256sum /etc/onset/collector.toml"), file)
        self.assertNotEqual(system.do(run), before)
        self.assertEqual(system.run("systemctl is-active onset-collector").said.strip(), "active")
        system.do("apt-get -q --yes remove onset-collector")
        self.assertTrue(system.has(store) and system.has("/etc/onset/collector.toml"))
        self.assertEqual(system.run("systemctl is-active onset-collector").said.strip(), "inactive")
        system.do("apt-get -q --yes purge onset-collector")
        self.assertFalse(system.has(store) or system.has("/etc/onset/collector.toml"))
        self.assertTrue(system.has("/etc/onset/master.key"))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[5:]], verbosity=2)
