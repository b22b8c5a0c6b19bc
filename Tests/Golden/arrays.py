#!/usr/bin/env python3
"""arrays.py: arrays.npz and arrays-compressed.npz as NumPy (2.4.6) writes them, for the tests of model import."""
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
COUNT = np.arange(24).reshape(2, 3, 4)

np.savez(
    FOLDER / "arrays.npz",
    **{"float": (COUNT / 8 - 1).astype("<f4"), "scope/double": COUNT.astype("<f8") / 4, "int": COUNT.astype("<i4") - 12,
       "byte": COUNT.astype("u1") * 11, "vector": np.float32([1.5, -2.5]), "scalar": np.float32(7.25),
       "empty": np.zeros((0, 5), "<f4"), "special": np.float32([np.nan, np.inf, -np.inf]),
       "fortran": np.asfortranarray(COUNT.astype("<f4")), "big": COUNT.astype(">f4"), "long": COUNT.astype("<i8"),
       "record": np.zeros(3, [("x", "<f4")]), "text": np.array(["a", "b"])})
np.savez_compressed(FOLDER / "arrays-compressed.npz", float=COUNT.astype("<f4"))
