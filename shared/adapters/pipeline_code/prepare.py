"""The pipeline's first step: looks whether the staged table can be trained on, and hands it on unchanged.

    python prepare.py --train DIR --label NAME [--weight NAME] --request ID --out DIR

`--train` is an MLTable folder as DropML stages it: `MLTable` beside `data.csv` (UTF-8, comma, a header). A sentence on
stderr and exit code 1 where it can't be trained on: then no AutoML job is begun.
"""

from __future__ import annotations

import argparse
import csv
import math
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

TABLE, ROWS = "MLTable", "data.csv"


def problem(folder: Path, label: str, weight: str) -> str:
    """Why the table can't be trained on; empty where it can."""
    for name in (TABLE, ROWS):
        if not (folder / name).is_file():
            return f"The folder has no file {name}."
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with (folder / ROWS).open(encoding="utf-8", newline="") as text:
        rows = csv.reader(text)
        header = next(rows, [])
        for name in filter(None, (label, weight)):
            if header.count(name) != 1:
                return f"The table has {header.count(name)} columns {name!r}, not one."
        return _rows_problem(rows, header, label, weight)


def _rows_problem(rows: Iterable[list[str]], header: list[str], label: str, weight: str) -> str:
    at, weighed, seen, count = header.index(label), header.index(weight) if weight else -1, set[str](), 0
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            return f"Row {number} has {len(row)} cells where the header has {len(header)}."
        if weighed >= 0 and not _positive(row[weighed]):
            return f"Row {number} has the weight {row[weighed][:40]!r}, which is no positive number."
        count += 1
        if len(seen) < 2:
            seen.add(row[at])
    if len(seen) < 2:
        return f"All {count} rows have the same label: there is nothing to learn."
    return ""


def _positive(text: str) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return math.isfinite(value) and value > 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    for name in ("--train", "--label", "--request", "--out"):
        parser.add_argument(name, required=True)
    parser.add_argument("--weight", default="")
    said = parser.parse_args(arguments)
    source, target = Path(said.train), Path(said.out)
    wrong = problem(source, said.label, said.weight)
    if wrong:
        sys.stderr.write(f"The data can't be trained on: {wrong}\n")
        return 1
    target.mkdir(parents=True, exist_ok=True)
    for name in (TABLE, ROWS):
        shutil.copyfile(source / name, target / name)
    sys.stdout.write(f"The data of request {said.request} can be trained on.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
