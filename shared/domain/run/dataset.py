"""A dataset's document: which run numbers are given, which runs are open, and who the champion is. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from shared.domain.run.acts import Act, Shift, Sleep, Watch
from shared.domain.run.documents import SCHEMA_VERSION, Run
from shared.domain.threshold import Threshold
from shared.domain.upkeep import Upkeep

T = TypeVar("T")
#: Remembered deliveries and keys; older ones can no longer be redelivered by any queue.
REMEMBERED = 500
#: Remembered runs whose deployment was taken away; of older ones Azure is asked, and has none.
UNDEPLOYED = 10


@dataclass(frozen=True)
class Holdout:
    """The rule by which rows are held out, fixed at the first file. `threshold` is their share, 0 to 1; `version` says
    how rows are hashed, and is 1 for datasets that an earlier release made.
    """

    salt: str
    threshold: float
    version: int = 1


@dataclass(frozen=True)
class Claim:
    """The run of a key: its number, and how often it was tried."""

    n: int
    attempt: int
    run_id: str


@dataclass(frozen=True)
class ThresholdChange:
    """What a person asked of the live model's threshold; written before anything else, so that a crash loses nothing of it."""

    run_id: str
    threshold: Threshold


@dataclass(frozen=True)
class Dataset:
    """`dropml-state/datasets/{slug}.json`."""

    dataset: str
    slug: str
    created_at: float
    holdout: Holdout
    next_n: int = 1
    keys: dict[str, Claim] = field(default_factory=dict)
    #: Deliveries that were taken: a blob's ETag, an occurrence, a request's id.
    drops: dict[str, str] = field(default_factory=dict)
    latest_key: str | None = None
    #: The first form of every open run, from which its own document is made.
    open: dict[str, Run] = field(default_factory=dict)
    champion: str | None = None
    #: The one run that is between gate and live.
    promoting: str | None = None
    #: The run whose table the next one is held against, and the last one that a person accepted as that.
    contract: str | None = None
    accepted: str | None = None
    #: How often nothing was open any more; a write that claims can tell from it.
    rests: int = 0
    #: The last time that traffic went to another version without a canary; None since the promotion after it.
    shift: Shift | None = None
    #: The look at what went live last, while it lasts.
    watch: Watch | None = None
    #: What the newest configuration says of it between two files; None: an earlier release took its files.
    upkeep: Upkeep | None = None
    #: Who paused it: nothing trains and nothing is promoted until it is resumed.
    paused: Act | None = None
    #: Asked of the live model's threshold and not all done yet.
    change: ThresholdChange | None = None
    #: The latest runs whose deployment was taken away to save its cost, and when (unix seconds): nothing goes back to them.
    undeployed: dict[str, float] = field(default_factory=dict)
    #: Its endpoint's sleep, while that lasts.
    sleep: Sleep | None = None
    schema: int = SCHEMA_VERSION

    @property
    def shifting(self) -> Shift | None:
        """The shift of traffic that is under way."""
        return self.shift if self.shift and self.shift.under_way else None

    @property
    def busy(self) -> bool:
        """Whether a tick has anything to do here."""
        moving = self.sleep is not None and self.sleep.stage != "asleep"
        return bool(self.open or self.shifting or self.watch or self.change or moving)

    def claimed(
        self,
        key: str,
        build: Callable[[int, int], Run],
        *,
        stands: Callable[[str], bool],
        delivery: str | None = None,
        brings_data: bool = False,
        again: bool = False,
    ) -> tuple[Dataset, str, bool]:
        """`(the dataset, run id, is it new)` once the run of this key has its number; `build(n, attempt)` makes it.

        The key of the latest data is no new run unless its run no longer `stands` (then: the next attempt, same `n`).
        Any other key is a new `n`, also one seen before (A, then B, then A again), unless it is tried `again`. Only a claim
        that `brings_data` makes its key the latest.
        """
        if delivery and delivery in self.drops:
            return self, self.drops[delivery], False
        n, attempt = self.next_n, 1
        known = self.keys.get(key) if (again or self.latest_key == key) else None
        if known and stands(known.run_id):
            return self.remembering(delivery, known.run_id), known.run_id, False
        if known:
            n, attempt = known.n, known.attempt + 1
        run = build(n, attempt)
        taken = replace(
            self,
            next_n=max(self.next_n, n + 1),
            latest_key=key if brings_data else self.latest_key,
            contract=run.run_id if brings_data and run.sets_contract else self.contract,
            accepted=run.run_id if run.cause == "accept-schema" else self.accepted,
            keys=_newest({**self.keys, key: Claim(n, attempt, run.run_id)}),
            open={**self.open, run.run_id: run},
        )
        return taken.remembering(delivery, run.run_id), run.run_id, True

    def remembering(self, delivery: str | None, run_id: str) -> Dataset:
        """With one more delivery that was taken."""
        return replace(self, drops=_newest({**self.drops, delivery: run_id})) if delivery else self

    def undeploying(self, run_id: str, at: float) -> Dataset:
        """With the word that this run's deployment goes, since `at` (unix seconds)."""
        others = {known: since for known, since in self.undeployed.items() if known != run_id}
        return replace(self, undeployed=_newest({**others, run_id: at}, UNDEPLOYED))

    def closed(self, run_id: str) -> Dataset:
        """Without a run that has ended."""
        left = {k: v for k, v in self.open.items() if k != run_id}
        return replace(self, open=left, promoting=None if self.promoting == run_id else self.promoting)


def _newest(memory: dict[str, T], most: int = REMEMBERED) -> dict[str, T]:
    return dict(list(memory.items())[-most:])
