"""Runs a network in the integer arithmetic of Sources/Network/ONET-FORMAT.md.

Written for clarity from the text alone, to be compared bit for bit with engines that were written for speed.

    windowed(network, rows)   the rows are all there is: blanks follow them
    streamed(network, rows)   the rows are what has arrived so far: only what they decide is written

Both return every buffer, an array [rows][width]. A stream's buffer may reach beyond a window's: a layer that writes
several rows a step may know rows that lie ahead of the input.
"""
import numpy as np

import onet

EXPONENTIALS = np.rint(65536 * 2.0 ** (-np.arange(256) / 256)).astype(np.uint32)


def windowed(network, rows):
    counts = [-(-len(rows) // buffer.period) for buffer in network.buffers]
    written = [counts[layer.destination] for layer in network.layers]
    values = _blank_buffers(network, rows, counts)
    for layer, count in zip(network.layers, written):
        run_layer(network, layer, values, count)
        blank_surplus(layer, network.buffers[layer.destination], values, len(rows))
    return values


def streamed(network, rows):
    written, known = known_rows(network, len(rows))
    capacities = [max([0] + [count for layer, count in zip(network.layers, written) if layer.destination == index])
                  for index in range(len(network.buffers))]
    values = _blank_buffers(network, rows, capacities)
    for layer, count in zip(network.layers, written):
        run_layer(network, layer, values, count)
    return [buffer[:counts.min()] for buffer, counts in zip(values, known)]


def _blank_buffers(network, rows, counts):
    rows = np.asarray(rows)
    assert rows.ndim == 2 and rows.shape[1] == network.buffers[0].width, "rows of another width"
    values = [np.full((count, buffer.width), buffer.blank, onet.VALUE_TYPES[buffer.element])
              for buffer, count in zip(network.buffers, counts)]
    values[0] = rows.astype(values[0].dtype)
    assert (values[0] == rows).all(), "rows do not fit the element of the input"
    return values


def known_rows(network, count):
    """How many rows each layer can write, and how many are known of each value of each buffer, after `count` rows."""
    known = [np.zeros(buffer.width, int) for buffer in network.buffers]
    known[0][:] = count
    written = []
    for layer in network.layers:
        source_rows = known[layer.source][layer.source_offset:layer.source_offset + layer.source_channels].min()
        steps = max(0, (source_rows - 1 - (layer.reach - layer.rows_before)) // layer.stride + 1)
        if layer.flags & onet.RESIDUAL:
            start = layer.residual_offset
            steps = min(steps, known[layer.residual][start:start + layer.destination_channels].min())
        written.append(max(0, steps * layer.rows_per_step - layer.trim))
        start = layer.destination_offset
        known[layer.destination][start:start + layer.destination_channels] = written[-1]
    return written, known


def run_layer(network, layer, values, row_count):
    """Writes the first `row_count` rows of a layer."""
    source = values[layer.source][:, layer.source_offset:layer.source_offset + layer.source_channels]
    step_count = -(-(row_count + layer.trim) // layer.rows_per_step)
    if layer.kind == onet.CONVOLUTION:
        results = _convolution(network, layer, values, source, step_count)
    elif layer.kind == onet.UPSAMPLING:
        results = np.repeat(source[:step_count], layer.rows_per_step, axis=0)
    else:
        results = _head(layer, network.buffers[layer.source].fold, source[:step_count])
    start = layer.destination_offset
    rows = results.reshape(-1, layer.destination_channels)[layer.trim:layer.trim + row_count]
    values[layer.destination][:row_count, start:start + layer.destination_channels] = rows


def blank_surplus(layer, buffer, values, input_rows):
    """Of the steps that lie side by side in the last row, those beyond the end of the window become blank."""
    steps = -(-input_rows * buffer.fold // buffer.period)
    channels = layer.destination_channels // buffer.fold
    held = steps - (len(values[layer.destination]) - 1) * buffer.fold
    first = layer.destination_offset + held * channels
    values[layer.destination][-1:, first:layer.destination_offset + layer.destination_channels] = buffer.blank


def _convolution(network, layer, values, source, step_count):
    destination = network.buffers[layer.destination]
    sums = convolution_sums(layer, source, network.buffers[layer.source].blank, step_count)
    x = sums.astype(np.float32) * layer.scale
    if layer.flags & onet.INNER_RELU:
        x = np.maximum(x, np.float32(0))
    if layer.flags & onet.RESIDUAL:
        start = layer.residual_offset
        residual = values[layer.residual][:step_count, start:start + layer.destination_channels].astype(np.int32)
        addend = (residual - network.buffers[layer.residual].blank).astype(np.float32)
        x = x + addend * np.float32(layer.residual_scale)
    assert x.dtype == np.float32
    v = np.rint(x).astype(np.int64)
    outer = layer.flags & onet.OUTER_RELU
    if destination.element == onet.CODES:
        return np.clip(v + destination.blank, destination.blank if outer else 0, 127)
    return np.clip(v, 0 if outer else -32768, 32767)


def convolution_sums(layer, source, blank, step_count):
    sums = np.tile(layer.bias.astype(np.int64), (step_count, 1))
    for tap in range(layer.taps):
        rows = np.arange(step_count) * layer.stride - layer.rows_before + tap * layer.dilation
        taken = np.full((step_count, source.shape[1]), blank, np.int64)
        inside = (rows >= 0) & (rows < len(source))
        taken[inside] = source[rows[inside]]
        sums += taken @ layer.weights[:, tap].T.astype(np.int64)
    assert (sums == sums.astype(np.int32)).all(), "a sum overflowed"
    return sums.astype(np.int32)


def _head(layer, fold, source):
    groups = source.reshape(len(source), fold, layer.source_channels // fold)
    groups = groups[:, :, :len(layer.classes)].astype(np.int32)
    if layer.kind == onet.SOFTMAX:
        return softmax(groups)
    return softmax(np.stack([groups, np.zeros_like(groups)], axis=-1))[..., 0]


def softmax(logits):
    """Probabilities over the last axis in units of 2^-15, of logits to base 2 in units of 2^-8."""
    distance = logits.max(axis=-1, keepdims=True) - logits
    shift = distance >> 8
    powers = EXPONENTIALS[distance & 255] >> np.minimum(shift, 31).astype(np.uint32)
    powers = np.where(shift >= 17, np.uint32(0), powers)
    reciprocal = np.uint64(2**47) // powers.sum(axis=-1, keepdims=True, dtype=np.uint64)
    return (powers.astype(np.uint64) * reciprocal + np.uint64(2**31)) >> np.uint64(32)
