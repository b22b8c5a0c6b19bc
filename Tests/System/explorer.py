"""An AnyShake Explorer on a pseudo-terminal: packets as they leave it, at the speed of its line.

The encoder is written from the protocols' description (Sources/Digitizer/AnyShakeForm.swift).
"""
import functools
import operator
import os
import pty
import struct
import threading
import time
import tty

RATES, INTERVALS = (10, 20, 50, 100, 200, 250, 500, 1000), (100, 200, 500, 1000)


def xor(data):
    return bytes([functools.reduce(operator.xor, data, 0)])


class Explorer:
    """Frames: samples by frame and channel, 32 bits. `version` 1, 2 or 3."""

    def __init__(self, frames, rate, version, link, baud=57_600, is_gnss=False, interval=100):
        self.frames, self.rate, self.version, self.link, self.baud = frames, rate, version, link, baud
        self.is_gnss, self.interval = is_gnss, interval
        self.size = rate * interval // 1000 if version == 3 else 5
        self.master = None
        # The stream ends when somebody sets it.
        self.over = threading.Event()

    def plug_in(self):
        """The link is what a board file names: another terminal each time, as an adapter may be."""
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(os.ttyname(slave))
        os.close(slave)

    def pull_out(self):
        os.close(self.master)
        self.master = None

    def packet(self, number, begin):
        frames = self.frames[number * self.size:(number + 1) * self.size]
        channels = [frames[:, channel].astype("<i4").tobytes() for channel in range(frames.shape[1])]
        samples = b"".join(channels)
        milliseconds = struct.pack("<q", round((begin + number * self.size / self.rate) * 1000))
        if self.version == 1: return b"\xfc\x1b" + samples + b"".join(map(xor, channels))
        if self.version == 2:
            body = milliseconds + b"\x01\x02\x03\x04" + samples
            return b"\xfa\xde" + body + xor(body)
        bits = INTERVALS.index(self.interval) << 30 | RATES.index(self.rate) << 27 | self.is_gnss << 26
        for channel in range(len(channels)): bits |= 3 << 24 - 2 * channel
        body = milliseconds + struct.pack("<II", bits, 0) + samples
        return b"\x01\xfe" + body + xor(body) + b"\xef\x10"

    def play(self, begin, packets):
        """Each packet when its samples are over and the line has taken it."""
        for number in packets:
            packet = self.packet(number, begin)
            over = begin + (number + 1) * self.size / self.rate + len(packet) * 10 / self.baud
            if self.over.wait(max(over - time.time(), 0)): return
            try:
                os.write(self.master, packet)
            except OSError:
                return  # Nobody listens any more.
