"""Documents are types: frozen dataclasses to JSON and back (https://jcristharif.com/msgspec/converters.html).

Field names are the JSON's. A field that a document lacks takes its default, a field that nobody knows is dropped, and a value
of another type than the field's is an InvalidDocument that names the place.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

from shared.domain.errors import DropMLError

T = TypeVar("T")
#: Types whose fields msgspec knows. It keeps what it learns of a dataclass where all threads see it before it is whole, and a
#: thread that reads it half made ends the process: so one thread at a time, before any other uses it.
_known: set[type] = set()
_learning = threading.Lock()


class InvalidDocument(DropMLError):
    """Stored state that can't be what it says it is. `raw` is its text where it is no JSON object at all."""

    code = "invalid-document"
    raw: str | None = None


def to_json(document: object) -> dict[str, Any]:
    """The JSON object of a dataclass; tuples stay tuples, which `json.dumps` writes as arrays."""
    import msgspec  # not at indexing

    return dict(msgspec.to_builtins(document))


def _learn(kind: type) -> None:
    import msgspec

    with _learning:
        msgspec.json.Decoder(kind)
        _known.add(kind)


def from_json(document: object, kind: type[T]) -> T:
    """The dataclass of a JSON object. Raises InvalidDocument with the place (`$.gate.margin`) of what doesn't fit."""
    import msgspec  # not at indexing

    if kind not in _known:
        _learn(kind)
    try:
        return msgspec.convert(document, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise InvalidDocument(
            f"A stored {kind.__name__} can't be read: {error}.",
            remedy="It was written by a newer release or changed by hand: restore it from the ledger or an older copy.",
        ) from error
