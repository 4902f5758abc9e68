"""The bill of materials of the deployed set, in CycloneDX's form: every package, its version and the hashes it is pinned by."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SECONDS = 120.0


def write(lock: Path, project: Path, out: Path) -> int:
    """Write `out`; how many packages it names."""
    out.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", str(lock), "--pyproject", str(project)]
    command += ["--mc-type", "application", "--output-reproducible", "--of", "JSON", "-o", str(out)]
    subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)
    return len(json.loads(out.read_text(encoding="utf-8"))["components"])
