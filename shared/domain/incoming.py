"""What a blob's name in the incoming container means: a table, rows to score, a configuration, something else, or nothing
to us. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from shared.domain.errors import InvalidTable
from shared.domain.names import unwritable
from shared.domain.table.invisible import INVISIBLE, SPACES, hidden

#: Endings of a table, whatever their case. What they hold is for the reader of tables to find out.
TABLES = (".csv", ".csv.gz", ".tsv")
CONFIG = ".yaml"
#: Before a table's ending, in any case: its rows are scored, not learnt from.
SCORE = ".score"
#: Characters of a dataset's name: Azure's tags, which carry it, end at 256.
MAX_NAME = 200
_NEAR_CONFIG = tuple(
    f"{table}{end}{hidden}"
    for hidden in (".txt", "")
    for table in (*TABLES, "")
    for end in (".yaml", ".yml")
    if (table, end, hidden) != ("", ".yaml", "")
)
#: Whole names that are an ending: a table or a configuration that nobody named.
_BARE = frozenset({*TABLES, CONFIG, ".yml"})
_WORKBOOKS = frozenset({"xlsx", "xls", "xlsm", "xlsb", "ods", "numbers"})
_ARCHIVES = frozenset({"zip", "gz", "tgz", "bz2", "xz", "7z", "rar", "tar", "zst"})
_OTHER_DATA = frozenset(
    {
        "parquet",
        "feather",
        "arrow",
        "orc",
        "avro",
        "json",
        "jsonl",
        "ndjson",
        "xml",
        "sql",
        "sav",
        "dta",
        "arff",
        "rds",
        "rdata",
    }
    | {
        "sas7bdat",
        "xpt",
        "sqlite",
        "sqlite3",
        "db",
        "mdb",
        "accdb",
        "dbf",
        "h5",
        "hdf5",
        "npy",
        "npz",
        "pkl",
        "pickle",
        "mat",
    }
)
#: What systems and programs leave beside files.
_CLUTTER_ENDS = (".tmp", ".part", ".partial", ".crdownload", ".filepart", ".crc", "~", "/", ".lock")
_CLUTTER = frozenset({"thumbs.db", "desktop.ini"})


#: Blanks and invisible characters before a table's or a configuration's ending.
_UNSEEN = re.compile(
    rf"[ {SPACES}{INVISIBLE}]+(?=(?:{re.escape(SCORE)}[ {SPACES}{INVISIBLE}]*)?\.(?:csv|csv\.gz|tsv|ya?ml)$)",
    re.IGNORECASE,
)


class Kind(StrEnum):
    TABLE = "table"
    SCORE = "score"
    CONFIG = "config"
    OTHER = "other"
    CLUTTER = "clutter"


@dataclass(frozen=True)
class Arrival:
    """`dataset` names a table, or the one whose model scores or that a configuration is for; the rest tells of something else."""

    kind: Kind
    dataset: str = ""
    code: str = ""
    message: str = ""
    remedy: str = ""


def recognised(name: str) -> Arrival:
    """What the blob `name` is, by its name alone. What nobody sees before its ending is not there."""
    seen = _UNSEEN.sub("", name)
    if seen != name and seen.endswith(CONFIG):
        return misnamed(name, seen)
    name = seen
    unusable = _unusable(name)
    if unusable:
        remedy = (
            "Rename it: letters, digits, blanks, dashes, underscores, dots and slashes, such as NAME.csv."
        )
        return _told(
            InvalidTable(f"Its name {unusable}, so it was not read.", remedy=remedy, code="unusable-name")
        )
    lower, last = name.lower(), name.rpartition("/")[2]
    if last.startswith((".", "~$")) or lower.endswith(_CLUTTER_ENDS) or last.lower() in _CLUTTER:
        return Arrival(Kind.CLUTTER)
    near = next((end for end in _NEAR_CONFIG if lower.endswith(end)), None)
    if near or (lower.endswith(CONFIG) and not name.endswith(CONFIG)):
        right = name[: -len(near or CONFIG)] + CONFIG
        return misnamed(name, right)
    if name.endswith(CONFIG):
        return _config(name[: -len(CONFIG)])
    table = next((end for end in TABLES if lower.endswith(end)), None)
    if table:
        stem = name[: -len(table)]
        return _named(Kind.SCORE, stem[: -len(SCORE)]) if _to_score(stem) else _named(Kind.TABLE, stem)
    return Arrival(Kind.CLUTTER) if last.startswith("_") else _no_table(last)


def config_of(name: str) -> str:
    """The configuration file of a table."""
    return f"{recognised(name).dataset}{CONFIG}"


def stem_of(name: str) -> str:
    """The last part of a table's name, without its ending."""
    last = name.rpartition("/")[2]
    return last[: -len(next((end for end in TABLES if last.lower().endswith(end)), "")) or None]


def misnamed(name: str, right: str) -> Arrival:
    """A configuration that is read under another name alone."""
    hidden = (
        " Its last ending, .txt, may be hidden where you see it." if name.lower().endswith(".txt") else ""
    )
    message = f"It looks like a configuration, but only {right} is read.{hidden}"
    return _told(InvalidTable(message, remedy=f"Rename it to {right}.", code="misnamed-config"))


def _to_score(stem: str) -> bool:
    return stem.lower().endswith(SCORE) and len(stem.rpartition("/")[2]) > len(SCORE)


def _config(stem: str) -> Arrival:
    if not _to_score(stem):
        return _named(Kind.CONFIG, stem)
    right = f"{stem[: -len(SCORE)]}{CONFIG}"
    message = f"Files to score have no configuration of their own; {right} holds for them, too."
    return _told(InvalidTable(message, remedy=f"Write what it says into {right}.", code="misnamed-config"))


def _told(error: InvalidTable) -> Arrival:
    return Arrival(Kind.OTHER, "", error.error_code, error.message, error.remedy)


def _named(kind: Kind, dataset: str) -> Arrival:
    if len(dataset) <= MAX_NAME:
        return Arrival(kind, dataset)
    message = f"Its name has {len(dataset):,} characters before the ending; at most {MAX_NAME} are taken."
    return _told(
        InvalidTable(message, remedy="Give it a shorter name, or a shorter folder.", code="unusable-name")
    )


def _unusable(name: str) -> str:
    """What keeps a name from being read back from every place that it is written to; empty where nothing does."""
    character = unwritable(name)
    if character:
        return f"holds the character {character}, which can't be shown"
    if character := hidden(name):
        return f"holds the character U+{ord(character):04X}, which nobody sees"
    if name.rpartition("/")[2][:1].isspace():
        return "begins with a blank"
    if "\\" in name:
        return "holds a backslash"
    *folders, last = name.split("/")
    if last.lower() in _BARE:
        return "has nothing before its ending"
    if any(part and not part.strip(".") for part in (*folders, last, last.rpartition(".")[0])):
        return "has a part that is only dots"
    return ""


def _no_table(last: str) -> Arrival:
    stem, dot, ending = last.rpartition(".")
    stem, ending = (stem, ending.lower()) if dot else (last, "")
    stem = stem_of(stem)
    if ending in _WORKBOOKS:
        message, remedy = "It is a workbook.", f"Export the sheet as CSV (UTF-8) and drop it as {stem}.csv."
    elif ending in _ARCHIVES:
        message, remedy = "It is an archive.", f"Unpack it and drop the table as {stem}.csv."
    elif ending in _OTHER_DATA:
        message, remedy = (
            f"It is a file of the kind .{ending}.",
            f"Write the table as CSV and drop it as {stem}.csv.",
        )
    else:
        message = f"Its name ends in .{ending[:20]}." if ending else "Its name has no ending."
        remedy = f"If it is a table, drop it as {stem}.csv."
    return _told(
        InvalidTable(f"{message} Only {', '.join(TABLES)} are taken.", remedy=remedy, code="not-a-table")
    )
