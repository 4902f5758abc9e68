"""What the service leaves of a training beside metrics: charts, explanation, guardrails. Fetched once, kept in our own form
under `artifacts/{run}/`, so that pages read one document and outlive the job.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from shared.domain.charts import Charts, charts
from shared.domain.errors import NotFound
from shared.domain.run.documents import Run
from shared.services.guard import guarded
from shared.services.run.context import Context
from shared.services.run.ports import RunFiles
from shared.services.run.store import RunStore

#: Bytes of one artifact that is read; features and guardrails that are kept, and characters of a sentence.
MOST_BYTES, MOST_FEATURES, MOST_GUARDRAILS, MOST_TEXT = 4 << 20, 200, 50, 2000
CHARTS = ("accuracy_table", "confusion_matrix", "residuals", "predicted_true")
_EXPLANATION, _SUFFIX = "explanation/", ".interpret.json"


@dataclass(frozen=True)
class Importance:
    """What a column weighs in the model's answers: the mean size of its SHAP values."""

    feature: str
    value: float


@dataclass(frozen=True)
class ExplanationView:
    """Columns of the file, the weightiest first."""

    run_id: str
    trial: str
    features: tuple[Importance, ...]


@dataclass(frozen=True)
class Guardrail:
    """One check that AutoML made of the data: `result` is PASSED, DONE or ALERTED; the rest are its own words."""

    kind: str
    result: str
    says: str
    learn_more: str = ""
    details: tuple[dict[str, str], ...] = ()


@dataclass(frozen=True)
class GuardrailsView:
    run_id: str
    job: str
    guardrails: tuple[Guardrail, ...]


def keep(run: Run, ctx: Context) -> None:
    """Fetch what there is for the run's best trial. What can't be fetched stops nothing: it is told in the log."""
    files = ctx.files
    if run.best is None or run.training is None or files is None:
        return
    best, job = run.best.name, run.training.name
    work: dict[str, Callable[[], object]] = {
        "charts": partial(_keep_charts, run.run_id, best, files, ctx.store),
        "explanation": partial(_keep_explanation, run.run_id, best, files, ctx.store),
        "guardrails": partial(_keep_guardrails, run.run_id, job, files, ctx.store),
    }
    for name, fetch in work.items():
        guarded(ctx.log, f"{name} could not be fetched", fetch, run_id=run.run_id)


def charts_of(run_id: str, trial: str, files: RunFiles | None, store: RunStore) -> Charts:
    """Of one trial; those of another than the best are fetched at the first look. Raises NotFound."""
    found = store.hint(_charts_path(run_id, trial), Charts)
    if found is None:
        run, _ = store.load(run_id)
        if files and any(each.name == trial for each in run.trials):
            found = _keep_charts(run_id, trial, files, store)
    if found is None or found.empty:
        raise NotFound(
            f"There are no charts of {trial[:100]!r}.",
            remedy="GET /api/runs/{id}/leaderboard names the trials; one that failed has none.",
            code="no-charts",
        )
    return found


def explanation_of(run_id: str, store: RunStore) -> ExplanationView:
    """Raises NotFound."""
    found = store.hint(f"artifacts/{run_id}/explanation.json", ExplanationView)
    if found is None:
        raise _none(run_id, "explanation", store)
    return found


def guardrails_of(run_id: str, store: RunStore) -> GuardrailsView:
    """Raises NotFound."""
    found = store.hint(f"artifacts/{run_id}/guardrails.json", GuardrailsView)
    if found is None:
        raise _none(run_id, "guardrails", store)
    return found


def _none(run_id: str, what: str, store: RunStore) -> NotFound:
    run, _ = store.load(run_id)
    why = "its training has not ended" if run.best is None else "the service had none when the training ended"
    return NotFound(f"The run {run_id} has no {what}: {why}.", code="not-kept")


def _charts_path(run_id: str, trial: str) -> str:
    return f"artifacts/{run_id}/charts/{trial}.json"


def _keep_charts(run_id: str, trial: str, files: RunFiles, store: RunStore) -> Charts:
    documents = {name: _json(files.text(trial, name, MOST_BYTES)) for name in CHARTS}
    found = charts(trial, documents)
    if not found.empty:
        store.write(_charts_path(run_id, trial), found)
    return found


def _keep_explanation(run_id: str, trial: str, files: RunFiles, store: RunStore) -> None:
    """Of the explanations that there are, that of the file's own columns; names and values come in blocks."""
    paths = files.names(trial, _EXPLANATION)
    for folder in sorted({path.removeprefix(_EXPLANATION).partition("/")[0] for path in paths}):
        about = _json(files.text(trial, f"{_EXPLANATION}{folder}/rich_metadata{_SUFFIX}", MOST_BYTES))
        if isinstance(about, dict) and about.get("is_raw") is False:
            continue
        place = f"{_EXPLANATION}{folder}"
        names = _blocks(trial, f"{place}/global_names/", paths, files)
        values = _blocks(trial, f"{place}/global_values/", paths, files)
        pairs = zip(names, values, strict=False)
        found = [Importance(str(n)[:MOST_TEXT], float(v)) for n, v in pairs if isinstance(v, int | float)]
        if found:
            found.sort(key=lambda each: -each.value)
            view = ExplanationView(run_id, trial, tuple(found[:MOST_FEATURES]))
            store.write(f"artifacts/{run_id}/explanation.json", view)
            return


def _blocks(trial: str, prefix: str, paths: list[str], files: RunFiles) -> list[object]:
    found: list[object] = []
    for path in sorted(path for path in paths if path.startswith(prefix)):
        block = _json(files.text(trial, path, MOST_BYTES))
        found += block if isinstance(block, list) else []
    return found


def _keep_guardrails(run_id: str, job: str, files: RunFiles, store: RunStore) -> None:
    document = _json(files.text(job, "outputs/verifier_results.json", MOST_BYTES))
    faults = document.get("faults") if isinstance(document, dict) else None
    if isinstance(faults, list):
        kept = tuple(_guardrail(fault) for fault in faults[:MOST_GUARDRAILS] if isinstance(fault, dict))
        store.write(f"artifacts/{run_id}/guardrails.json", GuardrailsView(run_id, job, kept))


def _guardrail(fault: dict[str, object]) -> Guardrail:
    def text(name: str) -> str:
        return str(fault.get(name) or "")[:MOST_TEXT]

    rows = fault.get("friendly_parameters")
    details = [
        {str(name)[:100]: str(value)[:300] for name, value in row.items()}
        for row in (rows if isinstance(rows, list) else [])[:20]
        if isinstance(row, dict)
    ]
    return Guardrail(
        text("friendly_type"),
        text("result").upper(),
        text("friendly_result"),
        text("friendly_learn_more"),
        tuple(details),
    )


def _json(text: str | None) -> object:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
