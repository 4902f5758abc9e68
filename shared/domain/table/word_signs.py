"""Which encoding words were written in, where a file was read as Windows-1252 by a guess: wrong ones show in how words look.

Read wrongly, letters come out as signs within words (`Stra§e`) or as capitals after small letters (`cafŽ`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: By the name that `encoding:` takes, Python's name, and what people call it.
_CANDIDATES = (("macroman", "mac-roman", "Mac Roman"), ("cp850", "cp850", "a DOS code page"))
_GUESS = "cp1252"
_SMALL = "àáâãäåæçèéêëìíîïñòóôõöøùúûüÿßœšž"
_LETTERS = frozenset(_SMALL + "".join(letter.upper() for letter in _SMALL if letter != "ß") + "ýÝðÐþÞ")
#: Tried at the beginning of a word alone, and never twice: a long run of letters is no more work than its length.
_WORD = re.compile(rb"(?<![A-Za-z\x80-\xff])[A-Za-z]*+[\x80-\xff][A-Za-z\x80-\xff]*+")
#: What may stand at a word's edges, and between two words that touch.
_EDGES = " \u00a0“”„‘’‚«»‹›…•·–—€£¥¢$™®©°%‰½¼¾²³¹ºª§¶¡¿"
_BETWEEN = re.compile("[’'–—]")
#: Stands for a byte that is no character.
_LOST = "\ufffd"
#: Words that are enough, and longest of them: what is longer is no word.
_ENOUGH, _LONGEST = 2000, 40
#: Bytes that are looked through for them.
_FAR = 1 << 24
#: How many more must look well in another encoding alone, and the share of all that must look well in it.
_CLEAR, _MOST = 4, 0.8


@dataclass
class _Count:
    well: int = 0
    #: Words that look well in this encoding alone, or in the guessed one alone.
    here: int = 0
    there: int = 0
    #: A word as it was read, and as it would be.
    example: tuple[str, str] | None = None


class WordSigns:
    """Looks at the words of a file's first pieces; each counts for the encodings in which it looks like one."""

    def __init__(self) -> None:
        self._seen = self._bytes = 0
        self._counts = [_Count() for _ in _CANDIDATES]

    def look(self, piece: bytes) -> None:
        """Take in some bytes of the file."""
        self._bytes += len(piece)
        if self._bytes > _FAR:
            return
        for match in _WORD.finditer(piece):
            if self._seen >= _ENOUGH:
                return
            self._seen += 1
            word = match[0]
            if len(word) <= _LONGEST and 2 * sum(byte > 127 for byte in word) <= len(word) + 1:
                self._weigh(word)

    def _weigh(self, word: bytes) -> None:
        guessed = _looks_well(word, _GUESS)
        for count, (_, codec, _) in zip(self._counts, _CANDIDATES, strict=True):
            well = _looks_well(word, codec)
            count.well += well
            count.there += guessed and not well
            if well and not guessed:
                count.here += 1
                found = word.decode(_GUESS, "replace"), word.decode(codec)
                count.example = max(count.example or found, found, key=_plain)

    def told(self) -> str:
        """The encoding to try, a sentence; nothing where the guess looks as good."""
        count, (name, _, people) = max(
            zip(self._counts, _CANDIDATES, strict=True), key=lambda one: one[0].here
        )
        if not count.example or count.here <= _CLEAR * count.there or count.well < _MOST * self._seen:
            return ""
        wrong, right = count.example
        how = f"holds {right!r}" if _LOST in wrong else f"has {right!r} where Windows-1252 has {wrong!r}"
        return f"It looks like {people}: with `encoding: {name}` it {how}."


def _plain(example: tuple[str, str]) -> tuple[bool, int, int]:
    """What shows best what is wrong: a word without marks that stand for no character, of some letters."""
    return _LOST not in example[0], min(len(example[1]), 6), -len(example[1])


def _looks_well(word: bytes, codec: str) -> bool:
    try:
        text = word.decode(codec)
    except UnicodeDecodeError:
        return False
    parts = [part.strip(_EDGES) for part in _BETWEEN.split(text.strip(_EDGES))]
    return all(map(_is_word, filter(None, parts)))


def _is_word(text: str) -> bool:
    """Whether it holds letters alone, all small, all capital, or the first of them capital where others than ASCII are."""
    if text.isascii():
        return text.isalpha()
    if not all(letter in _LETTERS or (letter.isascii() and letter.isalpha()) for letter in text):
        return False
    rest = text[1:].replace("ß", "")
    return rest.islower() or not rest or (text[0].isupper() and rest.isupper())
