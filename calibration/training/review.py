#!/usr/bin/env python3
"""Whether a third look is worth having: the same activations, seen ten seconds further.

    review.py --data ../shared/data --picker calibration/models/onset-picker.onet --minutes 15

The picker stays as it is. Five more layers look at what its late stage has computed, and correct what it says; they begin by
correcting nothing. Both are then judged on the same records, those that training held back and those with analysts' picks: bare peaks
of the probability, each at its own best limit, without the pick logic.
"""
import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import examples
import features
import layers
import onet
import picker
import quantization_loss
import records

DILATIONS = (8, 16, 32, 64, 128)
LOOKAHEAD_SAMPLES = picker.LATE_LOOKAHEAD_MOST + 4 * sum(DILATIONS)
LIMITS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
SETTLED_SAMPLES = 500
RATE = 2e-3


class Review(nn.Module):
    """Of activations and logits at 25 rows a second: other logits."""

    def __init__(self, channels, outputs):
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False) for dilation in DILATIONS)
        self.norms = nn.ModuleList(nn.BatchNorm1d(channels) for _ in DILATIONS)
        self.head = nn.Conv1d(channels, outputs, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, signal, logits):
        for convolution, norm in zip(self.convolutions, self.norms):
            signal = (norm(convolution(signal)) + signal).relu()
        return logits + self.head(signal)


class Looked:
    """The picker, floating and frozen: activations of its last layer and logits of its late stage."""

    def __init__(self, path, known):
        self.network = layers.Network(picker.plan())
        picker.begun(self.network, onet.read(path), known)
        self.network.eval()
        heads = [layer for layer in self.network.plan.layers if layer.is_head]
        self.logits = heads[1].source
        producer = next(layer for layer in self.network.plan.layers if layer.destination == self.logits)
        self.activations = producer.source

    @torch.no_grad()
    def __call__(self, codes):
        signals = self.network.signals((codes.float() - features.BLANK) / 8)
        return signals[self.activations], signals[self.logits]


def steps(logits):
    """[batch][outputs][rows] of four steps of three classes each, padded to 16, as [batch][samples][classes]."""
    return logits.unflatten(1, (4, -1)).permute(0, 3, 1, 2).flatten(1, 2)[:, :, :3]


def phase_loss(logits, targets, weights):
    seen = slice(0, targets.shape[1] - LOOKAHEAD_SAMPLES)
    emphasis = torch.tensor([1.0, picker.PHASE_WEIGHT, picker.PHASE_WEIGHT])
    entropy = -(emphasis * targets[:, seen] * functional.log_softmax(steps(logits)[:, seen], dim=2)).sum(dim=2)
    return (weights[:, seen] * entropy).sum() / weights[:, seen].sum().clamp(min=1)


def trained(looked, known, minutes, seed):
    review = Review(picker.CHANNELS, 16)
    optimizer = torch.optim.AdamW(review.parameters(), lr=RATE, weight_decay=1e-2)
    loader = iter(torch.utils.data.DataLoader(picker.Batches(known, seed, [], lambda batch: batch), batch_size=None,
                                              num_workers=1, prefetch_factor=4))
    begin, step, said, means = time.monotonic(), 0, 0.0, [0.0, 0.0]
    while (spent := (time.monotonic() - begin) / 60) < minutes:
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * spent / minutes)))
        codes, targets, weights, *_ = next(loader)
        signal, logits = looked(codes)
        review.train()
        with torch.autocast("cpu", torch.bfloat16):
            corrected = review(signal, logits)
        loss = phase_loss(corrected.float(), targets, weights)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(review.parameters(), 1.0)
        optimizer.step()
        step += 1
        for place, value in enumerate((loss.item(), phase_loss(logits, targets, weights).item())):
            means[place] = 0.98 * means[place] + 0.02 * value if step > 1 else value
        if spent - said >= 2:
            said = spent
            print(f"{spent:.1f} min, step {step}: reviewed {means[0]:.4f}, confirmed {means[1]:.4f}", flush=True)
    return review.eval()


@torch.no_grad()
def curves(looked, review, codes):
    """[P, S] of the late stage and of the review, at 100 Hz."""
    signal, logits = looked(torch.from_numpy(codes[None]))
    return [steps(each).softmax(dim=2)[0, :, 1:].T.numpy() for each in (logits, review(signal, logits))]


def hits(found, truth):
    return sum(any(abs(pick - sample) <= quantization_loss.TOLERANCE_SAMPLES for pick in found) for sample in truth)


def judge(title, looked, review, judged):
    counts = np.zeros((2, 2, len(LIMITS), 3), int)  # stage, phase, limit: hits, picks, truths
    for codes, truth in judged:
        for stage, found in enumerate(curves(looked, review, codes)):
            for phase in range(2):
                for place, limit in enumerate(LIMITS):
                    picks = [pick for pick in quantization_loss.picks(found[phase], limit) if pick >= SETTLED_SAMPLES]
                    known = [sample for sample in truth[phase] if sample >= SETTLED_SAMPLES]
                    counts[stage, phase, place] += hits(picks, known), len(picks), len(known)
    print(title)
    for phase, name in enumerate("PS"):
        for stage, told in enumerate(("confirmed", "reviewed")):
            scores = [2 * hit / max(found + truths, 1) for hit, found, truths in counts[stage, phase]]
            print(f"  {name} {told:9} F1 " + ", ".join(f"{limit}: {100 * score:.1f}" for limit, score in zip(LIMITS, scores))
                  + f"; best {100 * max(scores):.1f} of {counts[stage, phase, 0, 2]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--picker", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    examples.SAMPLES = 4500  # The review needs what comes after.
    everything = records.read(options.data, "train")
    held_back = [record for record in everything if any(name in record.file for name in picker.HELD_BACK)]
    known = [record for record in everything if not any(name in record.file for name in picker.HELD_BACK)]
    looked = Looked(options.picker, known)
    review = trained(looked, known, options.minutes, options.seed)
    judge("analysts' records", looked, review, ((codes, ([p], [s])) for codes, (p, s) in quantization_loss.read(
        options.data / "waveforms", "dev")))
    judge("held-back stations, by what is learnt of them", looked, review, (
        (features.features(record.counts[None].astype(np.float64), record.present[None])[0], (record.p, record.s))
        for record in held_back))


if __name__ == "__main__":
    main()
