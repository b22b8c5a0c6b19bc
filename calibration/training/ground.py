"""What shakes a station, and what only looks like it: the ground's acceleration, for the estimator's network to learn.

Earthquakes are those of synthesizer.py, with what its crust does not have: ruptures of several parts, soil under the
station, P and S that radiate more or less than on average. The others are drawn with what makes them different, not with
what makes them real: a blast has surface waves and several charges, a teleseism has lost what is fast, an impact rings and
is over, a fault does what no ground can.
"""
import math

import numpy as np
from scipy.signal import butter, lfilter

import synthesizer

RATE = 100.0
CLASSES = "EBLNTF"  # Earthquake, blast, local impact, noise, teleseism, fault of the instrument: as on the wire.
LEAD_SECONDS = 20.0
LONGEST_SECONDS = 200.0


def _rotated(rng, motion):
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.concatenate([motion[:1], turn @ motion[1:]])


def earthquake(rng):
    """(acceleration, magnitude, hypocentral kilometres)"""
    magnitude = rng.uniform(1.5, 8.2)
    event = synthesizer.Event(
        magnitude=magnitude, epicentral_kilometres=10 ** rng.uniform(0.4, min(2.5, 0.7 + 0.28 * magnitude)),
        depth_kilometres=rng.uniform(3, 35), lead_seconds=LEAD_SECONDS, stress_drop_pascal=10 ** rng.normal(7, 0.35),
        kappa_seconds=rng.uniform(0.01, 0.06), quality_of_p=rng.uniform(150, 1000), quality_of_s=rng.uniform(100, 700))
    corner = 10 ** (2.534 - magnitude / 2)  # Of a stress drop of 10 MPa.
    shaking = event.time_of_s + 1.5 * (1 / corner + 0.05 * event.epicentral_kilometres) + 15
    samples = int(min(shaking, LONGEST_SECONDS) * RATE)
    parts = 1 + rng.integers(0, 4) if magnitude > 5.5 else 1
    shares = rng.dirichlet(np.ones(parts))
    starts = np.sort(rng.uniform(0, 1, parts)) / corner
    starts[0] = 0
    # Near a nodal plane P is small; soil makes S three times what it is on rock.
    of_p, of_s = 10 ** rng.normal(-0.15, 0.35), 10 ** rng.normal(0.4, 0.3)
    total = np.zeros((3, samples))
    for share, start in zip(shares, starts):
        event.magnitude = magnitude + math.log10(share) / 1.5
        event.lead_seconds = LEAD_SECONDS + start
        quiet = samples - int((event.time_of_s - 0.02) * RATE)
        motion = synthesizer.acceleration(event, rng.standard_normal(samples), rng.standard_normal((3, samples)))
        gain = np.full(samples, of_p)
        if quiet > 0:
            gain[-quiet:] = of_s
        total += motion * gain
    event.lead_seconds = LEAD_SECONDS
    total *= _emergence(rng, samples, magnitude)
    if rng.random() < 0.25:  # From a digitizer of 31 samples a second, or through much soil.
        total = lfilter(*butter(2, rng.uniform(6, 14) / (RATE / 2)), total, axis=1)
    return _rotated(rng, total), magnitude, event.hypocentral_metres / 1000


def _emergence(rng, samples, magnitude):
    """Ruptures begin small, and what arrives first has come a way of its own: P grows to what it is to be."""
    since = np.maximum(np.arange(samples) / RATE - LEAD_SECONDS, 0)
    grown = 10 ** rng.uniform(-1.5, 0.3) * 10 ** (0.25 * (magnitude - 4))
    first = 10 ** -abs(rng.normal(0, 0.5))
    return np.minimum(first + (1 - first) * since / grown, 1)


def _after_lead(piece, seconds=20.0):
    motion = np.zeros((3, int((LEAD_SECONDS + seconds) * RATE)))
    start = int(LEAD_SECONDS * RATE)
    length = min(piece.shape[1], motion.shape[1] - start)
    motion[:, start:start + length] = piece[:, :length]
    return motion


def blast(rng):
    """A quarry's or a mine's: charges one after another, P and a surface wave that outlasts it."""
    kilometres = 10 ** rng.uniform(-0.3, 1.5)
    event = synthesizer.Event(
        magnitude=rng.uniform(0.5, 2.8), epicentral_kilometres=kilometres, depth_kilometres=0.3, lead_seconds=1.0,
        stress_drop_pascal=10 ** rng.normal(6.5, 0.4), kappa_seconds=rng.uniform(0.02, 0.06),
        quality_of_p=rng.uniform(50, 300), quality_of_s=rng.uniform(30, 150))
    samples = int(20 * RATE)
    motion = synthesizer.acceleration(event, rng.standard_normal(samples), rng.standard_normal((3, samples)))
    after = int(event.time_of_s * RATE)
    motion[:, after:] *= rng.uniform(0.15, 0.6)
    charges = np.zeros(int(1.5 * RATE))
    for place in np.cumsum(rng.uniform(0.008, 0.06, rng.integers(1, 20))):
        if place * RATE < len(charges):
            charges[int(place * RATE)] += rng.uniform(0.5, 1)
    charges[0] += 1
    motion = lfilter(charges, [1], motion, axis=1)
    # Of a surface wave the long periods come first.
    time = np.arange(samples) / RATE - 1 - kilometres / 3.2
    spread = 0.4 + 0.12 * kilometres
    hertz = rng.uniform(0.8, 3.0) * (1 + 0.5 * np.clip(time / spread, 0, 2))
    packet = np.exp(-((time - 1.5 * spread) / spread) ** 2) * np.sin(2 * np.pi * np.cumsum(hertz) / RATE)
    strongest = np.abs(motion).max() * rng.uniform(0.2, 1.5)
    shape = np.array([1.0, rng.uniform(0.5, 1.2), rng.uniform(0.05, 0.5)])
    return _rotated(rng, _after_lead((motion + strongest * packet * shape[:, None])[:, int(RATE):]))


def impact(rng):
    """A foot, a door, something that falls, a vehicle; beside the sensor."""
    samples = int(20 * RATE)
    size = 10 ** rng.uniform(-3.2, 0.5)
    time = np.arange(samples) / RATE
    motion = np.zeros((3, samples))
    shape = rng.normal(0, 1, 3)
    kind = rng.random()
    if kind < 0.15:  # a vehicle
        envelope = np.exp(-((time - rng.uniform(1, 8)) / rng.uniform(1, 5)) ** 2)
        hum = lfilter([1], [1, -rng.uniform(0.2, 0.95)], rng.standard_normal((3, samples)), axis=1)
        return _after_lead(size * 0.2 * envelope * hum)
    knocks, interval = (rng.integers(2, 25), rng.uniform(0.35, 0.9)) if kind < 0.6 else (rng.integers(1, 3), 1.5)
    hertz, decay = rng.uniform(4, 45), 10 ** rng.uniform(-1.9, -0.5)
    for number in range(knocks):
        since = time - number * interval * rng.uniform(0.95, 1.05)
        ring = np.exp(-np.maximum(since, 0) / decay) * np.sin(2 * np.pi * hertz * since) * (since >= 0)
        motion += size * rng.uniform(0.6, 1.2) * ring * (shape + 0.2 * rng.normal(0, 1, 3))[:, None]
    return _after_lead(motion)


def teleseism(rng):
    """P of an earthquake thousands of kilometres away: slow, steep, and long."""
    magnitude, samples = rng.uniform(5.6, 8.6), int(40 * RATE)
    hertz = np.fft.rfftfreq(2 * samples, 1 / RATE)
    corner = 10 ** (2.534 - magnitude / 2) * 1.5
    spectrum = hertz ** 2 / (1 + (hertz / corner) ** 2) * np.exp(-np.pi * hertz * rng.uniform(0.4, 1.2))
    time = np.arange(2 * samples) / RATE
    rise, fall = rng.uniform(0.3, 4), rng.uniform(8, 40)
    envelope = np.minimum(time / rise, 1) * np.exp(-time / fall)
    common, own = rng.standard_normal(2 * samples), rng.standard_normal((3, 2 * samples))
    white = (common + 0.25 * own) * envelope
    motion = np.fft.irfft(np.fft.rfft(white, axis=1) * spectrum, axis=1)[:, :samples]
    motion *= np.array([1.0, rng.uniform(0.1, 0.4), rng.uniform(0.1, 0.4)])[:, None]
    # A magnitude of body waves: log A/T in micrometres a second, less 6.8 at 30 to 90 degrees.
    velocity = lfilter([1 / RATE], [1, -0.999], motion[0]).__abs__().max()
    return _rotated(rng, _after_lead(motion / velocity * 2 * np.pi * 10 ** (magnitude - 7.1 + rng.normal(0, 0.3)) * 1e-6,
                                     30))


def fault(rng):
    """Of the instrument: offsets that jump, pulses of its own calibration, contacts that come and go."""
    samples = int(20 * RATE)
    time = np.arange(samples) / RATE
    size = 10 ** rng.uniform(-2.5, 1)
    lanes = np.zeros(3)
    lanes[rng.choice(3, rng.integers(1, 4), replace=False)] = rng.normal(0, 1)
    kind = rng.integers(4)
    if kind == 0:  # steps
        signal = np.zeros(samples)
        for place in np.r_[0, rng.uniform(0, 6, rng.integers(0, 4))]:
            signal += rng.choice([-1, 1]) * rng.uniform(0.3, 1) * (time >= place)
    elif kind == 1:  # a calibration: on, off
        signal = np.where((time % (2 * (period := rng.uniform(0.5, 6)))) < period, 1.0, 0.0)
        signal = lfilter([1 - (a := math.exp(-1 / RATE / rng.uniform(0.01, 0.3)))], [1, -a], signal)
    elif kind == 2:  # a contact
        signal = np.where(rng.random(samples) < rng.uniform(0.02, 0.5), rng.normal(0, 1, samples), 0.0)
        signal = np.where(time < rng.uniform(0.5, 10), signal, 0)
    else:  # a random walk
        signal = lfilter([1], [1, -0.999], rng.standard_normal(samples)) / 15
    return _after_lead(size * signal * lanes[:, None])


def motion(acceleration):
    """Acceleration and velocity as the station has them: behind a two-pole high-pass of 0.075 Hz each."""
    high = butter(2, 0.075 / (RATE / 2), "high")
    a = lfilter(*high, acceleration - acceleration[:, :1], axis=1)
    return a, lfilter(*high, lfilter([0.5 / RATE, 0.5 / RATE], [1, -1], a, axis=1), axis=1)
