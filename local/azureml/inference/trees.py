"""Walks tree ensembles with LightGBM's own C library, through ctypes: no Python package of it is imported."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

_FLOAT64, _RAW_SCORE, _ROW_MAJOR = 1, 1, 1
#: From so many rows on, all processors walk the trees; starting them costs as much as some ten rows.
_MANY_ROWS = 100


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


def _processors() -> int:
    """Those this process may use; not every system tells, and then all there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Trees:
    """One ensemble: `raw(x)` sums its trees' leaves, (rows, outputs)."""

    def __init__(self, text: str, outputs: int, n_features: int) -> None:
        self._rows, self._single = _library(False), _library(True)
        self.outputs, self._n_features = outputs, n_features
        self._handle = ctypes.c_void_p()
        iterations = ctypes.c_int()
        self._call(
            self._rows.LGBM_BoosterLoadModelFromString(
                text.encode(), ctypes.byref(iterations), ctypes.byref(self._handle)
            )
        )
        self._config = ctypes.c_void_p()
        self._call(
            self._single.LGBM_BoosterPredictForMatSingleRowFastInit(
                self._handle,
                _RAW_SCORE,
                0,
                -1,
                _FLOAT64,
                n_features,
                b"num_threads=1",
                ctypes.byref(self._config),
            )
        )
        self._length = ctypes.c_int64()  # written by every call, always with the same number
        self._length_at = ctypes.addressof(self._length)
        self._fast = self._single.LGBM_BoosterPredictForMatSingleRowFast
        self._fast.argtypes = [ctypes.c_void_p] * 4

    def _call(self, code: int) -> None:
        if code:
            raise TreeLibraryError(self._rows.LGBM_GetLastError().decode("utf-8", "replace"))

    def raw_row(self, address: int) -> np.ndarray:
        """Sums (1, outputs) for the one row of float64 at `address`.

        The interpreter lock is held throughout, because LightGBM keeps one row buffer for each configuration.
        """
        out = np.empty((1, self.outputs))
        self._call(self._fast(self._config, address, self._length_at, out.ctypes.data))
        return out

    def raw(self, x: np.ndarray) -> np.ndarray:
        """Sums for rows of float64, C order. Runs without the interpreter lock."""
        out = np.empty((len(x), self.outputs))
        length = ctypes.c_int64()
        threads = _processors() if len(x) >= _MANY_ROWS else 1
        self._call(
            self._rows.LGBM_BoosterPredictForMat(
                self._handle,
                ctypes.c_void_p(x.ctypes.data),
                _FLOAT64,
                ctypes.c_int32(len(x)),
                ctypes.c_int32(self._n_features),
                _ROW_MAJOR,
                _RAW_SCORE,
                0,
                -1,
                b"num_threads=%d" % threads,
                ctypes.byref(length),
                ctypes.c_void_p(out.ctypes.data),
            )
        )
        return out

    def close(self) -> None:
        if self._handle:
            self._rows.LGBM_FastConfigFree(self._config)
            self._rows.LGBM_BoosterFree(self._handle)
            self._handle = ctypes.c_void_p()

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self.close()
