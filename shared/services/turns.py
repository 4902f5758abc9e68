"""Several pieces of work of one timer: each has its turn whatever becomes of the others."""

from __future__ import annotations

from collections.abc import Callable

from shared.services.guard import safely, told


def each(log: Callable[..., None], **work: Callable[[], object]) -> None:
    """Do all of it. Raises the first failure at the end, so that the host counts the timer as failed."""
    failed: list[Exception] = []
    for name, action in work.items():
        try:
            action()
        except Exception as error:  # noqa: BLE001 - raised below, once all had their turn
            safely(log, "a timer's work failed", work=name, **told(error).to_dict())
            failed.append(error)
    if failed:
        raise failed[0]
