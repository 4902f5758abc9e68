"""The pipeline's first step: what can be trained on is handed on as it is, anything else stops the pipeline with a sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shared.adapters.pipelines import STEP_CODE


def prepared(tmp_path: Path, rows: str, *more: str, table: bool = True) -> subprocess.CompletedProcess[str]:
    """The step as the compute runs it: a process of its own that knows its folder alone."""
    train = tmp_path / "train"
    train.mkdir()
    (train / "data.csv").write_text(rows, encoding="utf-8")
    if table:
        (train / "MLTable").write_text("paths: [{file: ./data.csv}]", encoding="utf-8")
    said = ["--train", str(train), "--label", "y", "--request", "r1", "--out", str(tmp_path / "out"), *more]
    return subprocess.run(
        [sys.executable, "-I", "prepare.py", *said],
        cwd=STEP_CODE,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_what_can_be_trained_on_is_handed_on_byte_for_byte(tmp_path: Path) -> None:
    done = prepared(tmp_path, 'x,y,w\n"a\nb",no,0.5\n1,yes,2\n', "--weight", "w")
    assert (done.returncode, done.stdout) == (0, "The data of request r1 can be trained on.\n")
    for name in ("data.csv", "MLTable"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "train" / name).read_bytes()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("x,z\n1,2\n", "0 columns 'y'"),
        ("y,y\n1,2\n", "2 columns 'y'"),
        ("", "0 columns 'y'"),
        ("x,y\n1,no\n2\n", "Row 2 has 1 cells where the header has 2"),
        ("x,y\n1,no\n2,no\n", "All 2 rows have the same label"),
        ("x,y\n", "All 0 rows have the same label"),
    ],
)
def test_what_cannot_stops_the_pipeline_with_a_sentence(tmp_path: Path, rows: str, said: str) -> None:
    done = prepared(tmp_path, rows)
    assert done.returncode == 1
    assert said in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("weight", ["0", "-1", "nan", "inf", "much", ""])
def test_a_weight_is_a_positive_number(tmp_path: Path, weight: str) -> None:
    done = prepared(tmp_path, f"x,y,w\n1,no,1\n2,yes,{weight}\n", "--weight", "w")
    assert "Row 2 has the weight" in done.stderr


def test_a_folder_that_is_no_table_is_told(tmp_path: Path) -> None:
    assert "no file MLTable" in prepared(tmp_path, "x,y\n1,no\n", table=False).stderr
