"""The body of a scoring request: which rows, of which columns, and what is asked of them.

Taken are `input_data` (a table of columns, index and data, a list of records, or a list of lists), MLflow's
`dataframe_split` and `dataframe_records` with `params`, AutoML's `Inputs` with `GlobalParameters`, `data`, and the
bare list.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from scorer.errors import RequestError

#: Azure's own limit of a request is below this; a request of a script tried elsewhere is bounded, too.
MAX_BYTES = 8 * 2**20
MAX_ROWS = 50_000
#: An explanation takes hundreds of times as long as the score.
MAX_EXPLAINED = 20
METHODS = ("predict", "predict_proba")
_TABLES = ("input_data", "dataframe_split", "dataframe_records", "data", "Inputs")
_TAKES = (
    'Send {"input_data": {"columns": [...], "index": [...], "data": [[...]]}}, '
    '{"input_data": [{"column": value}]} or {"Inputs": {"data": [{"column": value}]}}.'
)
_MOST_NAMES = 20


class Named(Protocol):
    """What a request is read for. `columns`: None where the model names none; `optional`: may be left out."""

    columns: list[str] | None
    optional: frozenset[str]


@dataclass(frozen=True, slots=True)
class Asked:
    """`columns`: None where the rows stand in an order that only the model knows."""

    columns: list[str] | None
    rows: list[list[Any]]
    method: str | None = None
    #: The second of two classes is answered from this probability on; None: as the deployment or the model says.
    threshold: float | None = None
    #: Whether to answer what each column contributes to each row's score.
    explain: bool = False


def read(raw: Any, model: Named) -> Asked:
    """The request in `raw` (text, bytes, or what was decoded from them). Raises RequestError."""
    body = _decoded(raw)
    params: dict[str, Any] = {}
    if isinstance(body, list):
        table = body
    elif isinstance(body, dict):
        table, params = _parts(body)
    else:
        raise _bad(f"the body is {_kind(body)}. {_TAKES}")
    columns, rows = _table(table, model)
    if params.get("explain") and len(rows) > MAX_EXPLAINED:
        raise RequestError(
            400,
            "too-many-explanations",
            f"{len(rows)} rows, and at most {MAX_EXPLAINED} are explained at once: send fewer, or leave explain out.",
        )
    return Asked(columns, rows, **params)


def _bad(message: str) -> RequestError:
    return RequestError(400, "invalid-request", message)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    kinds = {dict: "an object", list: "a list", str: "text", bool: "a truth value"}
    return kinds.get(type(value), "a number")


def _names(names: Any) -> str:
    """At most 20 of them, each cut to 80 characters."""
    shown = [name[:80] for name in islice(names, _MOST_NAMES)]
    return f"{shown}"


def _constant(word: str) -> None:
    """NaN is a missing value, as for pandas; there is no score for what is endless."""
    if word != "NaN":
        raise _bad(f"{word} is no value that can be scored.")


_DECODER = json.JSONDecoder(parse_constant=_constant)


def _decoded(raw: Any) -> Any:
    if not isinstance(raw, str | bytes | bytearray):
        return raw
    if len(raw) > MAX_BYTES:
        raise RequestError(413, "too-large", f"the body has more than {MAX_BYTES} bytes: send fewer rows.")
    try:
        text = raw.removeprefix("\ufeff") if isinstance(raw, str) else raw.decode("utf-8-sig")
        if not text.strip():
            raise _bad(f"the body is empty. {_TAKES}")
        return _DECODER.decode(text)
    except RequestError:
        raise
    except UnicodeDecodeError as error:
        raise _bad(f"the body is not UTF-8: byte {error.start} cannot be read.") from None
    except RecursionError:
        raise _bad("the body is nested too deeply.") from None
    except ValueError as error:
        raise _bad(f"the body is not JSON: {str(error)[:200]}") from None


def _parts(body: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The rows, however they are called, and what is asked of them, by the fields of Asked."""
    found = [name for name in _TABLES if name in body]
    if len(found) != 1:
        what = f"has both {found[0]} and {found[1]}" if found else f"has the keys {_names(body)}"
        raise _bad(f"the body {what}. {_TAKES}")
    name = found[0]
    beside = {"Inputs": "GlobalParameters", "data": "method"}.get(name, "params")
    unknown = body.keys() - {name, beside}
    if unknown:
        raise _bad(f"the body has the unknown keys {_names(sorted(unknown))} beside {name}.")
    table, asked = body[name], body.get(beside)
    if name == "Inputs":
        if not isinstance(table, dict) or table.keys() != {"data"}:
            raise _bad('Inputs must be an object with the one key "data".')
        table = table["data"]
        if isinstance(asked, int | float) and not isinstance(asked, bool):
            asked = None  # AutoML's own script for regression takes a number here, which asks for nothing
    if name == "data":
        asked = {"method": asked}
    return table, {} if asked is None else _params(asked, beside)


def _params(asked: Any, beside: str) -> dict[str, Any]:
    """Each checked; what is null is not asked."""
    if not isinstance(asked, dict) or not asked.keys() <= PARAMS.keys():
        *most, last = (f'"{name}"' for name in PARAMS)
        raise _bad(f"{beside} must be an object with no other keys than {', '.join(most)} and {last}.")
    return {name: PARAMS[name](value) for name, value in asked.items() if value is not None}


def _method(method: Any) -> str:
    if method not in METHODS:
        raise _bad(f"the method {str(method)[:80]!r} is unknown: it is one of {', '.join(METHODS)}.")
    return str(method)


def _threshold(threshold: Any) -> float:
    number = isinstance(threshold, int | float) and not isinstance(threshold, bool)
    if not number or not 0 <= threshold <= 1:
        raise _bad(f"the threshold {str(threshold)[:80]!r} is no probability: it is a number from 0 to 1.")
    return float(threshold)


def _explain(explain: Any) -> bool:
    if not isinstance(explain, bool):
        raise _bad(f"explain is {str(explain)[:80]!r}: it is true or false.")
    return explain


#: What may be asked beside the rows, by the fields of Asked.
PARAMS: dict[str, Callable[[Any], Any]] = {"method": _method, "threshold": _threshold, "explain": _explain}


def _table(table: Any, model: Named) -> tuple[list[str] | None, list[list[Any]]]:
    if isinstance(table, dict):
        return _split(table)
    if not isinstance(table, list):
        raise _bad(f"the rows are {_kind(table)}. {_TAKES}")
    _bounded(table)
    kind = dict if table and isinstance(table[0], dict) else list
    for number, row in enumerate(table):
        if not isinstance(row, kind):
            due = "an object of columns" if kind is dict else "a list of values"
            raise _bad(f"row {number} is {_kind(row)} and should be {due}.")
    return _records(table, model) if kind is dict else (model.columns, table)


def _bounded(rows: list[Any]) -> None:
    if len(rows) > MAX_ROWS:
        raise RequestError(
            413, "too-many-rows", f"{len(rows)} rows, and at most {MAX_ROWS} are scored at once."
        )


def _split(table: dict[str, Any]) -> tuple[list[str], list[list[Any]]]:
    if not {"columns", "data"} <= table.keys() <= {"columns", "index", "data"}:
        raise _bad(f"a table has columns, data and perhaps index; here are {_names(table)}.")
    columns, rows, index = table["columns"], table["data"], table.get("index")
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise _bad("columns must be a list of names.")
    if len(set(columns)) != len(columns):
        twice = sorted(name for name, times in Counter(columns).items() if times > 1)
        raise _bad(f"columns are named twice: {_names(twice)}.")
    if not isinstance(rows, list):
        raise _bad(f"data is {_kind(rows)} and should be a list of rows.")
    _bounded(rows)
    if index is not None and (not isinstance(index, list) or len(index) != len(rows)):
        raise _bad(f"index must be a list as long as data, which has {len(rows)} rows.")
    for number, row in enumerate(rows):
        if not isinstance(row, list):
            raise _bad(f"row {number} is {_kind(row)} and should be a list of values.")
    return columns, rows


def _records(records: list[dict[str, Any]], model: Named) -> tuple[list[str], list[list[Any]]]:
    """A field that some records lack is missing there, as for pandas; one that all lack is no column of theirs."""
    if model.columns is None:
        columns = list(records[0])
        for number, record in enumerate(records):
            if record.keys() != records[0].keys():
                raise _bad(f"row {number} has other columns than row 0, and the model names none itself.")
        return columns, [[record[name] for name in columns] for record in records]
    columns = model.columns
    absent = [name for name in columns if name not in records[0]]
    if absent:
        absent = [name for name in absent if not any(name in record for record in records)]
        missing = [name for name in absent if name not in model.optional]
        if missing:
            raise missing_inputs(missing, records[0], columns)
        columns = [name for name in columns if name not in set(absent)]
    return columns, [[record.get(name) for name in columns] for record in records]


def missing_inputs(missing: list[str], have: Iterable[str], due: list[str]) -> RequestError:
    """In MLflow's words."""
    known = set(due)
    extra = [name for name in have if name not in known]
    message = f"Model is missing inputs {_names(missing)}."
    if extra:
        message += f" Note that there were extra inputs: {_names(extra)}"
    return RequestError(400, "missing-columns", message)
