"""Builds the front of the house out of what `shared.bootstrap` has: intake, its sweep, the quarantine. Nothing at import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared import bootstrap
from shared.once import Once
from shared.settings import settings

if TYPE_CHECKING:
    from shared.services.batches.dropped import DroppedFiles
    from shared.services.intake.drop import Intake
    from shared.services.intake.ports import Files, IntakePlan
    from shared.services.quarantine.deciding import Quarantine
    from shared.services.run.context import Context


def _parts() -> tuple[Context, Files, IntakePlan]:
    from shared.intake_plan import plan

    return bootstrap.context(), bootstrap.data(), plan(settings(), bootstrap.row_engine())


@Once
def dropped_files() -> DroppedFiles:
    from shared.services.batches.dropped import DroppedFiles

    now = settings()
    return DroppedFiles(bootstrap.batches(), now.max_upload_bytes, now.score_wait_days, bootstrap.observe)


@Once
def intake() -> Intake:
    from shared.services.intake.drop import Intake

    return Intake(*_parts(), dropped_files())


@Once
def quarantine() -> Quarantine:
    from shared.services.quarantine.deciding import Quarantine

    return Quarantine(*_parts())


@Once
def ready() -> Any:
    """The SDK's client, loaded before the first training job waits for it: that takes a second or two of a processor, in which
    what was dropped meanwhile would be taken at half the speed.
    """
    return bootstrap.azureml().client


def sweep() -> int:
    """What the trigger missed, what follows from decisions, what is old; returns how many files got a run."""
    from shared.services.intake.sweep import Sweep
    from shared.services.intake.tidy import Tidy

    taken = Sweep(*_parts(), intake()).run()
    quarantine().finish()
    Tidy(*_parts()).run()
    return taken
