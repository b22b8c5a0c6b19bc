#!/usr/bin/env python3
"""Prints the analog prototypes of Sources/Conditioning/EllipticPrototype.swift.

Elliptic low-pass filters (Cauer 1958) with the pass-band edge at 1 rad/s, from scipy.signal.ellipap:
the order, the ripple and the stop-band rejection below are the whole design. Needs SciPy 1.7 or later.
"""
import numpy as np
from scipy import signal

for name, order, ripple_db, rejection_db in (("anti-alias", 10, 0.05, 104), ("first stage", 4, 0.02, 110)):
    zeros, poles, gain = signal.ellipap(order, ripple_db, rejection_db)
    w = np.linspace(1, 30, 1_000_001)
    response = np.abs(signal.freqs_zpk(zeros, poles, gain, w)[1])
    edge = w[np.argmax(response < 10 ** (-rejection_db / 20))]
    print(f"{name}: order {order}, ripple {ripple_db} dB, {rejection_db} dB from {edge:.4f} on")
    for z, p in zip(sorted(zeros[zeros.imag > 0], key=lambda c: -c.imag),
                    sorted(poles[poles.imag > 0], key=lambda c: c.imag)):
        print(f"  Pair(zero: {float(z.imag)!r}, poleReal: {float(p.real)!r}, "
              f"poleImaginary: {float(p.imag)!r}),")
