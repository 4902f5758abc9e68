"""`python -m tests.chaos`: round after round of kills, outages, a bad cloud, crowds and planted challengers under scoring.

After every round everything must have come to its end, once. Prints figures, writes benchmarks/results/chaos.json and, with
`--publish`, the report in docs/reliability.md. The seed makes the same rounds again; `--resume FILE` keeps what rounds came
to, so that a run that was broken off goes on with the next round, on a new stack, and its figures add up.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import machine
from dropml.common import processes
from tests.chaos.plan import round_of
from tests.chaos.rounds import SETTINGS, Chaos
from tests.chaos.tally import Tally
from tests.soak.__main__ import jumping
from tests.support.live_stack import live_stack
from tests.support.published import publish

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "chaos.json"


def torment(tally: Tally, seconds: float, lanes: int, resume: Path | None, keep: Path | None) -> None:
    """Rounds until the time is over: the one that is under way then is finished."""
    with tempfile.TemporaryDirectory() as folder, jumping(Path(folder) / "clock") as extra:
        home, ends = Path(folder) / "stack", time.monotonic() + seconds
        try:
            with (
                live_stack(home, extra=extra | SETTINGS) as live,
                Chaos(live, Path(folder) / "clock", tally, lanes=lanes) as chaos,
            ):
                while time.monotonic() < ends:
                    chaos.round(round_of(tally.seed, tally.rounds, lanes=lanes))
                    if resume:
                        tally.save(resume)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - what rounds came to until then is told
            tally.failed.append(f"ended early: {type(error).__name__}: {str(error)[:300]}")
        tally.left += len(processes.working_in(home))
        if keep:
            shutil.copytree(home, keep, dirs_exist_ok=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--lanes", type=int, default=2, help="datasets in which challengers are planted at a time"
    )
    parser.add_argument(
        "--resume", type=Path, help="go on from this file where it is there, and keep it up to date"
    )
    parser.add_argument("--publish", action="store_true", help="write the report into docs/reliability.md")
    parser.add_argument("--keep", type=Path, help="copy the stack's folder here at the end")
    options = parser.parse_args()
    resume: Path | None = options.resume
    tally = Tally.load(resume) if resume and resume.is_file() else Tally(options.seed)
    torment(tally, options.minutes * 60, options.lanes, resume, options.keep)
    figures = tally.figures()
    print(*tally.told(), *(figure.line() for figure in figures), sep="\n")
    RESULTS.parent.mkdir(exist_ok=True)
    document: dict[str, Any] = {"machine": machine.facts(), "seed": tally.seed, "minutes": tally.minutes}
    document |= {
        "troubles": tally.troubles,
        "figures": [one.to_dict() for one in figures],
        "told": tally.told(),
    }
    RESULTS.write_text(json.dumps(document, indent=1) + "\n")
    if options.publish:
        done = ", ".join(f"{count} x {kind}" for kind, count in sorted(tally.troubles.items()))
        publish("chaos", f"{tally.minutes:.0f} minutes, seed {tally.seed}: {done}.", figures, tally.told())
    return 0


if __name__ == "__main__":
    sys.exit(main())
