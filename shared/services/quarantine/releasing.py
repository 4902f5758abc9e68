"""A run out of a refused file: the kept original, staged with one rule waived.

The same decision twice is the same run: it is the delivery that the dataset remembers.
"""

from __future__ import annotations

import secrets
from dataclasses import replace

from shared.domain import names
from shared.domain.errors import InvalidInput, NotFound
from shared.domain.run.documents import Run
from shared.domain.run.parts import Decision, RunProblem, Source
from shared.domain.run.states import State
from shared.services.intake.judging import judged, schema_before
from shared.services.intake.ports import CHUNK, FileInfo, Files, IntakePlan
from shared.services.intake.staging import Staged, rule_of, stage
from shared.services.intake.taking import snapshot_of
from shared.services.quarantine import rules
from shared.services.run.context import Context
from shared.services.run.profiles import Profiles

#: More bad rows than any file has.
_ANY = 1e9


def original(run: Run) -> str:
    """Where the refused file is kept, in the quarantine's container."""
    return f"{run.slug}/{run.run_id}/{names.safe_file(run.source.blob)}"


class Releasing:
    def __init__(self, context: Context, files: Files, plan: IntakePlan) -> None:
        self._ctx, self._files, self._plan = context, files, plan
        self._profiles = Profiles(context.store, files, plan.data)

    def start(self, run: Run, decision: Decision) -> str:
        """The id of the run that comes of the refused one. Raises Conflict (original-gone)."""
        delivery = f"{decision.action}:{run.run_id}"
        dataset = self._ctx.store.dataset(run.slug)
        known = dataset.drops.get(delivery) if dataset else None
        if known:
            return known
        info = self.kept(run)
        source = Source(self._plan.quarantine, info.name, info.etag, info.size, run.source.content_hash)
        # A folder of this try's own: two hosts that write the same blobs would lose each other's blocks.
        folder = f"{run.slug}/{names.upload_id(source.container, source.blob, secrets.token_hex(8))}"
        staged: Staged | None = None
        problem: RunProblem | None = None
        try:
            staged = self._stage(run, source, folder)
        except InvalidInput as error:  # another rule than the one waived: the new run says so
            error.where.setdefault("file", source.blob)
            problem = RunProblem.of(error)

        def build(n: int, attempt: int) -> Run:
            new = self._run(run, decision, source, n, attempt)
            if staged is None:
                return replace(new, problem=problem).opened(new.created_at, decision.actor)
            found = snapshot_of(staged, folder, names.model_version(n, attempt))
            free = "schema" in new.waived
            snapshot, wrong = judged(
                found,
                run.slug,
                new.run_id,
                run.config,
                self._ctx,
                self._profiles,
                causes=staged.causes,
                waived=free,
            )
            return replace(new, snapshot=snapshot, problem=wrong).opened(new.created_at, decision.actor)

        run_id, _ = self._ctx.store.claim(
            run.slug, run.key, build, delivery=delivery, brings_data=problem is None, again=True
        )
        self._drop_unused(run_id, folder)
        return run_id

    def kept(self, run: Run) -> FileInfo:
        """The refused file, where it is kept. Raises Conflict (original-gone)."""
        try:
            return self._files.properties(self._plan.quarantine, original(run))
        except NotFound as error:
            raise rules.gone("it was deleted.") from error

    def _stage(self, run: Run, source: Source, folder: str) -> Staged:
        waived = (*run.waived, *(rules.waived(run.problem) if run.problem else ()))
        config = replace(run.config, max_bad_rows=_ANY) if "max_bad_rows" in waived else run.config
        dataset = self._ctx.store.ensure_dataset(run.dataset)
        return stage(
            self._files.stream(source.container, source.blob, source.etag, CHUNK),
            self._files.area(self._plan.data, folder),
            config,
            rule_of(dataset.holdout),
            run.dataset,
            schema_before(dataset, config, self._ctx),
        )

    def _run(self, run: Run, decision: Decision, source: Source, n: int, attempt: int) -> Run:
        at = self._ctx.clock()
        return Run(
            run_id=names.run_id(run.slug, n, attempt),
            dataset=run.dataset,
            slug=run.slug,
            n=n,
            attempt=attempt,
            key=run.key,
            cause=decision.action,
            state=State.DROPPED,
            created_at=at,
            entered_at=at,
            config_hash=run.config_hash,
            config=run.config,
            source=source,
            waived=tuple(dict.fromkeys((*run.waived, *(rules.waived(run.problem) if run.problem else ())))),
        )

    def _drop_unused(self, run_id: str, folder: str) -> None:
        snapshot = self._ctx.store.load(run_id)[0].snapshot
        if snapshot is None or snapshot.path != f"{folder}/train":
            self._files.delete_prefix(self._plan.data, f"{folder}/")
