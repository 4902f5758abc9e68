"""Under which licences the deployed set may be used: each package's must be one that asks nothing of what is built on it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

SECONDS = 120.0
ALLOWED = frozenset(
    {
        "MIT", "MIT License", "MIT-0", "ISC", "0BSD", "Unlicense",
        "BSD License", "BSD-2-Clause", "BSD-3-Clause",
        "Apache-2.0", "Apache Software License",
        "PSF-2.0", "Python Software Foundation License",
        # Copyleft by the file: it reaches no file of ours, and we change none of theirs.
        "MPL-2.0", "Mozilla Public License 2.0 (MPL 2.0)",
    }
)  # fmt: skip
_PIN = re.compile(r"^([A-Za-z0-9_.-]+)==", re.MULTILINE)


def may_be_used(licence: str) -> bool:
    """`A OR B` is ours to choose from; of `A AND B`, and of several classifiers, each must be allowed."""
    parts = re.split(r" AND |; ", licence)
    return all(
        any(one.strip(" ()") in ALLOWED or one in ALLOWED for one in part.split(" OR ")) for part in parts
    )


def locked(lock: Path) -> set[str]:
    """Names of the packages that a lock holds, as they are compared."""
    return {_plain(name) for name in _PIN.findall(lock.read_text(encoding="utf-8"))}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def check(lock: Path) -> int:
    """Print what may not be used, and what can't be told here; how many may not."""
    command = [
        str(Path(sys.executable).parent / "pip-licenses"),
        "--from=mixed",
        "--format=json",
        "--with-system",
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS)
    found = {_plain(package["Name"]): package["License"] for package in json.loads(done.stdout)}
    wanted = locked(lock)
    refused = sorted(name for name in wanted & found.keys() if not may_be_used(found[name]))
    for name in refused:
        print(f"{name}: {found[name]!r} is no licence that is allowed here")
    absent = sorted(wanted - found.keys())
    print(
        f"licences of {len(wanted) - len(absent)} of {len(wanted)} deployed packages, {len(refused)} not allowed"
    )
    if absent:
        print(f"not installed here, so not looked at: {', '.join(absent)}")
    return len(refused)
