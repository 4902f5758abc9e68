"""Documents are types: frozen dataclasses to JSON and back (https://jcristharif.com/msgspec/converters.html).

Field names are the JSON's. A field that a document lacks takes its default, a field that nobody knows is dropped, and a value
of another type than the field's is an InvalidDocument that names the place.
"""

from __future__ import annotations

from typing import Any, TypeVar

from shared.domain.errors import DropMLError

T = TypeVar("T")


class InvalidDocument(DropMLError):
    """Stored state that can't be what it says it is. `raw` is its text where it is no JSON object at all."""

    code = "invalid-document"
    raw: str | None = None


def to_json(document: object) -> dict[str, Any]:
    """The JSON object of a dataclass; tuples stay tuples, which `json.dumps` writes as arrays."""
    import msgspec  # not at indexing

    return dict(msgspec.to_builtins(document))


def from_json(document: object, kind: type[T]) -> T:
    """The dataclass of a JSON object. Raises InvalidDocument with the place (`$.gate.margin`) of what doesn't fit."""
    import msgspec  # not at indexing

    try:
        return msgspec.convert(document, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise InvalidDocument(
            f"A stored {kind.__name__} can't be read: {error}.",
            remedy="It was written by a newer release or changed by hand: restore it from the ledger or an older copy.",
        ) from error
