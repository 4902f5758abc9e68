"""`python -m local.azureml.automl --job JOBDIR`: runs one AutoML job to its end (docs/seams.md).

Exit code 0 after `completed`, 1 after `failed`, 143 when cancelled by SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.azureml.automl", description=__doc__)
    parser.add_argument(
        "--job", type=Path, required=True, help="folder with spec.json; events and models go there"
    )
    job_dir = parser.parse_args().job.resolve()
    _cap_processors(job_dir)
    # Only now: NumPy reads the thread limits when it is imported.
    from .job import run

    return run(job_dir)


def _cap_processors(job_dir: Path) -> None:
    """Keep this process and its children to the compute's processors."""
    try:
        cpus = max(1, int(json.loads((job_dir / "spec.json").read_text(encoding="utf-8")).get("cpus") or 1))
    except (OSError, ValueError, TypeError, AttributeError):
        return  # run() reads the same file and reports what is wrong with it
    # Threads that wait by spinning take the processors from each other as soon as there are more of them than those.
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    for name in _THREADS:
        os.environ[name] = str(cpus) if name == "OMP_NUM_THREADS" else "1"
    if hasattr(os, "sched_setaffinity"):
        mine = sorted(os.sched_getaffinity(0))
        if cpus < len(mine):
            start = os.getpid() % len(mine)
            os.sched_setaffinity(0, {mine[(start + i) % len(mine)] for i in range(cpus)})


if __name__ == "__main__":
    sys.exit(main())
