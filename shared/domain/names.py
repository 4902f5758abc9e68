"""Every name the product gives to something in Azure, within Azure's limits.

Rules: https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas (endpoints and deployments: 3 to 32
characters, a letter first, then letters, digits and single dashes; endpoint names are unique in a region) and the naming
rules of assets and jobs (at most 255 characters, letters, digits, dashes, underscores).
"""

from __future__ import annotations

import difflib
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

SLUG_MAX = 18
#: Forms of one name that are tried before it is refused.
SLUG_TRIES = 20
_SLUG = re.compile(r"[a-z](?:-?[a-z0-9]){0,17}")
_NO_FILE = re.compile(r"[^A-Za-z0-9._-]")
_UNSAFE = re.compile(r"[^a-z0-9]+")
#: Names that one is compared with, and how much of each: two long ones made for it take many milliseconds.
_COMPARED, _COMPARED_CHARACTERS = 2000, 60
#: Characters that turn the direction of what follows, and so show another name than there is.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_DEPLOYMENT = re.compile(r"m(?P<n>[1-9]\d*)-a(?P<attempt>[1-9]\d*)(?:-r2)?")
#: What a caller may name a request by; it becomes part of paths in state.
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_RUN_ID = re.compile(r"^(?P<slug>[a-z][a-z0-9-]{0,17})-(?P<n>[1-9]\d*)-a(?P<attempt>[1-9]\d*)$")


def digest(*parts: str) -> str:
    """Hex sha256 over the parts, each length-prefixed so that no two lists of parts collide."""
    h = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        h.update(f"{len(raw)}:".encode())
        h.update(raw)
    return h.hexdigest()


def is_request_id(text: str) -> bool:
    """1 to 64 letters, digits, dashes and underscores: an Idempotency-Key, or what a form is sent once by."""
    return _REQUEST_ID.fullmatch(text) is not None


def slugs(dataset: str) -> Iterator[str]:
    """Short forms of the dataset's name as Azure takes it, the preferred one first.

    A hash marks names that were altered. Two names may still meet in one form: who gives a form away compares the name that
    holds it, and goes on to the next.
    """
    plain = _UNSAFE.sub("-", dataset.lower()).strip("-")
    if plain == dataset and is_slug(plain):
        yield plain
    if not plain[:1].isalpha():
        plain = f"d-{plain}".strip("-")
    stem = plain[: SLUG_MAX - 5].strip("-")
    yield f"{stem}-{digest(dataset)[:4]}"
    yield from (f"{stem}-{digest(dataset, str(k))[:4]}" for k in range(1, SLUG_TRIES))


def slug(dataset: str) -> str:
    """The preferred short form."""
    return next(slugs(dataset))


def is_slug(value: str) -> bool:
    return len(value) <= SLUG_MAX and _SLUG.fullmatch(value) is not None


def run_id(slug_: str, n: int, attempt: int) -> str:
    """Names the run, and also its AutoML job: a job name can be used only once, ever."""
    return f"{slug_}-{n}-a{attempt}"


def parse_run_id(value: str) -> tuple[str, int, int] | None:
    """`(slug, n, attempt)`, or None when `value` is not a run id."""
    match = _RUN_ID.match(value)
    return (match["slug"], int(match["n"]), int(match["attempt"])) if match else None


def deployment(n: int, attempt: int) -> str:
    return f"m{n}-a{attempt}"


def second(name: str) -> str:
    """What takes the place of a job or a deployment that the service itself let fail."""
    return f"{name}-r2"


def deployments(n: int, attempt: int) -> frozenset[str]:
    """Every deployment that the run may have made."""
    first = deployment(n, attempt)
    return frozenset({first, second(first)})


def deployed(name: str) -> tuple[int, int] | None:
    """`(n, attempt)` of the run whose deployment would be called so."""
    match = _DEPLOYMENT.fullmatch(name)
    return (int(match["n"]), int(match["attempt"])) if match else None


def model_version(n: int, attempt: int) -> str:
    """`n`, and for a repeated attempt `n-a{k}`: a version once taken by another job's model stays taken."""
    return str(n) if attempt == 1 else f"{n}-a{attempt}"


def endpoint(slug_: str, workspace_id: str, dataset: str) -> str:
    """Unique in the region: six hex digits of the workspace's ARM id and the dataset."""
    return f"{slug_}-{digest(workspace_id.lower(), dataset)[:6]}"


def batch_endpoint(slug_: str, workspace_id: str, dataset: str) -> str:
    return f"{slug_}-{digest('retrain', workspace_id.lower(), dataset)[:6]}-rt"


def component(slug_: str) -> str:
    """The SDK takes lower-case letters, digits and underscores for a component."""
    return f"{slug_.replace('-', '_')}_retrain"


def upload_id(container: str, blob: str, etag: str) -> str:
    """The staging folder of one version of a blob: the same delivery stages to the same place again."""
    return digest(container, blob, etag.strip('"'))[:20]


def safe_file(blob: str) -> str:
    """The last part of a blob's name as any system takes it for a file's name; at most 80 characters."""
    return _NO_FILE.sub("_", blob.rpartition("/")[2][-80:]).lstrip(".") or "file"


def likest(name: str, known: Iterable[str], cutoff: float) -> str | None:
    """The known name that is spelt most like this one in whatever case, if any is alike by `cutoff` (from 0 to 1)."""
    folded = {other.casefold()[:_COMPARED_CHARACTERS]: other for other in islice(known, _COMPARED)}
    found = difflib.get_close_matches(name.casefold()[:_COMPARED_CHARACTERS], folded, 1, cutoff)
    return folded[found[0]] if found else None


def near(word: str, known: Sequence[str]) -> list[str]:
    """Up to three known names that begin so, else the one spelt nearly so or begun by the word's first half; or none."""
    begun = [name for name in known if word and name.casefold().startswith(word.casefold())]
    if begun and len(word) > 2:
        return begun[:3]
    found = difflib.get_close_matches(word.casefold(), [name.casefold() for name in known], n=1, cutoff=0.6)
    if found:
        return [name for name in known if name.casefold() == found[0]][:1]
    stem = word.casefold()[: max(4, len(word) // 3)]
    return [name for name in known if len(word) > 3 and name.casefold().startswith(stem)][:1]


def guess(word: str, known: Sequence[str]) -> str:
    """` (did you mean NAME?)` where a known name is near, else nothing."""
    names = near(word, known)
    return f" (did you mean {' or '.join(names)}?)" if names else ""


def shown(blob: str) -> str:
    """A blob's name as it may be printed and stored: what can't be shown is the replacement character."""
    return "".join(c if c.isprintable() else "\ufffd" for c in blob)


def unwritable(name: str, allowed: str = "") -> str:
    """The first character, as `U+0000`, that can't be shown or written to every place; empty where there is none."""
    for character in name:
        if character not in allowed and (
            character in _TURNING
            or unicodedata.category(character) in ("Cc", "Cs")
            or _is_no_character(character)
        ):
            return f"U+{ord(character):04X}"
    return ""


def _is_no_character(character: str) -> bool:
    """Noncharacters: https://www.unicode.org/faq/private_use.html (nonchar1)."""
    return ord(character) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(character) <= 0xFDEF
