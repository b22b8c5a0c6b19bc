"""The networks of `onset bench picker` in the formats of ONNX Runtime and LiteRT; for bench_peers.py.

Every network is written once, against operations that either tool provides. Batch norm is folded into the
convolutions beforehand, as any deployment would. Arrays are [rows, channels]: rows are time.
"""
import importlib
import logging
import typing

import numpy as np

RATE, TCN_ROWS, TCN_BLOCKS = 100, (4, 12, 100), 6  # 40, 120 and 1000 ms: the strides want multiples of four
WINDOW_ROWS, DEPTHS, KERNEL, STRIDE = 3001, (8, 16, 32, 64, 128), 7, 4  # PhaseNet, figure 4 of the paper
BATCH_NORM_EPSILON = 1e-3  # TensorFlow's default, with which PhaseNet was trained


class Network(typing.NamedTuple):
    """`forward(operations, *inputs)` gives a list: the output, then the caches in the order of the inputs."""
    inputs: dict  # name → (rows, channels); the first is the signal, the others are caches
    forward: typing.Callable
    kinds: tuple  # fp32 in both formats; u8s8, s8s8 in ONNX; int8 in LiteRT


def nothing():
    return Network({"signal": (1, 4)}, lambda operations, signal: [operations.relu(signal)], ("fp32",))


def tcn(width, rows, random):
    layers = [(7, 2, 1, 3, width // 2), (5, 2, 1, width // 2, width)]  # kernel, stride, dilation, in, out
    layers += [(3, 1, 2**block, width, width) for block in range(TCN_BLOCKS)]
    parameters = [random_layer(random, kernel, inputs, outputs) for kernel, _, _, inputs, outputs in layers]
    head = random_layer(random, 1, width, 12)
    cache_rows = [(kernel - 1) * dilation + 1 - stride for kernel, stride, dilation, _, _ in layers]

    def forward(operations, x, *caches):
        left = []
        for (_, stride, dilation, _, _), parameter, cache, keep in zip(layers, parameters, caches, cache_rows):
            seen = operations.concatenate([cache, x], "rows")
            left.append(operations.rows(seen, -keep, None))
            y = operations.relu(operations.convolve(seen, *parameter, stride, dilation))
            x = operations.add(x, y) if stride == 1 else y
        return [operations.convolve(x, *head), *left]

    caches = {f"cache{i}": (keep, layer[3]) for i, (keep, layer) in enumerate(zip(cache_rows, layers))}
    return Network({"signal": (rows, 3)} | caches, forward, ("fp32", "u8s8", "int8"))


def phasenet(parameters):
    rows = [WINDOW_ROWS]
    for _ in DEPTHS[1:]:
        rows.append(-(-rows[-1] // STRIDE))

    def forward(operations, x):
        def convolve(name, x, length, stride=1):
            pad = max((-(-length // stride) - 1) * stride + KERNEL - length, 0)  # SAME: the odd row at the end
            return operations.relu(
                operations.convolve(x, *parameters[name], stride, 1, (pad // 2, pad - pad // 2)))

        x, skips = convolve("Input/input_conv", x, rows[0]), []
        for level, length in enumerate(rows):
            x = convolve(f"DownConv_{level}/down_conv1_{level + 1}", x, length)
            skips.append(x)
            if level < len(rows) - 1:
                x = convolve(f"DownConv_{level}/down_conv3_{level + 1}", x, length, STRIDE)
        for level in reversed(range(len(rows) - 1)):
            crop = (STRIDE * rows[level + 1] - rows[level]) // 2
            x = operations.relu(operations.upsample(
                x, *parameters[f"UpConv_{level}/up_conv0_{level + 1}"], rows[level + 1], crop, rows[level]))
            x = operations.concatenate([skips[level], x], "channels")
            x = convolve(f"UpConv_{level}/up_conv1_{level + 1}", x, rows[level])
        return [operations.softmax(operations.convolve(x, *parameters["Output/output_conv"]))]

    return Network({"signal": (WINDOW_ROWS, 3)}, forward, ("fp32", "u8s8", "s8s8", "int8"))


def random_layer(random, kernel, inputs, outputs):
    """A kernel [rows, in, out] that keeps the variance through a ReLU (He et al. 2015), and a bias."""
    scale = np.sqrt(2 / (kernel * inputs))
    return (random.normal(0, scale, (kernel, inputs, outputs)).astype(np.float32),
            random.normal(0, 0.1, outputs).astype(np.float32))


def phasenet_parameters(random, path):
    """Name → kernel [rows, in, out] and bias with the batch norm folded in; names of the published file."""
    shapes, last = {"Input/input_conv": (KERNEL, 3, DEPTHS[0])}, DEPTHS[0]
    for level, depth in enumerate(DEPTHS):
        shapes[f"DownConv_{level}/down_conv1_{level + 1}"] = (KERNEL, last, depth)
        if depth != DEPTHS[-1]:
            shapes[f"DownConv_{level}/down_conv3_{level + 1}"] = (KERNEL, depth, depth)
            shapes[f"UpConv_{level}/up_conv0_{level + 1}"] = (KERNEL, 2 * depth, depth)
            shapes[f"UpConv_{level}/up_conv1_{level + 1}"] = (KERNEL, 2 * depth, depth)
        last = depth
    shapes["Output/output_conv"] = (1, DEPTHS[0], 3)
    if path is None:
        return {name: random_layer(random, *shape) for name, shape in shapes.items()}
    file, parameters = np.load(path), {}
    for name, shape in shapes.items():
        kernel = file[f"{name}/kernel"][:, 0]
        kernel = kernel.swapaxes(1, 2) if "up_conv0" in name else kernel  # transposed: [rows, 1, out, in]
        bias = file[f"{name}/bias"] if f"{name}/bias" in file else np.zeros(shape[2])
        if name != "Output/output_conv":
            norm = name.replace("_conv", "_bn")
            scale = file[f"{norm}/gamma"] / np.sqrt(file[f"{norm}/moving_variance"] + BATCH_NORM_EPSILON)
            kernel, bias = kernel * scale, (bias - file[f"{norm}/moving_mean"]) * scale + file[f"{norm}/beta"]
        assert kernel.shape == shape, name
        parameters[name] = kernel.astype(np.float32), bias.astype(np.float32)
    return parameters


class OnnxOperations:
    """Arrays as [1, channels, rows]."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def node(self, kind, inputs, **attributes):
        import onnx.helper
        self.nodes.append(onnx.helper.make_node(kind, inputs, [f"{kind}{len(self.nodes)}"], **attributes))
        return self.nodes[-1].output[0]

    def constant(self, array):
        import onnx.numpy_helper
        self.constants.append(onnx.numpy_helper.from_array(array, f"constant{len(self.constants)}"))
        return self.constants[-1].name

    def convolve(self, x, kernel, bias, stride=1, dilation=1, pads=(0, 0)):
        return self.node("Conv", [x, self.constant(kernel.transpose(2, 1, 0).copy()), self.constant(bias)],
                         strides=[stride], dilations=[dilation], pads=list(pads), kernel_shape=[len(kernel)])

    def upsample(self, x, kernel, bias, rows, crop, kept):
        before = crop + (KERNEL - STRIDE) // 2  # a transposed SAME convolution trims (7 − 4) / 2 rows by itself
        after = (rows - 1) * STRIDE + KERNEL - before - kept
        return self.node("ConvTranspose",
                         [x, self.constant(kernel.transpose(1, 2, 0).copy()), self.constant(bias)],
                         strides=[STRIDE], pads=[before, after], kernel_shape=[KERNEL])

    def relu(self, x):
        return self.node("Relu", [x])

    def add(self, x, y):
        return self.node("Add", [x, y])

    def concatenate(self, parts, axis):
        return self.node("Concat", parts, axis={"channels": 1, "rows": 2}[axis])

    def rows(self, x, first, end):
        bounds = [[first], [np.iinfo(np.int64).max if end is None else end], [2]]
        return self.node("Slice", [x, *(self.constant(np.array(bound, np.int64)) for bound in bounds)])

    def softmax(self, x):
        return self.node("Softmax", [x], axis=1)


class TensorFlowOperations:
    """Arrays as [1, 1, rows, channels]: LiteRT has no other convolution."""

    def __init__(self):
        import tensorflow
        self.tf, self.nn = tensorflow, tensorflow.nn

    def convolve(self, x, kernel, bias, stride=1, dilation=1, pads=(0, 0)):
        y = self.nn.conv2d(x, kernel[None], [1, stride], "SAME" if any(pads) else "VALID",
                           dilations=[1, dilation])
        return self.nn.bias_add(y, bias)

    def upsample(self, x, kernel, bias, rows, crop, kept):
        y = self.nn.conv2d_transpose(x, kernel.swapaxes(1, 2)[None], [1, 1, STRIDE * rows, kernel.shape[2]],
                                     [1, STRIDE], "SAME")
        return self.rows(self.nn.bias_add(y, bias), crop, crop + kept)

    def relu(self, x):
        return self.nn.relu(x)

    def add(self, x, y):
        return x + y

    def concatenate(self, parts, axis):
        return self.tf.concat(parts, {"channels": 3, "rows": 2}[axis])

    def rows(self, x, first, end):
        return x[:, :, first:end]

    def softmax(self, x):
        return self.nn.softmax(x)


def calibration_inputs(network, signals, step):
    """The inputs of every step of a run over `signals` from empty caches."""
    state = [np.zeros(shape, np.float32) for shape in list(network.inputs.values())[1:]]
    for signal in signals:
        yield [signal, *state]
        if state:
            state = step([signal, *state])[1:]


def build_onnx(folder, name, network, signals):
    import onnx
    import onnxruntime
    from onnxruntime import quantization
    logging.disable(logging.WARNING)  # it recommends a preparation that changes nothing here
    path = folder / f"{name}.fp32.onnx"
    onnx.save(onnx_model(name, network), path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def feed(inputs):
        return {name: array.T[None].copy() for name, array in zip(network.inputs, inputs)}

    def step(inputs):
        return [output[0].T for output in session.run(None, feed(inputs))]

    class Reader(quantization.CalibrationDataReader):
        def __init__(self):
            self.feeds = map(feed, calibration_inputs(network, signals, step))

        def get_next(self):
            return next(self.feeds, None)

    activations = {"u8s8": quantization.QuantType.QUInt8, "s8s8": quantization.QuantType.QInt8}
    for kind in activations.keys() & network.kinds:
        quantization.quantize_static(path, folder / f"{name}.{kind}.onnx", Reader(), per_channel=True,
                                     activation_type=activations[kind], weight_type=quantization.QuantType.QInt8)


def onnx_model(name, network):
    import onnx
    operations = OnnxOperations()
    outputs = network.forward(operations, *network.inputs)
    shapes = [[1, *shape[::-1]] for shape in network.inputs.values()]

    def values(names, shapes):
        return [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
                for name, shape in zip(names, shapes)]

    graph = onnx.helper.make_graph(operations.nodes, name, values(network.inputs, shapes),
                                   values(outputs, [None, *shapes[1:]]), operations.constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    return onnx.shape_inference.infer_shapes(model, strict_mode=True)


def build_tflite(folder, name, network, signals):
    import tensorflow as tf
    operations = TensorFlowOperations()
    signature = [tf.TensorSpec((1, 1, *shape), name=name) for name, shape in network.inputs.items()]
    function = tf.function(lambda *inputs: network.forward(operations, *inputs), signature)
    concrete = function.get_concrete_function()

    def step(inputs):
        return [output.numpy()[0, 0] for output in function(*(array[None, None] for array in inputs))]

    def examples():
        for inputs in calibration_inputs(network, signals, step):
            yield [array[None, None] for array in inputs]

    for kind in [kind for kind in ("fp32", "int8") if kind in network.kinds]:
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], function)
        if kind == "int8":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = examples
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        (folder / f"{name}.{kind}.tflite").write_bytes(converter.convert())


def build(options):
    random = np.random.default_rng(1)
    networks = {"nothing": nothing(), "phasenet": phasenet(phasenet_parameters(random, options.weights))}
    for width in (32, 64):
        for rows in TCN_ROWS:
            networks[f"tcn{width}-{rows}"] = tcn(width, rows, random)
    options.folder.mkdir(parents=True, exist_ok=True)
    for builder, module in ((build_onnx, "onnxruntime"), (build_tflite, "tensorflow")):
        try:
            importlib.import_module(module)
        except ImportError:
            print(f"{module} is not installed: none of its files")
            continue
        for name, network in networks.items():
            count = 128 if len(network.inputs) > 1 else 8  # 128 steps of one row fill the longest cache, 64
            signals = random.normal(size=(count, *network.inputs["signal"])).astype(np.float32)
            if name == "phasenet" and options.windows:
                signals = np.load(options.windows)["calibration"].astype(np.float32)
            builder(options.folder, name, network, signals)
            print(f"{module}: {name}")
