"""A Raspberry Shake's data cast: one datagram a channel and quarter of a second, as its manual describes it.

    python3 Tests/System/shake.py FRAMES.raw CHANNELS RATE HOST:PORT NAMES     plays a file of raw frames in real time
"""
import socket
import sys
import time

import numpy as np


class Shake:
    """Casts frames: samples by frame and channel, 32 bits."""

    def __init__(self, frames, rate, names, to, host="127.0.0.1"):
        self.frames, self.rate, self.names, self.to = frames, rate, names, to
        self.size = rate // 4
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

    def play(self, begin=None, until=lambda packet: False, clock=time):
        """Each packet when its last sample is over, as a Shake does."""
        begin = clock.time() if begin is None else begin
        for packet in range(self.packets):
            wait = begin + (packet + 1) * self.size / self.rate - clock.time()
            if wait > 0: clock.sleep(wait)
            if until(packet): return
            self.send(packet, begin)


if __name__ == "__main__":
    path, channels, rate, to, names = sys.argv[1:]
    host, port = to.rsplit(":", 1)
    frames = np.fromfile(path, "<i4").reshape(-1, int(channels))
    Shake(frames, int(rate), names.split(","), (host, int(port))).play()
