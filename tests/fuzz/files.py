"""Files as programs and accidents leave them: a table in some dialect, then damaged at random. The same seed, the same file."""

from __future__ import annotations

import gzip
import random

from tests.fuzz.programs import as_written
from tests.support.staging_area import people

_ENDS = ("\n", "\r\n", "\r")
_ENCODINGS = ("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "mac-roman", "utf-32")
_BITS = (
    "\u00a0",
    "\ufeff",
    "\u200b",
    '"',
    '""',
    "\n",
    "\r",
    ";",
    ",",
    "\t",
    "\0",
    "sep=;\n",
    "é",
    "e\u0301",
    "None",
    "1,5",
    '="00123"',
    "'x'",
    "Zürich",
)
_LABELS = ("yes", "no", "", "NA", "001", "1.0", "True", "\u00a0yes")


def generated(seed: int) -> bytes:
    """File number `seed`."""
    rng = random.Random(seed)
    delimiter = rng.choice(",,;;\t\t||:^")
    lines = people(rng.choice((0, 10, 49, 60, 120, 200)), delimiter).splitlines()
    if rng.random() < 0.2:
        lines = as_written(rng, lines, delimiter)
    for _ in range(rng.choice((0, 0, 1, 3, 30))):
        at = rng.randrange(len(lines))
        lines[at] = _damaged(rng, lines[at])
    if rng.random() < 0.3:
        lines = [
            line.rpartition("yes")[0] + rng.choice(_LABELS) if line.endswith("yes") else line
            for line in lines
        ]
    if rng.random() < 0.2:
        marks = str.maketrans(rng.choice(({".": ","}, {".": "\u00a0"}, {".": "’"}, {"0": "%"}, {"5": "$"})))
        lines = [line.translate(marks) for line in lines]
    if rng.random() < 0.1:
        lines.insert(0, rng.choice(("", "sep=;", "sep=,", "sep=^", "sep=#", "a title")))
    end = rng.choice(_ENDS)
    raw = (end.join(lines) + rng.choice((end, "", end * 3))).encode(rng.choice(_ENCODINGS), "replace")
    if rng.random() < 0.15:
        raw = gzip.compress(raw, mtime=0)
    return _struck(rng, raw) if rng.random() < 0.4 else raw


def _damaged(rng: random.Random, line: str) -> str:
    kind = rng.randrange(5)
    at = rng.randrange(len(line) + 1)
    if kind == 0:
        return line[:at] + rng.choice(_BITS) + line[at:]
    if kind == 1:
        return line[:at]
    if kind == 2:
        return line + rng.choice((",", ";", ",x,y", '"'))
    if kind == 3:
        return rng.choice((",,,,,,", " ", '"', "\x1a"))
    return (line * rng.choice((2, 40)))[:200_000]


def _struck(rng: random.Random, raw: bytes) -> bytes:
    """Bytes changed, cut out, repeated or put in, as a broken transfer does."""
    for _ in range(rng.choice((1, 1, 4))):
        at, length = rng.randrange(len(raw) + 1), rng.choice((1, 2, 50))
        put = rng.choice((b"", rng.randbytes(length), raw[at : at + length] * 2))
        raw = raw[:at] + put + raw[at + rng.choice((0, length)) :]
    return raw
