"""Remembers how far a model's two forms are apart, so that a restart doesn't measure it again."""

import contextlib
import hashlib
import json
import sys
from importlib import metadata
from pathlib import Path

_PACKAGES = ("numpy", "scikit-learn", "lightgbm", "xgboost-cpu")
_KEPT = 64


class ParityCache:
    """Largest difference of probabilities by model folder, kept in one JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, float] = {}
        with contextlib.suppress(OSError, ValueError):
            self._known = {key: float(value) for key, value in json.loads(path.read_bytes()).items()}

    def get(self, model_dir: Path) -> float | None:
        """None where this very model, on these versions of libraries, was not measured yet."""
        return self._known.get(_fingerprint(model_dir))

    def put(self, model_dir: Path, parity: float) -> None:
        if parity != parity:
            return  # NaN: measured again next time
        self._known[_fingerprint(model_dir)] = parity
        self._known = dict(list(self._known.items())[-_KEPT:])
        with contextlib.suppress(OSError):
            temporary = self._path.with_suffix(".new")
            temporary.write_text(json.dumps(self._known))
            temporary.replace(self._path)


def _fingerprint(model_dir: Path) -> str:
    digest = hashlib.sha256(f"{model_dir.resolve()} {sys.version}".encode())
    for package in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            digest.update(f"{package}=={metadata.version(package)}".encode())
    for path in sorted(model_dir.rglob("*")):
        if path.is_file():
            state = path.stat()
            digest.update(f"{path.relative_to(model_dir)} {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()
