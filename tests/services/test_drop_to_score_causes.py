"""A file to score that can't be scored is told what is wrong as well as a table is."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest

from shared.domain.problems import Fault
from tests.services.test_drop_to_score import ROWS, Bank
from tests.support.scoring_support import Endpoint, serve


@pytest.fixture
def bank() -> Iterator[Bank]:
    with serve(Endpoint()) as endpoint:
        found = Bank(endpoint)
        found.go_live()
        yield found


def told(bank: Bank, raw: bytes | str) -> Fault:
    bank.files.put("incoming", "bank.score.csv", raw if isinstance(raw, bytes) else raw.encode())
    assert bank.drop("bank.score.csv") is None
    batch = bank.only()
    assert batch.status == "failed"
    assert batch.error is not None
    assert batch.error.remedy in bank.read(batch.output.replace("output.csv", "report.txt"))
    return batch.error


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_its_mark_is_told_the_word_that_reads_it(bank: Bank, encoding: str) -> None:
    fault = told(bank, ROWS.encode(encoding))
    assert (fault.code, "UTF-16 without its mark" in fault.message) == ("binary-file", True)
    assert f"Say `encoding: {encoding}` in bank.yaml beside it" in fault.remedy
    bank.put("bank.yaml", f"encoding: {encoding}\n")
    bank.files.put("incoming", "bank.score.csv", ROWS.encode(encoding))
    bank.drop("bank.score.csv")
    assert bank.listed()[0].status == "queued"


def test_a_nul_byte_below_is_no_utf_16(bank: Bank) -> None:
    bank.files.put("incoming", "bank.score.csv", ROWS.encode() + b"5\0,x,1,\n")
    bank.drop("bank.score.csv")
    bank.tick()
    error = bank.only().error
    assert error is not None
    assert "cut off" in error.message


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"PK\x03\x04" + bytes(600), "an Excel workbook"),
        (b"PAR1" + bytes(600), "a file of columns"),
        (b"%PDF-1.7\n1,2\n", "a PDF"),
        (gzip.compress(b"PK\x03\x04" + bytes(600), mtime=0), "an Excel workbook"),
        (gzip.compress(gzip.compress(ROWS.encode(), mtime=0), mtime=0), "gzip packed twice"),
    ],
)
def test_another_kind_of_file_is_called_by_its_name(bank: Bank, raw: bytes, kind: str) -> None:
    fault = told(bank, raw)
    assert fault.code == "binary-file"
    assert f"The file is {kind}" in fault.message
    assert fault.remedy


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("Clients of today\n" + ROWS * 3, "The header seems to be on line 2; remove the lines above."),
        ("Clients, today\n\n" + ROWS * 3, "The header seems to be on line 3; remove the lines above."),
        (ROWS.partition("\n")[2], "The first line looks like data (it holds '57', '1.3')"),
        (
            "sep=|\n" + ROWS,
            "Line 1 says sep=|, but ',' seems to stand between the columns: write sep=, there",
        ),
        ("\nsep=;\n" + ROWS, "Line 2 says sep=;, but ','"),
        (ROWS.replace("age", "years"), "Rename or add what is named. Then drop the file again"),
    ],
)
@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_columns_that_do_not_fit_are_told_with_their_cause(
    bank: Bank, text: str, remedy: str, waits: bool, packed: bool
) -> None:
    raw = gzip.compress(text.encode()) if packed else text.encode()
    if waits:
        bank.world.docs.delete("serving/bank.json")
        bank.files.put("incoming", "bank.score.csv", raw)
        bank.drop("bank.score.csv")
        assert bank.only().status == "waiting"
        bank.go_live()
        bank.tick()
        fault = bank.only().error
        assert bank.only().status == "failed"
    else:
        fault = told(bank, raw)
    assert fault is not None
    assert fault.code == "invalid-rows"
    assert remedy in fault.remedy


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("label: y\nencoding: klingon\n", "Line 2: encoding in bank.yaml is 'klingon'"),
        ("encodng: windows-1250\n", "did you mean encoding?"),
        ("encoding: gbk\nencoding: gbk\n", "twice"),
        ("label: [y\nencoding: windows-1250\n", "is not valid YAML"),
    ],
)
def test_a_file_whose_encoding_is_said_wrongly_is_not_read_by_guess(
    bank: Bank, config: str, said: str
) -> None:
    bank.put("bank.yaml", config)
    fault = told(bank, ROWS.replace("technician", "Żary").encode("cp1250"))
    assert fault.code == "invalid-config"
    assert said in fault.message
    assert "Then drop this file again." in fault.remedy


@pytest.mark.parametrize(
    "config", ["lable: y\nencoding: windows-1250\n", "encoding: windows-1250\nmax_trials: many\n"]
)
def test_other_mistakes_keep_no_encoding_from_being_taken(bank: Bank, config: str) -> None:
    bank.put("bank.yaml", config)
    bank.files.put("incoming", "bank.score.csv", ROWS.replace("technician", "Żary").encode("cp1250"))
    bank.drop("bank.score.csv")
    bank.tick()
    assert bank.output(bank.only())[0]["job"] == "Żary"


def test_a_configuration_that_is_none_keeps_no_file_from_being_scored(bank: Bank) -> None:
    bank.put("bank.yaml", "label: [y\n")
    bank.put("bank.score.csv", ROWS)
    bank.drop("bank.score.csv")
    bank.tick()
    assert bank.only().status == "completed"


def test_a_line_that_the_said_encoding_does_not_explain_is_not_guessed(bank: Bank) -> None:
    bank.put("bank.yaml", "encoding: gbk\n")
    fault = told(bank, "age,job,euribor3m,café\n1,x,2,\n".encode("latin-1"))
    assert (fault.code, "GB18030" in fault.message) == ("not-utf8", True)


def test_text_that_is_not_of_two_bytes_a_character_as_is_said(bank: Bank) -> None:
    bank.put("bank.yaml", "encoding: utf-16-le\n")
    fault = told(bank, ROWS)
    assert (fault.code, "neither a line end nor a delimiter" in fault.message) == ("not-utf8", True)
