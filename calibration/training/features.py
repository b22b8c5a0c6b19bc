"""What the picker's network sees: Sources/Picker/FeatureExtractor.swift, to the bit.

    features(counts, present)   [batch][3][samples] at 100 Hz, vertical, north, east -> codes [batch][12][samples]

Every operation is one IEEE 754 rounding in the same order as there; the goldens of Tests/Golden/features hold both to
it. Terms and reasons stand in the Swift file.
"""
import numpy as np

RATE_HERTZ = 100.0
CORNER_HERTZ = 1.0
CHANNELS = 12
BLANK = 64
MOST = 63
MEAN_SAMPLES = 50
RATE_MINIMUM = 0.002
RATE_FIRST = 3.0
SCALE_FLOOR_COUNTS = 0.1
STILL_SAMPLES = 100
STILL_COUNTS = 0.01
WAKING_SAMPLES, WAKING_COUNTS = 10, 32
FINE_PER_SCALE = 6.0
COARSE_PER_OCTAVE = 3.0
LATELY_SAMPLES = 150
LATELY_FLOOR = 0.7
PER_LATELY = 10.0
AGE_SHIFT = 3


def _tangent(x):
    """Of a small angle, by the series of Elementary.sineAndCosine."""
    square = x * x
    sine = cosine = 1.0
    n = 18.0
    while n >= 2:
        sine = 1 - sine * square / (n * (n + 1))
        cosine = 1 - cosine * square / (n * (n - 1))
        n -= 2
    return sine * x / cosine


def high_pass():
    """b0, b1, b2, a1, a2 of BiquadCoefficients.highPass."""
    w = 6.283185307179586 * CORNER_HERTZ
    c = w / _tangent(w / (2 * RATE_HERTZ))

    def digital(s2, s1, s0):
        return s2 * c * c + s1 * c + s0, 2 * (s0 - s2 * c * c), s2 * c * c - s1 * c + s0

    n, d = digital(1.0, 0.0, 0.0), digital(1.0, 1.4142135623730951 * w, w * w)
    return n[0] / d[0], n[1] / d[0], n[2] / d[0], d[1] / d[0], d[2] / d[0]


def filtered_and_scale(counts):
    """The high-passed signal, the scale and the size that it lately had at every sample, float64 as `counts`."""
    x = np.ascontiguousarray(np.moveaxis(np.asarray(counts, np.float64), -1, 0))
    b0, b1, b2, a1, a2 = high_pass()
    output, scales, latelies = (np.empty_like(x) for _ in range(3))
    # As if the first sample had been there for ever.
    gain = (b0 + b1 + b2) / (1 + a1 + a2)
    y = gain * x[0]
    z2 = b2 * x[0] - a2 * y
    z1 = (b1 * x[0] - a1 * y) + z2
    for n in range(len(x)):
        y = b0 * x[n] + z1
        z1 = (b1 * x[n] - a1 * y) + z2
        z2 = b2 * x[n] - a2 * y
        output[n] = y
    total, learned, still, waking, lately = (np.zeros(x.shape[1:]) for _ in range(5))
    rested = x[0]
    scale = np.full(x.shape[1:], SCALE_FLOOR_COUNTS)
    sizes, before = np.abs(output), np.concatenate([x[:1], x[:-1]])
    for n in range(len(x)):
        is_same = np.abs(x[n] - before[n]) <= STILL_COUNTS
        ends = ~is_same & (still >= STILL_SAMPLES)
        rested = np.where(ends, before[n], rested)
        waking = np.where(ends, WAKING_SAMPLES, waking)
        wakes = (waking > 0) & (np.abs(x[n] - rested) > WAKING_COUNTS)
        waking = np.where(wakes, 0.0, np.maximum(waking - 1, 0.0))
        still = np.where(is_same, still + 1, 0.0)
        total, learned, lately = (np.where(wakes, 0.0, value) for value in (total, learned, lately))
        is_mean = learned < MEAN_SAMPLES
        total = np.where(is_mean, total + sizes[n], total)
        rate = np.maximum(RATE_MINIMUM, RATE_FIRST / (learned + 1))
        tracked = scale * np.where(sizes[n] > scale, 1 + rate, 1 - rate)
        scale = np.maximum(np.where(is_mean, total / (learned + 1), tracked), SCALE_FLOOR_COUNTS)
        learned = np.where((learned == 0) & (sizes[n] <= SCALE_FLOOR_COUNTS) & (still < STILL_SAMPLES), 0.0, learned + 1)
        scales[n], latelies[n] = scale, lately
        lately = lately + (sizes[n] - lately) * (1 / LATELY_SAMPLES)
    return tuple(np.moveaxis(values, 0, -1) for values in (output, scales, latelies))


def codes_of(filtered, scale, lately, present, age):
    """`age`: samples since the start, [samples]."""
    size = np.abs(filtered)
    ratio = size / scale
    fine = np.minimum(np.floor(ratio * FINE_PER_SCALE + 0.5), MOST)
    mantissa, exponent = np.frexp(1 + ratio)
    octaves = (exponent - 1) + (2 * mantissa - 1)
    coarse = np.minimum(np.floor(octaves * COARSE_PER_OCTAVE + 0.5), MOST)
    fast = np.minimum(np.floor(size / np.maximum(lately, scale * LATELY_FLOOR) * PER_LATELY + 0.5), MOST)
    sign = np.where(filtered < 0, -1, 1) * np.asarray(present)[..., None]
    codes = np.full((*filtered.shape[:-2], CHANNELS, filtered.shape[-1]), BLANK, np.uint8)
    codes[..., 0:6:2, :] = (BLANK + sign * fine).astype(np.uint8)
    codes[..., 1:6:2, :] = (BLANK + sign * coarse).astype(np.uint8)
    codes[..., 8:11, :] = (BLANK + sign * fast).astype(np.uint8)
    codes[..., 6, :] = BLANK + np.maximum(0, MOST - (np.asarray(age) >> AGE_SHIFT))
    return codes


def features(counts, present):
    filtered, scale, lately = filtered_and_scale(counts)
    return codes_of(filtered, scale, lately, present, np.arange(filtered.shape[-1]))
