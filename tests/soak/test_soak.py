"""A soak is only worth what its checks notice: a plan that repeats, verdicts on planted faults, a report in its place."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks.figure import Figure
from tests.soak.__main__ import failed_for_good
from tests.soak.growth import grown
from tests.soak.invariants import judge_runs, judge_uploads
from tests.soak.plan import KINDS, QUIET_KINDS, TROUBLED, plan
from tests.soak.report import Report
from tests.support.published import PAGE, marks
from tests.support.watching import Call

ROOT = Path(__file__).resolve().parents[2]


def run(run_id: str, dataset: str = "a", state: str = "live", cause: str = "drop") -> dict[str, Any]:
    return {"run_id": run_id, "dataset": dataset, "state": state, "cause": cause}


def test_a_seed_makes_the_same_trouble_again_and_the_end_is_quiet() -> None:
    events = plan(3600, 7)
    assert events == plan(3600, 7)
    assert events != plan(3600, 8)
    assert {event.kind for event in events} == set(KINDS)
    assert {event.kind for event in events if event.at > 3600 * TROUBLED} <= set(QUIET_KINDS)
    assert {event.kind for event in plan(300, 1)} >= {"upload", "promote"}


def test_a_lost_and_a_doubled_file_and_a_run_without_end_are_noticed() -> None:
    uploads = Counter({"a": 2, "b": 1})
    good = [
        run("a-1-a1"),
        run("a-2-a1", state="rejected"),
        run("b-1-a1", "b", "failed"),
        run("b-1-a2", "b", cause="retry"),
    ]
    assert judge_uploads(uploads, good) == ([], [])
    assert judge_uploads(uploads, good[1:]) == (["a: 2 uploads, 1 runs"], [])
    assert judge_uploads(uploads, [*good, run("b-2-a1", "b")]) == ([], ["b: 1 uploads, 2 runs"])
    assert judge_uploads(uploads, [*good[:-1], run("b-1-a2", "b", "training", "retry")])[0] == [
        "b-1-a2 is still training"
    ]


def test_one_run_twice_and_attempts_without_end_are_noticed() -> None:
    assert judge_runs([run("a-1-a1"), run("a-1-a2"), run("a-2-a1")]) == []
    assert judge_runs([run("a-1-a1"), run("a-1-a1")]) == ["a-1-a1 is listed twice"]
    assert judge_runs([run(f"a-1-a{k}") for k in range(1, 6)]) == ["a-1 has 5 attempts"]


def test_growth_is_that_of_a_process_that_has_warmed_up() -> None:
    assert grown([1, 50, 90, 100, 100, 100, 100, 100, 100]) == 0
    assert grown([100, 100, 100, 100, 110, 120, 130, 140, 150]) == 30
    assert grown([5, 9]) == 0


@pytest.mark.parametrize(
    ("status", "again"), [(0, True), (200, True), (503, True), (504, True), (500, False), (401, False)]
)
def test_a_caller_can_repeat_what_was_told_as_passing(status: int, *, again: bool) -> None:
    assert Call(status, 0.1).repeatable is again


def test_a_call_that_failed_for_good_is_told_with_what_had_been_done_just_before() -> None:
    calls = [
        Call(200, 0.1, at=3),
        Call(500, 0.25, at=12.5),
        Call(503, 0.1, at=13),
        Call(401, 0.1, "no-key", at=1),
    ]
    assert failed_for_good(calls, [(2.0, "rotate"), (10.0, "kill host"), (40.0, "upload")]) == [
        "a call failed for good: 401 no-key, 0.0 s after nothing, having taken 0.1 s",
        "a call failed for good: 500, 2.5 s after kill host, having taken 0.2 s",
    ]


def test_the_report_takes_the_place_of_the_last_one(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    begin, end = marks("soak")
    page.write_text(f"before\n{begin}\nan old report\n{end}\nafter\n")
    figures = [Figure("soak_lost", 1, 0, at_least=False, note="of 9")]
    Report(5, 3, figures, Counter({"kill host": 2}), ["x: 2 uploads, 1 runs"]).publish(page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "an old report" not in text
    assert "| soak_lost | 1 (of 9) | ≤ 0 | **short** |" in text
    assert "- `x: 2 uploads, 1 runs`" in text
    real = PAGE.read_text(encoding="utf-8")
    assert [real.count(mark) for command in ("soak", "attack") for mark in marks(command)] == [1, 1, 1, 1]


def test_the_clock_of_a_process_jumps_and_what_measures_spans_goes_on(tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    clock.write_text("0")
    script = "import sys, time\nfor line in sys.stdin: print(time.time(), time.monotonic(), flush=True)"
    path = f"{ROOT / 'tests' / 'support' / 'jumping_clock'}:{ROOT}"
    env = os.environ | {"PYTHONPATH": path, "SOAK_CLOCK": str(clock)}
    with subprocess.Popen(
        [sys.executable, "-c", script], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout

        def ask() -> tuple[float, float]:
            assert process.stdin
            assert process.stdout
            process.stdin.write("\n")
            process.stdin.flush()
            wall, span = process.stdout.readline().split()
            return float(wall), float(span)

        for ahead in (3600.0, -600.0, 0.0):
            clock.write_text(str(ahead))
            deadline = time.monotonic() + 30
            while abs(ask()[0] - time.time() - ahead) > 60:
                assert time.monotonic() < deadline, f"the clock didn't go to {ahead}"
                time.sleep(0.1)
            assert abs(ask()[1] - time.monotonic()) < 60
        process.stdin.close()
