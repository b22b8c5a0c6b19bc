#!/usr/bin/env python3
"""The weighting filter of JMA's instrumental intensity as six second-order stages, for SeismicIntensity.swift.

    python3 calibration/filters/intensity.py

JMA defines it by its amplitude over frequency (JMA notification no. 4 of 1996); a station needs it in time, sample by
sample. As Kunugi et al. (2013, doi:10.4294/zisin.65.223) do, six second-order stages stand in for it; here they are
fitted to the definition at 100 samples a second by least squares of the logarithm. Prints the stages for the Swift
source, and how far they are from the definition.
"""
import numpy as np
from scipy.optimize import least_squares
from scipy.signal import bilinear, freqz, tf2zpk

RATE_HERTZ = 100
FITTED_HERTZ = np.geomspace(0.1, 40, 400)


def definition(hertz):
    x = hertz / 10
    high_cut = 1 + .694 * x ** 2 + .241 * x ** 4 + .0557 * x ** 6 + .009664 * x ** 8 + .00134 * x ** 10 + .000155 * x ** 12
    return np.sqrt(1 / hertz) / np.sqrt(high_cut) * np.sqrt(1 - np.exp(-(hertz / .5) ** 3))


def stages(parameters):
    """The gain, and second-order sections whose first coefficients are 1."""
    sections = []
    for index, (w0, h0, w1, h1) in enumerate(np.exp(parameters[:24].reshape(6, 4))):
        # The first has two zeros at rest: nothing of a constant passes.
        numerator = [1, 0, 0] if index == 0 else [1 / w0 ** 2, 2 * h0 / w0, 1]
        denominator = [1, 2 * h1 * w1, w1 ** 2] if index == 0 else [1 / w1 ** 2, 2 * h1 / w1, 1]
        b, a = bilinear(numerator, denominator, RATE_HERTZ)
        sections.append((b, a))
    gain = np.exp(parameters[24]) * np.prod([b[0] for b, _ in sections])
    return gain, [(b / b[0], a) for b, a in sections]


def amplitude(filter, hertz):
    gain, sections = filter
    response = np.full(len(hertz), gain, complex)
    for b, a in sections:
        response *= freqz(b, a, worN=2 * np.pi * hertz / RATE_HERTZ)[1]
    return np.abs(response)


def error(parameters):
    return np.log(amplitude(stages(parameters), FITTED_HERTZ) / definition(FITTED_HERTZ))


def main():
    turn = 2 * np.pi
    start = [[turn * .45, 1, turn * .45, .7], [turn * 1.5, 1, turn * .7, 1], [turn * 7, 1, turn * 3, 1],
             [turn * 30, 1, turn * 14, .8], [turn * 60, 1, turn * 20, .8], [turn * 90, .8, turn * 30, .7]]
    found = least_squares(error, np.append(np.log(start).ravel(), 0), max_nfev=4000, xtol=1e-12, ftol=1e-12)
    gain, sections = stages(found.x)
    print(f"  private static let gain = {gain:.15g}")
    for b, a in sections:
        assert all(abs(tf2zpk(b, a)[1]) < 1), "an unstable stage"
        print(f"    Stage({b[1]:.15g}, {b[2]:.15g}, {a[1]:.15g}, {a[2]:.15g}),")
    worst = np.abs(error(found.x)).max()
    print(f"// {FITTED_HERTZ[0]:.2g} to {FITTED_HERTZ[-1]:.0f} Hz: within {100 * (np.exp(worst) - 1):.2f} %, "
          f"{2 * np.log10(np.exp(worst)):.3f} of intensity")


if __name__ == "__main__":
    main()
