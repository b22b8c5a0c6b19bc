"""A Raspberry Shake's data cast: one datagram a channel and quarter of a second, as its manual describes it.

    python3 Tests/System/shake.py FRAMES.raw CHANNELS RATE HOST:PORT NAMES     plays a file of raw frames in real time
"""
import socket
import sys
import threading
import time

import numpy as np


class Shake:
    """Casts frames: samples by frame and channel, 32 bits."""

    def __init__(self, frames, rate, names, to, host="127.0.0.1"):
        self.frames, self.rate, self.names, self.to = frames, rate, names, to
        self.size = rate // 4
        # The cast ends when somebody sets it.
        self.over = threading.Event()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))

    @property
    def packets(self):
        return len(self.frames) // self.size

    def datagram(self, packet, channel, begin):
        samples = self.frames[packet * self.size:(packet + 1) * self.size, channel]
        return f"{{'{self.names[channel]}', {begin + packet * self.size / self.rate:.3f}, " \
               f"{', '.join(map(str, samples))}}}".encode()

    def send(self, packet, begin, channels=None):
        for channel in channels if channels is not None else range(len(self.names)):
            self.socket.sendto(self.datagram(packet, channel, begin), self.to)

    def play(self, begin=None, packets=None, ahead=0):
        """Each packet when its last sample is over, as a Shake does. `ahead`: what its clock is off by, seconds."""
        begin = time.time() if begin is None else begin
        for packet in packets or range(self.packets):
            if self.over.wait(max(begin + (packet + 1) * self.size / self.rate - time.time(), 0)): return
            self.send(packet, begin + ahead)


if __name__ == "__main__":
    path, channels, rate, to, names = sys.argv[1:]
    host, port = to.rsplit(":", 1)
    frames = np.fromfile(path, "<i4").reshape(-1, int(channels))
    Shake(frames, int(rate), names.split(","), (host, int(port))).play()
