"""What a person makes of a refused file: release it once, accept its schema, discard it.

A decision is one conditional write of the run's document (of the note's, where the file got no run), and its ledger names
who took it. What follows is found again by its name: pressing twice, two hosts, a crash in between come to the same end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from shared.domain import names
from shared.domain.errors import Conflict
from shared.domain.run.documents import Run
from shared.domain.run.parts import Action, Decision
from shared.services import conditional
from shared.services.guard import guarded
from shared.services.intake.notes import decide, note_of
from shared.services.intake.ports import Files, IntakePlan
from shared.services.quarantine import rules
from shared.services.quarantine.releasing import Releasing, original
from shared.services.quarantine.showing import Showing
from shared.services.run.context import Context

#: Decisions whose end nobody has seen yet.
OPEN = "quarantine/open/"
#: Those that a run comes of.
STARTING = frozenset({"release", "accept-schema"})
#: Seconds that whoever decided has for the rest, before the sweep does it.
PATIENCE = 600.0


@dataclass(frozen=True)
class Decided:
    """What was done with a refused file, by whom and when (unix seconds), and the run that came of it."""

    id: str
    action: Action
    actor: str
    at: float
    run_id: str | None = None


class Quarantine(Showing):
    """Refused files: what there is to see, and what is made of them."""

    def __init__(self, context: Context, files: Files, plan: IntakePlan) -> None:
        super().__init__(context, files, plan)
        self._releasing = Releasing(context, files, plan)

    def act(self, refused: str, action: Action, actor: str, note: str = "") -> Decided:
        """Decide, and do what follows. The same again is the same answer, and keeps the first `note`.

        Raises NotFound, and Conflict where something else was decided before or the file can't be taken so.
        """
        if names.parse_run_id(refused) is None:
            return self._act_on_note(refused, action, Decision(action, actor, self._ctx.clock(), note=note))
        now = self._ctx.store.load(refused)[0]
        dataset = self._ctx.store.dataset(now.slug)
        if action != "discard" and not now.decision and not rules.obstacle(now, action, dataset):
            self._releasing.kept(now)

        def attempt() -> Run:
            run, etag = self._ctx.store.load(refused)
            if run.decision or rules.obstacle(run, action, dataset):
                return run
            self._ctx.store.documents.mark(f"{OPEN}{refused}", {"action": action})
            at = self._ctx.clock()
            taken = replace(run, decision=Decision(action, actor, at, note=note))
            told: dict[str, object] | None = {"note": note} if note else None
            return self._ctx.store.save(taken.record(at, action, actor, told), etag)[0]

        run = conditional.write(attempt, refused)
        held = rules.obstacle(run, action, dataset)
        if held:
            raise held
        done = self._follow(run)
        return Decided(refused, action, done.actor, done.at, done.run_id)

    def _follow(self, run: Run) -> Decision:
        """What follows from a decision, as far as it is not done yet."""
        decision = run.decision
        if decision is None:
            raise Conflict(f"Nothing was decided on {run.run_id}.", code="not-quarantined")
        if decision.action in STARTING and decision.run_id is None:
            decision = replace(decision, run_id=self._releasing.start(run, decision))
            conditional.write(partial(self._started, run.run_id, decision), run.run_id)
            self._ctx.store.documents.delete(f"{OPEN}{run.run_id}")
        return decision

    def _started(self, run_id: str, decision: Decision) -> None:
        run, etag = self._ctx.store.load(run_id)
        if run.decision != decision:
            told: dict[str, object] = {"run": decision.run_id}
            after = replace(run, decision=decision).record(
                self._ctx.clock(), f"{decision.action}-started", decision.actor, told
            )
            self._ctx.store.save(after, etag)

    def _act_on_note(self, refused: str, action: Action, decision: Decision) -> Decided:
        if held := rules.of_note(note_of(refused, self._ctx)[0], refused, action):
            raise held
        note, done = decide(refused, decision, self._ctx)
        if held := rules.of_note(note, refused, action):
            raise held
        return Decided(refused, action, done.actor, done.at)

    # -- what was left ------------------------------------------------------------------------------------------

    def finish(self) -> int:
        """Do what follows from decisions whose host died, and delete what was discarded; returns how many."""
        done: list[str] = []
        for path in self._ctx.store.documents.list(OPEN):
            refused = path.removeprefix(OPEN)
            guarded(
                self._ctx.log,
                "a decision could not be followed",
                partial(self._finish, refused, done),
                run_id=refused,
            )
        return len(done)

    def _finish(self, refused: str, done: list[str]) -> None:
        run, etag = self._ctx.store.load(refused)
        if run.pending:
            run, _ = self._ctx.store.settle(run, etag)
        decision = run.decision
        if decision and decision.action in STARTING and not decision.run_id:
            if self._ctx.clock() - decision.at < PATIENCE:
                return
            try:
                self._follow(run)
            except Conflict as error:
                if error.error_code != "original-gone":
                    raise
                self._ctx.log("nothing is left to release", run_id=refused)
        if decision and decision.action == "discard":
            self._files.delete(self._plan.quarantine, original(run))
        self._ctx.store.documents.delete(f"{OPEN}{refused}")
        done.append(refused)
