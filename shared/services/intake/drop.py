"""What arrives in the incoming container: a table becomes a run, rows to score a batch, a configuration takes effect, anything
else is told of.

Delivery is at least once and may be late, early, doubled or lost; the blob's ETag tells one version from another. Whatever
goes wrong, a file ends in a verdict: a run, a quarantined run, a batch, or a report under its own name.
"""

from __future__ import annotations

from functools import partial

from shared.domain.config import DatasetConfig
from shared.domain.config_sources import Effective, decided
from shared.domain.errors import InvalidConfig, NotFound
from shared.domain.incoming import CONFIG, Arrival, Kind, misnamed, recognised
from shared.domain.names import shown
from shared.domain.run.documents import Run
from shared.domain.run.parts import RunProblem
from shared.services.batches.dropped import DroppedFiles
from shared.services.guard import guarded
from shared.services.intake.attempts import Attempts
from shared.services.intake.notes import Notes
from shared.services.intake.ports import FileInfo, Files, IntakePlan
from shared.services.intake.sidecars import check_config, config_for, table_meant
from shared.services.intake.taking import Taker
from shared.services.intake.to_score import ToScore
from shared.services.run.context import Context
from shared.services.run.loop import advance
from shared.services.run.superseding import supersede


class Intake:
    """Use case of the blob trigger, and of the sweep for what the trigger missed."""

    def __init__(self, context: Context, files: Files, plan: IntakePlan, dropped: DroppedFiles) -> None:
        self._ctx, self._files, self._plan = context, files, plan
        self.to_score = ToScore(files, plan, dropped, context.log)
        self._attempts = Attempts(context, plan.incoming)
        self._taker = Taker(context, files, plan, self._attempts)
        self.notes = Notes(context, files, plan)

    def drop(self, container: str, blob: str) -> str | None:
        """Take the current version of a blob; returns its run, or None when it has none.

        What went wrong is raised, to be tried again, until there were enough tries for a verdict.
        """
        run_id = self._taken(container, blob)
        if run_id:
            self._set_going(run_id)
        return run_id

    def _taken(self, container: str, blob: str) -> str | None:
        found = recognised(blob)
        if found.kind is Kind.CLUTTER or container != self._plan.incoming:
            self._ctx.log("not a dataset, ignored", container=container, blob=shown(blob))
            return None
        if found.kind is Kind.OTHER:
            if found.code == "misnamed-config" and (meant := table_meant(blob, self._files, self._plan)):
                found = misnamed(blob, f"{meant}{CONFIG}")
            self.notes.tell(blob, RunProblem(found.code, found.message, found.remedy))
            return None
        info: FileInfo | None = None
        try:
            info = self._files.properties(container, blob)
            return self._arrived(found, info)
        except Exception as error:
            if info is None and isinstance(error, NotFound):
                self._ctx.log("the blob is gone, ignored", blob=blob)
                return None
            etag = info.etag if info else ""
            problem = self._attempts.failed(blob, etag, error)
            if problem is None:
                raise
            run_id = self._give_up(found, blob, info, problem)
            self._attempts.over(blob, etag)
            return run_id

    def _arrived(self, found: Arrival, info: FileInfo) -> str | None:
        if found.kind is Kind.CONFIG:
            return self._configured(found, info)
        doc = self._ctx.store.ensure_dataset(found.dataset)
        if found.kind is Kind.SCORE:
            self.to_score.take(doc, info)
            return None
        run_id = doc.drops.get(info.etag)
        if run_id is None:
            instead = self.to_score.instead(doc, info)
            if instead is None:
                return None
            run_id = self._taker.take(doc, info, info.etag, instead)
        self.notes.mended(info, run_id)
        return run_id

    def _set_going(self, run_id: str) -> None:
        """As far as it goes by itself; what stops it is the next tick's to see to."""
        ctx = self._ctx
        work = partial(advance, run_id, ctx, ctx.active() + ctx.pace.tick_seconds)
        guarded(ctx.log, "run could not be advanced", work, run_id=run_id)

    def _give_up(self, found: Arrival, blob: str, info: FileInfo | None, problem: RunProblem) -> str | None:
        """A verdict on a file that could not be worked on: its run ends in quarantine, else a report says so."""
        if info is not None and found.kind is Kind.TABLE:
            try:
                return self._taker.refuse(self._ctx.store.ensure_dataset(found.dataset), info, problem)
            except Exception as error:  # noqa: BLE001 - the same fault may stand in the way of a run, too
                self._ctx.log("no run for a refused file", blob=blob, error=type(error).__name__)
        self.notes.tell(blob, problem, info.etag if info else "")
        return None

    # -- a configuration that comes or changes after its data ------------------------------------------------

    def _configured(self, found: Arrival, config: FileInfo) -> str | None:
        """Start the dataset's newest file anew where what holds for it has changed; the run, if there is one."""
        table = self._newest_table(found.dataset)
        run_id = self._taken(self._plan.incoming, table.name) if table else None
        try:
            if run_id is None or table is None:
                check_config(config.name, self._files, self._plan)
                if table or not self._waits_in_vain(config, found.dataset):
                    self.notes.mended(config)
                return None
            run_id = self._anew(run_id, self._files.properties(self._plan.incoming, table.name), config)
            self.notes.mended(config, run_id, unless=_for_config)
        except InvalidConfig as error:
            run = self._ctx.store.load(run_id)[0] if run_id else None
            if run is None or not _for_config(run):  # whose own report says the same
                self.notes.tell(config.name, RunProblem.of(error), config.etag)
        if run_id:
            slug = self._ctx.store.load(run_id)[0].slug
            self._ctx.store.change_dataset(slug, lambda doc: doc.remembering(config.etag, run_id))
        return run_id

    def _waits_in_vain(self, config: FileInfo, dataset: str) -> bool:
        """Whether a configuration without a table was probably meant for another one; it is told so, and taken as it is."""
        meant = table_meant(config.name, self._files, self._plan)
        if meant is None:
            return False
        right = f"{meant}{CONFIG}"
        told = RunProblem(
            "misnamed-config",
            f"It is the configuration of a table {dataset}.csv, which is not there. A table {meant} is, and only {right} is read "
            "as its configuration.",
            f"If it is meant for that, rename it to {right}; else it waits for {dataset}.csv.",
        )
        self.notes.tell(config.name, told, config.etag)
        return True

    def _anew(self, run_id: str, table: FileInfo, config: FileInfo) -> str:
        said = config_for(table.name, table.metadata, self._files, self._plan)
        run = self._latest(run_id, table.etag)
        self._taker.keep(run.slug, said)
        if run.config_hash == _with_task_of(run, said).config_hash() and not (
            _for_config(run) or _was_asked(run)
        ):
            supersede(run, self._ctx)  # where the host died in between
            return run.run_id
        doc = self._ctx.store.ensure_dataset(run.dataset)
        self._ctx.log(
            "the configuration has changed, the file is taken anew", blob=table.name, run_id=run.run_id
        )
        run_id = self._taker.take(doc, table, f"{table.etag} {config.etag}")
        supersede(self._ctx.store.load(run_id)[0], self._ctx)
        return run_id

    def _latest(self, run_id: str, etag: str) -> Run:
        """The newest run of this version of the table, whatever configuration brought it."""
        run = self._ctx.store.load(run_id)[0]
        drops = self._ctx.store.ensure_dataset(run.dataset).drops
        of_this = [known for delivery, known in drops.items() if delivery.partition(" ")[0] == etag]
        return self._ctx.store.load(of_this[-1])[0] if of_this else run

    def _newest_table(self, dataset: str) -> FileInfo | None:
        beside = self._files.list(self._plan.incoming, dataset)  # blanks may stand before the ending
        tables = [info for info in beside if recognised(info.name) == Arrival(Kind.TABLE, dataset)]
        return max(tables, key=lambda info: info.last_modified, default=None)


def _was_asked(run: Run) -> bool:
    """Whether this run was refused to ask for its task; each task is an answer."""
    return run.problem is not None and run.problem.code == "task-unclear"


def _with_task_of(run: Run, said: Effective) -> DatasetConfig:
    """What is said now, for the task that the same file's label told the run."""
    return decided(said, run.config.task).config if said.config.task_auto else said.config


def _for_config(run: Run) -> bool:
    """Whether this run was refused for its configuration."""
    return run.is_refused and run.problem is not None and run.problem.code == InvalidConfig.code
