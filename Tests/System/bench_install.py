#!/usr/bin/env python3
"""bench_install.py RELEASE ARCH PACKAGES CACHE TOOLS: from an empty Debian to the first pick, with a watch.

The system has nothing but systemd, and what it needs comes from the archive. The digitizer is a Raspberry Shake's cast of
the demonstration's earthquake, in real time, again and again.
"""
import base64
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
from scipy.signal import resample_poly

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from debian import System, package
from shake import Shake
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "Golden"))
from receiver import message

RATE, CARD_RATE, NAMES, PORT = 100, 8000, ("EHZ", "EHN", "EHE"), 8888


def earthquake():
    """From 15 s before P to 5 s after it."""
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run([pathlib.Path(sys.argv[5]) / "onset", "demo", "--raw", file.name], check=True, capture_output=True)
        fast = np.fromfile(file.name, "<i4").reshape(-1, 3)[:20 * CARD_RATE].astype(float)
    return np.clip(np.round(resample_poly(fast, RATE, CARD_RATE)), -2**31, 2**31 - 1).astype("<i4")


def main():
    frames = earthquake()
    upstream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    upstream.bind(("127.0.0.1", 0))
    port = upstream.getsockname()[1]
    upstream.settimeout(120)
    with System() as system:
        for name in ("onset-station", "onset-tools"): system.put(f"/debs/{name}.deb", package(name).read_bytes())
        system.do("apt-get clean")
        begin = time.monotonic()

        def tell(what):
            print(f"{time.monotonic() - begin:6.1f} s  {what}", flush=True)

        system.do("apt-get -q update && apt-get -q --yes install /debs/onset-station.deb /debs/onset-tools.deb")
        tell("installed, by apt from the archive")
        # An earthquake every 20 s, whoever is listening.
        shake = Shake(np.tile(frames, (30, 1)), RATE, NAMES, ("127.0.0.1", PORT))
        cast = threading.Thread(target=shake.play, daemon=True)
        cast.start()
        system.do("onset setup --digitizer raspberry-shake=127.0.0.1 --code XX.ONST1.00.EH --sensor none "
                  f"--upstream 127.0.0.1:{port}")
        tell("set up, tried and started")
        key = base64.b64decode(system.do("base64 /etc/onset/station.key"))
        while message(upstream.recv(401), key)[0]["type"] != "pick": pass
        tell("the first pick is here")
        shake.over.set()
        cast.join()


main()
