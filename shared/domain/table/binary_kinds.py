"""Files that are no text, known by their first bytes."""

from __future__ import annotations

import re

from shared.domain.errors import InvalidTable

#: First bytes that tell a file's kind, in one piece.
LONGEST = 512
_UNPACK = "Unpack it, write the table that it holds as CSV (UTF-8)"
_EXPORT = "Export the table as CSV (UTF-8)"
_STATA = f"{_EXPORT}; in Stata: export delimited using NAME.csv"
_PANDAS = "Read it with the library that wrote it, write the table with pandas' to_csv(..., index=False)"
_KINDS = tuple(
    (re.compile(pattern, re.DOTALL), kind, remedy)
    for pattern, kind, remedy in (
        (rb"\x1f\x8b\x08", "gzip packed twice", "Unpack it, and pack it once or not at all"),
        (rb"PK\x03\x04", "an Excel workbook or a zip archive", _EXPORT),
        (rb"\xd0\xcf\x11\xe0", "an old Excel workbook", _EXPORT),
        (
            rb"PAR1|ARROW1\0\0|Obj\x01|\x89HDF\r\n",
            "a file of columns (Parquet, Arrow, Avro or HDF5)",
            _PANDAS,
        ),
        (rb"%PDF", "a PDF document", _EXPORT),
        (
            rb"SQLite format 3\0",
            "an SQLite database",
            f"{_EXPORT}; in sqlite3: .headers on, .mode csv, .once NAME.csv, and a SELECT of the table",
        ),
        (rb"<stata_dta>|[\x69-\x73][\x01\x02]\x01\0", "a Stata data set", _STATA),
        (
            rb"\$FL[23]@\(#\)",
            "an SPSS data set",
            f"{_EXPORT}; in SPSS: SAVE TRANSLATE ... /TYPE=CSV /FIELDNAMES",
        ),
        (
            rb"\0{12}\xc2\xea\x81\x60|HEADER RECORD\*{7}LIB",
            "a SAS data set",
            f"{_EXPORT}; in SAS: PROC EXPORT ... DBMS=CSV",
        ),
        (
            rb"RD[AX][23]\n|[XB]\n\0\0\0[\x02\x03]",
            "an R object (.rds or .RData)",
            f"{_EXPORT}; in R: write.csv(x, 'NAME.csv', row.names = FALSE)",
        ),
        (rb"\x93NUMPY|\x80[\x02-\x05][\x95c}]", "a Python object (NumPy or pickle)", _PANDAS),
        (
            rb"BZh[1-9]1AY|\xfd7zXZ\0|\x28\xb5\x2f\xfd|7z\xbc\xaf\x27\x1c|Rar!\x1a\x07|.{257}ustar",
            "an archive",
            _UNPACK,
        ),
        (
            rb"\x89PNG|\xff\xd8\xff|GIF8[79]a",
            "a picture",
            "Type the table into a spreadsheet and export it as CSV",
        ),
    )
)


def refuse_binary(head: bytes) -> None:
    """Raises InvalidTable where a file's first bytes are those of another kind."""
    for pattern, kind, remedy in _KINDS:
        if pattern.match(head):
            raise InvalidTable(
                f"The file is {kind}, not CSV text.",
                remedy=f"{remedy}, and drop that.",
                code="binary-file",
                line=1,
                byte=0,
            )
