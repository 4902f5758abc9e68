"""One table is one table, whatever program wrote it, for intake, for scoring by CSV and for batches."""

from __future__ import annotations

import gzip
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.errors import InvalidTable
from shared.domain.problems import MalformedBody
from shared.domain.rows.csv_text import read_csv
from shared.domain.table import text
from shared.domain.table.escapes import unpadded
from shared.domain.table.inflate import unpacked
from shared.domain.table.invisible import clean
from shared.domain.table.reader import Table
from shared.domain.table.text import TextReader
from shared.domain.table.trimming import trimmed
from shared.services.batches.csv_chunks import read_chunks, read_layout

Rows = list[list[str]]
WORDS = ["yes", "no", "1.5", "Zürich", "x,y", "a;b", "two\nlines", 'say "x"', "", "café"]
ENDS = ["\n", "\r\n", "\r"]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "cp1252"]
TABLES = st.lists(
    st.lists(st.sampled_from(WORDS), min_size=3, max_size=3).filter(any), min_size=1, max_size=12
)


def by_intake(raw: bytes) -> tuple[list[str], Rows]:
    table = Table(TextReader([raw]))
    rows = [list(row) for block in table.blocks() for row in zip(*block.columns, strict=True)]
    return table.header, rows


def by_batch(raw: bytes) -> tuple[list[str], Rows]:
    """Every chunk by a reader of its own, as after a crash: the position alone is kept."""

    def read(offset: int, length: int) -> bytes:
        return raw[offset : offset + min(length, 7)]

    layout, position = read_layout(read, len(raw))
    rows = []
    while chunk := next(read_chunks(read, layout, position, len(raw)), None):
        rows += [trimmed(record) for record in chunk.records]
        position = chunk.position
    return layout.columns, rows


def quoted(cell: str) -> str:
    special = any(mark in cell for mark in '",;\t|:^\n')
    return '"' + cell.replace('"', '""') + '"' if special else cell


def written(rows: Rows, delimiter: str, end: str, encoding: str, *, sep: bool, packed: bool) -> bytes:
    lines = [f"sep={delimiter}"] if sep else []
    lines += [delimiter.join(map(quoted, row)) for row in [["a", "b", "label"], *rows]]
    raw = "".join(line + end for line in lines).encode(encoding)
    return gzip.compress(raw) if packed else raw


@given(
    TABLES,
    st.sampled_from(",;\t|:^"),
    st.sampled_from(ENDS),
    st.sampled_from(ENCODINGS),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_every_dialect_gives_the_same_rows(
    rows: Rows, delimiter: str, end: str, encoding: str, sep: bool, packed: bool
) -> None:
    raw = written(rows, delimiter, end, encoding, sep=sep, packed=packed)
    assert by_intake(raw) == read_csv(raw) == by_batch(raw) == (["a", "b", "label"], rows)


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_table_or_refused_as_such(raw: bytes) -> None:
    for read, refused in ((by_intake, InvalidTable), (read_csv, MalformedBody), (by_batch, MalformedBody)):
        with suppress(refused):
            header, rows = read(raw)
            assert header
            assert all(map(any, rows)) or read is by_intake


@pytest.mark.parametrize(
    ("seen", "meant"),
    [
        ("yes\u00a0", "yes"),
        ("\ufeffyes", "yes"),
        ("ye\u200bs", "yes"),
        ("y\u00ades", "yes"),
        ("\u202fyes", "yes"),
        ("yes\u200d", "yes"),
        ("cafe\u0301", "café"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("می\u200cخواهم", "می\u200cخواهم"),
    ],
)
def test_what_nobody_sees_makes_no_class(seen: str, meant: str) -> None:
    raw = f"a,label\n1,{meant}\n2,{seen}\n".encode()
    assert by_intake(raw) == read_csv(raw) == by_batch(raw) == (["a", "label"], [["1", meant], ["2", meant]])
    assert clean(clean(seen)) == clean(seen)


FORMULAS = [
    ('="00123"', "00123"),
    ('"=""00123"""', "00123"),
    ('  =" 7 "', "7"),
    ('="yes"', "yes"),
    ('="=1+1"', "=1+1"),
    ('"=""x,y"""', "x,y"),
    ('"=""two\nlines"""', "two\nlines"),
    ('=" "', ""),
    # Any other formula, and what only resembles one, stays what it is.
    ("=1+1", "=1+1"),
    ('="a"&"b"', '="a"&"b"'),
    ('"=""say """"x"""""""', '="say ""x"""'),
    ("=00123", "=00123"),
    ('+="1"', '+="1"'),
    ('="1', '="1'),
    ('=T("1")', '=T("1")'),
]


@pytest.mark.parametrize(("cell", "meant"), FORMULAS)
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_text_formula_is_its_text(cell: str, meant: str, end: str, delimiter: str) -> None:
    cell = cell.replace("x,y", f"x{delimiter}y")
    lines = ['="zip"|b|label', f"{cell}|1|no", f"8|2|{cell}"]
    raw = "".join(line.replace("|", delimiter) + end for line in lines).encode()
    meant = meant.replace("x,y", f"x{delimiter}y")
    rows = [[meant, "1", "no"], ["8", "2", meant]]
    assert by_intake(raw) == read_csv(raw) == by_batch(raw) == (["zip", "b", "label"], rows)


def test_a_row_of_empty_text_formulas_is_blank() -> None:
    raw = b'a,b,label\n="",="",=""\n1,2,no\n'
    assert by_intake(raw) == read_csv(raw) == by_batch(raw) == (["a", "b", "label"], [["1", "2", "no"]])


def test_text_formulas_in_a_later_block_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "BLOCK", 40)
    rows = [[f"{i:05}", "a\nb" if i == 20 else "c", "no"] for i in range(40)]
    lines = [f'"{a}"' if i < 20 else f'="{a}"' for i, (a, _, _) in enumerate(rows)]
    raw = (
        "a,b,label\n" + "".join(f'{a},"{b}",{y}\n' for a, (_, b, y) in zip(lines, rows, strict=True))
    ).encode()
    table = Table(TextReader([raw]))
    assert [list(row) for block in table.blocks() for row in zip(*block.columns, strict=True)] == rows
    [told] = table.formulas.warnings()
    assert told.startswith(
        "20 values in a spreadsheet's text formula were read as the text inside, the first on line 22: "
    )
    assert told.endswith("""'="00020"' is '00020'.""")


@pytest.mark.parametrize("mark", [":", "^"])
@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("a:b:y\n1:2:no\n3:4:yes\n", ["a", "b", "y"]),
        ('a:b:y\n1:"x:y":no\n3:"two\nlines":yes\n', ["a", "b", "y"]),
        ("a:b\n1,5:no\n2,5:yes\n", ["a", "b"]),
        ("\n:::\na:b:y\n1:2:no\n\n3:4:yes\n", ["a", "b", "y"]),
        ("sep=:\na:b,c\n1:2\n", ["a", "b,c"]),
    ],
)
def test_a_rare_delimiter_is_found_where_it_cuts_every_line_alike(
    mark: str, text: str, header: list[str]
) -> None:
    raw = text.replace(":", mark).encode()
    found = by_intake(raw)
    assert found[0] == header
    assert found == read_csv(raw) == by_batch(raw)


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("day,at:utc\n1,12:30\n2,13:30\n", ["day", "at:utc"]),
        ("day;at\n1;12:30\n2;13:30\n", ["day", "at"]),
        ("a|b^2\n1|2^3\n", ["a", "b^2"]),
    ],
)
def test_the_usual_delimiters_come_first(text: str, header: list[str]) -> None:
    assert by_intake(text.encode())[0] == read_csv(text.encode())[0] == by_batch(text.encode())[0] == header


@pytest.mark.parametrize("text", ["a:b\n1:2:3\n4:5\n", "at\n12:30\n", "a:b\n", "a:b\n1\n", "m^2\n5\n"])
def test_uneven_lines_are_not_cut_by_a_rare_one(text: str) -> None:
    with pytest.raises(InvalidTable, match="No delimiter") as caught:
        by_intake(text.encode())
    assert ("only where it cuts every line" in caught.value.remedy) == (":" in text[:3] or "^" in text[:3])
    assert len(read_csv(text.encode())[0]) == len(by_batch(text.encode())[0]) == 1


def test_cleaning_and_guessing_are_told_with_their_first_line() -> None:
    text = TextReader(["a,label\n1,yes\n2,yes\u00a0\n3,n\u200bo\n".encode()])
    assert list(text.blocks()) == ["a,label\n1,yes\n2,yes \n3,no\n"]
    [said] = text.warnings()
    assert "line 3" in said
    guessed = TextReader([b"a,label\n1,yes\n2,Z\xfcrich\n"])
    assert "Zürich" in "".join(guessed.blocks())
    assert "line 3" in guessed.warnings()[0]
    assert "Windows-1252" in guessed.warnings()[0]


def test_the_encoding_that_is_said_is_read() -> None:
    raw = "a,label\n1,Привет\n".encode("cp1251")
    assert "Привет" in "".join(TextReader([raw], "windows-1251").blocks())


def test_damaged_utf8_is_no_other_encoding() -> None:
    with pytest.raises(InvalidTable, match="line 3") as caught:
        list(TextReader(["a,label\n1,Zürich\n2,Bern".encode() + b"\xfc\n"]).blocks())
    assert caught.value.error_code == "not-utf8"


def test_a_delimiter_that_is_said_wins_and_a_strange_one_is_named() -> None:
    assert by_intake(b"sep=;\na,b;c,d\n1,2;3,4\n") == (["a,b", "c,d"], [["1,2", "3,4"]])
    with pytest.raises(InvalidTable, match="Line 1 names '#'"):
        by_intake(b"sep=#\na#b\n")
    table = Table(TextReader([b"\nsep=;\n\na;b\n1;2\n"]))
    assert (table.header_line, [list(block.starts) for block in table.blocks()]) == (4, [[5]])


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", ":"])
@pytest.mark.parametrize("end", ENDS)
def test_blanks_behind_closing_quotation_marks_are_not_there(delimiter: str, end: str) -> None:
    text = '"a" ,"b%c"   ,label\n"1" , "say ""x"" , or not" ,no \n2,"" ,"yes" \n"two\nlines","x",no\n'
    text += '"\'" ,5" ,"y"\n"" ,"" ,""  \n'
    raw = text.replace(",", delimiter).replace("\n", end).encode()
    found = by_intake(raw)
    assert found[0] == ["a", "b%c", "label"]
    assert found[1] == [
        ["1", f'say "x" {delimiter} or not', "no"],
        ["2", "", "yes"],
        ["two\nlines", "x", "no"],
        ["'", '5"', "y"],
    ]
    assert found == read_csv(raw) == by_batch(raw)


@pytest.mark.parametrize("row", ['"1" x,2', '"1"x ,2', '"1" "2",3', '"1" ,"2"x', '"1" ,"2', '"1" ""x",2'])
def test_other_text_behind_a_closing_quotation_mark_is_refused_as_ever(row: str) -> None:
    with pytest.raises(InvalidTable) as caught:
        by_intake(f"a,b\n{row}\n".encode())
    assert caught.value.error_code in ("stray-quote", "unterminated-quote")


def test_a_blank_behind_a_value_of_several_lines_is_named_as_the_cause() -> None:
    with pytest.raises(InvalidTable, match="the row began on line 2") as caught:
        by_intake(b'a,b\n"x\ny" ,2\n')
    assert "no blank may stand between its closing quotation mark and the delimiter" in caught.value.remedy


def test_a_long_line_of_quotation_marks_and_blanks_takes_no_longer_than_it_is_long() -> None:
    assert unpadded('"" ,' * 30_000 + '"" x', ",") is None
    assert unpadded('"' + '"" ' * 30_000 + '" ,' + " " * 30_000 + "x", ",") is not None


@pytest.mark.parametrize(
    "text",
    [
        "size, cm;y\n1,5;a\n2,5;b\n",
        "name, first, last;y\nx;1\nz;2\n",
        "a|b;c\n1|2;3\n4|5;6\n",
        "id;name,y\n1;Bob,yes\n2;Eve,no\n",
        "a,b;c\n",
    ],
)
def test_where_several_delimiters_stand_in_the_header_all_three_take_the_same(text: str) -> None:
    assert by_intake(text.encode()) == read_csv(text.encode()) == by_batch(text.encode())


@pytest.mark.parametrize(("said", "other"), [("|", ","), (",", ";"), ("\t", ","), (";", ":")])
def test_a_said_delimiter_that_cuts_nothing_is_refused_where_it_is_said(said: str, other: str) -> None:
    with pytest.raises(InvalidTable) as caught:
        by_intake(f"\nsep={said}\n".encode() + f"age{other}y\n1{other}2\n2{other}3\n".encode())
    error = caught.value
    assert (error.error_code, error.where["line"]) == ("no-table", 2)
    assert f"Write sep={other} there, or take line 2 out" in error.remedy


@given(st.lists(st.binary(max_size=2000), min_size=1, max_size=4), st.integers(1, 97))
@settings(max_examples=60, deadline=None)
def test_gzip_is_unpacked_however_it_arrives(members: list[bytes], size: int) -> None:
    packed = b"".join(map(gzip.compress, members))
    pieces = (packed[i : i + size] for i in range(0, len(packed), size))
    assert b"".join(unpacked(pieces)) == b"".join(members)


@pytest.mark.parametrize("size", [100, 5_000_000])
@pytest.mark.parametrize("above", ["", "\n", "sep=;\n"])
def test_another_format_is_called_by_its_name_by_all_three(size: int, above: str) -> None:
    each = '{"age": 30, "y": "no"},'
    raw = f"{above}[{each * (size // len(each))}".encode()

    def whole(offset: int, length: int) -> bytes:
        return raw[offset : offset + length]

    for read in (by_intake, read_csv, lambda data: read_layout(whole, len(data))):
        with pytest.raises((InvalidTable, MalformedBody), match="This is JSON, not CSV") as caught:
            read(raw)
        assert caught.value.error_code == "no-table"
