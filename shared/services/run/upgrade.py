"""What an earlier release's state lacks, made once: marks of what is open, and the index.

`upgrade.json` names the steps that were taken. Each step may run again without harm, so that a crash costs only time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from shared.domain.documents import from_json
from shared.domain.run.migrations import pipeline_run_of
from shared.domain.run.serving import ServingEntry
from shared.services import conditional
from shared.services.documents import entries
from shared.services.guard import guarded
from shared.services.run import serving_documents
from shared.services.run.context import Context
from shared.services.run.listed_batches import ListedBatches
from shared.services.run.pipeline_runs import OPEN, PipelineRuns

DONE = "upgrade.json"


@dataclass(frozen=True)
class Upgrade:
    """Names of the steps that the state has behind it."""

    done: tuple[str, ...] = ()


def mark_open(ctx: Context, _: PipelineRuns) -> None:
    """Datasets with open runs are found by their marks."""

    def look(slug: str) -> None:
        dataset = ctx.store.dataset(slug)
        if dataset and dataset.open:
            ctx.store.mark_open(slug)

    for slug in ctx.store.slugs():
        guarded(ctx.log, "dataset not looked at", partial(look, slug), slug=slug)


def mark_succeeded(ctx: Context, _: PipelineRuns) -> None:
    """Versions before that may still be deployed are found by their datasets' marks; each look tells whether it is time."""

    def look(slug: str) -> None:
        dataset = ctx.store.dataset(slug)
        if dataset and dataset.champion:
            ctx.store.mark_succeeded(slug, dataset.created_at)

    for slug in ctx.store.slugs():
        guarded(ctx.log, "dataset not looked at", partial(look, slug), slug=slug)


def list_runs(ctx: Context, _: PipelineRuns) -> None:
    """Every run into the index."""

    def look(run_id: str) -> None:
        ctx.store.list_run(ctx.store.load(run_id)[0])

    for run_id in ctx.store.every_run_id():
        guarded(ctx.log, "run not listed", partial(look, run_id), run_id=run_id)


def list_pipeline_runs(ctx: Context, pipelines: PipelineRuns) -> None:
    """Every pipeline run into the index, the open ones marked."""
    documents = ctx.store.documents

    def look(path: str) -> None:
        found = documents.get(path)
        if found is None:
            return
        run = pipeline_run_of(found[0])
        if run.is_open:
            documents.mark(f"{OPEN}{run.slug}~{run.id}", {"at": str(run.created_at)})
        pipelines.put_in_index(run)

    for path in documents.list("pipelines/"):
        guarded(ctx.log, "pipeline run not listed", partial(look, path), path=path)


def list_batches(ctx: Context, _: PipelineRuns) -> None:
    """Every batch into the lists."""
    documents, listed = ctx.store.documents, ListedBatches(ctx.store.documents)

    def look(path: str) -> None:
        found = documents.get(path)
        if found is not None:
            slug, _, name = path.removeprefix("batches/").removesuffix(".json").partition("/")
            listed.put(slug, name, float(found[0].get("created_at") or 0.0))

    for path in documents.list("batches/"):
        if path != "batches/open.json":
            guarded(ctx.log, "batch not listed", partial(look, path), path=path)


def tell_traffic(ctx: Context, _: PipelineRuns) -> None:
    """A listing of the serving documents tells each one's traffic."""

    def look(path: str) -> None:
        found = ctx.store.documents.get(path)
        if found is not None:
            told = serving_documents.told(from_json(found[0], ServingEntry))
            ctx.store.documents.replace(path, found[0], found[1], told)

    for listed in list(entries(ctx.store.documents, serving_documents.FOLDER)):
        if serving_documents.placed(listed) is None:
            again = partial(conditional.write, partial(look, listed.path), listed.path)
            guarded(ctx.log, "serving document not looked at", again, path=listed.path)


STEPS: dict[str, Callable[[Context, PipelineRuns], None]] = {
    "mark-open": mark_open,
    "list-pipeline-runs": list_pipeline_runs,
    "list-runs": list_runs,
    "list-refused": list_runs,
    "list-batches": list_batches,
    "mark-succeeded": mark_succeeded,
    "tell-traffic": tell_traffic,
}


def upgrade(ctx: Context, pipelines: PipelineRuns) -> None:
    """Take the steps that are not behind this state yet; a read where there are none."""
    state = ctx.store.hint(DONE, Upgrade) or Upgrade()
    for name, step in STEPS.items():
        if name not in state.done:
            step(ctx, pipelines)
            state = replace(state, done=(*state.done, name))
            ctx.store.write(DONE, state)
