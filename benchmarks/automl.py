"""The AutoML engine beside FLAML and AutoGluon: `make bench-automl` (about 45 minutes; `--quick` about 4).

On the bank-marketing data: 80/20 splits, each library with the same seconds and cores, compared split by split; 90/10
splits beside the figures of the service itself; the wall clock against its limits; one row through the serving form; how
often the gate notices a challenger that is truly worse.
Prints one line a figure, `figure NAME VALUE TARGET ok|short`, and writes benchmarks/results/automl.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import gate_power, machine
from benchmarks.automl_report import AZURE, beside_azure, paired, spread
from benchmarks.automl_runs import (
    ROOT,
    Run,
    Split,
    data_file,
    make_split,
    run_engine,
    run_library,
    serving_form,
)
from benchmarks.automl_venvs import VenvError, python_of
from benchmarks.figure import Figure

RESULTS = Path(__file__).parent / "results" / "automl.json"
LIBRARIES = {"flaml": 0.0005, "autogluon": -0.001}  # the least mean difference in AUC to each
LABEL = "y"


@dataclass
class Plan:
    seconds: float = 60.0
    splits: int = 5
    azure_splits: int = 10
    limits: list[float] = field(
        default_factory=lambda: [30.0, 60.0, 180.0]
    )  # of the runs that only the clock ends
    weighted: bool = True


def compare(plan: Plan, data: Path, folder: Path) -> tuple[dict[str, list[Run]], list[Split]]:
    """Every contender on every split, the order turning from split to split."""
    runs: dict[str, list[Run]] = {name: [] for name in ("engine", *LIBRARIES)}
    if plan.weighted:
        runs["engine_weighted"] = []
    splits = []
    for i in range(plan.splits):
        split = make_split(data, LABEL, 0.2, 100 + i, folder / f"split{i}")
        splits.append(split)
        names = list(runs)
        for name in names[i % len(names) :] + names[: i % len(names)]:
            if name == "engine":
                run = run_engine(split, plan.seconds, threshold=True)
            elif name == "engine_weighted":
                run = run_engine(split, plan.seconds, weighted=True)
            else:
                run = run_library(name, split, plan.seconds)
            runs[name].append(run)
            print(
                f"split {i + 1} {name}: AUC {run.scores['auc']:.5f}, {run.wall_s:.1f} s, {run.best}",
                flush=True,
            )
    return runs, splits


def beside_the_service(plan: Plan, data: Path, folder: Path) -> list[Run]:
    found = []
    for i in range(plan.azure_splits):
        split = make_split(data, LABEL, 0.1, 200 + i, folder / f"azure{i}")
        run = run_engine(split, plan.seconds)
        found.append(run)
        print(
            f"90/10 split {i + 1}: AUC {run.scores['auc']:.5f}, accuracy {run.scores['accuracy']:.5f}",
            flush=True,
        )
    return found


def one_row(run: Run, split: Split) -> dict[str, float]:
    """Milliseconds from a dict to label and probability; largest difference of the two forms on 1,000 odd rows."""
    from scorer.compiled import CompiledScorer
    from scorer.parity import difference
    from scorer.reference import ReferenceScorer

    scorer, columns, rows = serving_form(Path(run.model_dir), split)
    records = [dict(zip(columns, row, strict=True)) for row in rows[:200]]
    times = []
    for i in range(3000):
        record = records[i % len(records)]
        start = time.perf_counter()
        proba = scorer.predict_proba(list(record), [list(record.values())])[0]
        _ = scorer.labels[int(np.argmax(proba))], max(proba)
        times.append(1000 * (time.perf_counter() - start))
    odd = _odd(rows[:1000], scorer.types)
    forms = CompiledScorer(Path(run.model_dir)), ReferenceScorer(Path(run.model_dir))
    return {
        "p50_ms": float(np.median(times)),
        "p99_ms": float(np.quantile(times, 0.99)),
        "parity": difference(*forms, columns, odd),
    }


def _odd(rows: list[list[Any]], types: dict[str, str]) -> list[list[Any]]:
    """The rows, one cell in ten missing or never seen."""
    rng = np.random.default_rng(0)
    strange = {"long": 10**9, "double": -1e9, "string": "never seen", "boolean": None, "datetime": None}
    kinds = list(types.values())

    def cell(value: Any, kind: str) -> Any:
        draw = rng.random()
        return None if draw < 0.05 else strange[kind] if draw < 0.1 else value

    return [[cell(value, kind) for value, kind in zip(row, kinds, strict=True)] for row in rows]


def quality_figures(runs: dict[str, list[Run]]) -> tuple[list[Figure], dict[str, Any]]:
    auc = {name: [r.scores["auc"] for r in found] for name, found in runs.items()}
    engine = runs["engine"]
    figures = [Figure("auc_mean_80_20", spread(auc["engine"])["mean"], 0.948)]
    details: dict[str, Any] = {"auc": {name: spread(values) for name, values in auc.items()}, "paired": {}}
    for name, target in LIBRARIES.items():
        found = paired(auc["engine"], auc[name])
        details["paired"][name] = found
        note = f"95 % {found['low']:+.5f} to {found['high']:+.5f}: {found['verdict']}"
        figures.append(Figure(f"auc_minus_{name}", found["mean"], target, note=note))
    figures.append(Figure("threshold_f1", spread([r.scores["f1"] for r in engine])["mean"], 0.65))
    figures.append(
        Figure("threshold_accuracy", spread([r.scores["accuracy"] for r in engine])["mean"], 0.905)
    )
    details["imbalance"] = {
        "plain": _imbalance(engine, "_at_half"),
        "threshold": _imbalance(engine, ""),
        **({"weights": _imbalance(runs["engine_weighted"], "")} if "engine_weighted" in runs else {}),
    }
    return figures, details


def _imbalance(runs: list[Run], suffix: str) -> dict[str, dict[str, float]]:
    return {m: spread([r.scores[m + suffix] for r in runs]) for m in ("f1", "balanced_accuracy", "accuracy")}


def service_figures(runs: list[Run]) -> tuple[list[Figure], dict[str, Any]]:
    figures, details = [], {}
    for name, azure in AZURE.items() if runs else []:
        values = [r.scores[name] for r in runs]
        found, verdict = spread(values), beside_azure(values, azure)
        note = f"± {found['sd']:.5f}; the service's, on one split: {verdict}"
        figures.append(Figure(f"{name}_mean_90_10", found["mean"], azure, note=note))
        details[name] = {**found, "azure": azure, "verdict": verdict}
    return figures, details


def clock_figures(runs: dict[float, list[Run]]) -> list[Figure]:
    return [
        Figure(f"wall_over_limit_{limit:g}s", max(r.wall_s for r in found) / limit, 1.05, at_least=False)
        for limit, found in sorted(runs.items())
    ]


def run(plan: Plan) -> dict[str, Any]:
    data = data_file()
    facts = machine.facts("scikit-learn", "lightgbm", "xgboost-cpu", "numpy", "pandas")
    for name in LIBRARIES:
        python_of(name)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs, splits = compare(plan, data, folder)
        service = beside_the_service(plan, data, folder)
        clock = {plan.seconds: [*runs["engine"], *runs.get("engine_weighted", []), *service]}
        for limit in plan.limits:
            clock.setdefault(limit, []).append(run_engine(splits[0], limit, to_the_end=True))
        row = one_row(runs["engine"][0], splits[0])
    figures, details = quality_figures(runs)
    beside, details["service"] = service_figures(service)
    figures += beside + clock_figures(clock)
    figures.append(Figure("one_row_p50_ms", row["p50_ms"], 0.5, at_least=False))
    figures.append(Figure("serving_form_difference", row["parity"], 1e-6, at_least=False))
    first = max(r.first_trial_s for found in clock.values() for r in found)
    figures.append(Figure("first_trial_running_s", first, 2.0, at_least=False))
    figures += gate_power.figures(data)
    details["one_row"] = row
    return {
        "machine": facts,
        "plan": asdict(plan),
        "figures": [f.to_dict() for f in figures],
        "lines": [f.line() for f in figures],
        "details": details,
        "runs": {k: [asdict(r) for r in v] for k, v in runs.items()},
        "service_runs": [asdict(r) for r in service],
        "clock": {f"{limit:g}": [r.wall_s for r in found] for limit, found in clock.items()},
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.automl", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two splits of 20 s each, no 180 s run")
    parser.add_argument("--splits", type=int, help="80/20 splits (default 5)")
    parser.add_argument("--seconds", type=float, help="each run's limit (default 60)")
    parser.add_argument("--azure-splits", type=int, help="90/10 splits beside the service (default 10)")
    options = parser.parse_args()
    plan = Plan(20.0, 2, 2, [30.0], weighted=False) if options.quick else Plan()
    plan.splits = options.splits or plan.splits
    plan.seconds = options.seconds or plan.seconds
    plan.azure_splits = options.azure_splits if options.azure_splits is not None else plan.azure_splits
    try:
        result = run(plan)
    except (FileNotFoundError, VenvError) as error:
        print(f"bench-automl: {error}")
        return 1
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for kind, values in result["details"]["imbalance"].items():
        print(
            f"imbalance, {kind}: "
            + ", ".join(f"{k} {v['mean']:.4f} ± {v['sd']:.4f}" for k, v in values.items())
        )
    print(*result["lines"], f"written to {RESULTS.relative_to(ROOT)}", sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
