"""Reading MLTable folders: delimiters, encodings, types, quoted lines, what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from dropml.azureml.automl.data import reader
from dropml.azureml.automl.data.reader import read_table
from dropml.azureml.automl.spec import UserError
from tests.support.automl_jobs import write_data


def table(folder: Path, text: bytes, steps: list[Any] | None = None, **read: Any) -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data.csv").write_bytes(text)
    document = {
        "paths": [{"file": "./data.csv"}],
        "transformations": [{"read_delimited": read}, *(steps or [])],
    }
    (folder / "MLTable").write_text(yaml.safe_dump(document))
    return read_table(folder)


def values(folder: Path, text: bytes, **read: Any) -> dict[str, Any]:
    return {c.name: c.python_values() for c in table(folder, text, **read).columns.values()}


@pytest.mark.parametrize(
    ("name", "sign"), [(";", ";"), ("\t", "\t"), ("\\t", "\t"), ("|", "|"), ("semicolon", ";")]
)
def test_delimiters(tmp_path: Path, name: str, sign: str) -> None:
    text = f"a{sign}b\n1{sign}x,y\n".encode()
    assert values(tmp_path, text, delimiter=name) == {"a": [1], "b": ["x,y"]}


@pytest.mark.parametrize(
    ("name", "codec"), [("utf8", "utf-8-sig"), ("iso88591", "latin-1"), ("utf16", "utf-16")]
)
def test_encodings(tmp_path: Path, name: str, codec: str) -> None:
    assert values(tmp_path, "größe,ort\n1,Köln\n".encode(codec), encoding=name) == {
        "größe": [1],
        "ort": ["Köln"],
    }


def test_wrong_encoding_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="The data is not utf-8"):
        table(tmp_path, "a\nKöln\n".encode("latin-1"), encoding="utf8")


def test_no_header(tmp_path: Path) -> None:
    assert values(tmp_path, b"1,x\n2,y\n", header="no_header") == {"Column1": [1, 2], "Column2": ["x", "y"]}


def test_quoted_line_breaks_and_quotes(tmp_path: Path) -> None:
    text = b'a,b\n"two\nlines","say ""hi"""\nplain,\n'
    assert values(tmp_path, text, support_multi_line=True) == {
        "a": ["two\nlines", "plain"],
        "b": ['say "hi"', None],
    }


def test_types_are_found_where_none_are_given(tmp_path: Path) -> None:
    text = b"i,f,s,b,d,m,z\n1,1.5,x,true,2020-01-31,1,007\n-2,,NA,FALSE,2020-02-01,,01\n"
    found = table(tmp_path, text)
    kinds = {c.name: c.type for c in found.columns.values()}
    assert kinds == {
        "i": "long",
        "f": "double",
        "s": "string",
        "b": "boolean",
        "d": "datetime",
        "m": "double",
        "z": "long",
    }
    assert found["s"].python_values() == ["x", "NA"]  # in text only an empty cell is missing
    assert found["f"].python_values() == [1.5, None]
    assert found["d"].python_values()[0] == "2020-01-31T00:00:00"


def test_declared_types_win_and_what_does_not_fit_is_missing(tmp_path: Path) -> None:
    steps = [
        {
            "convert_column_types": [
                {"columns": ["code"], "column_type": "string"},
                {"columns": "n", "column_type": "int"},
                {"columns": ["when"], "column_type": {"datetime": {"formats": ["%d/%m/%y"]}}},
                {
                    "columns": ["ok"],
                    "column_type": {"boolean": {"true_values": ["J"], "false_values": ["N"]}},
                },
            ]
        }
    ]
    found = table(tmp_path, b"code,n,when,ok\n007,1,31/01/20,J\n08,two,soon,N\n", steps)
    assert found["code"].python_values() == ["007", "08"]
    assert (found["n"].type, found["n"].python_values()) == ("double", [1.0, None])
    assert found["when"].python_values() == ["2020-01-31T00:00:00", None]
    assert found["ok"].python_values() == [True, False]


def test_a_word_far_down_turns_a_column_of_numbers_into_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_CHUNK", 50)
    monkeypatch.setattr(reader, "_SNIFF", 50)
    text = "a\n" + "\n".join(["007"] * 120 + ["none of these"] + ["5"] * 10) + "\n"
    found = table(tmp_path, text.encode())["a"]
    assert found.type == "string"
    assert set(found.levels or []) == {"007", "none of these", "5"}
    assert len(found) == 131


def test_columns_and_rows_can_be_picked(tmp_path: Path) -> None:
    steps = [{"keep_columns": ["a", "c"]}, {"drop_columns": "c"}, {"skip": 1}, {"take": 2}]
    found = table(tmp_path, b"a,b,c\n1,1,1\n2,2,2\n3,3,3\n4,4,4\n", steps)
    assert {c.name: c.python_values() for c in found.columns.values()} == {"a": [2, 3]}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"a,b,a\n1,2,3\n", "names a column twice: a"),
        (b"a,b\n1,2\n1,2,3,4\n", "is not a table"),
        (b"", "is empty"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: bytes, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        table(tmp_path, text)


def test_unknown_steps_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'read_parquet' is not supported"):
        table(tmp_path, b"a\n1\n", [{"read_parquet": {}}])
    (tmp_path / "MLTable").write_text("paths:\n- file: ./gone.csv\n")
    with pytest.raises(UserError, match="is not in the data folder"):
        read_table(tmp_path)


def test_several_files_share_their_levels(tmp_path: Path) -> None:
    write_data(tmp_path, "a,b\nx,1\ny,2\n")
    (tmp_path / "more.csv").write_text("a,b\nz,3\nx,4\n")
    document = yaml.safe_load((tmp_path / "MLTable").read_text())
    document["paths"] = [{"pattern": "./*.csv"}]
    (tmp_path / "MLTable").write_text(yaml.safe_dump(document))
    found = read_table(tmp_path)
    assert found["a"].python_values() == ["x", "y", "z", "x"]
    assert np.array_equal(found["b"].numbers, [1, 2, 3, 4])
