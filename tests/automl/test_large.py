"""A million rows, and the real bank data: as the process runs them, within time and memory."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from scorer import check_parity
from tests.support.automl_jobs import (
    REFERENCE,
    Finished,
    read_events,
    run_process,
    start_process,
    write_data,
    write_spec,
)

LIMIT_S, MEMORY_MB = 120, 2_000


def _million(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    n = 1_000_000
    columns: dict[str, Any] = {f"n{i}": np.round(rng.normal(size=n), 4) for i in range(10)}
    columns |= {f"i{i}": rng.integers(0, 1000, n) for i in range(4)}
    columns |= {f"c{i}": rng.choice([f"v{j}" for j in range(5 * (i + 1) ** 2)], n) for i in range(6)}
    margin = columns["n0"] + 0.5 * columns["n1"] * columns["n2"] + (columns["i0"] > 700) + rng.normal(size=n)
    return write_data(folder, {**columns, "y": np.where(margin > 1, "yes", "no")})


@pytest.mark.slow
def test_a_million_rows_within_budget_and_two_gigabytes(tmp_path: Path) -> None:
    data = _million(tmp_path / "data")
    job_dir = write_spec(
        tmp_path / "job",
        data,
        limits={"timeout_s": LIMIT_S},
        cpus=2,
        memory_mb=MEMORY_MB,
        primary_metric="AUCWeighted",
    )
    start, peak = time.time(), 0.0
    process = start_process(job_dir)
    while process.poll() is None:
        peak = max(peak, _together_mb(process.pid))
        time.sleep(0.5)
    wall = time.time() - start
    done = Finished(job_dir, process.returncode, read_events(job_dir))
    assert done.exit_code == 0, (job_dir / "log").read_text()[-2000:]
    assert wall <= 1.5 * LIMIT_S
    assert peak <= MEMORY_MB
    assert done.best["metrics"]["AUC_weighted"] > 0.83
    assert check_parity(done.model_dir) <= 1e-6


def _together_mb(pid: int) -> float:
    """Memory of the process and its descendants, pages shared between them counted once."""
    total = 0.0
    try:
        for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
            total += process.memory_full_info().pss
    except psutil.Error:
        pass  # one of them has just ended
    return total / 1e6


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [60, 120])
def test_bank_marketing_in_a_minute_or_two(tmp_path: Path, seconds: int) -> None:
    source = REFERENCE / "data" / "bankmarketing_train.csv"
    if not source.exists():
        pytest.skip(f"needs the reference material: {source} is absent (set DROPML_REFERENCE)")
    data = write_data(tmp_path / "data", "")
    shutil.copy(source, data / "data.csv")
    limits = {"timeout_s": seconds, "max_concurrent_trials": 2}
    start = time.time()
    done = run_process(
        write_spec(tmp_path / "job", data, limits=limits, cpus=2, primary_metric="AUCWeighted")
    )
    assert time.time() - start <= 1.5 * seconds  # it ends by itself
    assert done.exit_code == 0
    completed = {t["algorithm"] for t in done.trials.values() if t["status"] == "Completed"}
    assert len(completed - {"VotingEnsemble", "StackEnsemble"}) >= 4
    assert "VotingEnsemble" in completed
    assert done.best["metrics"]["AUC_weighted"] >= 0.94
    assert check_parity(done.model_dir) <= 1e-6
