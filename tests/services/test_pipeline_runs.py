"""Pipeline runs: started once whatever dies, with parameters, published alone, cancelled, and gated like every other run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.errors import Refused, Transient, Upstream
from shared.domain.problems import KeyReused
from shared.domain.run.pipeline_run import PipelineParameters
from shared.domain.spend import Caps
from shared.services.run import loop
from shared.services.run.acting import asking
from shared.services.run.guardrails import Guardrails, Throttle
from shared.services.run.pipeline_runs import Bounds, PipelineRuns
from tests.services.test_acts import ANN, live
from tests.services.test_holdouts import FLIP, Town, gone
from tests.services.test_lifecycle import CONFIG, drop, tick
from tests.support import sweeps
from tests.support.memory import Crash, World
from tests.support.memory_pipelines import MemoryPipelines

SHORT = PipelineParameters(timeout_minutes=5, max_trials=3)


class Story:
    """A dataset with a live model, and its pipeline; `restart` is another process."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or live("A")
        self.pipelines = MemoryPipelines(self.world.azureml)
        self.world.points.wrap(self.pipelines, ["begin_publish", "invoke"])

    @property
    def runs(self) -> PipelineRuns:
        return PipelineRuns(self.world.context, self.pipelines, Bounds(60, 40))

    def ticks(self, count: int, seconds: float = 1.0) -> None:
        for _ in range(count):
            try:
                self.runs.tick()
                loop.tick(self.world.context)
            except Crash:
                self.world.points.die_at = None
                self.world.restart()
            self.world.clock.now += seconds

    def status(self, name: str = "r1") -> str:
        return self.runs.show("bank", name).status


def test_a_host_that_dies_anywhere_starts_it_once() -> None:
    """The answer of the call that starts it may be lost: its job is found by the request's id."""
    for point in sweeps.places():
        story = Story()
        story.runs.trigger("bank", "r1", "ann")
        story.world.points.die_at = 2 * len(story.world.points.seen) + point
        story.ticks(40)
        assert story.status() == "completed", point
        assert story.pipelines.invocations == 1, point
        assert [run.cause for run in story.world.runs()].count("pipeline") == 1
        if story.world.points.die_at is not None:
            break
    assert point > 30


def test_an_answer_that_never_came_is_looked_for_and_a_refusal_starts_nothing() -> None:
    story = Story()
    real: Callable[..., str] = story.pipelines.invoke
    faults: list[Exception] = [Upstream("403"), Transient("cut off")]

    def invoke(*args: object) -> str:
        error = faults.pop(0) if faults else None
        if isinstance(error, Transient):
            real(*args)  # it arrived
        if error:
            raise error
        return real(*args)

    story.pipelines.invoke = invoke  # type: ignore[method-assign, assignment]
    story.runs.trigger("bank", "r1", "ann")
    story.ticks(30)
    assert story.status() == "completed"
    assert story.pipelines.invocations == 1


def test_where_no_job_is_found_it_is_started_again_once_reads_have_settled() -> None:
    story = Story()
    real, lost = story.pipelines.invoke, [Transient("never sent")]

    def invoke(*args: object) -> str:
        if lost:
            raise lost.pop()
        return real(*args)  # type: ignore[arg-type]

    story.pipelines.invoke = invoke  # type: ignore[method-assign, assignment]
    story.runs.trigger("bank", "r1", "ann")
    story.ticks(8)
    assert (story.pipelines.invocations, story.status()) == (0, "publishing")
    story.ticks(30)
    assert (story.pipelines.invocations, story.status()) == (1, "completed")


def test_parameters_reach_the_job_and_the_run_within_the_owners_bounds() -> None:
    story = Story()
    with pytest.raises(Refused) as error:
        story.runs.trigger("bank", "r1", "ann", PipelineParameters(timeout_minutes=61))
    assert error.value.error_code == "beyond-bounds"
    story.runs.trigger("bank", "r1", "ann", SHORT)
    story.ticks(40)
    shown = story.runs.show("bank", "r1")
    assert (shown.status, shown.parameters) == ("completed", SHORT)
    assert [step.name for step in shown.steps] == ["prepare", "automl"]
    config = story.world.run(str(shown.run_id)).config
    assert (config.timeout_minutes, config.trial_timeout_minutes, config.max_trials) == (5, 5, 3)


def test_publishing_alone_starts_nothing() -> None:
    story = Story()
    asked = story.runs.publish("bank", "p1", "ann")
    assert (asked.status, asked.only_publish) == ("publishing", True)
    story.ticks(10)
    assert story.status("p1") == "published"
    assert story.pipelines.invocations == 0
    assert not story.world.store.anything_open()


@pytest.mark.parametrize("ticks", range(12))
def test_cancelled_at_any_moment_nothing_of_it_goes_on(ticks: int) -> None:
    story = Story()
    story.runs.trigger("bank", "r1", "ann")
    story.ticks(ticks)
    if story.status() == "completed":
        with pytest.raises(Refused):
            story.runs.cancel("bank", "r1", ANN)
        return
    story.runs.cancel("bank", "r1", ANN)
    story.runs.cancel("bank", "r1", ANN)
    story.ticks(40)
    shown = story.runs.show("bank", "r1")
    assert (shown.status, shown.error and shown.error.code) == ("cancelled", "cancelled")
    assert {run.state for run in story.world.runs() if run.cause == "pipeline"} <= {"cancelled"}
    if shown.job:
        assert story.world.azureml.job(shown.job).status in ("Canceled", "Completed")  # type: ignore[union-attr]
    assert story.world.store.dataset("bank").open == {}  # type: ignore[union-attr]


def test_dying_while_it_is_cancelled_changes_nothing() -> None:
    for point in sweeps.part(range(60)):
        story = Story()
        story.runs.trigger("bank", "r1", "ann")
        story.ticks(6)
        assert story.status() == "running"
        story.world.points.die_at = 2 * len(story.world.points.seen) + point
        try:
            story.runs.cancel("bank", "r1", ANN)
        except Crash:
            story.world.points.die_at = None
            story.world.restart()
            story.runs.cancel("bank", "r1", ANN)
        story.ticks(40)
        assert story.status() == "cancelled", point
        assert {run.state for run in story.world.runs() if run.cause == "pipeline"} <= {"cancelled"}


def test_an_adopted_run_meets_the_same_gate() -> None:
    """A worse model out of the pipeline is rejected, and one that a person is to approve waits."""
    worse = Story()
    worse.world.scorer.error_rate["m2-a1"] = 0.3
    worse.runs.trigger("bank", "r1", "ann")
    worse.ticks(60)
    shown = worse.runs.show("bank", "r1")
    assert (shown.run_state, shown.gate and shown.gate.decision) == ("rejected", "reject")
    world = World()
    drop(world, "A", config=replace(CONFIG, approval="required"))
    tick(world, 30)
    asked = Story(world)
    asked.runs.trigger("bank", "r1", "ann")
    asked.ticks(40)
    assert asked.runs.show("bank", "r1").run_state == "awaiting_approval"


def test_an_adopted_run_of_a_suspicious_file_waits_for_a_person() -> None:
    """The gate asks the champion what it thinks of the file, whoever has trained the challenger."""
    world = World()
    town = Town(world)
    drop(world, "A")
    tick(world)
    story = Story(world)
    town.says["B"] = lambda _, true: FLIP[true]
    town.files["m3-a1"] = "B"  # the pipeline trains on it again
    world.data.draw_holdout = gone(town, "bank/A/")  # type: ignore[method-assign]
    drop(world, "B", config=replace(CONFIG, approval="none"))
    tick(world, 12)
    base, etag = world.store.load("bank-2-a1")
    assert base.state == "rejected"
    world.store.save(replace(base, config=replace(base.config, approval="suspicious")), etag)
    story.runs.trigger("bank", "r1", "ann")
    story.ticks(40)
    shown = story.runs.show("bank", "r1")
    assert (shown.run_state, shown.status) == ("awaiting_approval", "completed")
    approval = world.run(str(shown.run_id)).approval
    assert approval is not None
    assert approval.why.startswith("The file is suspicious")


def test_what_a_day_may_cost_holds_pipelines_as_it_holds_runs() -> None:
    story = Story()
    story.world.guardrails = Guardrails(Caps(runs=1), freed=Throttle(0.0))
    story.runs.trigger("bank", "r1", "ann")
    story.runs.trigger("bank", "r2", "ann")
    story.ticks(40)
    assert sorted([story.status("r1"), story.status("r2")]) == ["completed", "publishing"]
    (waiting,) = [name for name in ("r1", "r2") if story.status(name) == "publishing"]
    told = story.runs.show("bank", waiting).error
    assert told is not None
    assert told.code == "cap-reached"
    story.world.clock.now += 86400
    story.ticks(40)
    assert story.status(waiting) == "completed"
    assert story.runs.show("bank", waiting).error is None
    assert story.pipelines.invocations == 2


def test_a_pipeline_job_that_never_ends_is_cancelled_told_and_gives_its_place_back() -> None:
    """Its machines never came: with one place to train nobody else would ever have trained again."""
    story = Story()
    story.world.guardrails = Guardrails(places=1, freed=Throttle(0.0))
    story.pipelines.automl_child = lambda _: None  # type: ignore[method-assign, assignment]
    story.runs.trigger("bank", "r1", "ann")
    story.world.azureml.job_status["batchjob-1"] = "Queued"
    story.ticks(10)
    assert story.status() == "running"
    run_id = drop(story.world, "B")
    story.ticks(10)
    assert story.world.run(run_id).held is not None
    story.ticks(30, 3600)
    found = story.runs.show("bank", "r1")
    assert found.status == "failed"
    assert found.error is not None
    assert "still Queued" in found.error.message
    assert story.world.azureml.cancelled == ["batchjob-1"]
    story.ticks(40)
    assert story.world.run(run_id).state == "live"


def test_a_pipeline_that_is_never_published_ends_and_says_so() -> None:
    story = Story()
    story.pipelines.published = lambda *_: "publishing"  # type: ignore[method-assign]
    story.runs.trigger("bank", "r1", "ann")
    story.ticks(20, 3600)
    assert story.status() == "publishing"
    story.ticks(10, 3600)
    found = story.runs.show("bank", "r1")
    assert found.status == "failed"
    assert found.error is not None
    assert found.error.code == "publish-failed"


def test_a_dataset_that_is_paused_meanwhile_starts_no_pipeline_until_it_is_resumed() -> None:
    story = Story()
    story.runs.trigger("bank", "r1", "ann")
    asking.pause("bank", ANN, story.world.context)
    story.ticks(40, 3600)
    assert story.pipelines.invocations == 0
    found = story.runs.show("bank", "r1")
    assert found.status == "publishing"
    assert found.error is not None
    assert "ann paused the dataset" in found.error.message
    asking.resume("bank", ANN, story.world.context)
    story.ticks(40)
    assert story.status() == "completed"


def test_a_key_that_asked_for_something_else_before_is_refused() -> None:
    story = Story()
    story.runs.publish("bank", "k1", "ann")
    story.runs.trigger("bank", "k2", "ann", SHORT)
    others: list[Callable[[], object]] = [
        lambda: story.runs.trigger("bank", "k1", "ann"),
        lambda: story.runs.publish("bank", "k2", "ann"),
        lambda: story.runs.trigger("bank", "k2", "ann", PipelineParameters(timeout_minutes=7)),
    ]
    for again in others:
        with pytest.raises(KeyReused) as error:
            again()
        assert error.value.where["field"] == "Idempotency-Key"
    assert story.runs.publish("bank", "k1", "bob").only_publish
    assert story.runs.trigger("bank", "k2", "bob", SHORT).parameters == SHORT


def test_what_the_deadline_cuts_comes_first_at_the_next_tick() -> None:
    story = Story()
    for name in ("r1", "r2", "r3"):
        story.runs.trigger("bank", name, "ann")
    story.world.pace = replace(story.world.pace, workers=1)
    looked: list[str] = []
    runs = story.runs
    seconds = story.world.pace.tick_seconds

    def slowly(slug: str, name: str, *_: object) -> None:
        looked.append(name)
        story.world.clock.now += seconds / 2

    runs._looked_at = slowly  # type: ignore[method-assign, assignment]
    runs.tick()
    assert looked == ["r1", "r2"]
    runs.tick()
    assert looked == ["r1", "r2", "r3", "r1"]


def test_cancelling_one_works_on_that_one_alone() -> None:
    """Others may take minutes, and who cancels waits for the answer."""
    story, looked = Story(), list[str]()
    for name in ("r1", "r10"):
        story.runs.trigger("bank", name, "ann")
    runs = story.runs
    real = runs._looked_at

    def look(slug: str, name: str, *of: Any) -> None:
        looked.append(name)
        real(slug, name, *of)

    runs._looked_at = look  # type: ignore[method-assign, assignment]
    runs.cancel("bank", "r1", ANN)
    assert looked == ["r1"]
    story.ticks(40)
    assert (story.status("r1"), story.status("r10")) == ("cancelled", "completed")


def test_newer_data_changes_nothing_about_what_a_started_pipeline_trains_on() -> None:
    story = Story()
    story.runs.trigger("bank", "r1", "ann")
    story.ticks(3)
    newer = drop(story.world, "B")
    story.ticks(60)
    run = story.world.run(str(story.runs.show("bank", "r1").run_id))
    assert (run.cause, run.source.content_hash) == ("pipeline", "A")
    assert story.world.run(newer).source.content_hash == "B"
