"""The packages as files, and how their version is made: for test_packages.py."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from debian import CACHE, field, NAMES, NATIVE, package, RELEASE, SOURCES


class Contents(unittest.TestCase):
    """What can be seen without installing."""

    def test_files_are_of_root_and_of_one_time(self):
        for name in NAMES:
            listing = subprocess.check_output(["dpkg-deb", "--contents", package(name)], text=True).splitlines()
            self.assertEqual({line.split()[1] for line in listing}, {"root/root"})
            self.assertEqual(len({tuple(line.split()[3:5]) for line in listing}), 1)

    def test_programs_name_no_folder_of_the_build(self):
        for name in NAMES:
            with tempfile.TemporaryDirectory() as folder:
                subprocess.run(["dpkg-deb", "--extract", package(name), folder], check=True)
                for program in [*pathlib.Path(folder, "usr/bin").iterdir(), *pathlib.Path(folder).glob("usr/lib/onset/*")]:
                    content = program.read_bytes()
                    for place in (str(SOURCES), "/onset/Sources", ".build/"):
                        self.assertNotIn(place.encode(), content, program.name)
                    self.assertNotIn(b"RUNPATH", subprocess.check_output(["readelf", "--dynamic", program]))

    def test_dependencies_are_this_release_s(self):
        depends = field(package("onset-station"), "Depends")
        for name in {"12": ("libgpiod2 ", "libasound2 "), "13": ("libgpiod3 ", "libasound2t64 ")}[RELEASE]:
            self.assertIn(name, depends)

    def test_another_processor_s_program_runs(self):
        if NATIVE: self.skipTest("the programs run in containers")
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["dpkg-deb", "--extract", package("onset-station"), folder], check=True)
            said = subprocess.check_output(["qemu-aarch64-static", "-L", CACHE / f"aarch64-{RELEASE}/root",
                                            pathlib.Path(folder, "usr/bin/onsetd"), "--version"], text=True)
        self.assertEqual(said.strip(), "onsetd " + re.match(r"[0-9.]+", field(package("onset-station"), "Version"))[0])


class Versions(unittest.TestCase):
    """version.sh in a repository of its own."""

    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        for part in ("boards/packages", "Sources/Station"): (self.folder / part).mkdir(parents=True)
        shutil.copy(SOURCES / "boards/packages/version.sh", self.folder / "boards/packages")
        self.git("init", "--quiet")
        self.state("0.2.0")

    def git(self, *words):
        return subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a", *words], cwd=self.folder, check=True)

    def state(self, version):
        (self.folder / "Sources/Station/Station.swift").write_text(f'public let softwareVersion: StaticString = "{version}"\n')
        self.git("add", ".")
        self.git("commit", "--quiet", "--allow-empty", "-m", version)

    def version(self, **settings):
        environment = {k: v for k, v in os.environ.items() if k != "ONSET_VERSION"} | settings
        return subprocess.run([self.folder / "boards/packages/version.sh"], env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_versions_sort_as_they_were_made(self):
        made = [self.version().stdout.strip()]
        for version, tag in (("0.2.0", None), ("0.2.0", "v0.2.0"), ("0.2.0", None), ("0.3.0", None), ("0.3.0", "v0.3.0")):
            self.state(version)
            if tag: self.git("tag", tag)
            made.append(self.version().stdout.strip())
        self.assertEqual([made[2], made[5]], ["0.2.0", "0.3.0"])
        for before, after in zip(made, made[1:]):
            subprocess.run(["dpkg", "--compare-versions", f"{before}~deb13", "lt", f"{after}~deb12"], check=True)
        subprocess.run(["dpkg", "--compare-versions", f"{made[2]}~deb12", "lt", f"{made[2]}~deb13"], check=True)

    def test_tag_and_program_must_agree(self):
        self.git("tag", "v0.2.1")
        self.assertNotEqual(self.version().returncode, 0)
        self.assertIn("tagged v0.2.1", self.version().stderr)

    def test_changed_files_show(self):
        self.assertNotIn("changed", self.version().stdout)
        script = self.folder / "boards/packages/version.sh"
        script.write_text(script.read_text() + "# a comment\n")
        self.assertTrue(self.version().stdout.endswith(".changed\n"))
        self.assertEqual(self.version(ONSET_VERSION="9").stdout, "9\n")
