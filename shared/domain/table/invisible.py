"""Characters that nobody sees and that make two values of one: taken out, or made a plain space; and Unicode's form NFC.

The same cleaning for files to learn from, files to score and batches, so that "yes" is one class everywhere.
"""

from __future__ import annotations

import re
import unicodedata

from shared.domain.words import counted, was

#: Blanks that are no plain one, and characters that nobody sees but that turn nothing, for use between brackets of a pattern.
SPACES = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
INVISIBLE = "\u00ad\u180e\u200b-\u200f\u2060-\u2064\ufeff"
_SPACES = re.compile(f"[{SPACES}]")
#: Zero-width (non-)joiners mean something between letters that need them (Persian, emoji): there they stay.
_NOTHING = re.compile(
    "[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
    "|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
)


#: On a line of their own: the end of a file as DOS and mainframes mark it, and the end of a page.
_ENDS = re.compile("^[\x1a\f]+$", re.MULTILINE)


class Cleaner:
    """Cleans blocks of whole lines, and remembers how much there was to clean and where it began."""

    def __init__(self) -> None:
        self.removed = self.spaces = self.composed = 0
        self.first_line: int | None = None

    def clean(self, text: str, line: int = 1) -> str:
        """`line` is that of the text's first character."""
        plain, removed = text, 0
        if "\x1a" in text or "\f" in text:
            plain, removed = _ENDS.subn("", text)
        if plain.isascii():
            return self._cleaned(text, plain, line, removed, 0)
        found, more = _NOTHING.subn("", plain)
        found, spaces = _SPACES.subn(" ", found)
        if not unicodedata.is_normalized("NFC", found):
            found = unicodedata.normalize("NFC", found)
            self.composed += 1
        return self._cleaned(text, found, line, removed + more, spaces)

    def _cleaned(self, text: str, found: str, line: int, removed: int, spaces: int) -> str:
        if self.first_line is None and found != text:
            lines = zip(text.split("\n"), found.split("\n"), strict=True)
            self.first_line = line + next(i for i, (before, after) in enumerate(lines) if before != after)
        self.removed += removed
        self.spaces += spaces
        return found

    def warnings(self) -> list[str]:
        """What was cleaned, in a sentence, or nothing."""
        done = []
        if self.removed:
            kinds = "(zero-width, soft hyphens, marks)"
            done.append(f"{counted(self.removed, 'invisible character')} {kinds} {was(self.removed)} removed")
        if self.spaces:
            plain = "a plain one" if self.spaces == 1 else "plain ones"
            done.append(f"{counted(self.spaces, 'non-breaking or special space')} became {plain}")
        if self.composed:
            done.append("letters with separate accents were composed (Unicode NFC)")
        return [f"{'; '.join(done)}; the first on line {self.first_line}."] if done else []


def hidden(text: str) -> str:
    """The first character that is taken out where a text is cleaned; nothing where there is none."""
    found = _NOTHING.search(text)
    return found[0] if found else ""


def clean(text: str) -> str:
    """The text, cleaned."""
    return Cleaner().clean(text)
