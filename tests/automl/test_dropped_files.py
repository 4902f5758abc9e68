"""Files as people have them, from the drop to an answer: what intake stages trains, and answers the file's own rows."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from dropml.azureml.automl.data.reader import read_table
from scorer import load
from scorer.dates import parse_date
from shared.domain.config import DatasetConfig
from shared.domain.rows.payloads import parse
from shared.domain.rows.validation import RowValidator
from shared.services.intake.staging import MLTABLE, TRAIN
from tests.support.automl_jobs import run_here, write_spec
from tests.support.staging_area import MemoryArea, staged

ROWS = 240
#: A column each: values in turn, and the type that they are of.
KINDS = {
    "zip": (["00123", "01234", "99999"], "string"),
    "dash": (["1.5", "-", "2.5"], "string"),
    "infinite": (["1", "inf", "-inf"], "string"),
    "huge": (["1e400", "2", "3"], "string"),
    "long ids": (["9223372036854775808", "9223372036854775809", "1"], "string"),
    "day first": (["01/02/2024", "31/01/2024", "03/04/2024"], "string"),
    "iso": (["2024-01-31", "2024-02-01", "2023-12-31"], "datetime"),
    "gaps": (["1", "", "3"], "integer"),
    "truth": (["true", "False", "TRUE"], "boolean"),
    "comma": (["1,5", "14,25", "3"], "number"),
    "thousands": (["1.013.000", "985", "14.182,50"], "number"),
    "percent": (["45%", "7 %", "1,5 %"], "number"),
    "money": (["5 €", "1.234,50 €", "7 €"], "number"),
    "mixed": (["1,5", "2.25", "x"], "string"),
    "None": (["1", "2", "3"], "integer"),
    "NA": (["a", "b", "c"], "string"),
    "null": (["0.5", "NaN", "1.5"], "number"),
    "nan": (["x", "n/a", "y"], "string"),
    "a, b": (["p", "q", "r"], "string"),
}
TRAINING = {"allowedTrainingAlgorithms": ["LightGBM"], "enableModelExplainability": False}


def dropped(labels: tuple[str, ...]) -> tuple[str, str]:
    """The file, and the same without its label. The label follows a number that tells it."""
    rows = []
    for i in range(ROWS):
        which = (i // 3) % len(labels)
        cells = [values[i % 3] for values, _ in KINDS.values()]
        rows.append([*cells, str(which * 10 + i % 3), labels[which]])
    texts = []
    for cut in (None, -1):
        out = io.StringIO()
        writer = csv.writer(out, delimiter=";", lineterminator="\n")
        writer.writerows(row[:cut] for row in [[*KINDS, "tells", "y"], *rows])
        texts.append(out.getvalue())
    return texts[0], texts[1]


@pytest.mark.parametrize(
    "labels", [("yes", "no"), ("1.1", "1.10", "2.0"), ("01", "1", "10"), ("True", "False"), ("1.0", "0.0")]
)
def test_what_is_staged_trains_and_answers_its_own_rows_in_the_files_words(
    tmp_path: Path, labels: tuple[str, ...]
) -> None:
    text, unlabelled = dropped(labels)
    area, config = MemoryArea(), DatasetConfig(imbalance="off", numbers=("currency", "percent"))
    done = staged(text, config, area=area)
    assert {c.name: c.type for c in done.schema.columns if c.name in KINDS} == {
        name: kind for name, (_, kind) in KINDS.items()
    }
    data = tmp_path / "data"
    data.mkdir()
    for name in (TRAIN, MLTABLE):
        (data / name.rpartition("/")[2]).write_bytes(area.blobs[name])
    job = run_here(write_spec(tmp_path / "job", data, n_cross_validations=2, training=TRAINING))
    assert job.failure == ""
    checked = parse(unlabelled.encode(), "text/csv", max_rows=1000).check(RowValidator(done.schema))
    answers = list(load(job.model_dir, "compiled").predict(checked.columns, checked.rows))
    assert answers == [labels[(i // 3) % len(labels)] for i in range(ROWS)]


@pytest.mark.parametrize(
    "moment",
    [
        "2024-01-{:02} 10:11:12.1234567",  # SQL Server's datetime2
        "2024-01-{:02} 10:11:12.0000000",
        "2024-01-{:02}T10:11:12.123456789Z",  # pandas, Java
        "2024-01-{:02}T10:11:12.1234567+02:00",
        "2024-01-{:02} 10:11:12.5",
        "2024-01-{:02} 10:11",
        "2024-01-{:02}T10:11:12",
        "2024-01-{:02}",
    ],
)
def test_a_moment_is_the_same_one_while_training_and_while_scoring(tmp_path: Path, moment: str) -> None:
    """However many digits its fraction has."""
    moments = [moment.format(1 + i % 28) for i in range(120)]
    text = "at,x,y\n" + "".join(f"{at},{i % 7},{'yes' if i % 3 else 'no'}\n" for i, at in enumerate(moments))
    area = MemoryArea()
    done = staged(text, DatasetConfig(imbalance="off"), rule=None, area=area)
    assert done.schema.columns[0].type == "datetime"
    for name in (TRAIN, MLTABLE):
        (tmp_path / name.rpartition("/")[2]).write_bytes(area.blobs[name])
    trained = read_table(tmp_path).columns["at"].values
    assert trained is not None
    assert np.array_equal(trained, [parse_date(at, []) for at in moments])
