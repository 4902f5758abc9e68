"""Walks tree ensembles with LightGBM's own C library, through ctypes: no Python package of it is imported.

LightGBM takes each row through all trees before it turns to the next. That suits one row; with many, a large ensemble
falls out of the processor's cache for every one of them. Many rows are therefore taken through a few trees at a time,
which took 56 us a row instead of 96 (1,842 trees, 2,000 rows, one processor).
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FLOAT64, _RAW_SCORE, _CONTRIBUTIONS, _ROW_MAJOR = 1, 1, 3, 1
#: Trees walked together, and the rows from which on that pays: each block costs a call.
_BLOCK_TREES, _MANY_ROWS = 20, 50
#: So many rows are walked quicker one by one, for the library then prepares nothing.
_FEW_ROWS = 3


class TreeLibraryError(RuntimeError):
    """LightGBM's shared library is not there, or refused a model."""


@cache
def _library(keep_lock: bool) -> Any:
    """The library; with `keep_lock` its calls keep the interpreter lock (quicker and safe for one row)."""
    found = importlib.util.find_spec("lightgbm")
    if found is None or found.origin is None:
        raise TreeLibraryError(
            "the package lightgbm is not installed; it brings the library that walks the trees"
        )
    suffix = {"darwin": "dylib", "win32": "dll"}.get(sys.platform, "so")
    name = f"lib_lightgbm.{suffix}"
    folder = Path(found.origin).parent
    path = next((p for p in (folder / "lib" / name, folder / "bin" / name) if p.exists()), None)
    if path is None:
        raise TreeLibraryError(f"{name} is not in {folder}")
    library = (ctypes.PyDLL if keep_lock else ctypes.CDLL)(str(path))
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library


class Trees:
    """One ensemble: `raw(x)` sums its trees' leaves, (rows, outputs). Safe to use from several threads."""

    def __init__(self, text: str, outputs: int, n_features: int) -> None:
        self.outputs = outputs
        #: Whether the trees say how many rows went where, by which their explanation averages.
        self.counted = "\nsplit_feature=" not in text or "\ninternal_count=" in text
        self._whole = _Booster(text, outputs, n_features)
        self._blocks = [_Booster(part, outputs, n_features) for part in _blocks(text, outputs)]
        self.raw_row = self._whole.single_row()

    def raw(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums for rows of float64, C order. Runs without the interpreter lock, but for a few rows."""
        if 0 < len(x) <= _FEW_ROWS:
            at, step = x.ctypes.data, x.strides[0]
            return np.concatenate([self.raw_row(at + step * row) for row in range(len(x))])
        if len(x) < _MANY_ROWS or not self._blocks:
            return self._whole.sums(x)
        total = self._blocks[0].sums(x)
        for block in self._blocks[1:]:
            total += block.sums(x)
        return total

    def contributions(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Each feature's part in the sums of `raw`, and last what is expected of any row: (rows, outputs, features + 1).

        LightGBM's own TreeSHAP (Lundberg, Erion and Lee 2018, arXiv:1802.03888, algorithm 2); the trees must be `counted`.
        """
        return self._whole.contributions(x)


def _blocks(text: str, outputs: int) -> list[str]:
    """The model as several smaller ones, whole rounds in each. [] where it is small anyway.

    A range of rounds can be given with each prediction instead, but LightGBM keeps it in the model: threads that
    predict with the same one would change it under each other.
    """
    head, *trees = text.partition("\nend of trees")[0].split("\nTree=")
    head = "\n".join(line for line in head.split("\n") if not line.startswith("tree_sizes="))
    size = max(1, _BLOCK_TREES // outputs) * outputs
    if len(trees) <= size:
        return []
    return [
        "\nTree=".join([head, *trees[at : at + size]]) + "\nend of trees\n"
        for at in range(0, len(trees), size)
    ]


class _Booster:
    """A model in the library's hands."""

    def __init__(self, text: str, outputs: int, n_features: int) -> None:
        self._library, self._outputs, self._n_features = _library(False), outputs, n_features
        self._handle, self._config = ctypes.c_void_p(), ctypes.c_void_p()
        rounds = ctypes.c_int()
        self._call(
            self._library.LGBM_BoosterLoadModelFromString(
                text.encode(), ctypes.byref(rounds), ctypes.byref(self._handle)
            )
        )

    def _call(self, code: int) -> None:
        if code:
            raise TreeLibraryError(self._library.LGBM_GetLastError().decode("utf-8", "replace"))

    def single_row(self) -> Callable[[int], NDArray[np.float64]]:
        """A function: sums (1, outputs) for the one row of float64 at an address.

        It holds the interpreter lock throughout, because LightGBM keeps one row buffer for each configuration.
        """
        library = _library(True)
        self._call(
            library.LGBM_BoosterPredictForMatSingleRowFastInit(
                self._handle,
                _RAW_SCORE,
                0,
                -1,
                _FLOAT64,
                self._n_features,
                b"num_threads=1",
                ctypes.byref(self._config),
            )
        )
        length = ctypes.c_int64()  # written by every call, always with the same number
        length_at, config, outputs = ctypes.addressof(length), self._config, self._outputs
        predict = library.LGBM_BoosterPredictForMatSingleRowFast
        predict.argtypes = [ctypes.c_void_p] * 4

        def raw_row(address: int) -> NDArray[np.float64]:
            out = np.empty((1, outputs))
            self._call(predict(config, address, length_at, out.ctypes.data))
            return out

        self._length = length  # lives as long as the function, which holds self
        return raw_row

    def sums(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._predict(x, _RAW_SCORE, np.empty((len(x), self._outputs)))

    def contributions(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        out = np.empty((len(x), self._outputs, self._n_features + 1))
        return self._predict(np.ascontiguousarray(x), _CONTRIBUTIONS, out)

    def _predict(self, x: NDArray[np.float64], what: int, out: NDArray[np.float64]) -> NDArray[np.float64]:
        length = ctypes.c_int64()
        self._call(
            self._library.LGBM_BoosterPredictForMat(
                self._handle,
                ctypes.c_void_p(x.ctypes.data),
                _FLOAT64,
                ctypes.c_int32(len(x)),
                ctypes.c_int32(self._n_features),
                _ROW_MAJOR,
                what,
                0,
                -1,
                b"num_threads=1",
                ctypes.byref(length),
                ctypes.c_void_p(out.ctypes.data),
            )
        )
        return out

    def __del__(self) -> None:
        if getattr(self, "_config", None):
            self._library.LGBM_FastConfigFree(self._config)
        if getattr(self, "_handle", None):
            self._library.LGBM_BoosterFree(self._handle)
