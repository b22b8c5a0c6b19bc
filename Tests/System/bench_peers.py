#!/usr/bin/env python3
"""bench_peers.py build FOLDER: writes the networks of `onset bench picker` for ONNX Runtime and LiteRT.
bench_peers.py run FOLDER ONSET: times those and ONSET alternately, on one thread, and prints the ratios.

    build needs   pip install onnx onnxruntime      for the .onnx files
                  pip install tensorflow            for the .tflite files, here or in another environment
    run needs     pip install onnxruntime ai-edge-litert

tcn32, tcn64: a streaming dilated network of 32 or 64 channels; its state, one cache per convolution, goes in
and out of every step. Weights are random: no runtime's speed depends on them.
phasenet: PhaseNet (Zhu & Beroza 2019, doi:10.1093/gji/ggy423), one window of 3001 samples. With --weights it
is the published one, quantized on the key `calibration` [M,3001,3] of --windows; `run --windows` then says
how many picks of the float network each model reproduces on the `windows` [N,3001,3], of which
`probabilities` [N,3001,3] (noise, P, S) are the float network's. A pick is the peak of a stretch above 0.5.

int8 is each tool's static post-training quantization as it comes: ONNX Runtime QDQ, per channel, u8s8
(activations unsigned) or s8s8; LiteRT full int8, run by XNNPACK. The ways of running:

    run, step   what a simple program does: fill the inputs, run, fetch the outputs, hand the caches back
    bound       ONNX Runtime with IOBinding: two sets of caches bound beforehand, used in turn
    invoke      LiteRT's invoke() alone: nobody fills the inputs or hands the caches back

Times are of perf_counter around every call: medians of 0.15 s of calls, then over rounds. Columns of ratios:

    times ours  their median over Onset's; a chunk is compared with Onset's longest that is no longer
    by least    their best round over Onset's best: the same on a quiet machine, the fairer on a shared one
    less call   that, without what a call from Python costs, as `nothing` shows it: one ReLU of four numbers
    int16       their median over that of Onset's PhaseNet with 16-bit activations
"""
import argparse
import importlib.metadata
import json
import pathlib
import statistics
import subprocess
import time
import typing

import numpy as np

import peer_networks

BATCH_SECONDS, BATCH_CALLS_MIN, WARM_UP_CALLS = 0.15, 20, 3
PICK_PROBABILITY, PICK_TOLERANCE_SAMPLES, EDGE_SAMPLES = 0.5, 2, 50


class Model(typing.NamedTuple):
    program: str
    kind: str
    network: str
    chunk_milliseconds: int | None  # None: a whole window


class OnnxRuntime:
    def __init__(self, path):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        self.feed = {value.name: np.zeros(value.shape, np.float32) for value in inputs}
        self.caches = [value.name for value in inputs[1:]]
        self.ways = {"run": self.run, "bound": self.run_bound}

        def zeros(values):
            return [onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(value.shape, np.float32))
                    for value in values]

        signal, result, even, odd = zeros(inputs[:1]), zeros(outputs[:1]), zeros(inputs[1:]), zeros(inputs[1:])
        self.bindings = []
        for before, after in ((even, odd), (odd, even)):
            binding = self.session.io_binding()
            for value, array in zip(inputs, signal + before):
                binding.bind_ortvalue_input(value.name, array)
            for value, array in zip(outputs, result + after):
                binding.bind_ortvalue_output(value.name, array)
            self.bindings.append(binding)

    def run(self):
        outputs = self.session.run(None, self.feed)
        self.feed.update(zip(self.caches, outputs[1:]))

    def run_bound(self):
        self.session.run_with_iobinding(self.bindings[0])
        self.bindings.reverse()

    def infer(self, signal):
        return self.session.run(None, {"signal": signal.T[None].copy()})[0][0].T


class LiteRt:
    def __init__(self, path):
        from ai_edge_litert.interpreter import Interpreter
        self.interpreter = Interpreter(str(path), num_threads=1)
        self.interpreter.allocate_tensors()
        self.input, *caches = self.interpreter.get_input_details()
        self.output, *left = self.interpreter.get_output_details()
        self.caches = [(cache["index"], after["index"]) for cache, after in zip(caches, left)]
        self.signal = np.zeros(self.input["shape"], self.input["dtype"])
        self.ways = {"step": self.step, "invoke": self.interpreter.invoke}

    def step(self):
        self.interpreter.set_tensor(self.input["index"], self.signal)
        self.interpreter.invoke()
        result = self.interpreter.get_tensor(self.output["index"])
        for before, after in self.caches:
            self.interpreter.set_tensor(before, self.interpreter.get_tensor(after))
        return result

    def infer(self, signal):
        scale, zero = self.input["quantization"]  # 0, 0 in a float model
        if scale:
            signal = np.clip(np.round(signal / scale) + zero, -128, 127).astype(np.int8)
        self.signal = signal[None, None]
        result = self.step()[0, 0].astype(np.float32)
        scale, zero = self.output["quantization"]
        return (result - zero) * scale if scale else result


def load_models(folder):
    models = {}
    for suffix, program, loader in (("onnx", "ONNX Runtime", OnnxRuntime), ("tflite", "LiteRT", LiteRt)):
        for path in sorted(folder.glob(f"*.{suffix}")):
            name, kind = path.stem.split(".")
            network, _, rows = name.partition("-")
            chunk = int(rows) * 1000 // peer_networks.RATE if rows else None
            models[Model(program, kind, network, chunk)] = loader(path)
    return models


def median_microseconds(call):
    for _ in range(WARM_UP_CALLS):
        call()
    nanoseconds, end = [], time.perf_counter() + BATCH_SECONDS
    while time.perf_counter() < end or len(nanoseconds) < BATCH_CALLS_MIN:
        begin = time.perf_counter_ns()
        call()
        nanoseconds.append(time.perf_counter_ns() - begin)
    return statistics.median(nanoseconds) / 1000


def onset_microseconds(options):
    """(network, chunk in milliseconds) → time, and the variant of the kernels."""
    if options.onset_json:
        line = options.onset_json.read_text()
    else:
        line = subprocess.run([options.onset.resolve(), "bench", "picker", "--json"], check=True,
                              capture_output=True, text=True).stdout
    report = json.loads(line)
    return report["variant"], {(result["network"], result.get("chunk_milliseconds")): result["median_us"]
                               for result in report["results"]}


def measure(models, options):
    """Times of every round: (model, way) → microseconds. Onset's own come as models of its name."""
    rounds = {}
    for _ in range(options.rounds):
        for model, loaded in models.items():
            for way, call in loaded.ways.items():
                rounds.setdefault((model, way), []).append(median_microseconds(call))
        variant, ours = onset_microseconds(options)
        for (network, chunk), microseconds in ours.items():
            rounds.setdefault((Model("Onset", variant, network, chunk), ""), []).append(microseconds)
    return rounds


def times_onset(microseconds, network, chunk, ours):
    """Against Onset at its longest chunk that is no longer than theirs, both per second of signal."""
    chunks = [length or 0 for name, length in ours if name == network and (length or 0) <= (chunk or 0)]
    if not chunks:
        return None
    nearest = max(chunks)
    return microseconds / ours[network, nearest or None] * (nearest / chunk if chunk else 1)


def compare(rounds):
    median = {key: statistics.median(times) for key, times in rounds.items()}
    least = {key: min(times) for key, times in rounds.items()}
    ours, ours_least = ({(model.network, model.chunk_milliseconds): values[model, way]
                         for model, way in rounds if model.program == "Onset"} for values in (median, least))
    calls = {(model.program, way): least[model, way] for model, way in rounds if model.network == "nothing"}
    rows = []
    for key in sorted(rounds, key=lambda key: (key[0].network, key[0].chunk_milliseconds or 0, median[key])):
        model, way = key
        row = model._asdict() | {"way": way, "median_us": median[key], "least_us": least[key],
                                 "most_us": max(rounds[key])}
        if model.program != "Onset":
            network, chunk, call = model.network, model.chunk_milliseconds, calls.get((model.program, way), 0)
            row["times_onset"] = times_onset(median[key], network, chunk, ours)
            row["times_onset_least"] = times_onset(least[key], network, chunk, ours_least)
            row["times_onset_less_call"] = times_onset(least[key] - call, network, chunk, ours_least)
            row["times_onset_int16"] = times_onset(median[key], network + "-int16", chunk, ours)
        rows.append(row)
    return rows


def picks(probabilities):
    """The peak of every stretch above the threshold, in one phase."""
    above = np.r_[0, probabilities >= PICK_PROBABILITY, 0].astype(np.int8)
    starts, ends = np.flatnonzero(np.diff(above) == 1), np.flatnonzero(np.diff(above) == -1)
    return np.array([start + probabilities[start:end].argmax() for start, end in zip(starts, ends)])


def agreement(model, windows, expected):
    """Float picks, how many of them the model reproduces, and the mean difference of probabilities."""
    count, reproduced, difference = 0, 0, 0.0
    for window, probabilities in zip(windows, expected):
        result = model.infer(window.astype(np.float32))
        difference += float(np.abs(result - probabilities).mean()) / len(windows)
        for phase in (1, 2):
            found = picks(result[:, phase])
            for pick in picks(probabilities[:, phase]):
                if EDGE_SAMPLES <= pick < len(window) - EDGE_SAMPLES:
                    count += 1
                    reproduced += bool((np.abs(found - pick) <= PICK_TOLERANCE_SAMPLES).any())
    return {"picks": count, "reproduced": reproduced, "mean_difference": difference}


def table(report):
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    lines = [f"{versions}; one thread, medians of {report['rounds']} rounds",
             f"{'':54}{'µs':>8} {'least to most':>16}{'times ours':>12}{'by least':>10}{'less call':>10}"
             f"{'int16':>8}"]
    ratios = {"times_onset": 12, "times_onset_least": 10, "times_onset_less_call": 10, "times_onset_int16": 8}
    for row in report["results"]:
        chunk = f"{row['chunk_milliseconds']} ms" if row["chunk_milliseconds"] else ""
        name = f"{row['network']:14} {chunk:>7}  {row['program']} {row['kind']} {row['way']}"
        spread = f"{row['least_us']:.4g} to {row['most_us']:.4g}"
        columns = "".join(f"{row[key]:{width}.1f}" if row.get(key) else " " * width
                          for key, width in ratios.items())
        lines.append(f"{name:54}{row['median_us']:8.2f} {spread:>16}{columns}".rstrip())
    for row in report["agreement"]:
        share = row["reproduced"] / max(row["picks"], 1)
        lines.append(f"PhaseNet, {row['program']} {row['kind']}: {row['reproduced']} of {row['picks']} "
                     f"float picks ({share * 100:.1f} %) within {PICK_TOLERANCE_SAMPLES} "
                     f"samples, mean difference of probability {row['mean_difference']:.5f}")
    return "\n".join(lines)


def run(options):
    models = load_models(options.folder)
    report = {"bench": "peers", "rounds": options.rounds, "results": compare(measure(models, options)),
              "agreement": [],
              "versions": {name: importlib.metadata.version(name) for name in ("onnxruntime", "ai-edge-litert")}}
    if options.windows:
        file = np.load(options.windows)
        windows, probabilities = file["windows"], file["probabilities"]
        report["agreement"] = [
            {"program": model.program, "kind": model.kind, **agreement(loaded, windows, probabilities)}
            for model, loaded in models.items() if model.network == "phasenet"]
    print(json.dumps(report) if options.json else table(report))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    building, running = commands.add_parser("build"), commands.add_parser("run")
    for command, function in ((building, peer_networks.build), (running, run)):
        command.set_defaults(function=function)
        command.add_argument("folder", type=pathlib.Path)
        command.add_argument("--windows", type=pathlib.Path, metavar="FILE.npz")
    building.add_argument("--weights", type=pathlib.Path, metavar="PHASENET.npz")
    running.add_argument("onset", type=pathlib.Path, nargs="?")
    running.add_argument("--onset-json", type=pathlib.Path, help="what ONSET printed once, instead of running it")
    running.add_argument("--rounds", type=int, default=11)
    running.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.function is run and not (options.onset or options.onset_json):
        running.error("ONSET or --onset-json")
    options.function(options)


if __name__ == "__main__":
    main()
