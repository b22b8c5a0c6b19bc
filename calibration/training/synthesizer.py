"""Earthquakes by the stochastic ω² method: Sources/Tools/Demo/SyntheticEarthquake.swift, with its crust varied.

The Swift source says what each step is and where it comes from. Given the same random numbers both make the same ground
motion; Tests/Golden/synthetic holds them to it.
"""
import math
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

DENSITY, SPEED_OF_P, SPEED_OF_S = 2800.0, 6100.0, 3500.0


@dataclass
class Event:
    magnitude: float = 4.0
    epicentral_kilometres: float = 25.0
    depth_kilometres: float = 8.0
    lead_seconds: float = 15.0
    stress_drop_pascal: float = 1e7
    kappa_seconds: float = 0.035
    quality_of_p: float = 600.0
    quality_of_s: float = 400.0

    @property
    def hypocentral_metres(self):
        return 1000 * math.hypot(self.epicentral_kilometres, self.depth_kilometres)

    @property
    def time_of_s(self):
        return self.lead_seconds + self.hypocentral_metres * (1 / SPEED_OF_S - 1 / SPEED_OF_P)


def _window(time, rise, duration):
    decay = 3 * (time - rise) / duration
    shape = np.where(time < rise, time / rise, 0.95 * np.exp(-np.maximum(decay, 0)) + 0.05 * np.exp(
        -np.maximum(decay, 0) / 10))
    return np.where((time < 0) | (time >= 40 * duration), 0.0, shape)


def _phase(event, white, rate, start, corner, duration, speed, radiation, quality):
    """[components][samples] of white noise under the phase's window and spectrum."""
    moment = 10 ** (1.5 * event.magnitude + 9.1)
    distance, dt = event.hypocentral_metres, 1 / rate
    level = moment * radiation * 2.0 / (4 * math.pi * DENSITY * speed ** 3 * distance)
    angular = 2 * math.pi * corner
    rise = 0.08 * duration
    energy = rise / 3 + duration / 6
    attenuation = event.kappa_seconds + distance / (speed * quality)
    low_corner = math.log(2) / (2 * math.pi * attenuation) / 0.6435942529055826
    high, low = 1 / (1 + angular * dt), 1 - math.exp(-2 * math.pi * low_corner * dt)
    window = _window(np.arange(white.shape[1]) / rate - start, rise, duration)
    x = white * (window * (level * angular * angular / math.sqrt(dt * energy)))
    for _ in range(2):
        x = lfilter([high, -high], [1, -high], x, axis=1)
    for _ in range(2):
        x = lfilter([low], [1, low - 1], x, axis=1)
    return x


def acceleration(event, common, own, rate=100.0):
    """Ground acceleration [3][samples] in m/s², without noise, of white noise common to all components and their own."""
    moment = 10 ** (1.5 * event.magnitude + 9.1)
    distance = event.hypocentral_metres
    corner = 0.49 * SPEED_OF_S * (event.stress_drop_pascal / moment) ** (1 / 3)
    duration = 1 / corner + 0.05 * distance / 1000
    vertical = 0.75 + 0.25 * event.depth_kilometres * 1000 / distance
    horizontal = math.sqrt(1 - vertical * vertical)
    p = _phase(event, 0.95 * common + 0.3 * own, rate, event.lead_seconds, 1.5 * corner, 0.6 * duration, SPEED_OF_P,
               0.52, event.quality_of_p)
    s = _phase(event, own, rate, event.time_of_s, corner, duration, SPEED_OF_S, 0.63, event.quality_of_s)
    return (p * np.array([vertical, 0.8 * horizontal, 0.6 * horizontal])[:, None]
            + s * np.array([0.4, 0.65, 0.65])[:, None])


def drawn(rng, samples, lead_seconds):
    """An event of any size, place and crust, as an accelerometer or a seismometer feels it; when P and S arrive."""
    magnitude = rng.uniform(1, 7.5)
    event = Event(magnitude=magnitude, epicentral_kilometres=10 ** rng.uniform(0, 0.6 + 0.25 * magnitude),
                  depth_kilometres=rng.uniform(2, 30), lead_seconds=lead_seconds,
                  stress_drop_pascal=10 ** rng.uniform(6, 7.7), kappa_seconds=rng.uniform(0.01, 0.06),
                  quality_of_p=rng.uniform(150, 1000), quality_of_s=rng.uniform(100, 700))
    motion = acceleration(event, rng.standard_normal(samples), rng.standard_normal((3, samples)))
    if rng.random() < 0.6:  # velocity
        motion = lfilter([0.01], [1, -0.999], motion, axis=1)
    return motion, event.lead_seconds, event.time_of_s
