"""Servers that a test starts for itself on loopback, in a folder of its own: PostgreSQL, NATS, mosquitto.

    with Postgres(folder) as postgres: print(postgres.url)

What is not installed is skipped with a message, except by CI.
"""
import contextlib
import glob
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import unittest

# When a test gives up on a server, seconds.
DEADLINE = 60


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def program(name, package):
    """Its path; a test without it is skipped."""
    found = shutil.which(name) or next(iter(sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), reverse=True)), None)
    found = found or next((p for p in (f"/usr/sbin/{name}",) if os.path.exists(p)), None)
    if found: return found
    if os.environ.get("CI"): raise AssertionError(f"{name} is not there: apt install {package}")
    raise unittest.SkipTest(f"{name} is not there: apt install {package}")


# Some program has said something: who waits for what it leads to looks again.
NEWS = threading.Event()


def follow(pipe, path, seen=lambda line: None):
    """Copies what a program says into a file, line by line, until it ends; the thread that does."""
    def run():
        with pipe, open(path, "ab", buffering=0) as out:
            for line in pipe:
                out.write(line)
                seen(line)
                NEWS.set()
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


class Server:
    """A process of this machine, which says that it is ready."""

    def __init__(self, folder, port=None):
        self.folder, self.port, self.process = pathlib.Path(folder), port or free_port(), None
        self.folder.mkdir(parents=True, exist_ok=True)

    def start(self):
        self.process = subprocess.Popen(self.command(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        ready = threading.Event()
        follow(self.process.stdout, self.folder / "log", lambda line: self.ready in line and ready.set())
        if not ready.wait(DEADLINE):
            raise AssertionError(f"{self.command()[0]} does not start: {(self.folder / 'log').read_text()[-2000:]}")
        return self

    def kill(self, number=signal.SIGKILL):
        """The process and whatever it has started."""
        if self.process:
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                pass
            self.process.wait()
            self.process = None

    __enter__ = start

    def __exit__(self, *_):
        self.kill()


class Postgres(Server):
    """A cluster of a user's own who may run it: the server refuses root."""

    ready = b"ready to accept connections"

    def __init__(self, folder):
        super().__init__(folder)
        self.server, initdb = program("postgres", "postgresql"), program("initdb", "postgresql")
        self.user = "postgres" if os.geteuid() == 0 else None
        self.as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if self.user else []
        if self.user: shutil.chown(self.folder, self.user, self.user)
        for parent in self.folder.parents:
            if self.user and parent.stat().st_uid == os.geteuid() and str(parent).startswith("/tmp/"): parent.chmod(0o755)
        subprocess.run(self.as_user + [initdb, "-D", self.folder / "data", "-U", "onset", "-A", "trust", "-E", "UTF8", "--no-sync"],
                       check=True, stdout=subprocess.DEVNULL)
        self.url = f"postgresql://onset@127.0.0.1:{self.port}/postgres"

    def command(self):
        return self.as_user + [self.server, "-D", self.folder / "data", "-p", str(self.port), "-h", "127.0.0.1", "-k", ""]

    def hang(self, number=signal.SIGSTOP):
        """All of it: each connection has a process of its own, and a group."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for process in [self.process.pid, *map(int, children)]:
            with contextlib.suppress(ProcessLookupError):  # A connection may end meanwhile.
                os.kill(process, number)

    def go_on(self):
        self.hang(signal.SIGCONT)

    def rows(self, sql):
        """Each row as a text, columns between bars."""
        return subprocess.run(["psql", self.url, "-At", "-c", sql], check=True, capture_output=True,
                              text=True).stdout.splitlines()


class Mosquitto(Server):
    ready = b" running"

    def __init__(self, folder, port=None):
        super().__init__(folder, port)
        (self.folder / "conf").write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {self.folder}/\n"
            "autosave_interval 1\nautosave_on_changes true\nmax_queued_messages 0\nuser root\n")

    def command(self):
        return [program("mosquitto", "mosquitto"), "-c", self.folder / "conf"]


class Nats(Server):
    """One of a cluster that speaks MQTT and keeps what it has in as many copies as there are members."""

    ready = b"Server is ready"

    def __init__(self, folder, number, ports):
        """`ports`: (client, route, MQTT) of each member."""
        client, route, self.mqtt = ports[number]
        super().__init__(folder, self.mqtt)
        routes = ", ".join(f"nats://127.0.0.1:{r}" for _, r, _ in ports)
        (self.folder / "conf").write_text(
            f"server_name: n{number}\nlisten: 127.0.0.1:{client}\n"
            f"jetstream {{ store_dir: \"{self.folder}/js\" }}\n"
            f"cluster {{ name: onset, listen: 127.0.0.1:{route}, routes: [{routes}] }}\n"
            f"mqtt {{ listen: 127.0.0.1:{self.mqtt}, stream_replicas: {len(ports)} }}\n")

    def command(self):
        return [program("nats-server", "nats-server"), "-c", self.folder / "conf"]
