"""Looks at many things, each when it is due: a round costs its listing and what has changed or is due."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from shared.domain.errors import Conflict
from shared.services.documents import Entry, entries
from shared.services.guard import guarded
from shared.services.run.context import Context

#: Between two rounds, and before what a look left undone is looked at again (seconds).
LOOK_SECONDS = 600.0
#: A clock is believed once it has said the same for so long of the lifecycle's own time: one that jumps is soon put right.
BELIEVED_SECONDS = 300.0
#: Until its entry changes.
UNTIL_CHANGED = float("inf")


class Looks:
    """One per process and folder; remembers what need not be looked at yet."""

    def __init__(self, ctx: Context, folder: str, look: Callable[[Entry], float | None]) -> None:
        """`look` tells the moment (unix seconds) before which this version of the entry needs no other; None: the next round."""
        self._ctx, self._folder, self._look = ctx, folder, look
        self._seen: dict[str, tuple[str, float]] = {}
        self._next_at = 0.0

    def tick(self, until: float) -> None:
        """A part of a round, until that moment of the lifecycle's own time."""
        if self._ctx.active() < self._next_at:
            return
        listed = list(entries(self._ctx.store.documents, self._folder))
        seen = {entry.path: self._seen[entry.path] for entry in listed if entry.path in self._seen}
        self._seen = seen
        for entry in listed:
            etag, later = seen.get(entry.path, ("", 0.0))
            if etag == entry.etag and self._ctx.clock() < later:
                continue
            seen[entry.path] = entry.etag, self._ctx.clock() + LOOK_SECONDS
            guarded(self._ctx.log, "not looked at", partial(self._one, entry), path=entry.path)
            if self._ctx.active() >= until:
                return
        self._next_at = self._ctx.active() + LOOK_SECONDS

    def _one(self, entry: Entry) -> None:
        later = self._look(entry)
        if later is not None:
            self._seen[entry.path] = entry.etag, later


class Sustained:
    """What the clock says is over is over once a second look, BELIEVED_SECONDS later at least, finds it so again."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._since: dict[str, float] = {}

    def over(self, name: str, due: float) -> bool:
        """Whether the moment `due` (unix seconds) has passed, of the thing of that name."""
        if self._ctx.clock() <= due:
            self._since.pop(name, None)
            return False
        return self._ctx.active() - self._since.setdefault(name, self._ctx.active()) >= BELIEVED_SECONDS


def settled(mark: Entry, ctx: Context) -> float | None:
    """Take the mark away, for there is nothing to look at any more; one that was set anew since stays."""
    try:
        ctx.store.documents.delete(mark.path, mark.etag)
    except Conflict:
        return None
    return UNTIL_CHANGED
