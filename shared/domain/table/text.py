"""Bytes of a dropped file as clean text, with the file's hash and line numbers. Bounded memory, one pass.

Unpacked where it is gzip, decoded, line ends made one, invisible characters taken out: whoever reads tables reads this.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from operator import methodcaller

from shared.domain.errors import InvalidTable
from shared.domain.table.binary_kinds import LONGEST, refuse_binary
from shared.domain.table.dialect import WINDOW, only_before_a_header
from shared.domain.table.encoding import Decoder, NotDecodableError, WrongEncodingError, unmarked
from shared.domain.table.inflate import unpacked
from shared.domain.table.invisible import Cleaner
from shared.domain.table.not_csv import other_format
from shared.domain.table.word_signs import WordSigns

#: Bytes decoded at a time; a block of whole lines is about this long. What fits a CPU's cache is fastest.
BLOCK = 1 << 18
#: Longest physical line taken. A row beyond an endpoint's 1.5 MB request limit could never be scored.
MAX_LINE = 1 << 20

_SAVE_AS = "Save the file as UTF-8 text (in Excel: Save As, 'CSV UTF-8 (comma delimited)') and drop it again."
#: Encodings that files of other places have, and what `encoding:` calls them.
_SOME = "windows-1250, windows-1251, gbk, shift-jis, euc-kr ..."
_WHAT = "it is binary, or UTF-16 text without its mark"
#: Bytes without a NUL from which on it is text that holds one.
_MANY = 100
#: Control characters among the bytes of a text with a NUL.
_IN_TEXT = b"\0\t\n\r\f\x1a"
_WITHOUT_NUL = "Have the file written anew, or take them out (tr -d '\\000' < FILE > NAME.csv) and see if rows are missing."
_MARK_ANEW = (
    "The file begins with 'ï»¿': a byte order mark that was read as Windows-1252 and saved anew. It was taken off; other letters "
    "may be damaged alike, so export the file anew from its source if words look wrong."
)
_NAME_IT = f"If you know the file's encoding, `encoding:` names it ({_SOME})."


class TextReader:
    """Iterates over blocks of whole lines, each line ended by a single newline; CRLF and CR become newlines.

    `encoding` is one of ENCODINGS. `digest()` is the sha256 of the original bytes, complete once `drain()` has been called
    or the blocks are used up; `warnings()` then tells what was guessed and cleaned.
    """

    def __init__(
        self, source: Iterable[bytes], encoding: str = "auto", newlines: Callable[[str], int] | None = None
    ) -> None:
        """`newlines` counts them, where somebody has a quicker way than Python."""
        self._source = iter(source)
        self._newlines = newlines or methodcaller("count", "\n")
        self._hash = hashlib.sha256()
        self._size = 0
        self._lines = 0
        self._decoder = Decoder(encoding)
        self._cleaner = Cleaner()
        self._signs = WordSigns()
        self._guessed_line: int | None = None
        #: Whether nothing has come yet but what may stand above a header.
        self._above = True
        self._head = b""

    @property
    def bom(self) -> bool:
        """Whether the file begins with a byte order mark."""
        return self._decoder.bom

    @property
    def encoding(self) -> str:
        """Python's name of the encoding read."""
        return self._decoder.name

    @property
    def size(self) -> int:
        """Bytes read so far."""
        return self._size

    def digest(self) -> str:
        return self._hash.hexdigest()

    def warnings(self) -> list[str]:
        """What was guessed and what was cleaned, a sentence each."""
        anew = [_MARK_ANEW] * self._decoder.anew
        return [self.guess] * bool(self.guess) + anew + self._cleaner.warnings()

    @property
    def guess(self) -> str:
        """What was guessed of the encoding, a sentence, or nothing."""
        if self._guessed_line is None:
            return ""
        signs = self._signs.told()
        how = f"{signs} Say so" if signs else f"If letters look wrong, say `encoding:` ({_SOME})"
        return (
            f"The file is not UTF-8 (line {self._guessed_line}); it was read as Windows-1252. {how} in the configuration, or "
            "save it as UTF-8."
        )

    def drain(self) -> None:
        """Read what is left, for its hash alone."""
        for _ in self._counted_source():
            continue

    def _counted_source(self) -> Iterator[bytes]:
        for chunk in self._source:
            self._hash.update(chunk)
            self._size += len(chunk)
            yield chunk

    def _pieces(self) -> Iterator[bytes]:
        """The source in pieces of BLOCK bytes, however it arrives: the same file is always cut alike."""
        rest = bytearray()
        for chunk in unpacked(self._counted_source()):
            at = BLOCK - len(rest) if rest else 0
            rest += chunk[:at]
            if at > len(chunk):
                continue
            if rest:
                yield bytes(rest)
            end = at + (len(chunk) - at) // BLOCK * BLOCK
            for start in range(at, end, BLOCK):
                yield chunk[start : start + BLOCK]
            rest = bytearray(chunk[end:])
        if rest:
            yield bytes(rest)

    def blocks(self) -> Iterator[str]:
        # The newline decoder keeps a CR and an LF of two pieces together.
        newlines = io.IncrementalNewlineDecoder(None, translate=True)
        carry = ""
        done = 0
        for piece in self._pieces():
            if not done:
                refuse_binary(piece[:LONGEST])
                self._head = piece[:1024]
            done += len(piece)
            carry += newlines.decode(self._decode(piece, done, carry))
            cut = carry.rfind("\n") + 1
            if cut:
                yield self._cleaned(carry[:cut])
                carry = carry[cut:]
            if len(carry) > MAX_LINE:
                raise self._too_long(carry)
        carry += newlines.decode(self._decode(b"", done, carry, final=True), final=True)
        if carry:
            yield self._cleaned(carry if carry.endswith("\n") else carry + "\n")

    def _too_long(self, text: str) -> InvalidTable:
        """The refusal of an overlong line. A first one is often JSON, HTML or XML without line ends: that is the cause."""
        line = self._lines + 1
        other = other_format(self._cleaner.clean(text[:WINDOW], line), line) if self._above else None
        return other or InvalidTable(
            f"Line {line} is longer than {MAX_LINE:,} characters.",
            remedy="Check that the file is a table with one row per line.",
            code="line-too-long",
            line=line,
        )

    def _cleaned(self, block: str) -> str:
        line = self._lines + 1
        self._lines += self._newlines(block)
        clean = self._cleaner.clean(block, line)
        self._above = self._above and only_before_a_header(clean)
        return clean

    def _decode(self, piece: bytes, done: int, carry: str, final: bool = False) -> str:
        """Decode one piece; `done` counts the bytes up to its end."""
        guessed = self._decoder.guessed
        try:
            text = self._decoder.decode(piece, final)
        except WrongEncodingError as error:
            raise InvalidTable(
                f"{error}.", remedy=self._other_encoding(), code="not-utf8", line=1, byte=0
            ) from None
        except NotDecodableError as error:
            offset = done - error.at
            line = self._line_at(carry, error.before)
            raise InvalidTable(
                f"The file is not {error.encoding.upper()}: byte 0x{error.bad:02x} at offset {offset:,} (line {line}) "
                "can't be decoded.",
                remedy=self._looks_like(piece) if error.anything else self._other_encoding(),
                code="not-utf8",
                line=line,
                byte=offset,
            ) from error
        if self._decoder.guessed and not guessed:
            before = text[: next(i for i, char in enumerate(text) if not char.isascii())]
            self._guessed_line = self._line_at(carry, before)
        if self._decoder.guessed:
            self._signs.look(piece)
        if "\0" in text:
            self._refuse_nul(text, piece, done, carry)
        return text

    def _looks_like(self, piece: bytes) -> str:
        """What to do with text that Windows-1252 can't be, either."""
        self._signs.look(piece)
        found = self._signs.told()
        return f"{found or _NAME_IT} Say so in NAME.yaml beside NAME.csv. Or: {_SAVE_AS}"

    def _other_encoding(self) -> str:
        said = self._decoder.said
        if said == "auto" or self.bom:
            return _SAVE_AS
        if found := _without_mark(self._head):
            return found
        return f"Name the file's own encoding in place of `encoding: {said}`, or leave it out where the file is UTF-8."

    def _refuse_nul(self, text: str, piece: bytes, done: int, carry: str) -> None:
        line = self._line_at(carry, text[: text.index("\0")])
        offset = done - len(piece) + piece.find(b"\0") if not self._decoder.wide else None
        place = "" if offset is None else f" at offset {offset:,}"
        plain = _but_for_nul(self._head)
        what = "programs leave such where they were cut off or fill space up" if plain else _WHAT
        raise InvalidTable(
            f"The file holds a NUL byte{place} (line {line}): {what}.",
            remedy=_WITHOUT_NUL if plain else _without_mark(self._head) or _SAVE_AS,
            code="binary-file",
            line=line,
            byte=offset,
        )

    def _line_at(self, carry: str, before: str) -> int:
        plain = before.replace("\r\n", "\n").replace("\r", "\n")
        return self._lines + carry.count("\n") + plain.count("\n") + 1


def _but_for_nul(head: bytes) -> bool:
    """Whether a file's first bytes are those of text, its first line without a NUL at least."""
    if b"\0" not in head:
        return len(head) > _MANY
    return b"\0" not in head.partition(b"\n")[0] and not any(
        byte < 32 and byte not in _IN_TEXT for byte in head
    )


def _without_mark(head: bytes) -> str:
    """What to say of text of two bytes a character without a mark; nothing where it is none."""
    found = unmarked(head)
    return (
        f"It is UTF-16 without its mark: say `encoding: {found}` in NAME.yaml beside NAME.csv. Or: {_SAVE_AS}"
        if found
        else ""
    )
