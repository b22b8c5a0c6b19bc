"""The quantized forward pass against the integer reference: the same network, seen from training and from the file."""
import unittest

import numpy as np

import integer
import onet

try:
    import torch
except ImportError:
    torch = None
else:
    import layers

    torch.set_num_threads(1)  # Tensors this small are slower on two.


def temporal(input_channels=4):
    """The streaming picker's shape: residuals with inner ReLU, centred and causal, four rows a step."""
    plan = layers.Plan("temporal", 100, "ENZA", input_unit=1 / 2048, input_channels=input_channels)
    h = plan.convolution(plan.input, 16, taps=7, stride=2, before=5, relu="outer")
    h = plan.convolution(h, 32, taps=5, stride=2, before=3, relu="outer")
    for exponent in range(6):
        dilation = 1 << exponent
        h = plan.convolution(h, 32, taps=3, dilation=dilation, before=dilation * (1 if exponent < 3 else 2),
                             relu="inner", residual=h)
    plan.softmax(plan.logits(h, 4, rows=4), "NPS")
    return plan


def unet():
    """Samples throughout, concatenations, transposed convolutions with trims, two steps a row at the top."""
    plan = layers.Plan("unet", 100, "ENZ", input_unit=1 / 2048, window_rows=301, normalization=1)
    both = plan.buffer(2, 32, onet.SAMPLES, fold=2)
    skip = plan.convolution(plan.input, 16, taps=8, stride=2, before=3, relu="outer", into=both.part(0, 16))
    h = plan.convolution(skip, 32, taps=7, stride=4, before=2, relu="outer", element=onet.SAMPLES)
    plan.convolution(h, 16, taps=2, before=1, rows=4, trim=2, relu="outer", into=both.part(16, 16))
    h = plan.convolution(both, 16, taps=5, before=2, relu="outer", element=onet.SAMPLES, fold=2)
    plan.softmax(plan.logits(h, 16, fold=2), "NPS")
    return plan


def signed():
    """Signed codes with blanks, upsampled and concatenated; both kinds of residual; a fast and a slow head."""
    plan = layers.Plan("signed", 100, "ENZA", input_unit=1 / 16, input_element=onet.CODES, input_blank=64)
    trunk = plan.convolution(plan.input, 16, taps=5, before=4)
    plan.sigmoid(plan.logits(trunk, 16), "PS")
    h = plan.convolution(trunk, 16, taps=4, stride=4, before=2)
    h = plan.convolution(h, 16, taps=3, dilation=2, before=2, relu="outer", residual=h)
    both = plan.buffer(1, 48)
    plan.upsampling(h, 4, both.part(0, 16))
    plan.convolution(h, 16, taps=2, before=1, rows=4, trim=1, into=both.part(16, 16))
    plan.convolution(trunk, 16, taps=3, before=1, relu="both", into=both.part(32, 16))
    h = plan.convolution(both, 16, taps=3, before=1, element=onet.SAMPLES)
    h = plan.convolution(h, 16, taps=1, relu="inner", residual=h, element=onet.SAMPLES)
    plan.softmax(plan.logits(h, 16, taps=3, before=0), "NP")
    return plan


def signals(batch, rows, seed=0):
    """Noise in which every channel grows louder at some point."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, 4, rows, generator=generator) * 0.3
    for index in range(batch):
        onset = int(torch.randint(rows // 4, rows * 3 // 4, (1,), generator=generator))
        x[index, :, onset:] *= torch.linspace(6, 2, rows - onset)
    return x


def observed(plan, rows, seed=1):
    """A network with random weights whose batch norms and observers have seen data."""
    torch.manual_seed(seed)
    network = layers.Network(plan)
    for convolution in network.convolutions.values():
        if convolution.batch_norm is not None:
            torch.nn.init.uniform_(convolution.batch_norm.weight, 0.5, 1.5)
            torch.nn.init.normal_(convolution.batch_norm.bias, 0, 0.3)
    network.train()
    with torch.no_grad():
        for step in range(12):
            network(signals(4, rows, step))
    return network


def differences(network, exported, x):
    """For each buffer: fraction of values that differ between levels and codes, and the largest difference."""
    with torch.no_grad():
        levels = network.signals(x)
    results = {}
    for item in range(len(x)):
        codes = levels[0][item].numpy().T + exported.buffers[0].blank
        values = integer.windowed(exported, codes.astype(np.int64))
        for index, ours in levels.items():
            difference = np.abs(values[index].astype(int) - exported.buffers[index].blank - ours[item].numpy().T)
            share, largest = results.get(index, (0, 0))
            results[index] = share + (difference > 0).mean() / len(x), max(largest, difference.max())
    return results


@unittest.skipIf(torch is None, "needs PyTorch")
class Agreement(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.networks = []
        for builder, rows, method in ((temporal, 301, "mean-square"), (unet, 201, "percentile"),
                                      (signed, 201, "mean-square"), (signed, 201, "percentile")):
            network = observed(builder(), rows)
            network.quantize(method)
            exported = onet.decode(onet.encode(network.export()))
            cls.networks.append((builder.__name__, network, exported, rows))

    def test_in_evaluation_levels_are_those_of_the_integer_network(self):
        for name, network, exported, rows in self.networks:
            network.eval()
            for count in (rows, rows - 1, 37):
                for buffer, (share, largest) in differences(network, exported, signals(3, count, 99)).items():
                    self.assertEqual((share, largest), (0, 0), f"{name}, buffer {buffer}, {count} rows")

    def test_in_training_they_rarely_differ_by_more_than_one(self):
        for name, network, exported, rows in self.networks:
            network.train()
            for buffer, (share, largest) in differences(network, exported, signals(3, rows, 99)).items():
                is_code = exported.buffers[buffer].element == onet.CODES
                self.assertLess(share, 1e-3 if is_code else 0.05, f"{name}, buffer {buffer}")
                self.assertLessEqual(largest, 1 if is_code else 4, f"{name}, buffer {buffer}")

    def test_numbers_in_the_file_are_those_of_training(self):
        for _, network, exported, _ in self.networks:
            for index, convolution in network.convolutions.items():
                layer = exported.layers[int(index)]
                with torch.no_grad():
                    source_units, unit, _ = network._scales(layer)
                    weight, bias, scale = convolution.integers(source_units, unit)
                blank = exported.buffers[layer.source].blank
                self.assertTrue((layer.weights == weight.numpy().transpose(0, 2, 1)).all())
                self.assertTrue((layer.scale == scale.numpy()).all())
                self.assertTrue((layer.bias + blank * layer.weights.sum(axis=(1, 2)) == bias.numpy()).all())

    def test_probabilities_of_heads_agree(self):
        for name, network, exported, rows in self.networks:
            network.eval()
            x = signals(1, rows, 7)
            with torch.no_grad():
                codes = network.input_levels(x)[0].numpy().T + exported.buffers[0].blank
                probabilities = network.probabilities(x)
            values = integer.windowed(exported, codes.astype(np.int64))
            heads = [layer for layer in exported.layers if layer.is_head]
            for layer, ours in zip(heads, probabilities):
                theirs = values[layer.destination].reshape(-1, len(layer.classes))[:ours.shape[1]] / 32768
                self.assertLess(np.abs(ours[0].numpy() - theirs).max(), 1e-4, name)

    def test_what_begins_as_a_file_says_what_the_file_says(self):
        _, network, file, rows = self.networks[0]
        begun = layers.Network(temporal(input_channels=6))
        x = torch.cat([signals(8, rows, 5), torch.randn(8, 2, rows)], dim=1)
        begun.adopt(file, file.layers, x)
        with torch.no_grad():
            theirs = network.eval().probabilities(x[:, :4])[0]
            for mode in (begun.eval, begun.train):  # By the statistics that it keeps, and by the batch's own.
                mode()
                self.assertLess((begun.probabilities(x)[0] - theirs).abs().mean(), 0.02)
            others = layers.Network(temporal(input_channels=6)).eval().probabilities(x)[0]
        self.assertGreater((others - theirs).abs().mean(), 0.1, "a network that begins by chance says something else")
        with self.assertRaisesRegex(ValueError, "are not the layers"):
            begun.adopt(file, file.layers[1:], x)

    def test_quantized_resembles_float(self):
        for name, network, exported, rows in self.networks:
            network.eval()
            x = signals(4, rows, 5)
            with torch.no_grad():
                quantized = network.probabilities(x)
                network.is_quantized = False
                floating = network.probabilities(x)
                network.is_quantized = True
            for ours, theirs in zip(quantized, floating):
                self.assertLess((ours - theirs).abs().mean().item(), 0.03, name)

    def test_signed_activations_have_a_blank(self):
        _, _, exported, _ = self.networks[2]
        blanks = [buffer.blank for buffer in exported.buffers]
        self.assertGreater(min(blanks[index] for index in (1, 4, 5)), 0, blanks)
        both = next(layer.destination for layer in exported.layers if layer.kind == onet.UPSAMPLING)
        source = next(layer.source for layer in exported.layers if layer.kind == onet.UPSAMPLING)
        self.assertEqual(blanks[both], blanks[source])


    def test_export_is_valid_whatever_the_weights(self):
        for builder, rows in ((temporal, 101), (unet, 101), (signed, 101)):
            network = observed(builder(), rows)
            network.quantize()
            with torch.no_grad():
                for convolution in network.convolutions.values():
                    convolution.weight[0] = 0
                    convolution.weight[1] *= 1e4
                    convolution.weight[2] *= 1e-9
            exported = onet.decode(onet.encode(network.export()))
            network.eval()
            for buffer, difference in differences(network, exported, signals(1, rows)).items():
                self.assertEqual(difference, (0, 0), f"{builder.__name__}, buffer {buffer}")


@unittest.skipIf(torch is None, "needs PyTorch")
class Training(unittest.TestCase):
    def test_learns_in_float_and_on_when_quantized(self):
        torch.manual_seed(3)
        plan = layers.Plan("small", 100, "ENZA", input_unit=1 / 2048)
        h = plan.convolution(plan.input, 16, taps=5, stride=2, before=3, relu="outer")
        h = plan.convolution(h, 16, taps=3, dilation=4, before=4, relu="inner", residual=h)
        plan.softmax(plan.logits(h, 8, rows=2), "NP")
        network = layers.Network(plan)
        x = signals(16, 200, 11)
        target = (x.abs().amax(dim=1) > 0.9).long()

        def train(steps, rate):
            optimizer = torch.optim.Adam(network.parameters(), rate)
            network.train()
            losses = []
            for _ in range(steps):
                loss = torch.nn.functional.cross_entropy(network(x)[0].flatten(0, 1), target.flatten())
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            return losses

        floating = train(120, 1e-2)
        network.quantize()
        quantized = train(60, 2e-3)
        network.quantize()
        self.assertLess(floating[-1], 0.7 * floating[0])
        self.assertLess(quantized[0], 0.5 * (floating[0] + floating[-1]))
        self.assertLess(quantized[-1], 1.1 * floating[-1])
        for name, parameter in network.named_parameters():
            self.assertGreater(parameter.grad.abs().max().item(), 0, name)
        network.eval()
        self.assertEqual({pair for pair in differences(network, network.export(), x[:2]).values()}, {(0, 0)})

    def test_state_is_kept(self):
        network = observed(temporal(), 101)
        network.quantize()
        again = layers.Network(temporal())
        again.load_state_dict(network.state_dict())
        self.assertEqual(onet.encode(again.export()), onet.encode(network.export()))


@unittest.skipIf(torch is None, "needs PyTorch")
class Observing(unittest.TestCase):
    def test_ranges(self):
        observer = layers.Observer(decay=1.0)
        values = torch.linspace(0, 1, 100_001)
        observer.observe(values)
        observer.observe(torch.tensor([50.0]))
        low, high = observer.range("percentile", 0.999, 127)
        self.assertEqual(low, 0)
        self.assertAlmostEqual(high, 1, delta=0.1)
        low, high = observer.range("percentile", 1.0, 127)
        self.assertAlmostEqual(high, 50, delta=0.1)

    def test_mean_square_clamps_what_is_rare(self):
        observer = layers.Observer()
        torch.manual_seed(0)
        observer.observe(torch.randn(60_000).relu())
        low, high = observer.range("mean-square", 0, 127)
        self.assertEqual(low, 0)
        self.assertTrue(2 < high < 4.5, high)

    def test_nothing_observed_is_an_error(self):
        with self.assertRaises(ValueError):
            layers.Network(temporal()).quantize()


if __name__ == "__main__":
    unittest.main()
