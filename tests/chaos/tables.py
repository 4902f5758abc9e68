"""Files of planted challengers: what their labels are is what becomes of their model."""

from __future__ import annotations

import random

ROWS, WEAK_ROWS = 1200, 500
#: Shares of wrong labels: of a first file that leaves room for better ones, and of a file that makes a model worse.
WEAK, WORSE = 0.25, 0.42
#: `noise-better` has fewer wrong labels than `equal`, by chance alone.
NOISE = {"equal": 0.02, "noise-better": 0.015}


def table(kind: str, seed: int) -> bytes:
    """`y` follows the tens of `a`, but for what the kind does to it; the seed makes its bytes differ from every other one's.

    Few and noisy rows don't tell ten steps apart: a model of the weak file ranks clearly worse than one of the whole.
    """
    dice = random.Random(f"{kind}/{seed}")
    rows = [(dice.randrange(101), dice.randrange(997)) for _ in range(WEAK_ROWS if kind == "weak" else ROWS)]
    labels = [_label(kind, a, dice) for a, _ in rows]
    if kind == "shuffled":
        dice.shuffle(labels)
    lines = [f"{a},{b},{'yes' if label else 'no'}" for (a, b), label in zip(rows, labels, strict=True)]
    return ("\n".join(["a,b,y", *lines]) + "\n").encode()


def _label(kind: str, a: int, dice: random.Random) -> bool:
    if kind == "skewed":
        return a > 20
    wrong = {"weak": WEAK, "worse": WORSE, "inverted": 1.0}.get(kind, NOISE.get(kind, 0.0))
    return truth(a) != (dice.random() < wrong)


def truth(a: int) -> bool:
    """What a label says of `a` where nothing is wrong with it."""
    return a // 10 % 2 == 1


def refused(seed: int, number: int) -> bytes:
    """A file that is refused for its only class, unlike every other one."""
    return ("a,b,y\n" + "".join(f"{i},{(i + number) * seed % 997},no\n" for i in range(40))).encode()
