"""Files and folders for their owner alone: what holds keys is 0600 from the moment it is made, its folder 0700."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

#: For child processes: whatever they make is their owner's alone.
UMASK = 0o077


def folder(path: Path) -> Path:
    """Make the folder, or close one that an earlier release left open."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.chmod(0o700)
    return path


def write(path: Path, text: str) -> None:
    """Replace the file at once, or leave it as it was (a full disk). Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_json(path: Path, document: object) -> None:
    """As `write`. Raises OSError."""
    write(path, json.dumps(document, indent=2))


def opener(path: str, flags: int) -> int:
    """For `open(..., opener=opener)`: a new file is its owner's alone."""
    return os.open(path, flags, 0o600)
