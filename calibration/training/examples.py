"""Examples for the picker: pieces of records, spoiled in every way a station knows, with what is true of them.

The label comes from the clean record and the example from the degraded one, so that the student can see where its
teachers no longer do. The onset is nowhere special. Half of the batches begin as a station does after a start, without
a past; the other half have one.
"""
from dataclasses import dataclass, field

import numpy as np
from scipy.signal import lfilter

import features
import synthesizer

SAMPLES = 3000
PAST_SAMPLES = 3000
SETTLING_SAMPLES, SETTLING_SAMPLES_WITH_PAST = 500, 800
TARGET_SIGMA_SAMPLES = 7.0
MASKED_SAMPLES = 120
WORTH_SAMPLES = 60
POLARITY_SAMPLES = 10
EVENT_ROW = 4
EVENT_SAMPLES_MINIMUM = 400
SLOWEST, FASTEST = 0.5, 1.5  # Of stretching: a slower one is as if the event were larger and farther away.
B0, B1, B2, A1, A2 = features.high_pass()


def high_passed(counts):
    return lfilter([B0, B1, B2], [1, A1, A2], counts - counts[..., :1], axis=-1)


def first_motion(filtered, sample):
    """+1 or −1 where the first swing leaves no doubt, else 0."""
    if sample < 200 or sample + 30 > len(filtered):
        return 0
    noise = np.abs(filtered[sample - 150:sample - 15])
    least = max(1.3 * noise.max(), 6 * noise.std(), 1e-9)
    swing = filtered[sample - 8:sample + 20]
    above = np.flatnonzero(np.abs(swing) > least)
    return int(np.sign(swing[above[0]])) if len(above) else 0


@dataclass
class Example:
    counts: np.ndarray
    present: np.ndarray
    p: list
    s: list
    masked: list
    motions: list
    start: int
    silent: int = 0  # So many samples at the beginning are zeros.
    p_worth: list = field(default_factory=list)  # How much each pick counts.
    s_worth: list = field(default_factory=list)


class Source:
    """Draws batches from records, by chance alone. `mined`: (record, sample) of false picks to learn from."""

    def __init__(self, records, seed, mined=()):
        self.records = records
        self.rng = np.random.default_rng(seed)
        self.mined = list(mined)
        self.filtered = [high_passed(record.counts[0].astype(np.float64)).astype(np.float32) for record in records]
        self.motions = [{int(p): first_motion(filtered, p) for p in record.p}
                        for record, filtered in zip(records, self.filtered)]
        self.events, self.quiet, loudness = [], [], []
        for index, record in enumerate(records):
            self.events += [(index, int(p)) for p in record.p]
            busy = np.r_[0, np.cumsum(record.loudest >= 26)]
            for start in range(0, record.counts.shape[1] - SAMPLES, 500):
                if busy[start + SAMPLES] == busy[start]:
                    piece = np.abs(high_passed(record.counts[:, start:start + SAMPLES].astype(np.float64)))[:, 200:]
                    self.quiet.append((index, start))
                    middle = np.median(piece, axis=1) + 1e-3
                    loudness.append(np.log(1.0 + (piece.max(axis=1) / middle).max()))
        # Noise that does something is worth more than noise that does nothing.
        loudness = np.array(loudness) ** 2
        self.quiet_weights = np.cumsum(loudness / loudness.sum())
        # A record of many events must not outvote the others.
        counts = np.array([len(record.p) for record in records])
        weights = np.array([1 / np.sqrt(counts[index]) for index, _ in self.events])
        self.event_weights = np.cumsum(weights / weights.sum())

    def _chance(self, probability):
        return self.rng.random() < probability

    def _draw(self, population, weights):
        return population[min(int(np.searchsorted(weights, self.rng.random())), len(population) - 1)]

    def cut(self, index, start, length):
        """A piece of a record; what lies outside is filled by mirror images."""
        record = self.records[index]
        total = record.counts.shape[1]
        where = np.abs(np.arange(start, start + length))
        where = where % (2 * total)
        where = np.where(where >= total, 2 * total - 1 - where, where)
        inside = [(phase, place, sample) for phase in ("p", "s", "doubtful_p", "doubtful_s")
                  for place, sample in enumerate(getattr(record, phase)) if start <= sample < start + length]
        example = Example(record.counts[:, where].astype(np.float64), record.present.copy(), [], [], [], [], start)
        for phase, place, sample in inside:
            if phase == "p":
                example.p.append(sample - start)
                example.p_worth.append(record.p_worth[place])
                example.motions.append(self.motions[index][int(sample)])
            elif phase == "s":
                example.s.append(sample - start)
                example.s_worth.append(record.s_worth[place])
            else:
                example.masked.append(sample - start)
        if start < 0 or start + length > total:  # The mirror of an onset is none.
            example.masked += [place for place in range(0, length, 60)
                               if start + place < 0 or start + place >= total]
        return example

    def stretched(self, example, factor, length):
        """As if the ground had moved `factor` times faster."""
        place = np.arange(length) * factor
        whole = np.minimum(place.astype(int), example.counts.shape[1] - 2)
        part = place - whole
        counts = example.counts[:, whole] * (1 - part) + example.counts[:, whole + 1] * part
        example = Example(counts, example.present, [p / factor for p in example.p], [s / factor for s in example.s],
                          [m / factor for m in example.masked if m / factor < length], example.motions, example.start,
                          p_worth=example.p_worth, s_worth=example.s_worth)
        return self._cropped(example, length)

    def _place(self, length, earliest):
        """Of an onset: anywhere; more often than by chance soon after the picker has settled."""
        latest = earliest + 400 if self._chance(0.2) else length - 200
        return int(self.rng.integers(earliest + 10, latest))

    def event(self, length, earliest):
        index, p = self._draw(self.events, self.event_weights)
        factor = SLOWEST * (FASTEST / SLOWEST) ** self.rng.random() if self._chance(0.5) else 1.0
        place = self._place(length, earliest)
        example = self.cut(index, p - int(place * factor), int(length * factor) + 3)
        return self.stretched(example, factor, length) if factor != 1 else self._cropped(example, length)

    def synthetic(self, length, earliest):
        """What records are rare of, and of what the onset is known: near, large, and any other event on real noise."""
        example = self.noise(length)
        place = self._place(length, earliest)
        motion, p, s = synthesizer.drawn(self.rng, length, place / features.RATE_HERTZ)
        noise = np.median(np.abs(high_passed(example.counts)[:, 200:]), axis=1).max() * 1.48 + 1e-6
        at = int(p * features.RATE_HERTZ)
        loudness = high_passed(motion)[:, at:at + 100].std(axis=1).max() + 1e-30
        example.counts = example.counts + motion * (noise / loudness * 10 ** self.rng.uniform(0, 3))
        example.p, example.motions, example.p_worth = [p * features.RATE_HERTZ], [0], [1.0]
        example.s = [s * features.RATE_HERTZ] if s * features.RATE_HERTZ < length else []
        example.s_worth = [1.0] * len(example.s)
        return example

    def _cropped(self, example, length):
        example.counts = example.counts[:, :length]
        kept = [k for k, s in enumerate(example.s) if s < length]
        example.s, example.s_worth = ([values[k] for k in kept] for values in (example.s, example.s_worth))
        kept = [k for k, p in enumerate(example.p) if p < length]
        example.p, example.motions, example.p_worth = (
            [values[k] for k in kept] for values in (example.p, example.motions, example.p_worth))
        return example

    def noise(self, length):
        if self.mined and self._chance(0.5):
            index, sample = self.mined[self.rng.integers(len(self.mined))]
            return self._cropped(self.cut(index, sample - int(self.rng.integers(600, length - 100)), length), length)
        index, start = self._draw(self.quiet, self.quiet_weights)
        spare = length - SAMPLES
        example = self.cut(index, start - spare, length)
        if self._chance(0.4):
            factor = self.rng.uniform(0.7, 1.0)
            return self.stretched(example, factor, length)
        return example

    def _add(self, example, other, decibels):
        """Adds `other`, its loudness relative to the example's P or, without one, to its noise."""
        mine, others = high_passed(example.counts), high_passed(other.counts)
        if example.p:
            at = int(example.p[-1])
            reference = max(mine[:, at:at + 100].std(axis=1).max(initial=0), 1e-6)
        else:
            reference = np.median(np.abs(mine[:, 200:]), axis=1).max() + 1e-6
        loudness = np.median(np.abs(others[:, 200:]), axis=1).max() * 1.48 + 1e-6
        example.counts = example.counts + other.counts * (reference / loudness * 10 ** (-decibels / 20))
        both = example.present & other.present
        if both.any():
            example.present = both

    def _transients(self, counts, present):
        """What is no earthquake: spikes, steps, boxes, ringing, footsteps, passing vehicles, dropouts."""
        rng, length = self.rng, counts.shape[1]
        middle = np.median(np.abs(high_passed(counts)[:, 200:]), axis=1).max() + 1e-3
        for _ in range(rng.integers(1, 4)):
            at = int(rng.integers(100, length - 60))
            size = middle * 10 ** rng.uniform(0.6, 3) * rng.choice([-1, 1])
            lanes = np.flatnonzero(present) if rng.random() < 0.4 else rng.choice(np.flatnonzero(present), 1)
            gains = rng.uniform(0.2, 1, len(lanes))[:, None] * rng.choice([-1, 1], (len(lanes), 1))
            kind = rng.integers(7)
            if kind == 0:
                pulse = np.ones(int(rng.integers(1, 4)))
            elif kind == 1:
                pulse = np.ones(length)
            elif kind == 2:
                pulse = np.ones(int(rng.integers(5, 300)))
            elif kind == 3:
                time = np.arange(int(rng.integers(20, 250)))
                pulse = np.exp(-time / rng.uniform(4, 60)) * np.sin(2 * np.pi * rng.uniform(2, 40) * time / 100)
            elif kind == 4:  # footsteps
                step, time = int(rng.integers(35, 90)), np.arange(length)
                one = np.exp(-(time % step) / rng.uniform(2, 8)) * np.sin(
                    2 * np.pi * rng.uniform(8, 40) * (time % step) / 100)
                pulse = one * (1 - np.abs(np.linspace(-1, 1, length))) * rng.uniform(0.7, 1.3, length // step + 1)[
                    time // step]
            elif kind == 5:  # a vehicle
                time = np.arange(int(rng.integers(300, 2000)))
                pulse = np.sin(np.pi * time / len(time)) ** 2 * lfilter([1], [1, -rng.uniform(0, 0.95)],
                                                                      rng.standard_normal(len(time)))
                size *= 0.2
            else:  # nothing arrives, or the last value again
                end = at + int(rng.integers(3, 200))
                counts[:, at:end] = counts[:, at:at + 1] * rng.integers(0, 2)
                continue
            pulse = pulse[:length - at]
            counts[lanes, at:at + len(pulse)] += size * gains * pulse
        return counts

    def _coarser(self, counts):
        """From a digitizer of 31 to 80 samples a second."""
        rate = self.rng.uniform(31, 80)
        cut = min(0.4 * rate, 45) / 50
        smooth = lfilter([cut / 2, cut / 2], [1, -(1 - cut)], counts - counts[:, :1], axis=1) + counts[:, :1]
        place = np.arange(0, counts.shape[1], 100 / rate)
        return np.stack([np.interp(np.arange(counts.shape[1]), place, np.interp(place, np.arange(len(lane)), lane))
                         for lane in smooth])

    def example(self, past):
        rng, length = self.rng, SAMPLES + past
        settling = SETTLING_SAMPLES_WITH_PAST if past else SETTLING_SAMPLES
        if self._chance(0.62):
            example = (self.synthetic if self._chance(0.2) else self.event)(length, past + settling)
            if self._chance(0.7):
                self._add(example, self.noise(length), rng.uniform(-2, 14) if self._chance(0.45) else rng.uniform(6, 36))
            if self._chance(0.12):
                other = self.event(length, past + settling)
                gain = 10 ** rng.uniform(-1, 1) * np.abs(example.counts).std() / (np.abs(other.counts).std() + 1e-6)
                example.counts = example.counts + other.counts * gain
                smaller = other if gain < 1 else example
                both = example.present & other.present
                if both.any():
                    example.present = both
                # Of the quieter one nobody knows what can still be seen.
                smaller.masked = smaller.masked + smaller.p + smaller.s
                if smaller is example:
                    example.p, example.s, example.motions = other.p, other.s, other.motions
                    example.p_worth, example.s_worth = other.p_worth, other.s_worth
                example.masked = example.masked + other.masked
        else:
            example = self.noise(length)
            if self._chance(0.3):
                self._add(example, self.noise(length), rng.uniform(-6, 12))
        if self._chance(0.3):
            example.counts = self._transients(example.counts, example.present)
        if self._chance(0.15):
            example.counts = self._coarser(example.counts)
        return self._finished(example)

    def _finished(self, example):
        rng, counts = self.rng, example.counts
        if example.present[1:].all():
            if self._chance(0.6):
                angle = rng.uniform(0, 2 * np.pi)
                counts[1:] = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ counts[1:]
            if self._chance(0.22):
                example.present[1:] = False
            elif self._chance(0.05):
                example.present[rng.integers(3)] = False
        if self._chance(0.5):
            counts = -counts
            example.motions = [-motion for motion in example.motions]
        middle = np.median(np.abs(high_passed(counts)[:, 200:]), axis=1)[example.present].max(initial=0) + 1e-6
        counts = counts * (10 ** rng.uniform(-0.3, 4) / middle)
        if self._chance(0.04):
            limit = 10 ** rng.uniform(1.5, 3.5) * np.median(np.abs(counts))
            counts = np.clip(counts, -limit, limit)
        example.counts = np.round(counts) * example.present[:, None]
        if self._chance(0.08):  # A converter that wakes up.
            longest = int(min([1500, *example.p, *example.s]))
            example.silent = int(rng.integers(10, max(longest - SETTLING_SAMPLES, 11)))
            example.counts[:, :example.silent] = 0
        if not example.present[0]:
            example.motions = [0] * len(example.motions)
        return example

    def batch(self, size):
        """Codes [batch][12][SAMPLES]; phase targets [batch][SAMPLES][3] and weights [batch][SAMPLES]; first motion
        [batch][SAMPLES] of −1, 0, +1; event targets and weights [batch][rows]."""
        past = PAST_SAMPLES if self._chance(0.5) else 0
        examples = [self.example(past) for _ in range(size)]
        present = np.stack([example.present for example in examples])
        codes = features.features(np.stack([example.counts for example in examples]), present)[:, :, past:]
        targets = np.zeros((size, SAMPLES, 3), np.float32)
        weights = np.ones((size, SAMPLES), np.float32)
        motions = np.zeros((size, SAMPLES), np.int8)
        events = np.zeros((size, SAMPLES), np.float32)
        event_weights = np.ones((size, SAMPLES), np.float32)
        time = np.arange(SAMPLES)
        for k, example in enumerate(examples):
            for phase, samples, worth in ((1, example.p, example.p_worth), (2, example.s, example.s_worth)):
                for sample, value in zip(samples, worth):
                    bell = np.exp(-0.5 * ((time - (sample - past)) / TARGET_SIGMA_SAMPLES) ** 2)
                    targets[k, :, phase] = np.maximum(targets[k, :, phase], bell)
                    near = slice(max(0, int(sample) - past - WORTH_SAMPLES), max(0, int(sample) - past + WORTH_SAMPLES))
                    weights[k, near] = np.minimum(weights[k, near], value)
            for sample in example.masked:
                at = int(sample) - past
                weights[k, max(0, at - MASKED_SAMPLES):max(0, at + MASKED_SAMPLES)] = 0
                event_weights[k, max(0, at - MASKED_SAMPLES):max(0, at + 6 * MASKED_SAMPLES)] = 0
            for sample, motion in zip(example.p, example.motions):
                at = int(sample) - past
                after = [s - sample for s in example.s if s > sample]
                last = at + int(max(EVENT_SAMPLES_MINIMUM, 2 * min(after) if after else 0))
                events[k, max(0, at):max(0, last)] = 1
                event_weights[k, max(0, last):max(0, last + 1000)] = 0
                near = slice(max(0, at - POLARITY_SAMPLES), max(0, at + POLARITY_SAMPLES))
                motions[k, near] = motion
            event_weights[k][events[k] > 0] = 1
            settling = SETTLING_SAMPLES_WITH_PAST if past else SETTLING_SAMPLES
            settling = max(settling, example.silent - past + SETTLING_SAMPLES if example.silent else 0)
            weights[k, :settling] = event_weights[k, :settling] = 0
        total = targets[:, :, 1:].sum(axis=2)
        targets[:, :, 1:] /= np.maximum(total, 1)[:, :, None]
        targets[:, :, 0] = 1 - np.minimum(total, 1)
        return codes, targets, weights, motions, events[:, ::EVENT_ROW], event_weights[:, ::EVENT_ROW]
