"""Networks for PyTorch that train in float, then quantized, and leave as network files.

    plan = Plan("picker", sample_rate_hertz=100, components="ENZA", input_unit=1 / 2048)
    signal = plan.convolution(plan.input, 16, taps=7, stride=2, before=5, relu="outer")
    signal = plan.convolution(signal, 16, taps=3, dilation=4, before=8, relu="inner", residual=signal)
    plan.softmax(plan.logits(signal, 4, rows=2), "NPS")
    network = Network(plan)    … train …
    network.quantize()         … train on, at a lower rate …
    onet.write(network.export(), "picker.onet")

Two phases, one arithmetic. Floating, signals are real numbers and batch norms learn their statistics. Quantized,
signals are *levels* (code minus blank, or sample): weights with the batch norm folded in, its statistics frozen, become
integers, and a layer computes as Sources/Network/ONET-FORMAT.md says, each rounding where it says so; gradients pass
the roundings as if they were not there and stop where a value is clamped (Bengio et al. 2013, arXiv:1308.3432; Jacob et
al. 2018, arXiv:1712.05877). One level is worth a *unit*, which each layer's output has of its own: the weights of
whoever reads it absorb it.

In evaluation the sums are taken in float64, which is exact: the levels then are those of the integer reference. In
training they are float32, and now and then a value differs by one.
"""
import math
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional

import onet
from onet import CODES, INNER_RELU, OUTER_RELU, PROBABILITIES, RESIDUAL, SAMPLES

LOGIT_UNIT = math.log(2) / 256
SAMPLE_HEADROOM = 1.5  # Sixteen bits can spare half a bit for signals larger than any in training.
RELU = {"": 0, "inner": INNER_RELU, "outer": OUTER_RELU, "both": INNER_RELU | OUTER_RELU}
OBSERVED_VALUES = 65536
ADOPTED_UNIT = 1 / 16  # A file's codes have none: 127 of them are a usual signal's largest values.


@dataclass(frozen=True)
class Signal:
    """Channels of a buffer."""
    buffer: int
    offset: int
    channels: int

    def part(self, offset, channels):
        return Signal(self.buffer, self.offset + offset, channels)


@dataclass
class Plan:
    """Buffers and layers without numbers, in the order of computation. `onet.check` judges them at export."""
    name: str
    sample_rate_hertz: float
    components: str
    input_unit: float
    input_channels: int = 4
    input_element: int = SAMPLES
    input_blank: int = 0
    window_rows: int = 0
    normalization: int = 0
    buffers: list = field(default_factory=list)
    layers: list = field(default_factory=list)
    has_batch_norm: list = field(default_factory=list)
    logit_buffers: set = field(default_factory=set)

    def __post_init__(self):
        self.buffers.append(onet.Buffer(1, self.input_channels, self.input_element, self.input_blank))

    @property
    def input(self):
        return Signal(0, 0, self.input_channels)

    def buffer(self, period, width, element=CODES, fold=1):
        """A buffer that several layers write part by part: a concatenation."""
        self.buffers.append(onet.Buffer(period, width, element, 0, fold))
        return Signal(len(self.buffers) - 1, 0, width)

    def _add(self, kind, source, into, batch_norm=False, **fields):
        self.layers.append(onet.Layer(kind, source.buffer, source.offset, source.channels, into.buffer, into.offset,
                                      into.channels, **fields))
        self.has_batch_norm.append(batch_norm)
        return into

    def convolution(self, source, channels, *, taps=1, stride=1, dilation=1, before=0, rows=1, trim=0, relu="",
                    residual=None, element=CODES, fold=1, into=None, batch_norm=True):
        """Of the (taps − 1) · dilation rows that a step spans, `before` lie before its own place, the rest ahead."""
        if into is None:
            into = self.buffer(self.buffers[source.buffer].period * stride // rows, channels, element, fold)
        flags = RELU[relu] | (RESIDUAL if residual else 0)
        place = {"residual": residual.buffer, "residual_offset": residual.offset} if residual else {}
        return self._add(onet.CONVOLUTION, source, into, batch_norm, rows_per_step=rows, taps=taps, stride=stride,
                         dilation=dilation, rows_before=before, trim=trim, flags=flags, **place)

    def logits(self, source, channels, **options):
        """A convolution whose unit is what heads expect."""
        signal = self.convolution(source, channels, element=SAMPLES, batch_norm=False, **options)
        self.logit_buffers.add(signal.buffer)
        return signal

    def upsampling(self, source, factor, into=None):
        """Repeats rows."""
        buffer = self.buffers[source.buffer]
        if into is None:
            into = self.buffer(buffer.period // factor, source.channels, buffer.element, buffer.fold)
        return self._add(onet.UPSAMPLING, source, into, rows_per_step=factor)

    def _head(self, kind, source, classes):
        buffer = self.buffers[source.buffer]
        into = self.buffer(buffer.period, buffer.fold * len(classes), PROBABILITIES, buffer.fold)
        return self._add(kind, source, into, classes=classes)

    def softmax(self, source, classes):
        return self._head(onet.SOFTMAX, source, classes)

    def sigmoid(self, source, classes):
        return self._head(onet.SIGMOID, source, classes)


def rounded(x):
    """To the nearest integer, ties to even; gradients pass."""
    return x + (x.round() - x).detach()


class Observer(nn.Module):
    """A fading histogram of a layer's results, from which its unit is chosen."""
    BINS = 2048

    def __init__(self, decay=0.98):
        super().__init__()
        self.decay = decay
        self.register_buffer("counts", torch.zeros(self.BINS))
        self.register_buffer("limit", torch.tensor(2.0 ** -10))

    @torch.no_grad()
    def observe(self, values):
        values = values.detach().flatten()
        extreme = values.abs().max()
        if not extreme.isfinite():
            raise ValueError("a layer's results are not finite")
        while self.limit < extreme:  # Twice as wide: pairs of bins become one.
            pairs = self.counts.view(-1, 2).sum(dim=1)
            self.counts.zero_()
            self.counts[self.BINS // 4:self.BINS * 3 // 4] = pairs
            self.limit *= 2
        values = values[::max(1, len(values) // OBSERVED_VALUES)]
        limit = self.limit.item()
        self.counts.mul_(self.decay).add_(torch.histc(values, self.BINS, -limit, limit))

    def _edges(self):
        return torch.linspace(-1, 1, self.BINS + 1, dtype=torch.float64) * self.limit.double()

    def range(self, method, share, level_count):
        """The smallest and largest value to represent, zero among them.

        "percentile" leaves out a share of the values on either side; "mean-square" shrinks the whole range as long as
        the error of rounding and clamping together gets smaller."""
        counts, edges = self.counts.double().cpu(), self._edges().cpu()
        if counts.sum() == 0:
            raise ValueError("nothing was observed: run the network on data before it is quantized")
        cumulative = counts.cumsum(0) / counts.sum()
        tail = 1 - share if method == "percentile" else 0
        low = min(0.0, edges[torch.searchsorted(cumulative, tail, right=True)].item())
        first_above = torch.searchsorted(cumulative, 1 - tail - 1e-12).clamp(max=self.BINS - 1)
        high = max(0.0, edges[first_above + 1].item())
        if method == "percentile":
            return low, high
        centres = (edges[1:] + edges[:-1]) / 2

        def error(factor):
            unit = (high - low) * factor / level_count
            levels = (centres / unit).round().clamp(round(low * factor / unit), round(high * factor / unit))
            return (counts * (levels * unit - centres) ** 2).sum().item()

        factor = min((0.95 ** exponent for exponent in range(60)), key=error)
        return low * factor, high * factor


class Convolution(nn.Module):
    def __init__(self, layer, source, destination, batch_norm):
        super().__init__()
        self.layer = layer
        self.takes_codes = source.element == CODES
        self.gives_codes = destination.element == CODES
        inputs = layer.taps * layer.source_channels
        gain = 2 if layer.flags & (INNER_RELU | OUTER_RELU) else 1
        self.weight = nn.Parameter(torch.randn(layer.outputs, layer.source_channels, layer.taps)
                                   * math.sqrt(gain / inputs))
        self.bias = None if batch_norm else nn.Parameter(torch.zeros(layer.outputs))
        self.batch_norm = nn.BatchNorm1d(layer.destination_channels) if batch_norm else None
        self.observer = Observer()

    def _padded(self, x, steps):
        layer = self.layer
        last = (steps - 1) * layer.stride - layer.rows_before + layer.reach
        return functional.pad(x, (layer.rows_before, max(0, last + 1 - x.shape[2])))

    def _convolved(self, x, weight, steps):
        y = functional.conv1d(self._padded(x, steps), weight, None, self.layer.stride, 0, self.layer.dilation)
        return y[:, :, :steps]

    def _rows(self, y, count):
        """[batch][outputs][steps] to [batch][channels][rows]."""
        layer = self.layer
        y = y.unflatten(1, (layer.rows_per_step, layer.destination_channels))
        return y.permute(0, 2, 3, 1).flatten(2)[:, :, layer.trim:layer.trim + count]

    def _steps(self, count):
        return -(-(count + self.layer.trim) // self.layer.rows_per_step)

    def floating(self, x, residual, count):
        y = self._convolved(x, self.weight, self._steps(count))
        if self.bias is not None:
            y = y + self.bias[:, None]
        y = self._rows(y, count)
        if self.batch_norm is not None:
            y = self.batch_norm(y)
        if self.layer.flags & INNER_RELU:
            y = y.relu()
        if residual is not None:
            y = y + residual
        return y.relu() if self.layer.flags & OUTER_RELU else y

    def adopt(self, given, blank, source_unit, unit):
        """Weights and bias of a file's layer, in place of the batch norm, which leaves them alone."""
        weight = torch.from_numpy(given.weights).permute(0, 2, 1).double()
        scale = torch.from_numpy(given.scale).double() * unit
        bias = (torch.from_numpy(given.bias) + blank * torch.from_numpy(given.weights).sum(dim=(1, 2))).double() * scale
        self.weight.zero_()
        self.weight[:, :weight.shape[1]] = (weight * scale[:, None, None] / source_unit).float()
        if self.bias is not None:
            self.bias.copy_(bias)
            return
        norm = self.batch_norm
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)
        norm.weight.fill_(1)
        norm.bias.copy_(bias[:len(norm.bias)])

    def normalize(self, values):
        """The same function with the statistics of `values`, what the convolution gives, and weights of usual size."""
        norm = self.batch_norm
        mean, variance = values.mean(dim=(0, 2)), values.var(dim=(0, 2), unbiased=False)
        factor = variance.clamp(min=0.01).rsqrt()
        norm.bias.add_(mean)
        norm.weight.copy_(1 / factor)
        norm.running_mean.copy_(mean * factor)
        norm.running_var.copy_(variance * factor ** 2)
        self.weight.mul_(factor.repeat(self.layer.rows_per_step)[:, None, None])

    def folded(self):
        """Weights and bias with the batch norm's running statistics in them."""
        if self.batch_norm is None:
            return self.weight, self.bias
        norm = self.batch_norm
        factor = norm.weight / (norm.running_var + norm.eps).sqrt()
        bias = norm.bias - norm.running_mean * factor
        return self.weight * factor.repeat(self.layer.rows_per_step)[:, None, None], bias.repeat(
            self.layer.rows_per_step)

    def integers(self, source_units, unit):
        """Weights and bias (integers in float32; the bias without its share of the blank) and scales."""
        weight, bias = self.folded()
        weight = weight * source_units[:, None]
        with torch.no_grad():
            sizes = weight.abs()
            if self.takes_codes:
                step, largest = sizes.amax(dim=(1, 2)) / 127, 127
            else:
                # |bias| + Σ |weight| · 32768 < 2^31 after rounding, each weight up by a half and something to spare.
                room = 2**31 - 2**14 * (sizes[0].numel() + 64)
                step = (sizes.sum(dim=(1, 2)) * 32768 + bias.abs()) / room
                step, largest = torch.maximum(step, sizes.amax(dim=(1, 2)) / 32767), 32767
            # Channels that have died still need a scale above zero, and a bias that fits. Sums of codes are small: what
            # the bias leaves is room for the scale (scale · largest sum ≤ 2^30).
            spare = 2**24 if self.takes_codes else 2**29
            step = torch.maximum(step, torch.maximum(bias.abs() / spare, unit * 2.0 ** -24))
            most = 2**30 / (spare + sizes[0].numel() * 127 * 127) if self.takes_codes else 0.5
            if self.takes_codes:
                step = torch.minimum(step, unit * most)
        weight = rounded(weight / step[:, None, None]).clamp(-largest, largest)
        return weight, rounded(bias / step), (step / unit).clamp(max=most)

    def quantized(self, x, source_units, unit, blank, residual, residual_unit, count):
        weight, bias, scale = self.integers(source_units, unit)
        if self.training:
            sums = self._convolved(x, weight, self._steps(count)) + bias[:, None]
        else:
            sums = self._convolved(x.double(), weight.double(), self._steps(count)) + bias.double()[:, None]
        y = self._rows(sums.float() * scale[:, None], count)
        if self.layer.flags & INNER_RELU:
            y = y.relu()
        if residual is not None:
            y = y + residual * (residual_unit / unit)
        if self.training:
            self.observer.observe(y * unit)
        low, high = (-blank, 127 - blank) if self.gives_codes else (-32768, 32767)
        return rounded(y).clamp(0 if self.layer.flags & OUTER_RELU else low, high)


class Network(nn.Module):
    def __init__(self, plan):
        super().__init__()
        self.plan = plan
        self.is_quantized = False
        self.convolutions = nn.ModuleDict({
            str(index): Convolution(layer, plan.buffers[layer.source], plan.buffers[layer.destination], batch_norm)
            for index, (layer, batch_norm) in enumerate(zip(plan.layers, plan.has_batch_norm))
            if layer.kind == onet.CONVOLUTION})
        for index, buffer in enumerate(plan.buffers):
            self.register_buffer(f"units_{index}", torch.ones(buffer.width))
        self.units_0.fill_(plan.input_unit)
        self.register_buffer("blanks", torch.tensor([buffer.blank for buffer in plan.buffers]))

    def get_extra_state(self):
        return {"is_quantized": self.is_quantized}

    def set_extra_state(self, state):
        self.is_quantized = state["is_quantized"]

    def _units(self, buffer):
        return getattr(self, f"units_{buffer}")

    def input_levels(self, x):
        low, high = -32768, 32767
        if self.plan.buffers[0].element == CODES:
            low, high = -self.plan.input_blank, 127 - self.plan.input_blank
        return (x / self.plan.input_unit).round().clamp(low, high)

    def forward(self, x):
        """Natural logits of every head, [batch][steps][classes], of inputs [batch][channels][rows]."""
        signals = self.signals(x)
        results = []
        for layer in self.plan.layers:
            if layer.is_head:
                buffer = self.plan.buffers[layer.source]
                logits = signals[layer.source]
                if self.is_quantized:
                    logits = logits * LOGIT_UNIT
                steps = logits.unflatten(1, (buffer.fold, -1)).permute(0, 3, 1, 2).flatten(1, 2)
                results.append(steps[:, :-(-x.shape[2] * buffer.fold // buffer.period), :len(layer.classes)])
        return results

    def probabilities(self, x):
        heads = [layer for layer in self.plan.layers if layer.is_head]
        return [logits.softmax(dim=2) if head.kind == onet.SOFTMAX else logits.sigmoid()
                for head, logits in zip(heads, self(x))]

    def signals(self, x):
        """Every buffer but those of probabilities, [batch][width][rows]: real values, or levels when quantized."""
        rows = x.shape[2]
        parts = {0: {0: self.input_levels(x) if self.is_quantized else x}}

        def channels(buffer, offset, count):
            """Out of the parts that were written, in the order of their channels."""
            start = max(place for place in parts[buffer] if place <= offset)
            met = [parts[buffer][place] for place in sorted(parts[buffer]) if start <= place < offset + count]
            joined = met[0] if len(met) == 1 else torch.cat(met, dim=1)
            return joined[:, offset - start:offset - start + count]

        for index, layer in enumerate(self.plan.layers):
            if layer.is_head:
                continue
            destination = self.plan.buffers[layer.destination]
            count = -(-rows // destination.period)
            source = channels(layer.source, layer.source_offset, layer.source_channels)
            if layer.kind == onet.UPSAMPLING:
                result = source.repeat_interleave(layer.rows_per_step, dim=2)[:, :, :count]
            else:
                residual = None
                if layer.flags & RESIDUAL:
                    residual = channels(layer.residual, layer.residual_offset, layer.destination_channels)
                result = self._convolve(index, layer, source, residual, count)
            if destination.fold > 1:
                result = _without_surplus(result, destination, rows)
            parts.setdefault(layer.destination, {})[layer.destination_offset] = result
        return {buffer: channels(buffer, 0, self.plan.buffers[buffer].width) for buffer in parts}

    def _convolve(self, index, layer, source, residual, count):
        convolution = self.convolutions[str(index)]
        if self.is_quantized:
            return convolution.quantized(source, *self._scales(layer), residual, self._residual_unit(layer), count)
        result = convolution.floating(source, residual, count)
        if self.training:
            convolution.observer.observe(result)
        return result

    def _scales(self, layer):
        """Units of the source's channels, unit and blank of the result."""
        source_units = self._units(layer.source)[layer.source_offset:layer.source_offset + layer.source_channels]
        return source_units, self._units(layer.destination)[layer.destination_offset], int(
            self.blanks[layer.destination])

    def _residual_unit(self, layer):
        if not layer.flags & RESIDUAL:
            return None
        units = self._units(layer.residual)[layer.residual_offset:layer.residual_offset + layer.destination_channels]
        if not (units == units[0]).all():
            raise ValueError("a residual must come from one layer: its channels have different units")
        return units[0]

    # From integers to float

    @torch.no_grad()
    def adopt(self, file, layers, examples):
        """Begins as `layers` of a network file, which may see fewer of the input's channels: floating, and the same
        function but for the roundings. Batch norms take the statistics of `examples`."""
        if self.is_quantized or [layer.kind for layer in layers] != [layer.kind for layer in self.plan.layers]:
            raise ValueError("what the file has are not the layers of this plan, or the plan is quantized already")
        units = {0: self.plan.input_unit}
        for index, (layer, given) in enumerate(zip(self.plan.layers, layers)):
            if layer.kind == onet.UPSAMPLING:
                units[layer.destination] = units[layer.source]
            elif layer.kind == onet.CONVOLUTION:
                unit = ADOPTED_UNIT
                if layer.destination in self.plan.logit_buffers:
                    unit = LOGIT_UNIT
                elif layer.flags & RESIDUAL:
                    unit = units[layer.residual] / given.residual_scale
                units[layer.destination] = unit
                self.convolutions[str(index)].adopt(given, file.buffers[given.source].blank, units[layer.source], unit)
        was_training = self.training
        self.eval()
        for index in self.convolutions:  # One after the other: each sees what the ones before it give.
            convolution = self.convolutions[index]
            if convolution.batch_norm is not None:
                seen = []
                hook = convolution.batch_norm.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
                self.signals(examples)
                hook.remove()
                convolution.normalize(seen[0])
        self.train(was_training)

    # From float to integers

    @torch.no_grad()
    def quantize(self, method="mean-square", share=0.9999):
        """Chooses units and blanks from what was observed in training so far. May be called again later."""
        ranges = {}
        for index, convolution in self.convolutions.items():
            layer = self.plan.layers[int(index)]
            if layer.destination not in self.plan.logit_buffers:
                ranges[int(index)] = convolution.observer.range(method if convolution.gives_codes else "percentile",
                                                                share if convolution.gives_codes else 1.0, 127)
        self._choose_blanks(ranges)
        for index, layer in enumerate(self.plan.layers):
            if layer.is_head:
                continue
            units = self._units(layer.destination)[layer.destination_offset:][:layer.destination_channels]
            if layer.kind == onet.UPSAMPLING:
                units.copy_(self._units(layer.source)[layer.source_offset:][:layer.source_channels])
            elif index in ranges:
                units.fill_(self._unit(index, *ranges[index]))
            else:
                units.fill_(LOGIT_UNIT)
        self.is_quantized = True

    def _unit(self, index, low, high):
        layer = self.plan.layers[index]
        if self.plan.buffers[layer.destination].element == SAMPLES:
            # Samples made of codes cannot be finer than the products they are sums of.
            source_units = self._scales(layer)[0]
            convolution = self.convolutions[str(index)]
            product = (convolution.folded()[0] * source_units[:, None]).abs().amax().item() / 127
            finest = product if convolution.takes_codes else 0
            return max(max(-low, high, 1e-6) * SAMPLE_HEADROOM / 32767, finest)
        blank = int(self.blanks[layer.destination])
        return max(high / (127 - blank), -low / blank if blank else 0, 1e-6)

    def _choose_blanks(self, ranges):
        """One blank for all that is written into a buffer, and for all that is upsampled from it."""
        group = list(range(len(self.plan.buffers)))
        for layer in self.plan.layers:
            if layer.kind == onet.UPSAMPLING:
                old, new = group[layer.destination], group[layer.source]
                group = [new if member == old else member for member in group]
        chosen = {group[0]: self.plan.input_blank}
        for index, (low, high) in ranges.items():
            layer = self.plan.layers[index]
            if self.plan.buffers[layer.destination].element == CODES and group[layer.destination] != group[0]:
                blank = min(126, max(1, round(-127 * low / (high - low)))) if low < 0 else 0
                chosen[group[layer.destination]] = max(blank, chosen.get(group[layer.destination], 0))
        for buffer in range(1, len(group)):
            self.blanks[buffer] = chosen.get(group[buffer], 0)

    @torch.no_grad()
    def export(self):
        """The network as it stands in a file, checked."""
        if not self.is_quantized:
            raise ValueError("quantize the network before it is exported")
        plan = self.plan
        network = onet.Network(onet.Header(plan.name, round(plan.sample_rate_hertz * 1000), plan.input_unit,
                                           plan.components, plan.window_rows, plan.normalization))
        network.buffers = [onet.Buffer(buffer.period, buffer.width, buffer.element, int(blank), buffer.fold)
                           for buffer, blank in zip(plan.buffers, self.blanks)]
        for index, layer in enumerate(plan.layers):
            copy = onet.Layer(**vars(layer))
            if layer.kind == onet.CONVOLUTION:
                source_units, unit, _ = self._scales(layer)
                weight, bias, scale = self.convolutions[str(index)].integers(source_units, unit)
                copy.weights = weight.permute(0, 2, 1).cpu().numpy().astype("int64")
                blank = network.buffers[layer.source].blank
                copy.bias = bias.double().cpu().numpy().astype("int64") - blank * copy.weights.sum(axis=(1, 2))
                copy.scale = scale.cpu().numpy()
                if layer.flags & RESIDUAL:
                    copy.residual_scale = (self._residual_unit(layer) / unit).item()
            network.layers.append(copy)
        onet.check(network)
        return network


def _without_surplus(x, buffer, rows):
    """Zero where a window's last row has more places than the signal has steps."""
    steps = -(-rows * buffer.fold // buffer.period)
    signal = x.unflatten(1, (buffer.fold, -1)).permute(0, 2, 3, 1).flatten(2)
    signal = functional.pad(signal[:, :, :steps], (0, signal.shape[2] - steps))
    return signal.unflatten(2, (-1, buffer.fold)).permute(0, 3, 1, 2).flatten(1, 2)
