"""`python -m dropml.azureml.automl --job JOBDIR`: runs one AutoML job to its end (docs/seams.md).

Exit code 0 after `completed`, 1 after `failed`, 143 when cancelled by SIGTERM.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from pathlib import Path

from dropml.common import processors

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_LEAST_MEMORY_MB = 1024  # what importing the libraries alone reserves


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m dropml.azureml.automl", description=__doc__)
    parser.add_argument(
        "--job", type=Path, required=True, help="folder with spec.json; events and models go there"
    )
    job_dir = parser.parse_args().job.resolve()
    cpus, memory_mb = _resources(job_dir)
    _cap_processors(cpus)
    _cap_memory(memory_mb)
    # Only now: NumPy reads the thread limits when it is imported.
    from dropml.azureml.automl.job import run

    return run(job_dir)


def _resources(job_dir: Path) -> tuple[int, int]:
    """Processors and megabytes of the compute. What is wrong with the file, run() reads again and reports."""
    try:
        spec = json.loads((job_dir / "spec.json").read_text(encoding="utf-8"))
        return max(1, int(spec.get("cpus") or 1)), int(spec.get("memory_mb") or 8192)
    except (OSError, ValueError, TypeError, AttributeError):
        return 1, 8192


def _cap_processors(cpus: int) -> None:
    """Keep this process and its children to the compute's processors."""
    # Threads that wait by spinning take the processors from each other as soon as there are more of them than those.
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    for name in _THREADS:
        os.environ[name] = str(cpus) if name == "OMP_NUM_THREADS" else "1"
    mine = processors.available()
    if cpus < len(mine):
        start = os.getpid() % len(mine)
        processors.confine(0, [mine[(start + i) % len(mine)] for i in range(cpus)])


def _cap_memory(memory_mb: int) -> None:
    """Let no process of the job allocate more than the compute has; the pool watches what they use together."""
    with contextlib.suppress(
        ImportError, ValueError, OSError
    ):  # no such limit on this system, or a lower one is set
        import resource

        size = max(memory_mb, _LEAST_MEMORY_MB) * 1_000_000
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (size if hard < 0 else min(size, hard), hard))


if __name__ == "__main__":
    sys.exit(main())
