"""What a Content-Type says of a body: what it is, and how a CSV is encoded."""

from __future__ import annotations

from typing import Literal

from shared.domain.problems import UnsupportedMedia

#: The last is what curl -d sends unless told.
_JSON_TYPES = frozenset({"", "application/json", "text/json", "application/x-www-form-urlencoded"})
_CSV_TYPES = frozenset({"text/csv", "application/csv"})
#: Told by the bytes themselves: many programs say UTF-8 of whatever they send.
_BY_BYTES = frozenset({"utf-8", "utf-16"})


def kind_of(content_type: str, remedy: str) -> Literal["csv", "json"]:
    """Raises UnsupportedMedia, with what is to be sent as `remedy`."""
    media = content_type.partition(";")[0].strip().lower()
    if media in _CSV_TYPES:
        return "csv"
    if media in _JSON_TYPES or media.endswith("+json"):
        return "json"
    raise UnsupportedMedia(f"The content type {media[:80]!r} is not taken.", remedy=remedy)


def encoding_of(content_type: str) -> str:
    """Which of ENCODINGS the `charset` of a CSV names; `auto` where the bytes tell. Raises UnsupportedMedia."""
    said = next((value for name, value in _parameters(content_type) if name == "charset"), "")
    if not said:
        return "auto"
    from shared.domain.table.encoding import named

    found = named(said)
    if found is None:
        raise UnsupportedMedia(
            f"The charset {said[:40]!a} of the Content-Type is none that is read.",
            remedy="Send the CSV in UTF-8, as text/csv; charset=utf-8.",
            code="unsupported-encoding",
            field="Content-Type",
        )
    return "auto" if found in _BY_BYTES else found


def told_of(message: str, encoding: str) -> str:
    """What is wrong with an encoding, in the words of whoever has said it in a header."""
    return message.replace(f"`encoding: {encoding}`", f"`charset={encoding}`")


def _parameters(content_type: str) -> list[tuple[str, str]]:
    """https://www.rfc-editor.org/rfc/rfc9110#section-8.3.1: names in any case, values perhaps in quotation marks."""
    parts = (part.partition("=") for part in content_type.split(";")[1:])
    return [(name.strip().lower(), value.strip().strip('"')) for name, _, value in parts]
