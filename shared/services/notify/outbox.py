"""The outbox: what people are to be told of, kept in state until it was delivered.

Who changes a state puts its notice here before that change counts as done, and may put it twice: its id is the same.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from shared.domain.documents import InvalidDocument, from_json, to_json
from shared.domain.errors import Conflict, NotFound
from shared.domain.notify.deliveries import DEAD, PENDING, SENT, STATES, Delivery, delivery_id
from shared.domain.notify.notices import Notice
from shared.domain.notify.of_runs import of_run
from shared.domain.notify.receivers import Receiver
from shared.domain.run.documents import Run
from shared.services.documents import Documents

FOLDER = "outbox/"


def folder(state: str) -> str:
    return f"{FOLDER}{state}/"


def path(state: str, name: str) -> str:
    return f"{folder(state)}{name}.json"


@dataclass(frozen=True)
class Outbox:
    """Without receivers nothing is kept; without `events` all are."""

    documents: Documents
    receivers: tuple[Receiver, ...]
    events: frozenset[str]
    clock: Callable[[], float]

    def wants(self, event: str) -> bool:
        return bool(self.receivers) and (not self.events or event in self.events)

    def of_run(self, run: Run) -> None:
        """What the run's pending lines tell of. A notice that can't be made costs that notice alone."""
        if not self.receivers:
            return
        try:
            notices = list(of_run(run, self.wants))
        except Exception:  # the lifecycle goes on whatever is wrong with a sentence
            logging.getLogger("dropml").exception("no notice could be made of run %s", run.run_id)
            return
        for notice in notices:
            self.put(notice)

    def put(self, notice: Notice, *, but: str = "") -> None:
        """For each receiver, except the one named `but`; what was put before, in whatever state it is now, stays as it is."""
        if not self.wants(notice.event):
            return
        for receiver in self.receivers:
            if receiver.name != but:
                self._put(delivery_id(notice, receiver.key), receiver, notice)

    def _put(self, name: str, receiver: Receiver, notice: Notice) -> None:
        if any(self.documents.get(path(ended, name)) for ended in (SENT, DEAD)):
            return
        delivery = Delivery(name, receiver.name, notice, self.clock())
        with contextlib.suppress(Conflict):  # it waits there already
            self.documents.create(path(PENDING, name), to_json(delivery))

    def find(self, name: str) -> tuple[str, Delivery, str]:
        """State, delivery and ETag. Raises NotFound."""
        for state in STATES:
            found = self.read(state, name)
            if found is not None:
                return state, *found
        raise NotFound(
            f"There is no notification {name[:80]!r}.", remedy="GET /api/notifications lists those there are."
        )

    def read(self, state: str, name: str) -> tuple[Delivery, str] | None:
        """None where there is none. One that can't be read is taken away: nobody could send it."""
        try:
            found = self.documents.get(path(state, name))
            return None if found is None else (from_json(found[0], Delivery), found[1])
        except InvalidDocument:
            logging.getLogger("dropml").error("the notification %s can't be read and is gone", name)
            self.documents.delete(path(state, name))
            return None

    def move(self, delivery: Delivery, before: str, after: str, etag: str) -> None:
        """A crash in between leaves it in both: then it is sent once more under the same id."""
        self.documents.put(path(after, delivery.id), to_json(delivery))
        with contextlib.suppress(Conflict):  # another host was first
            self.documents.delete(path(before, delivery.id), etag)

    def names(self, entries: Iterable[str], state: str) -> list[str]:
        return [entry.removeprefix(folder(state)).removesuffix(".json") for entry in entries]
