"""The turn that empties the outbox: at least once, bounded in time, each receiver by itself.

A delivery is claimed by a conditional write before it is sent, so that two hosts rarely send it twice; one whose host died
is tried again once the claim is over. A receiver that gives no answer costs one deadline a turn and is then left alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from shared.domain.documents import to_json
from shared.domain.errors import Conflict
from shared.domain.notify.deliveries import DEAD, PENDING, SENT, Delivery, Patience
from shared.domain.notify.notices import PAGES, Notice, notice_id
from shared.domain.notify.payloads import body, headers
from shared.domain.notify.receivers import Receiver
from shared.services.documents import Entry, entries
from shared.services.guard import guarded, safely
from shared.services.notify.outbox import Outbox, folder, path
from shared.services.notify.ports import Post, Posted

#: Most deliveries that wait, and that are kept once they were sent or are dead; the oldest go first.
MOST = {PENDING: 1000, SENT: 5000, DEAD: 1000}
#: Most that one turn ends for being too many.
SLICE = 100
#: Beyond the deadline of a request, how long a claim holds (seconds).
CLAIM_SECONDS = 30.0
#: Longest time for which a receiver without an answer is left alone.
LONGEST_QUIET = 60.0


@dataclass(frozen=True)
class Plan:
    """`base` is where people reach the app; a turn lasts `seconds` and one request `timeout` at most."""

    secret: str = ""
    base: str = ""
    timeout: float = 5.0
    seconds: float = 20.0
    patience: Patience = field(default_factory=Patience)


@dataclass
class _Line:
    """The way to one receiver: failures in a row, and until when (monotonic) it is left alone."""

    failures: int = 0
    quiet_until: float = 0.0


@dataclass
class Sender:
    """One per process. `steady` is a clock that never jumps, in seconds."""

    outbox: Outbox
    post: Post
    plan: Plan
    steady: Callable[[], float]
    log: Callable[..., None]
    _read: dict[str, tuple[str, Delivery]] = field(default_factory=dict)
    _lines: dict[str, _Line] = field(default_factory=dict)

    def turn(self) -> int:
        """What is due, the oldest first; returns how many were delivered. With an empty outbox it costs one listing call."""
        until = self.steady() + self.plan.seconds
        waiting = self._waiting()
        by_receiver: dict[str, list[Delivery]] = {}
        for delivery in sorted(waiting, key=lambda each: each.notice.at):
            by_receiver.setdefault(delivery.receiver, []).append(delivery)
        known = {receiver.name: receiver for receiver in self.outbox.receivers}
        sent: list[str] = []
        with ThreadPoolExecutor(max_workers=8, thread_name_prefix="dropml-notify") as pool:
            for name, deliveries in by_receiver.items():
                pool.submit(self._to_one, known.get(name), name, deliveries, until, sent)
        return len(sent)

    def _waiting(self) -> list[Delivery]:
        """Every delivery that waits; one whose ETag is known isn't read again."""
        waiting = listed(self.outbox, PENDING)
        over = max(0, len(waiting) - MOST[PENDING])
        kept: dict[str, tuple[str, Delivery]] = {}
        for entry in waiting:
            known = self._read.get(entry.path)
            if known is None or known[0] != entry.etag:
                found = self.outbox.read(PENDING, *self.outbox.names([entry.path], PENDING))
                if found is None:
                    continue
                known = (found[1], found[0])
            kept[entry.path] = known
        self._read = kept
        deliveries = sorted((delivery for _, delivery in kept.values()), key=lambda each: each.put_at)
        for delivery in deliveries[: min(over, SLICE)]:
            self._end(delivery, "Too many notifications wait.")
        return deliveries[over:]

    def _to_one(
        self, receiver: Receiver | None, name: str, deliveries: list[Delivery], until: float, sent: list[str]
    ) -> None:
        line = self._lines.setdefault(name, _Line())
        for delivery in deliveries:
            now = self.steady()
            if now >= until or now < line.quiet_until:
                return
            if not delivery.due(self.outbox.clock(), self.plan.patience):
                continue

            def one(delivery: Delivery = delivery) -> None:
                if receiver is None:
                    self._end(delivery, "Its receiver is no more in NOTIFY_WEBHOOKS.")
                elif self._tried(receiver, delivery, line):
                    sent.append(delivery.id)

            guarded(self.log, "a notification was not worked on", one, notification=delivery.id)

    def _tried(self, receiver: Receiver, delivery: Delivery, line: _Line) -> bool:
        """Claim, send, note what became of it. False also where another host has it."""
        now, place = self.outbox.clock(), path(PENDING, delivery.id)
        claimed = delivery.claimed(now, self.plan.timeout + CLAIM_SECONDS)
        try:
            etag = self._write(claimed, self._read[place][0])
        except Conflict:
            return False
        content = body(delivery.notice, receiver.format, self.plan.base)
        told = headers(delivery.notice, content, self.plan.secret, now)
        answer = self.post.post(receiver.url, content, told, self.plan.timeout)
        self._noted(answer, line)
        if answer.taken:
            self.outbox.move(replace(claimed, trouble="", ended_at=self.outbox.clock()), PENDING, SENT, etag)
            return True
        self._failed(claimed, answer, etag)
        return False

    def _write(self, delivery: Delivery, etag: str) -> str:
        return self.outbox.documents.replace(path(PENDING, delivery.id), to_json(delivery), etag)

    def _noted(self, answer: Posted, line: _Line) -> None:
        line.failures = line.failures + 1 if answer.silent else 0
        pause = min(LONGEST_QUIET, self.plan.patience.first * 2.0 ** min(line.failures - 1, 10))
        if answer.silent:
            line.quiet_until = self.steady() + max(pause, min(answer.retry_after or 0.0, LONGEST_QUIET))

    def _failed(self, claimed: Delivery, answer: Posted, etag: str) -> None:
        trouble = answer.trouble or f"It answered {answer.status}."
        after = claimed.failed(self.outbox.clock(), trouble, self.plan.patience, answer.retry_after)
        if after.ended_at is not None:
            self._dead(after, etag)
            return
        with contextlib.suppress(Conflict):  # a person had it sent again meanwhile
            self._write(after, etag)

    def _end(self, delivery: Delivery, trouble: str) -> None:
        etag = self._read[path(PENDING, delivery.id)][0]
        self._dead(replace(delivery, trouble=trouble, ended_at=self.outbox.clock()), etag)

    def _dead(self, delivery: Delivery, etag: str) -> None:
        """The others hear of it, once an hour for each receiver; nobody hears of the end of such a notice."""
        if delivery.notice.event != "dead":
            self.outbox.put(_of_the_dead(delivery, self.outbox.clock()), but=delivery.receiver)
        self.outbox.move(delivery, PENDING, DEAD, etag)
        safely(
            self.log,
            "notification dead",
            notification=delivery.id,
            receiver=delivery.receiver,
            dead_event=delivery.notice.event,
            trouble=delivery.trouble,
        )


def _of_the_dead(delivery: Delivery, now: float) -> Notice:
    return Notice(
        notice_id("dead", delivery.receiver, str(int(now // 3600))),
        "dead",
        now,
        "",
        f"Notifications to {delivery.receiver} can't be delivered: {delivery.trouble}",
        "GET /api/notifications?state=dead lists them; POST /api/notifications/{id}/resend sends one again.",
        link=f"{PAGES}/system",
    )


def listed(outbox: Outbox, state: str) -> list[Entry]:
    """Every entry of a folder."""
    return list(entries(outbox.documents, folder(state)))


def prune(outbox: Outbox, days: float) -> int:
    """Take away what was sent or died longer ago than that, and what is too much; returns how many."""
    gone = 0
    for state in (SENT, DEAD):
        found = sorted(listed(outbox, state), key=lambda entry: entry.modified)
        too_many = len(found) - MOST[state]
        for index, entry in enumerate(found):
            old = 0 < entry.modified < outbox.clock() - days * 86400
            if index < too_many or old:
                outbox.documents.delete(entry.path)
                gone += 1
    return gone
