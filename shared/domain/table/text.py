"""Bytes of a dropped file as text, with the file's hash and line numbers. Bounded memory, one pass.

Only UTF-8 (with or without a byte order mark) is taken: any other encoding would have to be guessed, and a wrong guess
changes values silently.
"""

from __future__ import annotations

import codecs
import hashlib
import io
from collections.abc import Iterable, Iterator

from shared.domain.errors import InvalidTable

#: Bytes decoded at a time; a block of whole lines is about this long. What fits a CPU's cache is fastest: blocks of 1 MiB
#: take twice as long.
BLOCK = 1 << 17
#: Longest physical line taken. A row beyond an endpoint's 1.5 MB request limit could never be scored.
MAX_LINE = 1 << 20

_MAGIC = (
    (b"PK\x03\x04", "an Excel workbook or a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"PAR1", "a Parquet file"),
    (b"%PDF", "a PDF document"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
)
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_SAVE_AS = "Save the file as UTF-8 text (in Excel: Save As, 'CSV UTF-8 (comma delimited)') and drop it again."


class TextReader:
    """Iterates over blocks of whole lines, each line ended by a single newline; CRLF and CR become newlines.

    `digest()` is the sha256 of the original bytes, complete once `drain()` has been called or the blocks are used up.
    """

    def __init__(self, source: Iterable[bytes]) -> None:
        self._source = iter(source)
        self._hash = hashlib.sha256()
        self._size = 0
        self._lines = 0
        self.bom = False

    @property
    def size(self) -> int:
        """Bytes read so far."""
        return self._size

    def digest(self) -> str:
        return self._hash.hexdigest()

    def drain(self) -> None:
        """Read what is left, for its hash alone."""
        for chunk in self._source:
            self._count(chunk)

    def _count(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        self._size += len(chunk)

    def _pieces(self) -> Iterator[bytes]:
        """The source in pieces of BLOCK bytes, however it arrives: the same file is always cut alike."""
        buffer = bytearray()
        first = True
        for chunk in self._source:
            self._count(chunk)
            buffer += chunk
            while len(buffer) >= BLOCK:
                piece = bytes(buffer[:BLOCK])
                del buffer[:BLOCK]
                if first:
                    self._check_head(piece)
                    first = False
                yield piece
        if first:
            self._check_head(bytes(buffer))
        if buffer:
            yield bytes(buffer)

    def _check_head(self, head: bytes) -> None:
        for mark, encoding in _MARKS:
            if head.startswith(mark):
                raise InvalidTable(
                    f"The file is {encoding} text (its first bytes are {head[: len(mark)].hex(' ')}), not UTF-8.",
                    remedy=_SAVE_AS,
                    code="not-utf8",
                    line=1,
                    byte=0,
                )
        for magic, kind in _MAGIC:
            if head.startswith(magic):
                raise InvalidTable(
                    f"The file is {kind}, not CSV text.",
                    remedy="Export the table as CSV (UTF-8) and drop that.",
                    code="binary-file",
                    line=1,
                    byte=0,
                )
        self.bom = head.startswith(codecs.BOM_UTF8)

    def blocks(self) -> Iterator[str]:
        # utf-8-sig drops the mark; the newline decoder keeps a CR and an LF of two pieces together.
        newlines = io.IncrementalNewlineDecoder(None, translate=True)
        decoder = codecs.getincrementaldecoder("utf-8-sig")("strict")
        carry = ""
        done = 0
        for piece in self._pieces():
            done += len(piece)
            carry += newlines.decode(self._decode(decoder, piece, done, carry))
            cut = carry.rfind("\n") + 1
            if cut:
                yield self._counted(carry[:cut])
                carry = carry[cut:]
            if len(carry) > MAX_LINE:
                raise InvalidTable(
                    f"Line {self._lines + 1} is longer than {MAX_LINE:,} characters.",
                    remedy="Check that the file is a table with one row per line.",
                    code="line-too-long",
                    line=self._lines + 1,
                )
        carry += newlines.decode(self._decode(decoder, b"", done, carry, final=True), final=True)
        if carry:
            yield self._counted(carry if carry.endswith("\n") else carry + "\n")

    def _counted(self, block: str) -> str:
        self._lines += block.count("\n")
        return block

    def _decode(
        self, decoder: codecs.IncrementalDecoder, piece: bytes, done: int, carry: str, final: bool = False
    ) -> str:
        """Decode one piece; `done` counts the bytes up to its end."""
        nul = piece.find(b"\0")
        if nul >= 0:
            line = self._line_at(carry, piece[:nul])
            offset = done - len(piece) + nul
            raise InvalidTable(
                f"The file holds a NUL byte at offset {offset:,} (line {line}): it is binary, or UTF-16 text.",
                remedy=_SAVE_AS,
                code="binary-file",
                line=line,
                byte=offset,
            )
        try:
            return decoder.decode(piece, final)
        except UnicodeDecodeError as error:
            # error.object is what the decoder had kept back plus this piece, so it ends at `done`.
            bad = error.object[error.start]
            offset = done - len(error.object) + error.start
            line = self._line_at(carry, error.object[: error.start])
            raise InvalidTable(
                f"The file is not UTF-8: byte 0x{bad:02x} at offset {offset:,} (line {line}) can't be decoded.",
                remedy=_SAVE_AS,
                code="not-utf8",
                line=line,
                byte=offset,
            ) from error

    def _line_at(self, carry: str, before: bytes) -> int:
        plain = before.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return self._lines + carry.count("\n") + plain.count(b"\n") + 1
