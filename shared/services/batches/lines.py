"""Lines of a large file from a byte position on, read as intake reads: encodings, line ends, gzip, invisible characters."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from contextlib import suppress

from shared.domain.batches import Layout
from shared.domain.errors import InvalidTable
from shared.domain.problems import MalformedBody
from shared.domain.table.binary_kinds import LONGEST, refuse_binary
from shared.domain.table.dialect import WINDOW
from shared.domain.table.encoding import GUESS, Decoder, WrongEncodingError, mark_of, unmarked
from shared.domain.table.inflate import MAGIC, unpacked
from shared.domain.table.invisible import clean

#: What is taken for UTF-8 may be Windows-1252, as long as all that came before is ASCII; what somebody names, what a mark
#: tells and what a letter has shown is SURE, or another encoding: that or nothing.
_USUAL, SURE = "utf-8", "utf-8-sig"
READ_BYTES = 1024 * 1024
#: One line (or one quoted cell with line breaks) may not be longer.
MAX_LINE = 4 * 1024 * 1024
#: Of a packed file the size is known at its end only.
_UNKNOWN = 1 << 62
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")

ReadRange = Callable[[int, int], bytes]


class Lines:
    """Clean lines, each ended by a single newline; `position` is always behind the line last given (unpacked bytes)."""

    def __init__(self, read: ReadRange, layout: Layout, position: int, size: int) -> None:
        self._read, self._size = (_Unpacked(read, size), _UNKNOWN) if layout.packed else (read, size)
        #: Of the lines given so far: the guess is made once, as intake makes it.
        self.encoding, self.position = layout.encoding, position
        self._wide = layout.encoding.startswith(("utf-16", "utf-32"))
        self._next_read = position
        #: The line last given, and how many were.
        self.line, self.given = "", 0
        self._lines: list[bytes] = []  # whole ones, the next one last
        self._rest = b""

    @property
    def ahead(self) -> str:
        """The beginning of a line that is not whole yet."""
        return clean(self._rest[:WINDOW].decode(self.encoding, "ignore"))

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if not self._lines:
            self._fill()
        raw = self._lines.pop()
        start, self.position = self.position, self.position + len(raw)
        if self.encoding == _USUAL and not raw.isascii():
            self.encoding = _told_by(raw)
        self.line, self.given = self._clean(raw, start), self.given + 1
        return self.line

    def coming(self, count: int) -> list[str]:
        """The next lines, up to so many, which stay to be read; fewer where one can't be."""
        until = self._next_read + READ_BYTES
        with suppress(MalformedBody):
            while len(self._lines) < count and self._next_read < until and self._read_on():
                pass
        found: list[str] = []
        with suppress(MalformedBody):
            for raw in self._lines[: -count - 1 : -1]:
                found.append(self._clean(raw, self.position))
        return found

    def _clean(self, raw: bytes, start: int) -> str:
        if start == 0 and (found := mark_of(raw)) is not None:
            raw = raw[found[1] :]
        line = self._decoded(raw, start)
        if "\0" in line:
            raise _nul(raw, start)
        return clean(line.rstrip("\r\n") + "\n")

    def _decoded(self, raw: bytes, start: int) -> str:
        encoding = _told_by(raw) if self.encoding == _USUAL and not raw.isascii() else self.encoding
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            name = "UTF-8" if encoding == SURE else encoding.upper()
            raise MalformedBody(
                f"The line at byte {start} is "
                + ("neither UTF-8 nor Windows-1252." if encoding == GUESS else f"not {name}."),
                remedy="Encode the file as UTF-8.",
                code="not-utf8",
            ) from None

    def _fill(self) -> None:
        """Read until a line is whole. Raises StopIteration at the end."""
        while not self._lines and self._read_on():
            pass
        if not self._lines:
            raise StopIteration

    def _read_on(self) -> bool:
        """Read one range more; False at the end."""
        if len(self._rest) > MAX_LINE:
            raise MalformedBody(
                f"The line at byte {self.position} is longer than {MAX_LINE} bytes.",
                remedy="Check the file's quotes and line ends.",
                code="line-too-long",
            )
        length = min(READ_BYTES, self._size - self._next_read)
        data = self._read(self._next_read, length) if length > 0 else b""
        self._next_read += len(data)
        lines = self._cut(self._rest + data)
        # The last line may go on in the next range; a carriage return may be followed by a newline there.
        self._rest = lines.pop() if lines and data else b""
        self._lines = lines[::-1] + self._lines
        return bool(data)

    def _cut(self, data: bytes) -> list[bytes]:
        if not self._wide:
            return data.splitlines(keepends=True)
        decoder = codecs.getincrementaldecoder(self.encoding)()
        try:
            lines = [line.encode(self.encoding) for line in _LINE.findall(decoder.decode(data))]
        except UnicodeDecodeError:
            return [data]
        # What is left is part of a character that goes on in the next range, and so of the last line.
        left = decoder.getstate()[0]
        if left and lines and not lines[-1].decode(self.encoding).endswith("\n"):
            left = lines.pop() + left
        return [*lines, left] if left else lines


def _told_by(raw: bytes) -> str:
    """The encoding that the first line with more than ASCII tells: a letter of UTF-8 first, or a byte that is none."""
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return GUESS if raw[: error.start].isascii() else SURE
    return SURE


def _nul(raw: bytes, start: int) -> MalformedBody:
    """The refusal of a line with a NUL byte; behind the first one it is text otherwise."""
    encoding = unmarked(raw) if start == 0 else ""
    what = (
        "the file is UTF-16 without its mark"
        if encoding
        else "programs leave such where they were cut off or fill space up"
        if start
        else "the file is binary, or UTF-16 without its mark"
    )
    return MalformedBody(
        f"The line at byte {start} holds a NUL byte: {what}.",
        remedy="Have the file written anew, and see if rows are missing."
        if start
        else "Save it as UTF-8 text.",
        code="binary-file",
        encoding=encoding or None,
    )


class _Unpacked:
    """Ranges of what a gzip file holds. Going on is cheap; going back, or on in another process, unpacks from the start."""

    def __init__(self, read: ReadRange, size: int) -> None:
        self._source, self._size = read, size
        self._at, self._held = 0, b""
        self._pieces = self._begin()

    def __call__(self, offset: int, length: int) -> bytes:
        if offset < self._at:
            self._at, self._held, self._pieces = 0, b"", self._begin()
        while self._at + len(self._held) < offset + length:
            piece = self._next()
            if not piece:
                break
            self._held += piece
            skip = min(max(offset - self._at, 0), len(self._held))
            self._at, self._held = self._at + skip, self._held[skip:]
        found, self._held = self._held[:length], self._held[length:]
        self._at += len(found)
        return found

    def _next(self) -> bytes:
        try:
            return next(self._pieces, b"")
        except InvalidTable as error:
            raise _as_body(error) from None

    def _begin(self) -> Iterator[bytes]:
        return unpacked(self._ranges())

    def _ranges(self) -> Iterator[bytes]:
        at = 0
        while at < self._size and (data := self._source(at, min(READ_BYTES, self._size - at))):
            at += len(data)
            yield data


def reading(read: ReadRange, size: int, said: str = "") -> Layout:
    """How the file is encoded and packed, by its first bytes or as is said; names and delimiter are still to be found."""
    packed = size >= len(MAGIC) and read(0, len(MAGIC)) == MAGIC
    head = _Unpacked(read, size)(0, LONGEST) if packed else read(0, min(LONGEST, size))
    try:
        refuse_binary(head)
        Decoder(said if said.startswith("utf-16") else "auto").begin(head)
    except InvalidTable as error:
        raise _as_body(error) from None
    except WrongEncodingError as error:
        raise MalformedBody(
            f"{error}.",
            remedy="Name the file's own encoding there, or leave it out where the file is UTF-8.",
            code="not-utf8",
        ) from None
    found = mark_of(head)
    told = found[0] if found else said
    return Layout([], ",", encoding=SURE if told == _USUAL else told or _USUAL, packed=packed)


def _as_body(error: InvalidTable) -> MalformedBody:
    return MalformedBody(error.message, remedy=error.remedy, code=error.error_code)
