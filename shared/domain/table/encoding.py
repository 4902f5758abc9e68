"""Bytes as text: by the file's mark, by what the configuration says, else UTF-8, else Windows-1252 as a told guess.

The guess is made only where all text before the first byte that is not UTF-8 is plain ASCII: with one letter that UTF-8
explains, the file is UTF-8 that was damaged, and reading on would change values silently.
"""

from __future__ import annotations

import codecs
import re
from encodings import normalize_encoding
from encodings.aliases import aliases

#: What `encoding:` takes, and Python's name of it.
ENCODINGS = {
    "auto": "utf-8",
    "utf-8": "utf-8",
    "utf-16": "utf-16",
    "utf-16-le": "utf-16-le",
    "utf-16-be": "utf-16-be",
    "windows-1250": "cp1250",
    "windows-1251": "cp1251",
    "windows-1252": "cp1252",
    "windows-1253": "cp1253",
    "windows-1254": "cp1254",
    "iso-8859-1": "latin-1",
    "iso-8859-2": "iso8859-2",
    "iso-8859-15": "iso8859-15",
    "macroman": "mac-roman",
    "cp850": "cp850",
    "koi8-r": "koi8-r",
    "shift-jis": "cp932",
    "euc-jp": "euc-jp",
    "gbk": "gb18030",
    "big5": "big5",
    "euc-kr": "cp949",
}
#: Of Python's names, those that the decoder of a wider encoding reads, too.
_WITHIN = {"ascii": "utf-8", "utf_8_sig": "utf-8", "gb2312": "gbk", "iso8859_9": "windows-1254"}
#: UTF-8's mark, read as Windows-1252 and written anew.
_ANEW = "ï»¿".encode()
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (_ANEW, "utf-8"),
)
GUESS = "cp1252"


#: In wide text, one of these stands within the first piece of a table: a line end or a delimiter.
_OF_TABLES = frozenset("\r\n,;\t|")


def _python_name(name: str) -> str:
    plain = normalize_encoding(name).lower()
    return aliases.get(plain, plain)


_BY_PYTHON = {
    _python_name(name): ours for ours, found in ENCODINGS.items() for name in (found, ours)
} | _WITHIN


def named(name: str) -> str | None:
    """Which of ENCODINGS is called so, here, by Python or by people; None where there is none."""
    word = name.strip()[:40].casefold()
    bare = re.sub("[-_ ]", "", word)
    own = {ours.replace("-", ""): ours for ours in ENCODINGS}
    found = own.get(bare) or _BY_PYTHON.get(_python_name(word)) or _BY_PYTHON.get(_python_name(bare))
    return found if word.isascii() else None


class WrongEncodingError(Exception):
    """The configuration names an encoding that the file's first bytes can't have; says which and why."""


class NotDecodableError(Exception):
    """`before` is the text up to the byte `bad`, which stands `at` bytes before the end of what was given.

    `anything`: nothing before it tells that the file is UTF-8, and nobody says what it is.
    """

    def __init__(self, before: str, bad: int, at: int, encoding: str, *, anything: bool) -> None:
        super().__init__(encoding)
        self.before, self.bad, self.at, self.encoding, self.anything = before, bad, at, encoding, anything


def mark_of(head: bytes) -> tuple[str, int] | None:
    """The encoding that a byte order mark names, and the mark's length."""
    return next(((name, len(mark)) for mark, name in _MARKS if head.startswith(mark)), None)


def unmarked(head: bytes) -> str:
    """`utf-16-le` or `utf-16-be` where the first bytes look so without a mark: of most pairs one byte is NUL, always the same."""
    pairs = len(head) // 2
    first, second = head[0 : 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    if mark_of(head) or max(first, second) * 2 < pairs or min(first, second) * 10 > max(first, second):
        return ""
    return "utf-16-be" if first > second else "utf-16-le"


class Decoder:
    """Decodes a file piece by piece. `encoding` is one of ENCODINGS; a mark in the file wins over it."""

    def __init__(self, encoding: str = "auto") -> None:
        self.said = encoding
        self._auto = encoding == "auto"
        self.name = ENCODINGS[encoding]
        self.bom = self.guessed = False
        #: Whether its mark was one that a program had taken for letters.
        self.anew = False
        self._plain = True
        self._begun = False
        self._decoder = codecs.getincrementaldecoder(self.name)("strict")

    @property
    def wide(self) -> bool:
        """Whether a NUL byte is part of ordinary text."""
        return self.name.startswith(("utf-16", "utf-32"))

    def begin(self, head: bytes) -> bytes:
        """Look at the file's first bytes, and return them without the mark."""
        self._begun = True
        found = mark_of(head)
        if found is None:
            self._check_wide(head)
            return head
        self.name, length = found
        self.anew = head.startswith(_ANEW)
        self.bom = True
        self._decoder = codecs.getincrementaldecoder(self.name)("strict")
        return head[length:]

    def _check_wide(self, head: bytes) -> None:
        """Whether text of two bytes a character can be what it is said to be: read wrongly, it is still text."""
        if not head or not self.wide:
            return
        if self.name == self.said == "utf-16":
            raise WrongEncodingError(
                f"`encoding: {self.said}` is told by a byte order mark, and the file begins with none"
            )
        if _OF_TABLES.isdisjoint(head.decode(self.name, "ignore")):
            raise WrongEncodingError(
                f"The file is not {self.said.upper()}, as `encoding: {self.said}` says: read so, its first {len(head):,} bytes "
                "hold neither a line end nor a delimiter"
            )

    def decode(self, piece: bytes, final: bool = False) -> str:
        """Raises NotDecodableError, WrongEncodingError."""
        if not self._begun:
            piece = self.begin(piece)
        try:
            text = self._decoder.decode(piece, final)
        except UnicodeDecodeError as error:
            return self._guess(error, piece, final)
        self._plain = self._plain and text.isascii()
        return text

    def _guess(self, error: UnicodeDecodeError, piece: bytes, final: bool) -> str:
        held = error.object[: error.start]
        before = held.decode(self.name, "replace")
        anything = self._auto and not self.bom and (self.guessed or (self._plain and held.isascii()))
        can_guess = anything and not self.guessed
        if can_guess:
            try:
                text = error.object.decode(GUESS)
            except UnicodeDecodeError:
                can_guess = False
        if not can_guess:
            at = len(error.object) - error.start
            raise NotDecodableError(
                before, error.object[error.start], at, self.name, anything=anything
            ) from None
        self.name, self.guessed = GUESS, True
        self._decoder = codecs.getincrementaldecoder(GUESS)("strict")
        return text
