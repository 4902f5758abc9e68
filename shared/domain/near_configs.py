"""Names of configurations that are near the right one: `people.yaml.txt`, `People.yml`, `people_config.yml`. Pure."""

from __future__ import annotations

import re
import unicodedata

from shared.domain.incoming import CONFIG, TABLES

#: Endings of a configuration that somebody meant, also before one that a system hides.
_ENDS = (CONFIG, ".yml")
_HIDDEN = ".txt"
#: What people add to a name, and what systems do to a copy.
_ADDED = re.compile(
    r"(?:[-_. ]*(?:config(?:uration)?|conf|cfg|settings?|options?|params|parameters|dropml)"
    r"|[-_ ]*\(\d+\)|[-_ ]*(?:-[ ])?(?:copy|kopie))$",
    re.IGNORECASE,
)
#: A longer name is no table's (`shared.domain.incoming.MAX_NAME`), and nothing was meant by it.
_LONGEST = 256
_GAPS = re.compile(r"[-_. ]+")


def config_stem(name: str) -> str | None:
    """What stands before the endings of a file that looks like a configuration, whatever their case; None for any other file."""
    stem = _without(name, (_HIDDEN,))
    found = _without(stem, _ENDS)
    if found == stem:
        return None
    while (rest := _without(found, (*_ENDS, *TABLES))) != found:
        found = rest
    return found


def meant_for(name: str, dataset: str) -> bool:
    """Whether the file `name`, which is not the dataset's configuration, was probably meant to be it."""
    stem = config_stem(name)
    if stem is None or name == f"{dataset}{CONFIG}" or _folder(stem) != _folder(dataset):
        return False
    return stem == dataset or _plain(dataset) in {_plain(stem), _plain(_bare(stem))} - {""}


def beginnings(stem: str) -> list[str]:
    """How names near this one begin: without what was added, in the usual cases."""
    folder, word = _folder(stem), _bare(stem.rpartition("/")[2])
    cases = dict.fromkeys((word, word.lower(), word.upper(), word[:1].upper() + word[1:].lower()))
    found: list[str] = []
    for case in sorted(cases):  # one that begins with another is among its names
        if word and not any(case.startswith(other) for other in found):
            found.append(case)
    return [folder + case for case in found] or [stem]


def _without(name: str, ends: tuple[str, ...]) -> str:
    end = next((end for end in ends if name.lower().endswith(end)), "")
    return name[: len(name) - len(end)] if len(name) > len(end) else name


def _bare(stem: str) -> str:
    return _ADDED.sub("", stem) if len(stem) <= _LONGEST else stem


def _folder(name: str) -> str:
    return name[: name.rfind("/") + 1]


def _plain(stem: str) -> str:
    last = unicodedata.normalize("NFC", stem.rpartition("/")[2])
    return _GAPS.sub("_", last.strip()).casefold().strip("_")
