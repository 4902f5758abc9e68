"""Where a deployment's model lies, and what it is called."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from scorer.errors import NoModelError

PICKLE = "model.pkl"
_MARKS = ("MLmodel", "dropml/pipeline.json")
_DEPTH = 2
_PICKLES = {".pkl", ".pickle", ".joblib"}
_CHUNK = 2**20


def find_model(root: Path) -> Path:
    """The folder of an MLflow model or of a compiled one, else of a `model.pkl`: `root` or at most two below it.

    Azure mounts a registered folder under its own name, so how deep the model lies depends on how it was registered.
    Raises NoModelError.
    """
    if not root.is_dir():
        raise NoModelError(f"AZUREML_MODEL_DIR is {str(root)!r}, which is no folder.")
    levels = _levels(root)
    for marks in (_MARKS, (PICKLE,)):
        for level in levels:
            found = [folder for folder in level if any((folder / mark).is_file() for mark in marks)]
            if len(found) > 1:
                names = ", ".join(str(folder.relative_to(root)) for folder in found[:10])
                raise NoModelError(f"{root} holds {len(found)} models ({names}); a deployment serves one.")
            if found:
                return found[0]
    there = sorted(path.name for path in root.iterdir())[:20]
    raise NoModelError(f"{root} holds neither an MLmodel file nor a {PICKLE}, only {there}.")


def _levels(root: Path) -> list[list[Path]]:
    levels = [[root]]
    for _ in range(_DEPTH):
        below = (path for folder in levels[-1] for path in sorted(folder.iterdir()))
        levels.append([path for path in below if path.is_dir() and not path.name.startswith(".")])
    return levels


def model_name(root: Path) -> str | None:
    """`name:version`: of `DROPML_MODEL`, or as Azure mounts models, `.../azureml-models/NAME/VERSION`."""
    named = os.environ.get("DROPML_MODEL")
    if named:
        return named
    parts = root.absolute().parts
    if len(parts) >= 3 and parts[-3] == "azureml-models":
        return f"{parts[-2]}:{parts[-1]}"
    return None


def pickles(folder: Path) -> list[str]:
    """Every pickled file below, with its size in bytes and its hash: loading one runs what was put into it."""
    found = sorted(path for path in folder.rglob("*") if path.suffix in _PICKLES and path.is_file())
    return [
        f"{path.relative_to(folder)} ({path.stat().st_size} bytes, sha256 {_sha256(path)})" for path in found
    ]


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
