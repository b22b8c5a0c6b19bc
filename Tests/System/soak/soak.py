#!/usr/bin/env python3
"""soak.py OUT HOURS: judges what a soak left behind; prints what it saw, and ends with 1 when something is wrong."""
import math
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "Golden"))
from receiver import message

KEY = b"the key of the soak, 32 bytes it."[:32]
HOUR_S = 3600
SETTLED_S = 60
LOCKED = 3
# The picker's own: its refined times move with the noise before.
INTERVAL_ERROR_S_MAX = 0.01
# From the end of a block, which is the time that a datagram carries, to its arrival nothing takes time here.
CLOCK_ERROR_NS_MAX = 2e6
STRONG_CENTIDECIBELS = 5000
# The station sees that an announced second was inserted when the system's clock has said so three times, and works it
# off within 25 s, stating what is left.
UNSEEN_S, LEAP_S = 10, 45  # three readings, 15 s at 5 %, and 24 s until a fifth of a second has become 2 ms
STAMP_NS = 20_000  # reading clocks and sending take some microseconds of virtual time all the same


def datagrams(data, offsets):
    """Each with the UTC at which it came, of which `offsets` says how far it is from the clock of the stamps."""
    view = memoryview(data)
    while view:
        stamp = int.from_bytes(view[:8], "little")
        came = stamp + [offset for offset, begin in offsets if stamp >= begin][-1]
        found, length = message(bytes(view[8:408]), KEY)
        view = view[8 + length:]
        yield found | {"received_ns": came}


def crystal_interval_s(hour):
    """UTC from one earthquake to the next: an hour of a crystal that world.c makes 20 ± 2 ppm fast."""
    ppm = sum(20 + 2 * math.sin(2 * math.pi * (hour * HOUR_S + s) / 86400) for s in range(0, HOUR_S, 60)) / 60
    return HOUR_S / (1 + ppm * 1e-6)


class Judge:
    def __init__(self, out, hours):
        self.out, self.hours = pathlib.Path(out), hours
        lines = [line.split() for line in (self.out / "relay").read_text().splitlines()]
        self.relay = [level for what, level, *_ in lines if what == "relay"]
        offsets = [(int(offset), int(begin)) for what, offset, begin in lines if what == "offset"]
        self.leap_ns = offsets[1][1] + offsets[1][0]
        self.messages = list(datagrams((self.out / "datagrams.bin").read_bytes(), offsets))
        self.health = [m for m in self.messages if m["type"] == "health"]
        self.faults = 0

    def require(self, holds, sentence):
        print(("holds   " if holds else "BROKEN  ") + sentence)
        self.faults += not holds

    def run(self):
        self.require((self.out / "exit").read_text().strip() == "0", "onsetd ended in order when it was told to")
        said = (self.out / "said").read_text()
        self.require(said == "", f"onsetd had nothing to say: {said!r}")
        numbers = [(m["boot"], m["sequence"]) for m in self.messages]
        boot = self.messages[0]["boot"]
        self.require(numbers == [(boot, n) for n in range(len(numbers))],
                     f"{len(numbers)} datagrams, each number once and in order")
        last = self.health[-1]
        self.require(last["uptime_s"] >= self.hours * HOUR_S - 20, f"{last['uptime_s']} s of life")
        self.stream(last)
        self.clock()
        self.memory()
        self.earthquakes()
        return self.faults

    def stream(self, last):
        for counter in ("gaps", "overruns", "reopenings", "short_reads", "send_failures", "spikes"):
            self.require(last[counter] == 0, f"{counter}: {last[counter]}")
        expected = last["uptime_s"] * 8000
        self.require(abs(last["frames"] - expected) < 16_000, f"{last['frames']} frames in that time")

    def clock(self):
        """One hour of eight has no pulse; by its end an hour without may count as free-running."""
        settled = [m for m in self.health if m["uptime_s"] > SETTLED_S]
        def pulses(m):
            return m["uptime_s"] % (8 * HOUR_S) < 7 * HOUR_S - 10 and m["uptime_s"] % (8 * HOUR_S) > 10
        self.require(all(m["clock_state"] == LOCKED for m in settled if pulses(m)), "locked while there were pulses")
        self.require(all(m["clock_source"] == 2 for m in settled), "the pulse was the source throughout")
        def leaps(m, seconds):
            return 0 <= m["received_ns"] - self.leap_ns < seconds * 10**9
        everything, settled = settled, [m for m in settled if not leaps(m, LEAP_S)]
        worst = max((m["clock_uncertainty_ns"] for m in settled), default=0)
        self.require(worst < 5e6, f"the largest stated uncertainty of time: {worst / 1e6:.3f} ms")
        errors = [m["emitted_ns"] - m["received_ns"] for m in settled]
        self.require(max(map(abs, errors)) < CLOCK_ERROR_NS_MAX,
                     f"its time against UTC: {min(errors) / 1e6:+.3f} to {max(errors) / 1e6:+.3f} ms")
        honest = all(abs(m["emitted_ns"] - m["received_ns"]) < m["clock_uncertainty_ns"] + STAMP_NS
                     for m in everything if not leaps(m, UNSEEN_S))
        self.require(honest, f"never further off than it said, but for {UNSEEN_S} s after a leap second")
        for counter in ("forward_steps", "refused_backward_steps", "rejected_edges"):
            self.require(self.health[-1][counter] == 0, f"{counter}: {self.health[-1][counter]}")

    def memory(self):
        settled = [m["resident_kib"] for m in self.health if m["uptime_s"] > SETTLED_S]
        self.require(len(set(settled)) == 1,
                     f"resident memory, from the first minute to the end: {sorted(set(settled))} KiB")
        descriptors = set((self.out / "descriptors").read_text().split())
        self.require(len(descriptors) == 1, f"open descriptors, every ten minutes: {sorted(descriptors)}")

    def earthquakes(self):
        """Of strong ones: where their quiet begins after the player's noise there is a weak onset, picked or not."""
        picks = [m for m in self.messages if m["type"] == "pick" and m["phase"] == 1 and m["status"] == 2
                 and m["snr_centidecibels"] > STRONG_CENTIDECIBELS]
        self.require(len(picks) == self.hours, f"{len(picks)} confirmed P of {self.hours} earthquakes")
        # In the first of these hours a second has the number of the one before.
        errors = [(b["time_ns"] - a["time_ns"]) * 1e-9 - crystal_interval_s(hour) + (hour == 0)
                  for hour, (a, b) in enumerate(zip(picks, picks[1:]))]
        worst = max(map(abs, errors), default=0)
        self.require(worst < INTERVAL_ERROR_S_MAX,
                     f"from each to the next, the picks are off by at most {worst * 1e3:.3f} ms")
        alarms = {m["alert_id"] for m in self.messages if m["type"] == "alert" and m["level"] == 2}
        levels = self.relay
        self.require(levels == ["1", "0"] * len(alarms) and len(alarms) == self.hours,
                     f"{len(alarms)} alarms, the relay closed and opened {len(levels) // 2} times")


if __name__ == "__main__":
    sys.exit(1 if Judge(sys.argv[1], int(sys.argv[2])).run() else 0)
