"""`python -m tests.mutants.known_bugs`: bugs that gates like this one have had, and whether the tests notice each.

Prints a line each and `figure known_bugs_caught VALUE TARGET ok|short`; exits 1 where one got through. A bug that can't be
planted any more, because the source has changed, ends it: it must be told anew.
"""

from __future__ import annotations

import argparse
import ast
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figure import Figure
from tests.mutants.trial import Trial, run

ROOT = Path(__file__).parent.parent.parent
#: Seconds that one set of tests may take.
PATIENCE = 300.0
_LABELS = ("tests/domain/gate/test_classification.py",)
_RUNS = (
    "tests/services/test_lifecycle.py::test_a_worse_challenger_is_rejected_with_its_numbers_and_its_deployment_goes",
    "tests/services/test_holdouts.py::test_the_same_rows_go_to_both_in_pairs_whose_order_changes",
)


@dataclass(frozen=True, slots=True)
class Bug:
    """`slips` are texts of the module and what stands in their place."""

    name: str
    what: str
    module: str
    slips: tuple[tuple[str, str], ...]
    tests: tuple[str, ...]

    def planted(self) -> ast.Module:
        """The module with the bug. Raises ValueError where a text isn't there exactly once."""
        text = (ROOT / f"{self.module.replace('.', '/')}.py").read_text(encoding="utf-8")
        for before, after in self.slips:
            if text.count(before) != 1:
                raise ValueError(
                    f"{self.name}: {before!r} stands {text.count(before)} times in {self.module}"
                )
            text = text.replace(before, after)
        return ast.parse(text)


BUGS = (
    Bug(
        "flag-forced-to-true",
        "the verdict is promote, whatever was measured",
        "shared.domain.gate.rules",
        (('decision: Decision = "reject" if objection else "promote"', 'decision: Decision = "promote"'),),
        _LABELS,
    ),
    Bug(
        "verdict-not-looked-at",
        "the gate promotes what its verdict rejects",
        "shared.services.run.gate",
        (('    if verdict.decision == "reject":\n', "    if False:\n"),),
        _RUNS,
    ),
    Bug(
        "champion-read-from-challenger",
        "the champion's score is computed from the challenger's answers",
        "shared.domain.gate.judging",
        (
            (
                "old = None if seen.champion is None else list(map(spell, seen.champion.result))",
                "old = None if seen.champion is None else list(map(spell, seen.challenger.result))",
            ),
            ("by_class(seen.champion, terms.classes)", "by_class(seen.challenger, terms.classes)"),
        ),
        _RUNS,
    ),
    Bug(
        "champion-never-asked",
        "the challenger's deployment is asked for the champion's answers",
        "shared.services.run.holdouts",
        (("lambda p: asked(champion, p)", "lambda p: asked(run, p)"),),
        _RUNS,
    ),
    Bug(
        "dry-run-by-default",
        "a promotion is told, and no traffic moves",
        "shared.services.run.traffic",
        (("    if not traffic_is(endpoint, wanted):\n", "    if False:\n"),),
        (
            "tests/services/test_lifecycle.py::test_a_better_challenger_passes_a_canary_and_the_old_champion_retires",
        ),
    ),
    Bug(
        "first-rows-only",
        "the gate scores the first rows of the holdout",
        "shared.domain.gate.sample",
        (("(-row_hash(values), -place, values)", "(-place, -place, values)"),),
        ("tests/domain/gate/test_sample.py", "tests/adapters/test_snapshots.py"),
    ),
    Bug(
        "floor-not-strict",
        "a first model that just reaches the floor passes",
        "shared.domain.gate.rules",
        (("found.challenger <= config.floor", "found.challenger < config.floor"),),
        _LABELS,
    ),
    Bug(
        "worse-for-want-of-rows",
        "what is proven worse passes where there are few rows",
        "shared.domain.gate.rules",
        (("    if against.high < 0:\n", "    if against.high < 0 and not found.shortage:\n"),),
        _LABELS,
    ),
    Bug(
        "guessing-passes",
        "a first model needn't beat guessing",
        "shared.domain.gate.rules",
        (("if guess.value <= guess.guessing + ROUNDING:", "if False:"),),
        _LABELS,
    ),
    Bug(
        "file-believed",
        "a file on which the live model collapses is trained on as any other",
        "shared.services.run.fresh",
        (('if ctx.suspicious == "wait" and', "if False and"),),
        ("tests/services/test_fresh.py::TestACollapse",),
    ),
)


def caught(bugs: tuple[Bug, ...]) -> dict[str, bool]:
    """Whether the tests notice each. Raises SystemExit where they fail with nothing planted."""
    sound = sorted({bug.tests for bug in bugs})
    trials = [Trial("", None, tests, PATIENCE) for tests in sound]
    trials += [Trial(bug.module, bug.planted(), bug.tests, PATIENCE) for bug in bugs]
    outcomes = run(trials, time.monotonic() + PATIENCE * len(trials))
    for tests, passed in zip(sound, outcomes, strict=False):
        if not passed:
            raise SystemExit(f"{' '.join(tests)} fail with nothing planted")
    return {bug.name: not passed for bug, passed in zip(bugs, outcomes[len(sound) :], strict=True)}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tests.mutants.known_bugs", description=__doc__)
    parser.add_argument("names", nargs="*", help="these alone: " + ", ".join(bug.name for bug in BUGS))
    names = parser.parse_args(argv).names
    unknown = set(names) - {bug.name for bug in BUGS}
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    bugs = tuple(bug for bug in BUGS if not names or bug.name in names)
    found = caught(bugs)
    for bug in bugs:
        print(f"  {'caught' if found[bug.name] else 'MISSED'}  {bug.name}: {bug.what}")
    figure = Figure("known_bugs_caught", sum(found.values()), len(bugs))
    print(figure.line())
    return 0 if figure.ok else 1


if __name__ == "__main__":
    sys.exit(main())
