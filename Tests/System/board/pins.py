#!/usr/bin/env python3
"""pins.py SOCKET CHIP: the world outside the emulated board's pins, over QEMU's qtest socket.

Raises the pulse-per-second pin at every full second of this machine's UTC, drives input pins and watches output pins.
A process of its own, so that nothing else that the tests do makes a pulse late. Where it is permitted it runs with
real-time priority, because a pulse is worth what its punctuality is worth.

Orders come on standard input, one a line; what happens goes to standard output as JSON lines:

    pulses one|none|double|gaps   from the next second on; gaps: every fourth second has none
    level PIN 0|1                 drives an input pin
    {"obeyed": ORDER}
    {"second": S, "late_ns": N}   a pulse was made; N is when QEMU had certainly taken it, minus S, the full second
    {"second": S, "omitted": true}  none, because it could not have been punctual
    {"pin": P, "level": L, "ns": T} an output pin has changed
"""
import json
import os
import select
import socket
import sys
import time

PPS = 0
# A receiver that is not sure of its second gives no pulse. So does this one: beyond so much it is left out.
LATE_NS_MAX = 100_000
# A first, idle order wakes QEMU's thread; the pulse then finds it awake.
WAKE_NS, SPIN_NS = 4_000_000, 1_500_000
WIDTH_NS, DOUBLE_NS = 100_000_000, 300_000_000


def now():
    return time.clock_gettime_ns(time.CLOCK_REALTIME)


class Pins:
    def __init__(self, path, chip):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.chip = chip
        self.received = b""
        self.mode = "none"
        self.orders = b""
        self.ask(f"irq_intercept_out {chip}")

    def tell(self, **event):
        print(json.dumps(event), flush=True)

    def take_lines(self):
        """Reads what QEMU said; True when an order was answered."""
        data = self.socket.recv(4096)
        at = now()
        if not data:
            sys.exit(0)  # QEMU has ended
        self.received += data
        answered = False
        while b"\n" in self.received:
            line, self.received = self.received.split(b"\n", 1)
            words = line.decode().split()
            if words[0] == "IRQ":
                self.tell(pin=int(words[2]), level=int(words[1] == "raise"), ns=at)
            elif words[0] == "OK":
                answered = True
            else:
                sys.exit(f"pins: QEMU answers {line.decode()!r} where it should say OK")
        return answered

    def ask(self, order):
        self.socket.sendall(order.encode() + b"\n")
        while not self.take_lines():
            pass

    def level(self, pin, level):
        self.ask(f"set_irq_in {self.chip} unnamed-gpio-in {pin} {level}")

    def wait_until(self, end):
        """Serves orders and watches until then."""
        while (left := end - now()) > 0:
            ready, _, _ = select.select([self.socket, sys.stdin.buffer], [], [], left / 1e9)
            if self.socket in ready:
                self.take_lines()
            if sys.stdin.buffer in ready:
                self.obey()

    def obey(self):
        data = os.read(sys.stdin.fileno(), 4096)
        if not data:
            sys.exit(0)  # the tests have ended
        self.orders += data
        while b"\n" in self.orders:
            line, self.orders = self.orders.split(b"\n", 1)
            words = line.decode().split()
            if words[0] == "pulses":
                self.mode = words[1]
            else:
                self.level(int(words[1]), int(words[2]))
            self.tell(obeyed=line.decode())

    def pulse(self, second):
        self.level(PPS, 0)
        while now() < second:
            pass
        if now() - second > LATE_NS_MAX:
            self.tell(second=second, omitted=True)
            return
        self.level(PPS, 1)
        self.tell(second=second, late_ns=now() - second)
        self.wait_until(second + WIDTH_NS)
        self.level(PPS, 0)

    def run(self):
        second = (now() // 10**9 + 1) * 10**9
        while True:
            self.wait_until(second - WAKE_NS)
            missing = self.mode == "none" or (self.mode == "gaps" and second // 10**9 % 4 == 0)
            if not missing:
                self.level(PPS, 0)
                self.wait_until(second - SPIN_NS)
                self.pulse(second)
            if self.mode == "double":
                self.wait_until(second + DOUBLE_NS)
                self.level(PPS, 1)
                self.wait_until(second + DOUBLE_NS + WIDTH_NS)
                self.level(PPS, 0)
            second = max(second + 10**9, (now() // 10**9 + 1) * 10**9)


def main(path, chip):
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    except PermissionError:
        pass  # pulses are then less punctual, and more of them are left out
    Pins(path, chip).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
