"""While a dataset keeps a tick (its challenger answers slowly at the gate, say), the others go on beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from operator import itemgetter

from shared.services.guard import guarded
from shared.services.run.context import Context

#: Between two looks at what goes on while others keep the tick (seconds), and what each of them has.
AGAIN_SECONDS = 2.0
#: `work(slug, mark, until, first)` looks at one dataset's runs, `first` before the others, until that moment.
Work = Callable[[str, str, float, str], None]
#: After the name of a dataset that is worked on: a look at what its callers meet.
_LIVE = "~live"
_NEVER = ("", float("-inf"))


class Rounds:
    """What one tick has looked at: each dataset's mark and the moment, and who may share live traffic now."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, float]] = {}
        self._shared: set[str] = set()
        #: When callers of a dataset that takes its time were looked after.
        self._lives: dict[str, float] = {}

    def begun(self, slug: str, mark: str, at: float) -> None:
        """A look that doesn't come to an end leaves the dataset among those that may share live traffic."""
        self._seen[slug] = mark, at
        self._shared.add(slug)

    def shared(self, slug: str, *, now: bool) -> None:
        (self._shared.add if now else self._shared.discard)(slug)

    def go_on(
        self,
        pool: ThreadPoolExecutor,
        each: Mapping[Future[bool], str],
        work: Work,
        live: Callable[[str], None],
        ctx: Context,
    ) -> None:
        """Until each is done. Meanwhile, in turn and where places are free: what shares live traffic is looked at every
        AGAIN_SECONDS, a dataset with a new run once, the rest as often as a tick of usual length would. Of those that take their
        time `live` looks at what their callers meet.

        What was not known to share live traffic keeps the tick by a look of its own, and no more of those are begun by then; once
        there is none left, the tick ends with what is under way.
        """
        working = dict(each)
        keeping = set(each)

        def again(slug: str, mark: str) -> None:
            dataset = ctx.store.dataset(slug)
            first = (dataset.promoting if dataset else None) or ""
            work(slug, mark, ctx.active() + AGAIN_SECONDS, first)

        while True:
            for one in wait(working, timeout=AGAIN_SECONDS).done:
                working.pop(one)
                one.result()
            if not working:
                return
            places = ctx.pace.workers - len(working)
            if places <= 0 or keeping.isdisjoint(working):
                continue
            busy = set(working.values())
            due = self._due(_marks(ctx) if not working.keys().isdisjoint(each) else {}, busy, ctx)
            known = set(self._shared)
            jobs = [(at, slug, slug, partial(again, slug, mark)) for at, slug, mark in due]
            for slug in busy:
                if slug in self._seen and slug + _LIVE not in busy:
                    at = self._lives.get(slug, self._seen[slug][1])
                    jobs.append((at, slug, slug + _LIVE, partial(self._lively, slug, live, ctx)))
            for _, slug, name, job in sorted(jobs, key=itemgetter(0))[:places]:
                begun = pool.submit(guarded, ctx.log, "dataset not worked on", job, slug=slug)
                working[begun] = name
                if slug not in known:
                    keeping.add(begun)

    def _lively(self, slug: str, live: Callable[[str], None], ctx: Context) -> None:
        self._lives[slug] = ctx.active()
        live(slug)

    def _due(
        self, marks: Mapping[str, str], busy: AbstractSet[str], ctx: Context
    ) -> list[tuple[float, str, str]]:
        """Datasets that nobody works on now: the moment of the last look, and the mark, of each."""
        before = ctx.active() - ctx.pace.tick_seconds
        found = {slug: self._seen[slug][0] for slug in list(self._shared)} | dict(marks)
        due: list[tuple[float, str, str]] = []
        for slug, mark in found.items():
            known, at = self._seen.get(slug, _NEVER)
            if slug not in busy and (slug in self._shared or known != mark or at <= before):
                due.append((at, slug, mark))
        return due


def _marks(ctx: Context) -> dict[str, str]:
    """Without a listing what shares live traffic is looked at all the same."""
    found: dict[str, str] = {}
    guarded(ctx.log, "what is open is not listed", lambda: found.update(ctx.store.open_datasets()))
    return found
