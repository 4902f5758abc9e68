"""Chaos is only worth what it notices: a plan that repeats, findings on planted faults, a file to go on from, a round."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.emulator import following, judge_serving, judge_standing
from tests.chaos.plan import BAD, FAULTS_A_ROUND, GOOD, KINDS, Round, Trouble, round_of
from tests.chaos.rounds import SETTINGS, Chaos
from tests.chaos.tables import refused, table, truth
from tests.chaos.tally import Recovery, Tally, p95
from tests.soak.__main__ import jumping
from tests.support.live_stack import live_stack
from tests.support.published import PAGE, marks


def test_a_round_is_the_same_again_and_every_kind_comes_before_any_comes_twice() -> None:
    rounds = [round_of(7, number) for number in range(-(-len(KINDS) // FAULTS_A_ROUND))]
    assert rounds == [round_of(7, number) for number in range(len(rounds))]
    assert rounds[0] != round_of(8, 0)
    kinds = [trouble.kind for one in rounds for trouble in one.troubles]
    assert set(kinds[: len(KINDS)]) == set(KINDS)
    planted = Counter(kind for one in rounds for lane in one.plants for kind in lane)
    assert set(planted) == {*BAD, *(kind for kind in GOOD if kind in planted)}
    counts = [planted[kind] for kind in BAD]
    assert max(counts) - min(counts) <= 1


def test_a_list_of_the_service_is_followed_to_its_next_page_wherever_the_version_stands() -> None:
    for asked in ("api-version=2025-06-01&$skipToken=158", "$skipToken=158&api-version=2025-06-01"):
        assert (
            following(f"https://localhost:1/subscriptions/s/jobs?{asked}")
            == "/subscriptions/s/jobs?%24skipToken=158&"
        )
    assert following(None) == ""


def rows(kind: str, seed: int = 1) -> list[tuple[int, str]]:
    lines = table(kind, seed).decode().splitlines()[1:]
    return [(int(line.split(",")[0]), line.split(",")[2]) for line in lines]


def right(kind: str) -> float:
    """Share of the labels that follow `a`."""
    found = rows(kind)
    return sum((label == "yes") == truth(a) for a, label in found) / len(found)


def test_a_planted_file_is_as_wrong_as_its_kind() -> None:
    assert right("better") == 1
    assert right("noise-better") > right("equal") > 0.95
    assert 0.7 < right("weak") < 0.9
    assert 0.5 < right("worse") < 0.65
    assert 0.4 < right("shuffled") < 0.6
    assert right("inverted") == 0
    assert Counter(label for _, label in rows("skewed"))["yes"] > 0.7 * len(rows("skewed"))
    assert table("better", 1) != table("better", 2)
    assert len({refused(3, number) for number in range(200)}) == 200


def run(run_id: str, n: int = 1, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"run_id": run_id, "dataset": "a", "n": n, "attempt": 1, "state": "live"}
    found |= {"repeated": [], "placement": {"endpoint": "a-1"}}
    return found | {"model": {"name": "a", "version": str(n)}} | more


def test_a_second_job_a_second_deployment_and_what_belongs_to_no_run_are_noticed() -> None:
    runs = {"a-1-a1": run("a-1-a1"), "a-2-a1": run("a-2-a1", 2, repeated=["job"])}
    good = ["a-1-a1", "a-2-a1", "a-2-a1-r2"]
    assert judge_standing(good, {"a-1": ["m1-a1", "m2-a1"]}, runs) == []
    assert judge_standing(["a-1-a1", "a-1-a1-r2"], {}, runs) == ["a-1-a1 has two jobs"]
    assert judge_standing(["a-3-a1"], {}, runs) == ["the job a-3-a1 belongs to no run"]
    assert judge_standing([], {"a-1": ["m1-a1", "m1-a1-r2"]}, runs) == ["a-1 has m1-a1 twice"]
    assert judge_standing([], {"a-1": ["m9-a1"]}, runs) == ["a-1: m9-a1 belongs to no run"]


def test_two_live_runs_of_a_dataset_and_two_runs_of_one_model_are_noticed() -> None:
    old, new = run("a-1-a1", state="retired"), run("a-2-a1", 2)
    assert judge_serving([old, new]) == []
    assert judge_serving([old | {"state": "live"}, new]) == ["a has 2 live runs"]
    assert judge_serving([old | {"model": new["model"]}, new]) == ["a:2 is the model of 2 runs"]


def test_figures_are_short_where_something_is_wrong_or_nothing_was_seen() -> None:
    short = {figure.name for figure in Tally(1).figures() if not figure.ok}
    assert {"chaos_rounds", "chaos_calls", "chaos_bad_challengers", "chaos_better_promoted"} <= short
    tally = Tally(1, rounds=2, minutes=5, answers=Counter({"200": 9}), breaches=[1.0], ledgers=3)
    tally.judged, tally.promoted = Counter(worse=2, better=20), Counter(better=19)
    tally.troubles["crowd"] += 1
    assert [figure.line() for figure in tally.figures() if not figure.ok] == []
    assert tally.told() == []
    tally.minutes = 60
    assert [figure.name for figure in tally.figures() if not figure.ok] == [
        "chaos_breaches",
        "chaos_bad_challengers",
    ]
    tally.recoveries = [Recovery("kill host", 28, 27)]
    tally.escaped, tally.for_good = ["a-2-a1 (worse)"], Counter({"500 internal": 2})
    short = {figure.name for figure in tally.figures() if not figure.ok}
    assert short >= {"chaos_bad_beyond_canary", "chaos_recoveries_late", "chaos_calls_failed_for_good"}
    assert len(tally.told()) == 3


def test_the_p95_is_the_value_that_nineteen_of_twenty_keep() -> None:
    assert p95([]) == 0
    assert p95([3.0]) == 3
    assert p95([float(i) for i in range(1, 21)]) == 19


def test_a_run_that_was_broken_off_goes_on_with_its_tally(tmp_path: Path) -> None:
    file = tmp_path / "here" / "chaos.json"
    tally = Tally(5, rounds=3, breaches=[2.5], recoveries=[Recovery("crowd", 0.1, 2.0)])
    tally.judged["worse"] += 4
    tally.save(file)
    assert Tally.load(file) == tally
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert json.loads(file.read_text())["rounds"] == 3


def test_the_report_has_its_place() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [text.count(mark) for mark in marks("chaos")] == [1, 1]


@pytest.mark.e2e
def test_a_few_troubles_lose_nothing_and_a_bad_challenger_gets_no_traffic(tmp_path: Path) -> None:
    tally = Tally(11)
    troubles = [Trouble("cloud half_write", 4), Trouble("kill host", 0), Trouble("hostile requests", 0)]
    with (
        jumping(tmp_path / "clock") as extra,
        live_stack(tmp_path / "stack", extra=extra | SETTINGS) as live,
        Chaos(live, tmp_path / "clock", tally, lanes=1) as chaos,
    ):
        chaos.lanes[0].opening = ("better",)  # one training less
        chaos.round(Round(0, tuple(troubles), (("shuffled",),)))
    findings = [*tally.lost, *tally.doubled, *tally.stuck, *tally.broken, *tally.escaped, *tally.held_back]
    assert findings == []
    assert tally.for_good == Counter()
    assert set(tally.troubles) == {one.kind for one in troubles}
    assert tally.judged["shuffled"] + tally.unjudged["shuffled"] == 1
    assert tally.answers["200"] > 0
    assert tally.ledgers > 0
