"""The few different values of a column, known from block to block: what each row has is looked up and not sorted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Words = npt.NDArray[np.uint64]
    Places = npt.NDArray[np.int64]

#: The most values that are kept, and the places they are looked for in, in bits.
MOST, _BITS = 128, 13
_SHIFT, _STEP = np.uint64(64 - _BITS), 0x9E3779B97F4A7C15
#: Ways tried to put all values into different places: each works out for the most of them with a third's chance.
_TRIES = 40
#: By which word, of eight: powers of one odd number, modulo 2^64.
_FACTORS = [np.uint64(pow(0xBF58476D1CE4E5B9, power, 1 << 64)) for power in range(9)]


class Vocabulary:
    """Of one column. `names` are its values so far, the empty one first."""

    def __init__(self) -> None:
        self.names = [""]
        self._alive = True
        self._known: list[Words] = [np.zeros(1, np.uint64)]
        self._factor = _STEP
        self._codes: npt.NDArray[np.intp] = np.zeros(1 << _BITS, np.intp)

    def codes(self, words: list[Words]) -> npt.NDArray[np.intp] | None:
        """By its place in `names`, what each row has; None where there are too many or a value is not known."""
        if not self._alive or len(words) > len(self._known):
            return None
        codes: npt.NDArray[np.intp] = self._codes.take(self._slots(words))
        for known, word in zip(self._known, words, strict=False):
            if (known.take(codes) != word).any():
                return None
        return None if any(known[codes].any() for known in self._known[len(words) :]) else codes

    def _slots(self, words: list[Words]) -> npt.NDArray[np.intp]:
        return ((key_of(words) * np.uint64(self._factor)) >> _SHIFT).astype(np.intp)

    def learn(self, names: list[str], words: list[Words]) -> None:
        """Values that occur, and their words; those that are known already do no harm."""
        if not self._alive:
            return
        width = max(len(words), len(self._known))
        new = [at for at, name in enumerate(names) if name not in set(self.names)]
        self.names = self.names + [names[at] for at in new]
        blank = np.zeros(len(self.names) - len(new), np.uint64)
        more = np.zeros(len(new), np.uint64)
        of_old = self._known + [blank] * (width - len(self._known))
        of_new = [word[new] for word in words] + [more] * (width - len(words))
        self._known = [np.concatenate(pair) for pair in zip(of_old, of_new, strict=True)]
        self._alive = len(self.names) <= MOST and self._place()

    def _place(self) -> bool:
        """Find a factor by which all values have places of their own."""
        every = np.arange(len(self.names))
        for _ in range(_TRIES):
            slots = self._slots(self._known)
            self._codes.fill(0)
            self._codes[slots] = every
            if (self._codes[slots] == every).all():
                return True
            self._factor = (self._factor * _STEP + 2) % (1 << 64)
        return False


def key_of(words: list[Words]) -> Words:
    """The words as one, by which values are told apart, most probably."""
    found = words[0]
    for word, factor in zip(words[1:], _FACTORS[1:], strict=False):
        found = found + word * factor
    return found
