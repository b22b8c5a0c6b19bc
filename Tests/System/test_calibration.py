"""Instrument files that `onset calibration import` makes of published StationXML and RESP files, against the response
that ObsPy (evalresp) computes of the same files.

    python3 Tests/System/test_calibration.py BUILD_FOLDER

The files are those of ObsPy's own tests, read where ObsPy is installed. CI must have it; elsewhere its absence is said.
"""
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib
import unittest
import warnings

try:
    import numpy
    import obspy
except ImportError:
    print("skipped: ObsPy is not there: make packages-association", file=sys.stderr)
    sys.exit(1 if os.environ.get("CI") else 0)

ONSET = pathlib.Path(sys.argv[1]).resolve() / "onset"
DATA = pathlib.Path(obspy.__file__).parent
# How far the error that the command states may be off: a share in amplitude, and degrees.
SHARE, DEGREES = 0.01, 1.0

# Sensor and maker, the file, the channels, a time of their epoch.
STATIONS = [
    ("CMG-40T, Guralp", "core/tests/data/AU.MEEK.xml", "AU.MEEK..SHE", None),
    ("CMG-3T, Guralp", "core/tests/data/IRIS_single_channel_with_response.xml", "IU.ANMO.10.BHZ", None),
    ("KS-54000, Geotech", "core/tests/data/IU_ANMO_BH.xml", "IU.ANMO.00.BH?", None),
    ("STS-1VBB, Streckeisen", "core/tests/data/IU_ULN_00_LH1.xml", "IU.ULN.00.LH1", None),
    ("STS-1, Streckeisen, in hertz", "core/tests/data/G_CAN__LHZ.xml", "G.CAN..LHZ", None),
    ("EpiSensor, Kinemetrics", "core/tests/data/Modified_IRIS_response_level_station.xml", "IU.ANMO.20.HN?", None),
    ("Trillium 360, Nanometrics, in nm/s", "core/tests/data/SL_BOJS_LHZ.xml", "SL.BOJS..LHZ", None),
    ("CMG-6TD, Guralp", "core/tests/data/XM.05.xml", "XM.05..HH?", None),
    ("STS-2, Streckeisen", "io/seiscomp/tests/data/EB_response_stationXML", "EB.EBR..BH?", "2010-01-01"),
    ("STS-2, Streckeisen", "io/stationtxt/tests/data/BW_RJOB.xml", "BW.RJOB..EH?", "2010-01-01"),
    ("LE-3D/1s, Lennartz", "signal/tests/data/BW_RTSH.xml", "BW.RTSH..EH?", "2010-01-01"),
    ("RESP: KS-54000, Geotech", "clients/iris/tests/data/RESP.ANMO.IU.00.BHZ", None, None),
    ("RESP: three instruments", "clients/iris/tests/data/RESP.ANMO.IU._.BH_", "IU.ANMO.10.BH?", "2008-01-01"),
    ("RESP: in hertz, FIR filters", "io/sac/tests/data/RESP.NZ.CRLZ.10.HHZ", None, None),
    ("RESP: old Macintosh", "signal/tests/data/RESP.NZ.CRLZ.10.HHZ.mac", None, None),
    ("RESP: LE-3D/1s, Lennartz", "io/xseed/tests/data/RESP.BW.FURT..EHZ", None, None),
    ("RESP: accelerometer", "io/xseed/tests/data/RESP.JM.NMIA0.00.HHN", None, None),
    ("RESP: Trillium, Nanometrics", "io/xseed/tests/data/6D6-Trillium-250sps.resp", None, None),
    ("RESP: STS-2, third generation", "io/xseed/tests/data/RESP.XX.NS085..BHZ.STS2_gen3.120.1500", None, None),
    ("RESP: dictionary", "io/xseed/tests/data/RESP.regression_1", None, None),
]
# What published files do not have together: displacement, in nanometres and hertz, and upside down.
DISPLACEMENT = """
B050F03     Station:     DISP
B050F16     Network:     XX
B052F03     Location:    ??
B052F04     Channel:     HHZ
B052F22     Start date:  2020,001
B052F23     End date:    2030,365,23:59:59
B053F03     Transfer function type:                B [Analog (Hz)]
B053F04     Stage sequence number:                 1
B053F05     Response in units lookup:              NM - Displacement in nanometres
B053F06     Response out units lookup:             V - Volts
B053F07     A0 normalization factor:               1
B053F08     Normalization frequency:               5
B053F09     Number of zeroes:                      3
B053F14     Number of poles:                       2
B053F10-13    0  0.0  0.0  0.0  0.0
B053F10-13    1  0.0  0.0  0.0  0.0
B053F10-13    2  0.0  0.0  0.0  0.0
B053F15-18    0 -0.7  0.71 0.0  0.0
B053F15-18    1 -0.7 -0.71 0.0  0.0
B058F03     Stage sequence number:                 1
B058F04     Gain:                                  -0.002
B058F05     Frequency of gain:                     4 HZ
B054F03     Transfer function type:                D
B054F04     Stage sequence number:                 2
B054F05     Response in units lookup:              V - Volts
B054F06     Response out units lookup:             COUNTS - Digital Counts
B054F07     Number of numerators:                  1
B054F10     Number of denominators:                0
B054F08-09    0  1.0  0.0
B057F03     Stage sequence number:                 2
B057F04     Input sample rate:                     100
B057F05     Decimation factor:                     1
B057F06     Decimation offset:                     0
B057F07     Estimated delay (seconds):             0
B057F08     Correction applied (seconds):          0
B058F03     Stage sequence number:                 2
B058F04     Gain:                                  400000
B058F05     Frequency of gain:                     4 HZ
B058F03     Stage sequence number:                 0
B058F04     Sensitivity:                           -800
B058F05     Frequency of sensitivity:              5 HZ
"""
# A geophone that its electronics extend, as Raspberry Shakes have it: three zeros at the origin, and poles at 1, 3.03,
# 3.03 and 667 rad/s. A station has one corner of two poles.
SHAKE = """<?xml version="1.0" encoding="UTF-8"?>
<FDSNStationXML xmlns="http://www.fdsn.org/xml/station/1" schemaVersion="1.0">
<Source>none</Source><Created>2026-01-01T00:00:00</Created>
<Network code="AM"><Station code="R1234"><Latitude>47</Latitude><Longitude>8</Longitude><Elevation>400</Elevation>
<Site><Name>none</Name></Site><CreationDate>2020-01-01T00:00:00</CreationDate>
<Channel code="EHZ" locationCode="00" startDate="2020-01-01T00:00:00">
<Latitude>47</Latitude><Longitude>8</Longitude><Elevation>400</Elevation><Depth>0</Depth>
<Azimuth>0</Azimuth><Dip>-90</Dip><SampleRate>100</SampleRate>
<Response><InstrumentSensitivity><Value>4e8</Value><Frequency>5</Frequency>
<InputUnits><Name>M/S</Name></InputUnits><OutputUnits><Name>COUNTS</Name></OutputUnits></InstrumentSensitivity>
<Stage number="1"><PolesZeros><InputUnits><Name>M/S</Name></InputUnits><OutputUnits><Name>COUNTS</Name></OutputUnits>
<PzTransferFunctionType>LAPLACE (RADIANS/SECOND)</PzTransferFunctionType>
<NormalizationFactor>673.7</NormalizationFactor><NormalizationFrequency>5</NormalizationFrequency>
""" + "".join(f"<Zero number='{n}'><Real>0</Real><Imaginary>0</Imaginary></Zero>" for n in range(3)) + "".join(
    f"<Pole number='{n}'><Real>{real}</Real><Imaginary>0</Imaginary></Pole>"
    for n, real in enumerate((-1, -3.03, -3.03, -666.67))) + """</PolesZeros>
<StageGain><Value>4e8</Value><Frequency>5</Frequency></StageGain></Stage></Response></Channel></Station></Network>
</FDSNStationXML>"""
# What a file must be refused for, with the words that say it.
REFUSED = [
    ("core/tests/data/DK.BSD..BHZ.xml", None, "stage 9 is digital poles and zeros"),
    ("core/tests/data/IM_IL31__BHZ.xml", None, "is a table of frequencies"),
    ("core/tests/data/polynomial_response.xml", None, "is a polynomial"),
    ("core/tests/data/hydrophone_response_PA.xml", None, "measures PA"),
    ("core/tests/data/response_radian_per_second.xml", None, "measures RAD/S"),
    ("core/tests/data/IU_ANMO_BH.xml", None, "has several instruments"),
    ("io/seiscomp/tests/data/EB_response_sc3ml", None, "not of FDSNStationXML"),
    ("core/tests/data/iris_events.xml", None, "not of FDSNStationXML"),
    ("io/stationxml/tests/data/minimal_station.xml", None, "level=response"),
    ("io/stationxml/tests/data/empty_channel.xml", None, ""),
    ("core/tests/data/RESP.XX.NS306..SHZ.GS13.1.2180", None, "ends in V and not in COUNTS"),
    ("io/xseed/tests/data/RESP.multiple_gain_blockettes", None, "has two gains"),
    ("io/xseed/tests/data/RESP.repeated_differing_stage_0", None, "the sensitivity (stage 0) is there twice"),
    ("signal/tests/data/segfaulting_RESPs/RESP.IE.LLRI..EHZ", None, "stage 1 has two responses"),
    ("io/xseed/tests/data/RESP.BN.WR0..SHZ", None, "no stage's number"),
    ("clients/iris/tests/data/RESP.ANMO.IU._.BH_", "IU.ANMO.10", "has several epochs"),
    ("core/tests/data/IRIS_single_channel_with_response.seed", None, "is a dataless SEED volume"),
    ("signal/tests/data/RESP.CH._.HHZ.gz", None, "is compressed"),
]


def run(*words):
    return subprocess.run([ONSET, "calibration", "import", *map(str, words)], capture_output=True, text=True)


def model(file, hertz):
    """Counts for a unit, as an instrument file says it, at each frequency."""
    instrument = file["instrument"]
    name = "sensitivity_volts_per_metre_per_second" + ("_squared" if instrument["quantity"] == "acceleration" else "")
    counts = instrument[name] * file["digitizer"]["counts_per_volt"]
    if "response" not in file:
        return numpy.full(len(hertz), counts, complex)
    s, w, h = 2j * math.pi * hertz, 2 * math.pi * file["response"]["corner_hertz"], file["response"]["damping"]
    return counts * s ** 2 / (s ** 2 + 2 * h * w * s + w ** 2)


class Imported(unittest.TestCase):
    def test_displacement_upside_down(self):
        with tempfile.NamedTemporaryFile("w", suffix=".resp") as file:
            file.write(DISPLACEMENT.lstrip())
            file.flush()
            told = self.compare(file.name, None, None)
        self.assertIn("board.toml, [digitizer]:\n  vertical_polarity = -1", told)

    def test_extended_geophone(self):
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write(SHAKE)
            file.flush()
            told = self.compare(file.name, None, None)
        self.assertIn("corner 0.4822 Hz, damping 1,", told)
        self.assertIn("2 poles and 1 zero have no place", told)

    def compare(self, path, station, time):
        with tempfile.TemporaryDirectory() as folder:
            choice = (["--station", station] if station else []) + (["--time", time] if time else [])
            result = run(DATA / path, "--folder", folder, *choice)
            self.assertEqual(result.returncode, 0, result.stderr)
            files = sorted(pathlib.Path(folder).iterdir())
            self.assertTrue(files)
            check = subprocess.run([ONSET, "check", *files], capture_output=True, text=True)
            self.assertEqual(check.returncode, 0, check.stderr)
            inventory = obspy.read_inventory(str(DATA / path))
            for file in files:
                self.assertIn(f"{file.name}: ", result.stdout)
                told = result.stdout.split(f"{file.name}: ")[1]
                with self.subTest(file.name):
                    text = file.read_text()
                    reference = float(re.search(r"as the file has them at\s(\S+) Hz", text)[1])
                    self.component(tomllib.loads(text), reference, file.stem, told, inventory)
            return result.stdout

    def component(self, file, reference, code, told, inventory):
        low, high, decibels, _, degrees = map(float, re.search(
            r"from (\S+) to (\S+) Hz within (\S+) dB \(at (\S+) Hz\) and (\S+) degrees", told).groups())
        self.assertEqual(low, 0.1)
        network, station, location, channel = code.split(".")
        begin = obspy.UTCDateTime(file["instrument"]["valid_from"]) + 86_400
        found = inventory.select(network=network, station=station, channel=channel, time=begin)
        channels = [c for n in found for s in n for c in s if c.code == channel and c.location_code.strip() == location]
        self.assertEqual(len(channels), 1)
        hertz = numpy.geomspace(low, high, 500)
        output = "ACC" if file["instrument"]["quantity"] == "acceleration" else "VEL"
        full = channels[0].response.get_evalresp_response_for_frequencies(hertz, output=output)
        ratio = full / model(file, hertz)
        # A polarity has its line, because an instrument file has no sign.
        if "the gain is negative" in told.split(".toml: ")[0]:
            ratio = -ratio
        worst = abs(20 * numpy.log10(abs(ratio))).max()
        phase, middle = numpy.unwrap(numpy.angle(ratio)), numpy.searchsorted(hertz, reference)
        angle = abs(numpy.degrees(phase - 2 * math.pi * numpy.round(phase[middle] / 2 / math.pi))).max()
        self.assertAlmostEqual(worst, decibels, delta=20 * math.log10(1 + SHARE), msg=told.split("\n- ")[0])
        self.assertAlmostEqual(angle, degrees, delta=DEGREES, msg=told.split("\n- ")[0])
        if os.environ.get("VERBOSE"):
            print(f"{code}: {worst:.3f} dB, told {decibels}; {angle:.2f} degrees, told {degrees}; to {high} Hz")

    def test_refused(self):
        for path, station, words in REFUSED:
            with self.subTest(path), tempfile.TemporaryDirectory() as folder:
                result = run(DATA / path, "--folder", folder, *(["--station", station] if station else []))
                self.assertEqual(result.returncode, 1, result.stdout)
                self.assertIn(words, result.stderr)
                self.assertEqual(list(pathlib.Path(folder).iterdir()), [])

    def test_every_file_is_told(self):
        """Whatever lies there: accepted, or refused in one sentence of ASCII that names the file."""
        for path in sorted(DATA.glob("**/tests/data/**/*")):
            if not path.is_file() or path.stat().st_size > 4 << 20:
                continue
            with tempfile.TemporaryDirectory() as folder:
                result = run(path, "--folder", folder)
                if result.returncode:
                    self.assertEqual(result.returncode, 1, f"{path} {result.stderr}")
                    self.assertTrue(result.stderr.isascii(), path)
                    self.assertRegex(result.stderr, r"^onset calibration: \S.*: .*\n$")
                    self.assertEqual(result.stderr.count("\n"), 1, path)

    def test_nothing_is_written_over(self):
        with tempfile.TemporaryDirectory() as folder:
            words = [DATA / "core/tests/data/AU.MEEK.xml", "--folder", folder]
            self.assertEqual(run(*words).returncode, 0)
            again = run(*words)
            self.assertEqual(again.returncode, 1)
            self.assertIn("exists, and is left alone", again.stderr)


def test_of(path, station, time):
    def test(self):
        self.compare(path, station, time)

    return test


for number, (name, path, station, time) in enumerate(STATIONS):
    test = test_of(path, station, time)
    test.__doc__ = name
    setattr(Imported, f"test_station_{number:02}", test)

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    unittest.main(argv=sys.argv[:1])
