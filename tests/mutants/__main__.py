"""`python -m tests.mutants`: how many planted faults the tests notice.

Mutants are drawn in a fixed random order until all are tried or the time is up, two at a time. Prints
`figure mutation_score VALUE TARGET ok|short`, how many were tried, and every survivor with file and line; writes
benchmarks/results/mutants.json.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figure import Figure
from tests.mutants.changes import Mutant, mutants
from tests.mutants.trial import Trial, run, timed

ROOT = Path(__file__).parent.parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "mutants.json"
SCORE = 0.85
SEED = 8
#: A score of fewer says little.
ENOUGH = 200
#: What decides, and the tests that are to notice.
TARGETS: dict[str, tuple[str, ...]] = {
    "shared/domain/gate/[!aelpjs]*.py": ("tests/domain/gate",),
    "shared/domain/gate/[aps]*.py": (
        "tests/domain/gate/test_scores.py",
        "tests/domain/gate/test_alone.py",
        "tests/domain/gate/test_rules.py",
        "tests/domain/gate/test_sample.py",
        "tests/domain/gate/test_suspicion.py",
        "tests/domain/gate/test_probabilities.py",
    ),
    "shared/domain/gate/[ej]*.py": (
        "tests/domain/gate/test_earlier.py",
        "tests/domain/gate/test_judging.py",
        "tests/domain/gate/test_suspicion.py",
        "tests/domain/gate/test_probabilities.py",
        "tests/domain/gate/test_latency.py",
    ),
    "shared/domain/gate/latency.py": ("tests/domain/gate/test_latency.py",),
    "shared/domain/evidence/*.py": ("tests/domain/evidence",),
    "shared/services/run/fresh.py": ("tests/services/test_fresh.py",),
    "shared/domain/run/acts.py": ("tests/services/test_acts.py", "tests/services/test_fresh.py"),
    "shared/domain/run/cost.py": ("tests/domain/test_spend.py", "tests/services/test_guardrails.py"),
    "shared/domain/run/[pt][ir]*.py": (
        "tests/domain/test_runs.py",
        "tests/domain/test_trigger.py",
        "tests/services/test_pipeline_runs.py",
    ),
    "shared/domain/run/quarantine.py": ("tests/services/test_quarantine.py",),
    "shared/domain/run/parts.py": ("tests/domain/test_runs.py", "tests/services/test_acts.py"),
    "shared/domain/run/[dflms]*.py": (
        "tests/services/test_signals.py",
        "tests/domain/test_ledger.py",
        "tests/domain/test_runs.py",
        "tests/services/test_upgrade.py",
        "tests/services/test_tick.py",
        "tests/services/test_lifecycle.py",
        "tests/functions/test_scoring_proxy.py",
    ),
    "shared/domain/canary.py": ("tests/domain/test_canary.py", "tests/services/test_canary.py"),
    "shared/domain/table/holdout.py": ("tests/domain/test_holdout.py", "tests/services/test_packed.py"),
    "shared/domain/rows/validation.py": ("tests/domain/test_validation.py", "tests/domain/test_payloads.py"),
    "shared/services/run/gate.py": (
        "tests/services/test_judgement.py",
        "tests/services/test_what_if.py",
        "tests/services/test_silent_champion.py",
        "tests/services/test_tick.py",
        "tests/services/test_lifecycle.py",
    ),
    "shared/services/run/holdouts.py": (
        "tests/services/test_holdouts.py",
        "tests/services/test_silent_champion.py",
    ),
    "shared/services/run/canary.py": ("tests/services/test_canary.py", "tests/services/test_lifecycle.py"),
    "shared/services/run/traffic.py": (
        "tests/services/test_canary.py",
        "tests/services/test_judgement.py",
        "tests/services/test_tick.py",
        "tests/services/test_lifecycle.py",
    ),
}


@dataclass(frozen=True, slots=True)
class Candidate:
    path: Path
    tests: tuple[str, ...]
    mutant: Mutant

    @property
    def place(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.mutant.line}"

    @property
    def module(self) -> str:
        return ".".join(self.path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def candidates(only: str) -> list[Candidate]:
    found = [
        Candidate(path, tests, mutant)
        for pattern, tests in TARGETS.items()
        for path in sorted(ROOT.glob(pattern))
        if only in str(path)
        for mutant in mutants(path.read_text(encoding="utf-8"))
    ]
    random.Random(SEED).shuffle(found)
    return found


def allowances(chosen: list[Candidate]) -> dict[tuple[str, ...], float]:
    """Seconds that each set of tests may take, from how long it takes with nothing planted."""
    sets = sorted({candidate.tests for candidate in chosen})
    found = timed([Trial("", None, tests, 600.0) for tests in sets], time.monotonic() + 600)
    allowed = {}
    for tests, outcome in zip(sets, found, strict=True):
        if outcome is None or not outcome.passed:
            raise SystemExit(f"{' '.join(tests)} fail with nothing planted")
        allowed[tests] = 10 + 5 * outcome.seconds
    return allowed


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tests.mutants", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--only", default="", help="a part of the paths to plant faults in")
    options = parser.parse_args(argv)
    ends = time.monotonic() + 60 * options.minutes
    chosen = candidates(options.only)
    allowed = allowances(chosen)

    trials = [Trial(c.module, c.mutant.tree, c.tests, allowed[c.tests]) for c in chosen]
    outcomes = zip(chosen, run(trials, ends), strict=True)
    tried = [(candidate, lives) for candidate, lives in outcomes if lives is not None]
    return report(tried, len(chosen))


def report(tried: list[tuple[Candidate, bool]], planned: int) -> int:
    survivors = sorted((c for c, lives in tried if lives), key=lambda c: (str(c.path), c.mutant.line))
    for candidate in survivors:
        print(f"  survived {candidate.place}  {candidate.mutant.before}  ->  {candidate.mutant.after}")
    score = 1 - len(survivors) / len(tried) if tried else 0.0
    figures = [
        Figure("mutation_score", score, SCORE, note=f"{len(tried)} tried of {planned}"),
        Figure("mutants_tried", len(tried), min(ENOUGH, planned)),
    ]
    print("\n".join(figure.line() for figure in figures))
    files: dict[str, dict[str, int]] = {}
    for candidate, lives in tried:
        counts = files.setdefault(str(candidate.path.relative_to(ROOT)), {"tried": 0, "survived": 0})
        counts["tried"] += 1
        counts["survived"] += lives
    document: dict[str, Any] = {
        "figures": [figure.to_dict() for figure in figures],
        "files": files,
        "survivors": [],
    }
    document["survivors"] = [
        {"place": c.place, "before": c.mutant.before, "after": c.mutant.after} for c in survivors
    ]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
