"""Files that somebody drops: each with the verdict that it must get."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from hypothesis import strategies as st

from tests.attack.bombs import gzip_bomb
from tests.attack.drawn import drawn
from tests.support.live_stack import SMALL, small_table

GOOD = small_table().decode()


class Verdict(Enum):
    """What must become of a file; `EITHER` is one of the first two, whichever."""

    QUARANTINED = "quarantined"
    TAKEN = "taken"
    EITHER = "either"
    PASSED_OVER = "passed over"


@dataclass(frozen=True)
class Drop:
    """`name` is the blob's whole name; `sidecar` the bytes of its yaml; `encoding` the blob's Content-Encoding."""

    name: str
    data: bytes
    verdict: Verdict = Verdict.QUARANTINED
    sidecar: bytes | None = None
    metadata: dict[str, str] = field(default_factory=lambda: dict(SMALL))
    encoding: str | None = None
    sidecar_encoding: str | None = None

    @property
    def dataset(self) -> str:
        """Of the name as storage keeps it, which makes a slash of a backslash."""
        return self.name.replace("\\", "/").removesuffix(".csv")

    @property
    def label(self) -> str:
        """For a report: the name and how the file begins."""
        return f"{self.name!r} {self.data[:40]!r} yaml {(self.sidecar or b'')[:60]!r}"


def _archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.csv", GOOD)
    return out.getvalue()


def _table(cells: Callable[[int], str]) -> bytes:
    """80 rows with these cells and two classes."""
    return ("a,b,y\n" + "".join(f"{cells(i)},{'yes' if i % 2 else 'no'}\n" for i in range(80))).encode()


def contents() -> list[tuple[str, bytes, Verdict]]:
    """Bytes under an ordinary name."""
    refused, taken, either = Verdict.QUARANTINED, Verdict.TAKEN, Verdict.EITHER
    rows = GOOD.splitlines()
    wide = ",".join(f"c{i}" for i in range(6000)) + ",y\n"
    return [
        ("empty", b"", refused),
        ("mark-alone", b"\xef\xbb\xbf", refused),
        ("blank-lines", b"\n" * 100_000, refused),
        ("commas", b"," * 100_000, refused),
        ("quotes", b'"' * 99_999, refused),
        ("header-alone", b"a,b,y\n", refused),
        ("nul-alone", bytes(4096), refused),
        ("nul-inside", GOOD.replace("13", "1\x003", 1).encode(), either),
        ("every-byte", bytes(range(256)) * 64, refused),
        ("overlong-utf8", GOOD.encode().replace(b"yes", b"\xc0\xaf", 3), either),
        ("half-characters", GOOD.encode().replace(b"yes", b"\xed\xa0\x80", 3), either),
        ("utf16", GOOD.encode("utf-16"), either),
        ("utf32", GOOD.encode("utf-32"), either),
        ("utf7", GOOD.encode("utf-7"), either),
        ("archive", _archive(), refused),
        ("gzip-bytes", gzip.compress(GOOD.encode()), either),
        ("html", b"<html><body>404</body></html>\n" * 60, refused),
        ("json", b'{"a": 1}\n' * 60, refused),
        ("one-column", b"y\n" + b"yes\nno\n" * 60, either),
        ("ragged", "\n".join([*rows[:60], "1,2", "1,2,3,4,5", *rows[60:]]).encode(), either),
        ("all-ragged", ("a,b,y\n" + "\n".join("1," * (i % 9) for i in range(200))).encode(), refused),
        ("open-quote", (GOOD + '"never closed,1,yes\n' + GOOD * 3).encode(), either),
        ("long-line", ("a,b,y\n" + "x" * 3_000_000 + ",1,yes\n").encode(), refused),
        ("long-header", ("a" * 300_000 + ",b,y\n1,2,yes\n").encode(), refused),
        ("many-columns", (wide + wide.replace("c", "1") * 60).encode(), refused),
        ("doubled-header", GOOD.replace("a,b,y", "a,a,y").encode(), refused),
        ("reserved-header", GOOD.replace("a,b,y", "a,dropml_weight,y").encode(), refused),
        ("odd-header", GOOD.replace("a,b,y", "__class__,<script>alert(1)</script>,y").encode(), taken),
        ("formula-header", GOOD.replace("a,b,y", "=cmd|' /C calc'!A0,@SUM(1),y").encode(), either),
        ("formulas", _table(lambda i: f"=1+{i},{i % 7}"), taken),
        ("one-class", b"a,y\n" + b"1,yes\n" * 100, refused),
        ("no-label-values", b"a,y\n" + b"1,\n" * 100, refused),
        ("many-classes", ("a,y\n" + "".join(f"{i},c{i}\n" for i in range(1200))).encode(), refused),
        ("too-few", "\n".join(rows[:30]).encode(), refused),
        ("huge-numbers", _table(lambda i: f"1e{300 + i},{'9' * 400}"), either),
        ("odd-dates", _table(lambda i: f"9999999-01-01,0000-00-0{i % 9}"), either),
        ("cr-alone", GOOD.replace("\n", "\r").encode(), either),
        ("mixed-ends", GOOD.replace("\n", "\r\n", 50).encode(), taken),
        ("separators-of-unicode", GOOD.replace("\n", "\u2028", 5).encode(), either),
        ("good", GOOD.encode(), taken),
    ]  # fmt: skip


def listed_files() -> list[Drop]:
    drops = [Drop(f"file-{name}.csv", data, verdict) for name, data, verdict in contents()]
    bomb = gzip_bomb(300, b"a,b,y\n")
    return [
        *drops,
        Drop("file-encoded-gzip.csv", gzip.compress(GOOD.encode()), Verdict.EITHER, encoding="gzip"),
        Drop("file-encoded-bomb.csv", bomb, Verdict.QUARANTINED, encoding="gzip"),
        Drop("file-encoded-lie.csv", GOOD.encode(), Verdict.EITHER, encoding="gzip"),
        Drop("file-encoded-odd.csv", GOOD.encode(), Verdict.EITHER, encoding="br, x-none"),
    ]


def generated_files(count: int, number: int) -> list[Drop]:
    """Bytes and tables; with fewer than 50 rows none of them can be taken, so that nothing is trained."""
    cell = st.text(max_size=8) | st.sampled_from(
        ['"', '""', "\x00", "\ufeff", "\r", "\n", "1e999", "NaN", "=1+1", "yes"]
    )
    row = st.lists(cell, min_size=1, max_size=6).map(",".join)
    table = st.lists(row, max_size=40).map(lambda lines: "\n".join(["a,b,y", *lines]))
    code = st.sampled_from(["utf-8", "utf-16", "utf-8-sig", "cp1252"])
    encoded = st.builds(lambda text, name: text.encode(name, "replace"), table, code)
    data = drawn(encoded | st.binary(max_size=400), count, number)
    return [Drop(f"drawn-{number}-{i}.csv", one) for i, one in enumerate(data)]
