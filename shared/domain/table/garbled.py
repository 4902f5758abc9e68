"""Text that was read in a wrong encoding and saved anew: `KÃ¶ln` for `Köln`; and letters lost on the way, which are U+FFFD."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

LOST = "\ufffd"
#: Encodings that UTF-8 is read in by mistake, and what people call them.
_MISREAD = (("cp1252", "Windows-1252"), ("mac-roman", "Mac Roman"), ("cp850", "a DOS code page"))
#: Characters looked through of a column.
_FAR = 1 << 22


def _bytes(codec: str) -> dict[int, str]:
    """By character, the one whose number is its byte in the encoding; a byte that has none stays the control character."""
    high = {byte: bytes([byte]).decode(codec, "ignore") or chr(byte) for byte in range(0x80, 0x100)}
    return {ord(character): chr(byte) for byte, character in high.items()}


_TABLES = [(_bytes(codec), people) for codec, people in _MISREAD]


def _begins(table: dict[int, str]) -> str:
    """The first byte of two in UTF-8 and the second, or of three and the next two, as they are read wrongly."""
    back = {ord(byte): chr(character) for character, byte in table.items()}
    of_two, of_three, next_ = (
        re.escape("".join(back[byte] for byte in range(*span)))
        for span in ((0xC2, 0xE0), (0xE0, 0xF0), (0x80, 0xC0))
    )
    return f"[{of_two}][{next_}\x80-\x9f]|[{of_three}][{next_}\x80-\x9f]{{2}}"


#: A letter whose second character nobody sees (`í`, `à`): it was taken out, and no text is left to be read rightly.
_SHED = "(?<=[a-z])Ã(?=[a-z \n]|$)"
_SUSPECT = re.compile("|".join([LOST, _SHED, *(_begins(table) for table, _ in _TABLES)]))
#: Such text read rightly: Latin letters, signs of punctuation and money; of Windows-1252, which comes first, other scripts, too.
_LATIN = "\x20-\x7e\u00a0-\u017f\u2010-\u203a\u20ac\u2122"
_SCRIPTS = "\u0370-\u0481\u05d0-\u05ea\u0621-\u06d3\u0900-\u0e7f\u1e00-\u1eff\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7a3\uff01-\uff5e"
_PLAUSIBLE = [re.compile(f"[{_LATIN}{_SCRIPTS}]+"), *[re.compile(f"[{_LATIN}]+")] * 2]


def repaired(text: str) -> tuple[str, str]:
    """The text before it was read wrongly, if it can be told, and the encoding that it was read in; nothing for plain text."""
    for (table, people), plausible in zip(_TABLES, _PLAUSIBLE, strict=True):
        try:
            found = text.translate(table).encode("latin-1").decode("utf-8")
        except (UnicodeEncodeError, UnicodeDecodeError):
            continue
        strange = [letter for letter in found if not letter.isascii()]
        # One letter alone may be chance: in `ABITÄ“` and `Ø½` two signs happen to be a rarer one.
        sure = len(strange) > 1 or any(letter <= "ÿ" or "‐" <= letter <= "™" for letter in strange)
        if strange and sure and plausible.fullmatch(found):
            return found, people
    return "", _MISREAD[0][1] if re.search(_SHED, text) else ""


def is_garbled(text: str) -> bool:
    return LOST in text or bool(repaired(text)[1])


class Garbled:
    """Watches a column's words for the first one that is damaged; so many characters of them as tell."""

    def __init__(self) -> None:
        self.example, self.line = "", 0
        self._left = _FAR

    def update(self, values: Collection[str]) -> None:
        if self.example or self._left <= 0:
            return
        joined = "\n".join(values)
        self._left -= len(joined)
        if not joined.isascii() and _SUSPECT.search(joined):
            found = filter(is_garbled, values)
            self.example = min(found, key=lambda value: (not repaired(value)[0], value), default="")

    @property
    def sought(self) -> bool:
        """Whether it is still to be told where the example stands."""
        return bool(self.example) and not self.line

    def place(self, cells: Sequence[str], starts: Sequence[int]) -> None:
        """Where the example stands, if among these cells of a block."""
        if self.sought and self.example in cells:
            self.line = starts[cells.index(self.example)]


def told(columns: Iterable[tuple[str, Garbled]]) -> list[str]:
    """A warning of the columns whose names or words are damaged; of the first one with an example, and what may be the cause."""
    found = [(name, words) for name, words in columns if words.example or is_garbled(name)]
    if not found:
        return []
    name, words = found[0]
    text = words.example or name
    where = f" (line {words.line:,})" if words.line else ""
    what = f"holds {text[:60]!r}{where}" if words.example else "has a name"
    others = (
        f"; so do {len(found) - 1:,} more columns"
        if len(found) > 2
        else "; so does one more column"
        if found[1:]
        else ""
    )
    right, people = repaired(text)
    seems = f"It seems to be {f'{right[:60]!r}, ' if right else ''}UTF-8 that was read as {people} and saved anew."
    cause = seems if people else "U+FFFD stands where a program could not read a letter, which is lost."
    damaged = f"Column {name!r} {what} that was damaged before it came here{others}."
    return [
        f"{damaged} {cause} Models learn the words as they stand: export the file anew from its source, as UTF-8."
    ]
