"""How long a process of the app takes to know its functions: a cold start before its first call (`make bench-scale`)."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: What the host has its worker do first.
INDEX = "import function_app; function_app.app.get_functions()"


def cold_starts(rounds: int) -> list[float]:
    """Seconds of each of so many processes; one before them reads the files from the disk."""
    found = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", INDEX], cwd=ROOT, check=True, capture_output=True)
        found.append(time.perf_counter() - began)
    return found[1:]
