"""Builds what looks after datasets between two files, as `shared.bootstrap` builds all else: once, at its first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import bootstrap
from shared.once import Once
from shared.settings import settings

if TYPE_CHECKING:
    from shared.domain.upkeep import Upkeep
    from shared.services.upkeep.drift import DriftWatch
    from shared.services.upkeep.retraining import Retrainer


@Once
def owned() -> Upkeep:
    """What holds for a dataset whose configuration says nothing."""
    from shared.upkeep_plan import owned

    return owned(settings())


@Once
def drift_watch() -> DriftWatch:
    from shared.upkeep_plan import drift_watch

    return drift_watch(settings(), bootstrap.context(), bootstrap.profiles())


@Once
def retrainer() -> Retrainer:
    from shared.upkeep_plan import retrainer

    return retrainer(settings(), bootstrap.context(), bootstrap.data())
