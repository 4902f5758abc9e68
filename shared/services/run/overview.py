"""What people see of runs and datasets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from shared.domain.errors import InvalidInput
from shared.domain.metrics import primary_metric, smaller_is_better
from shared.domain.run.run import Run, State
from shared.services.run.runs import Runs

MAX_RUNS = 500


@dataclass(frozen=True)
class RunQuery:
    dataset: str | None = None
    state: str | None = None
    limit: int = 50

    @staticmethod
    def parse(params: dict[str, str]) -> RunQuery:
        """From the query string; raises InvalidInput naming the parameter."""
        limit, state = params.get("limit", "50"), params.get("state")
        if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= MAX_RUNS):
            raise InvalidInput(f"limit must be a whole number from 1 to {MAX_RUNS}.", field="limit")
        if state is not None and state not in set(State):
            raise InvalidInput(
                f"There is no state {state!r}.", remedy=f"One of {', '.join(State)}.", field="state"
            )
        return RunQuery(params.get("dataset"), state, int(limit))


def summary(run: Run) -> dict[str, Any]:
    best = run.best.get("metrics") or {}
    return {
        "run_id": run.run_id,
        "dataset": run.dataset,
        "state": str(run.state),
        "cause": run.cause,
        "created_at": run.created_at,
        "entered_at": run.entered_at,
        "rows": run.data.get("rows"),
        "best_algorithm": run.best.get("algorithm"),
        "AUC_weighted": best.get("AUC_weighted"),
        "gate": run.gate.get("reason"),
        "error": (run.error or {}).get("message"),
    }


def runs(query: RunQuery, store: Runs) -> list[dict[str, Any]]:
    found = [
        r
        for r in store.all()
        if query.dataset in (None, r.dataset, r.slug) and query.state in (None, str(r.state))
    ]
    found.sort(key=lambda r: r.created_at, reverse=True)
    return [summary(r) for r in found[: query.limit]]


def detail(run: Run) -> dict[str, Any]:
    """The whole document, without the ledger lines still to be appended."""
    doc = run.to_dict()
    for internal in ("pending", "ledger_size", "ledger_head", "schema"):
        del doc[internal]
    return doc


def leaderboard(run: Run) -> dict[str, Any]:
    """Trials, best first by the run's primary metric; those without a value last."""
    name = primary_metric(run.config)
    sign = 1 if smaller_is_better(name) else -1

    def rank(trial: dict[str, Any]) -> tuple[bool, float]:
        value = trial["metrics"].get(name)
        return (value is None, sign * (value or 0.0))

    return {
        "run_id": run.run_id,
        "primary_metric": name,
        "best": run.best.get("child"),
        "trials": sorted(run.trials, key=rank),
    }


def datasets(store: Runs) -> Iterable[dict[str, Any]]:
    return [_dataset(doc, store.read(f"serving/{doc['slug']}.json") or {}) for doc in store.datasets()]


def _dataset(doc: dict[str, Any], serving: dict[str, Any]) -> dict[str, Any]:
    """A dataset and, once a model of it is in service, by what it is served."""
    live = serving.get("deployments", {}).get(serving.get("live"), {})
    return {
        "dataset": doc["dataset"],
        "slug": doc["slug"],
        "champion": doc["champion"],
        "open_runs": sorted(doc["open"]),
        "versions": doc["next_n"] - 1,
        "endpoint": serving.get("endpoint"),
        "model": live.get("model"),
        "traffic": serving.get("traffic", {}),
    }
