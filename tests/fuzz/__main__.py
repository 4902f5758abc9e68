"""`make fuzz-intake`: many damaged files, each with exactly one verdict; prints figures and the seeds that broke something."""

from __future__ import annotations

import argparse
import faulthandler
import sys
import time
from collections import Counter

from benchmarks.figure import Figure
from tests.fuzz.files import generated
from tests.fuzz.verdict import scored_verdict, verdict

#: Seconds for one file of at most some 100 KB, on any machine.
HANG = 60


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    verdicts: Counter[str] = Counter()
    broken: list[int] = []
    slowest = 0.0
    for seed in range(asked.seed, asked.seed + asked.files):
        faulthandler.dump_traceback_later(HANG, exit=True)  # a hang ends here, and its stack is shown
        began = time.monotonic()
        try:
            raw = generated(seed)
            verdicts[verdict(raw)] += 1
            verdicts[f"{scored_verdict(raw)} (to score)"] += 1
        except Exception as error:  # noqa: BLE001 (whatever it is, it is what is looked for)
            broken.append(seed)
            print(f"seed {seed}: {type(error).__name__}: {error}")
        slowest = max(slowest, time.monotonic() - began)
    faulthandler.cancel_dump_traceback_later()
    for code, count in verdicts.most_common():
        print(f"{count:>8,} {code}")
    figures = (
        Figure("fuzz-files", asked.files, 20_000),
        Figure("fuzz-crashes", len(broken), 0, at_least=False),
        Figure("fuzz-slowest-seconds", slowest, HANG, at_least=False),
    )
    for figure in figures:
        print(figure.line())
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
