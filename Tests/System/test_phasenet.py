#!/usr/bin/env python3
"""test_phasenet.py TOOLS [DATA]: PhaseNet, imported, against its float reference on the development records.

Needs the weights and records of DATA (by default ../shared/data beside the repository), NumPy and ObsPy; without them
it is skipped, with a message.
"""
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ONSET = pathlib.Path(sys.argv[1]).resolve() / "onset"
ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else ROOT.parent / "shared/data").resolve()
TRAINING = ROOT / "calibration/training"
DESCRIPTION = TRAINING.parent / "models" / "phasenet-ncedc.json"
WEIGHTS = DATA / "models/phasenet_ncedc.npz"
MISSING = [f"{path} is missing" for path in (WEIGHTS, DATA / "waveforms/index.csv") if not path.exists()]
MISSING += [f"{name} is not installed" for name in ("numpy", "obspy") if importlib.util.find_spec(name) is None]


def run(*arguments):
    done = subprocess.run([str(argument) for argument in arguments], capture_output=True, text=True)
    assert done.returncode == 0, (arguments, done.returncode, done.stderr)
    return done.stdout


@unittest.skipIf(MISSING, "; ".join(MISSING))
class PhaseNetTest(unittest.TestCase):
    def test_imported_network_picks_as_the_float_one(self):
        with tempfile.TemporaryDirectory() as folder:
            windows, network = pathlib.Path(folder, "windows.npz"), pathlib.Path(folder, "phasenet.onet")
            run(sys.executable, TRAINING / "phasenet_reference.py", "--data", DATA, "--output", windows)
            said = run(ONSET, "model", "import", DESCRIPTION, WEIGHTS, "--calibration", windows, "-o",
                       network)
            description = json.loads((DESCRIPTION).read_text())
            for layer in description["layers"]:
                self.assertIn(f"\n  {layer['name']} ", said)
            self.assertIn("phasenet-ncedc: ENZ at 100.000 sps, windows of 3001 rows, each normalized", said)
            self.assertIn("a sound network, unsigned", run(ONSET, "model", "verify", network))
            found = json.loads(run(ONSET, "model", "compare", "--json", network, windows))
        print(found)
        self.assertGreater(found["analyst_picks"], 50)
        self.assertGreaterEqual(found["agreeing"], 0.99 * found["picks"])
        self.assertGreaterEqual(found["analyst_agreeing"], 0.99 * found["analyst_picks"])
        self.assertLess(found["mean_difference"], 0.02)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
