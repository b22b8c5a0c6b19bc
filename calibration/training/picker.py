#!/usr/bin/env python3
"""Makes the picker: from the data folder to a network file, in one command that may be stopped and started again.

    picker.py --data ../shared/data --output picker.onet --state picker.state --minutes 180 [--device cuda]

Two stages in one plan. The early one sees 0.4 s beyond an instant and announces; the late one goes on from what the
early one has computed, sees 4 s beyond it, and confirms: phases again, and whether it is an event at all. A small network
beside them says whether the first motion is up or down.
"""
import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

import examples
import features
import layers
import onet
import records

CHANNELS = 64
EARLY_DILATIONS = ((1, True), (2, True), (4, True), (8, False), (16, False), (32, False), (64, False), (128, False))
LATE_DILATIONS = (1, 2, 4, 8, 16, 32, 8)
EARLY_LOOKAHEAD_MOST, LATE_LOOKAHEAD_MOST = 44, 400
PHASE_WEIGHT = 3.0
MOTION_SAMPLES = 160
BATCH = 32
PICKER_SHARE = 0.92
ADOPTED_RATE = 0.4  # A share of the usual rate, for weights that have been trained.
HELD_BACK = ("2C.KAP01", "2C.THU04", "2C.NUP27", "ON.SKEGG", "PR34_20170909_060000", "CH_LAVEY", "CM.YOT", "_WZ20")


def plan():
    plan = layers.Plan("onset-picker", sample_rate_hertz=100, components="ZNE", input_unit=1 / 8,
                       input_channels=features.CHANNELS, input_element=onet.CODES, input_blank=features.BLANK)
    signal = plan.convolution(plan.input, 32, taps=7, stride=2, before=4, relu="outer")
    signal = plan.convolution(signal, CHANNELS, taps=5, stride=2, before=3, relu="outer")
    for dilation, sees_ahead in EARLY_DILATIONS:
        signal = plan.convolution(signal, CHANNELS, taps=3, dilation=dilation,
                                  before=dilation if sees_ahead else 2 * dilation, relu="outer", residual=signal)
    plan.softmax(plan.logits(signal, 16, rows=1, fold=4), "NPS")
    for dilation in LATE_DILATIONS:
        signal = plan.convolution(signal, CHANNELS, taps=3, dilation=dilation, before=dilation, relu="outer",
                                  residual=signal)
    plan.softmax(plan.logits(signal, 16, fold=4), "NPS")
    plan.sigmoid(plan.logits(signal, 16), "E")
    return plan


def motion_plan():
    """The first motion: a small network of its own, because what finds an onset does not care for its sign."""
    plan = layers.Plan("onset-motion", sample_rate_hertz=100, components="ZNE", input_unit=1 / 8,
                       input_channels=features.CHANNELS, input_element=onet.CODES, input_blank=features.BLANK)
    signal = plan.convolution(plan.input, 32, taps=7, stride=2, before=4, relu="outer")
    signal = plan.convolution(signal, 32, taps=5, stride=2, before=3, relu="outer")
    for _ in range(2):
        signal = plan.convolution(signal, 32, taps=5, before=2, relu="outer", residual=signal)
    plan.softmax(plan.logits(signal, 16, fold=4), "UD")
    return plan


def joined(first, second):
    """Two networks of the same input as one."""
    for layer in second.layers:
        layer.source += len(first.buffers) - 1 if layer.source else 0
        layer.destination += len(first.buffers) - 1
        layer.residual += len(first.buffers) - 1 if layer.flags & onet.RESIDUAL and layer.residual else 0
    first.buffers += second.buffers[1:]
    first.layers += second.layers
    onet.check(first)
    return first


def motion_losses(outputs, batch):
    known = batch[1] != 0
    return {"motion": functional.cross_entropy(outputs[0].float()[known], (batch[1][known] < 0).long())}


def losses(outputs, batch):
    _, targets, weights, _, events, event_weights = batch
    early, late, event = outputs

    def phases(logits, unseen):
        seen = slice(0, targets.shape[1] - unseen)
        emphasis = torch.tensor([1.0, PHASE_WEIGHT, PHASE_WEIGHT], device=logits.device)
        entropy = -(emphasis * targets[:, seen] * functional.log_softmax(logits[:, seen].float(), dim=2)).sum(dim=2)
        return (weights[:, seen] * entropy).sum() / weights[:, seen].sum().clamp(min=1)

    rows = slice(0, events.shape[1] - LATE_LOOKAHEAD_MOST // 4)
    judged = functional.binary_cross_entropy_with_logits(event[:, rows, 0].float(), events[:, rows], reduction="none")
    judged = (judged * event_weights[:, rows]).sum() / event_weights[:, rows].sum().clamp(min=1)
    return {"early": phases(early, EARLY_LOOKAHEAD_MOST), "late": phases(late, LATE_LOOKAHEAD_MOST),
            "event": 0.1 * judged}


class Batches(torch.utils.data.IterableDataset):
    """`takes`: what of a batch is learnt from; a batch without anything is passed over."""

    def __init__(self, records_of, seed, mined, takes):
        self.records, self.seed, self.mined, self.takes = records_of, seed, mined, takes

    def __iter__(self):
        worker = torch.utils.data.get_worker_info()
        source = examples.Source(self.records, [self.seed, worker.id if worker else 0], self.mined)
        while True:
            batch = self.takes(source.batch(BATCH))
            if batch is not None:
                yield tuple(torch.from_numpy(part) for part in batch)


def around_motions(batch):
    """Of a batch the surroundings of onsets whose first motion is known."""
    codes, _, _, motions, _, _ = batch
    pieces = []
    for example, row in enumerate(motions):
        known = np.flatnonzero(row)
        for first in known[np.r_[True, np.diff(known) > 1]] if len(known) else ():
            begin = int(np.clip(first - 60, 0, len(row) - MOTION_SAMPLES)) & ~3
            pieces.append((codes[example, :, begin:begin + MOTION_SAMPLES], row[begin:begin + MOTION_SAMPLES]))
    return [np.stack(part) for part in zip(*pieces)] if pieces else None


def tensors(batch, device):
    codes, *others = (part.to(device, non_blocking=True) for part in batch)
    return (codes.float() - features.BLANK) / 8, *others


class Average:
    """The fading mean of the weights. It is what is judged and kept: those of one step follow its thirty-two examples."""
    SLOWEST = 0.998

    def __init__(self, network, state=None):
        self.steps, self.values = state or (0, {name: value.detach().clone() for name, value in network.named_parameters()})

    def state(self):
        return self.steps, self.values

    @torch.no_grad()
    def step(self, network):
        self.steps += 1
        share = 1 - min(self.SLOWEST, self.steps / (self.steps + 10))
        for name, value in network.named_parameters():
            self.values[name].lerp_(value, share)

    @torch.no_grad()
    def exchange(self, network):
        """The network has the mean, and the mean keeps what the network had; a second call takes it back."""
        for name, value in network.named_parameters():
            kept = value.clone()
            value.copy_(self.values[name])
            self.values[name].copy_(kept)


class Pieces:
    """Records cut into pieces, each with its codes as after a start: what false picks are sought in."""
    SAMPLES = 60_000

    def __init__(self, group):
        self.places = [(index, start) for index, record in enumerate(group)
                       for start in range(0, record.counts.shape[1] - examples.SAMPLES, self.SAMPLES)]
        self.codes = [None] * len(self.places)
        lengths = [min(self.SAMPLES, group[index].counts.shape[1] - start) for index, start in self.places]
        for length in set(lengths):
            same = [number for number, other in enumerate(lengths) if other == length]
            stack = np.stack([group[self.places[number][0]].counts[:, self.places[number][1]:][:, :length]
                              for number in same])
            present = np.stack([group[self.places[number][0]].present for number in same])
            for number, codes in zip(same, features.features(stack, present)):
                self.codes[number] = codes


@torch.no_grad()
def probabilities(network, codes, device, piece=30000, overlap=4000):
    """Early P, late P, late S at 100 Hz and events at 25 Hz of a whole record's codes [12][samples]."""
    network.eval()
    parts = []
    for begin in range(0, codes.shape[1], piece):
        first = max(0, begin - overlap)
        x = torch.from_numpy(codes[None, :, first:begin + piece + 400]).to(device)
        early, late, event = network.probabilities((x.float() - features.BLANK) / 8)
        end = min(piece, codes.shape[1] - begin)
        seen = slice(begin - first, begin - first + end)
        rows = slice((begin - first) // 4, (begin - first + end + 3) // 4)
        parts.append((early[0, seen, 1].cpu().numpy(), late[0, seen, 1].cpu().numpy(), late[0, seen, 2].cpu().numpy(),
                      event[0, rows, 0].cpu().numpy()))
    return [np.concatenate(part) for part in zip(*parts)]


def false_picks(network, known, pieces, device, least):
    """(record, sample) of confirmed P that no teacher supports."""
    found = []
    for (index, start), codes in zip(pieces.places, pieces.codes):
        _, late, _, _ = probabilities(network, codes, device)
        for sample in records.peaks(late, least):
            near = known[index].loudest[max(0, start + sample - 150):start + sample + 150]
            if sample > 500 and near.max(initial=0) < 26:
                found.append((index, int(start + sample)))
    return found


def scores(network, known, pieces, device, least=0.3):
    """Of held-back records: the share of sure P and S that is found, and picks a day that no teacher supports."""
    hits, wanted, lonely, samples = [0, 0], [0, 0], 0, 0
    for (index, start), codes in zip(pieces.places, pieces.codes):
        _, p, s, _ = probabilities(network, codes, device)
        record, length = known[index], codes.shape[1]
        for phase, (curve, truth) in enumerate(((p, record.p), (s, record.s))):
            found = records.peaks(curve, least)
            for sample in truth[(truth >= start + 500) & (truth < start + length)] - start:
                wanted[phase] += 1
                hits[phase] += bool(len(found)) and np.abs(found - sample).min() <= 50
        samples += length
    lonely = len(false_picks(network, known, pieces, device, least))
    return {"p": hits[0] / max(wanted[0], 1), "s": hits[1] / max(wanted[1], 1),
            "unsupported_a_day": lonely / max(samples, 1) * 8.64e6}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True, help="where training goes on when it is started again")
    parser.add_argument("--begin", type=Path, help="a picker of an earlier training, to go on from its weights")
    parser.add_argument("--minutes", type=float, default=180, help="of training in all, over all starts")
    parser.add_argument("--quantized-share", type=float, default=0.25, help="of that time, at the end")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1, help="processes that make examples")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    torch.backends.cudnn.allow_tf32 = False
    everything = records.read(options.data, "train")
    held_back = [record for record in everything if any(name in record.file for name in HELD_BACK)]
    known = [record for record in everything if not any(name in record.file for name in HELD_BACK)]
    share = 1 if options.begin else PICKER_SHARE
    stages = {"picker": Stage(plan, losses, lambda batch: batch, options.minutes * share, 2.5e-3, True),
              "motion": Stage(motion_plan, motion_losses, around_motions, options.minutes * (1 - PICKER_SHARE), 2e-3,
                              False)}
    if options.begin:
        del stages["motion"]
    networks = [train(name, stage, options, known, held_back).export() for name, stage in stages.items()]
    if options.begin:
        networks.append(motion_of(onet.read(options.begin)))
    onet.write(joined(*networks), options.output)


@dataclass
class Stage:
    plan: callable
    losses: callable
    takes: callable
    minutes: float
    rate: float
    is_judged: bool


def train(name, stage, options, known, held_back):
    """One of the two networks, from where it was left to the end."""
    device, state_file = options.device, options.state.with_suffix(f".{name}")
    network = layers.Network(stage.plan())
    if options.begin and not state_file.exists():
        begun(network, onet.read(options.begin), known)
    network = network.to(device)
    rate = stage.rate * (ADOPTED_RATE if options.begin else 1)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-2)
    spent, step, mined, running, average = 0.0, 0, [], {}, None
    if state_file.exists():
        state = torch.load(state_file, map_location=device, weights_only=False)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        spent, step, mined = state["spent"], state["step"], state["mined"]
        average = Average(network, state["average"])
    average = average or Average(network)
    pieces, held_pieces = (Pieces(known), Pieces(held_back)) if stage.is_judged else (None, None)

    def save():
        torch.save({"network": network.state_dict(), "optimizer": optimizer.state_dict(), "spent": spent, "step": step,
                    "mined": mined, "average": average.state()}, state_file)

    def batches():
        return iter(torch.utils.data.DataLoader(Batches(known, options.seed + step, mined, stage.takes),
                                                batch_size=None, num_workers=options.workers, prefetch_factor=6))

    loader, begin, last_said, last_mined = batches(), time.monotonic() - spent * 60, spent, spent
    while (spent := (time.monotonic() - begin) / 60) < stage.minutes:
        progress = spent / stage.minutes
        if progress > 1 - options.quantized_share and not network.is_quantized:
            average.exchange(network)
            network.quantize()
            average = Average(network)
        adjust(optimizer, network, rate, progress, options.quantized_share, step)
        batch = tensors(next(loader), device)
        with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=not network.is_quantized):
            outputs = network(batch[0])
        parts = stage.losses(outputs, batch)
        optimizer.zero_grad()
        sum(parts.values()).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        average.step(network)
        step += 1
        for part, value in parts.items():
            running[part] = 0.98 * running.get(part, value.item()) + 0.02 * value.item()
        if spent - last_said >= 3:
            last_said = spent
            average.exchange(network)
            judged = scores(network, held_back, held_pieces, device) if stage.is_judged else {}
            average.exchange(network)
            print(f"{name} {spent:6.1f} min, step {step}{', quantized' if network.is_quantized else ''}: ",
                  {part: round(float(value), 4) for part, value in (running | judged).items()}, flush=True)
            save()
        if stage.is_judged and spent - last_mined >= max(10, stage.minutes / 8):
            last_mined = spent
            average.exchange(network)
            mined = false_picks(network, known, pieces, device, 0.15)
            average.exchange(network)
            print(f"{len(mined)} picks that no teacher supports are looked at again", flush=True)
            loader = batches()
    save()
    average.exchange(network)
    if not network.is_quantized:
        network.quantize()
    return network.eval()


def begun(network, file, known):
    """The network as in a file of an earlier training, where the picker's layers come first."""
    codes = np.concatenate([examples.Source(known, [0, part]).batch(BATCH)[0] for part in range(4)])
    network.adopt(file, file.layers[:len(network.plan.layers)], (torch.from_numpy(codes).float() - features.BLANK) / 8)


def motion_of(file):
    """The first motion's network of a file of an earlier training, as it is but for views that it does not look at."""
    count = len(motion_plan().layers)
    begin = min(layer.destination for layer in file.layers[-count:])
    taken = onet.Network(file.header, [motion_plan().buffers[0], *file.buffers[begin:]], file.layers[-count:])
    for layer in taken.layers:
        layer.source = max(0, layer.source - begin + 1)
        layer.destination -= begin - 1
        layer.residual = max(0, layer.residual - begin + 1) if layer.flags & onet.RESIDUAL else 0
    first = taken.layers[0]
    first.weights = np.pad(first.weights, ((0, 0), (0, 0), (0, features.CHANNELS - first.source_channels)))
    first.source_channels = features.CHANNELS
    onet.check(taken)
    return taken


def adjust(optimizer, network, rate, progress, quantized_share, step):
    """The learning rate: up quickly, then down along half a cosine, and along another, lower, when quantized."""
    network.train()
    floating = 1 - quantized_share
    if network.is_quantized:
        way, rate = (progress - floating) / quantized_share, 0.12 * rate
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.eval()
    else:
        way = progress / floating
    for group in optimizer.param_groups:
        group["lr"] = rate * min(1, (step + 1) / 300) * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * min(way, 1))))


if __name__ == "__main__":
    main()
