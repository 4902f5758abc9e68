"""`make bench-intake`: the pass over a dropped file, beside polars' streaming read of the same file, and its peak memory;
then the same file and the bank data dropped into a whole stack (intake_drop.py).

Each pass is a process of its own, so that one's memory is not another's. `--megabytes 20` is the quick form. Prints
`figure NAME VALUE TARGET ok|short` and writes benchmarks/results/intake.json.
"""

from __future__ import annotations

import argparse
import importlib
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import intake_drop
from benchmarks.figure import Figure
from benchmarks.machine import facts
from dropml.common.processes import StartError

CHUNK = 1 << 22
HEADER = "age,job,marital,balance,duration,rate,month,y\n"
ROWS = 20_000
RESULTS = Path(__file__).parent / "results" / "intake.json"
#: Share of polars' speed; peak in MB; growth of the peak from the small file to the large one.
SHARE, PEAK, GROWTH = 0.5, 300, 0.1


class Discarding:
    """A staging area that counts bytes and keeps none."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, data: bytes) -> None:
        self.size += len(data)

    @contextmanager
    def writer(self, name: str) -> Iterator[Discarding]:
        yield self

    def reader(self, name: str) -> Iterable[bytes]:
        raise FileNotFoundError(name)

    def delete(self, name: str) -> None:
        raise FileNotFoundError(name)


def write_file(path: Path, megabytes: int) -> None:
    """A table of bank customers, the same for the same size."""
    rng = random.Random(1)
    with path.open("w", encoding="utf-8", newline="") as out:
        out.write(HEADER)
        while out.tell() < megabytes * 1_000_000:
            out.writelines(_row(rng) for _ in range(ROWS))


def _row(rng: random.Random) -> str:
    job = rng.choice(("admin.", "blue-collar", "technician", "services"))
    married, month = rng.choice(("married", "single")), rng.choice(("may", "jun", "jul"))
    balance, rate = rng.random() * 1000, rng.random()
    label = rng.choice(("yes", "no"))
    return f"{rng.randint(18, 90)},{job},{married},{balance:.3f},{rng.randint(0, 5000)},{rate:.4f},{month},{label}\n"


def by_intake(path: Path) -> None:
    from shared.adapters.packed_rows import RowEngine
    from shared.domain.config import DatasetConfig
    from shared.domain.table.holdout import NEWEST, HoldoutRule
    from shared.services.intake.staging import stage

    with path.open("rb") as file:
        pieces = iter(lambda: file.read(CHUNK), b"")
        stage(
            pieces,
            Discarding(),
            DatasetConfig(imbalance="off"),
            HoldoutRule("bench", version=NEWEST),
            "bench",
            engine=RowEngine(),
        )


def by_polars(path: Path) -> None:
    pl = importlib.import_module("polars")  # not in the development set: it is asked for here alone
    pl.scan_csv(path).select(pl.all().count()).collect(engine="streaming")


def measured(engine: str, path: Path) -> dict[str, float]:
    """Seconds and peak MB of one pass, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.intake", "--engine", engine, "--file", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def one(engine: str, path: Path) -> None:
    began = time.perf_counter()
    {"intake": by_intake, "polars": by_polars}[engine](path)
    seconds = time.perf_counter() - began
    # In kilobytes, but in bytes on macOS.
    unit = 1e6 if sys.platform == "darwin" else 1e3
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    print(json.dumps({"seconds": seconds, "peak": peak}))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--engine", choices=("intake", "polars"))
    parser.add_argument("--file", type=Path)
    asked = parser.parse_args()
    if asked.engine:
        one(asked.engine, asked.file)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder, "small.csv"), Path(folder, "large.csv")
        write_file(small, max(1, asked.megabytes // 10))
        write_file(large, asked.megabytes)
        figures = passes(small, large)
        try:
            figures += intake_drop.measure(large)
        except (StartError, intake_drop.NotRegisteredError) as error:
            print(error, file=sys.stderr)  # what was measured before is told all the same
    print("\n".join(figure.line() for figure in figures))
    RESULTS.parent.mkdir(exist_ok=True)
    document = {
        "machine": facts("numpy", "polars", "azure-storage-blob"),
        "megabytes": asked.megabytes,
        "figures": [figure.to_dict() for figure in figures],
    }
    RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


def passes(small: Path, large: Path) -> list[Figure]:
    """The pass over both files, and polars' over the large one."""
    size = large.stat().st_size / 1e6
    few, many, other = measured("intake", small), measured("intake", large), measured("polars", large)
    speed, beside = size / many["seconds"], size / other["seconds"]
    return [
        Figure("intake-share-of-polars", speed / beside, SHARE, note=f"{speed:.1f} of {beside:.1f} MB/s"),
        Figure("intake-peak-mb", many["peak"], PEAK, at_least=False),
        Figure("intake-peak-growth", many["peak"] / few["peak"] - 1, GROWTH, at_least=False),
    ]


if __name__ == "__main__":
    sys.exit(main())
