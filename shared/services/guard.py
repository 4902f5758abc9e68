"""One of many things may go wrong, in whatever way: it is told, and the others go on."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

from shared.domain.errors import DropMLError, Upstream


class Unexpected(Upstream):
    """A fault that nobody foresaw: ours, or an answer of a shape that nobody knew."""

    code = "unexpected"


def told(error: Exception) -> DropMLError:
    """The error as the product tells it; one that isn't ours is logged with its trace.

    Its own words stay in the log: nobody has looked at them for what must not be shown.
    """
    if isinstance(error, DropMLError):
        return error
    logging.getLogger("dropml").error("unexpected error", exc_info=error)
    last = traceback.extract_tb(error.__traceback__)[-1:]
    place = "".join(f" in {frame.name}, line {frame.lineno}" for frame in last)
    return Unexpected(
        f"Something unexpected went wrong: {type(error).__name__}{place}.",
        remedy="The app's log has the whole of it. Report it; POST /api/runs/{id}/retry tries the run again.",
    )


def guarded(log: Callable[..., None], what: str, action: Callable[[], object], **fields: object) -> bool:
    """Do one of many things: whatever it raises is told, and the others go on. True where nothing was raised."""
    try:
        action()
    except Exception as error:  # noqa: BLE001 - one thing's fault, of whatever kind, is that thing's alone
        safely(log, what, **fields, **told(error).to_dict())
        return False
    return True


def safely(log: Callable[..., None], what: str, **fields: object) -> None:
    """Tell it; a log that fails, in whatever way, costs that line alone."""
    try:
        log(what, **fields)
    except Exception:
        logging.getLogger("dropml").exception("could not tell: %s", what)
