"""What an MLflow no-code deployment takes: the checks of its container, in its order and words.

Source: azureml-inference-server-http 1.5 (ObjectInput) around Azure's generated mlflow_score_script.py, whose
run(input_data, params) reads input_data as a DataFrame in split orientation. What goes wrong inside run is a
500 that names nothing; its sentence goes to the log.
"""

import json
from typing import Any
from urllib.parse import parse_qs

import orjson

from dropml.azureml.serving.messages import Request

Table = tuple[list[str], list[list[Any]]]  # columns, rows

RUN_FAILED = "An unexpected error occurred in scoring script. Check the logs for more info."
_SPLIT_KEYS = {"columns", "index", "data"}


class ContainerError(Exception):
    """The container refuses: its status, the message it answers with, and what its log says."""

    def __init__(self, status: int, message: str, *, failed: bool = False, log: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.failed = failed  # run() itself failed
        self.log = log or message


class RunError(ContainerError):
    """run() raised; only the log says why."""

    def __init__(self, log: str) -> None:
        super().__init__(500, RUN_FAILED, failed=True, log=log)


def from_request(request: Request, query: bytes) -> Table:
    """Columns and rows of a request. Raises ContainerError."""
    if request.method == "POST":
        return from_body(request.headers.get(b"content-type", b""), request.body)
    if request.method in ("GET", "HEAD"):
        return from_query(query)
    raise ContainerError(405, "The method is not allowed for the requested URL.")


def from_body(content_type: bytes, body: bytes) -> Table:
    """Columns and rows of a POST. Raises ContainerError."""
    kind = content_type.partition(b";")[0].strip().lower()
    if kind != b"application/json" and not (kind.startswith(b"application/") and kind.endswith(b"+json")):
        raise ContainerError(415, "Expects Content-Type to be application/json")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = _as_python_reads(body)
    if type(document) is not dict:
        raise ContainerError(400, "POST body should be a JSON dictionary.")
    return _table(document)


def from_query(query: bytes) -> Table:
    """Columns and rows of a GET, which takes its arguments from the query. Raises ContainerError."""
    values = parse_qs(query.decode("utf-8", "replace"), keep_blank_values=True).get("input_data")
    if not values:
        return _table({})
    try:
        return _table({"input_data": json.loads(values[0])})
    except (ValueError, RecursionError):
        return _table({"input_data": values[0]})


def _as_python_reads(body: bytes) -> Any:
    # The container uses Python's json, which takes NaN, other encodings and long numbers; orjson doesn't.
    if not body:
        raise ContainerError(400, "POST body is empty. Expecting a JSON dictionary.")
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        raise ContainerError(400, f"POST body could not be decoded as JSON: {error}") from None
    except (ValueError, RecursionError) as error:
        raise ContainerError(
            500,
            "An unexpected internal error occurred. Check the logs for more info.",
            log=f"Encountered Exception: {type(error).__name__} while reading the body",
        ) from None


def _table(document: dict[str, Any]) -> Table:
    try:
        split = document["input_data"]
    except KeyError:
        raise ContainerError(400, "A value is not provided for the 'input_data' parameter.") from None
    if type(split) is not dict:
        raise RunError(f"Error, unable to convert input of type {type(split)} into Pandas Dataframe")
    if not split.keys() <= _SPLIT_KEYS:
        raise RunError("JSON data had unexpected key(s) beside columns, index and data")
    columns, data = split.get("columns"), split.get("data")
    if type(columns) is not list or type(data) is not list:
        raise RunError("input_data should hold the lists columns, index and data")
    width = len(columns)
    for row in data:
        if type(row) is not list or len(row) != width:
            found = len(row) if type(row) is list else 1
            raise RunError(f"{width} columns passed, passed data had {found} columns")
    index = split.get("index")
    if index is not None and (type(index) is not list or len(index) != len(data)):
        raise RunError(f"Shape of passed values is ({len(data)}, {width}), the index implies another length")
    if not data:
        raise RunError("Found array with 0 sample(s) while a minimum of 1 is required.")
    if not all(type(column) is str for column in columns):
        columns = [str(column) for column in columns]
    return columns, data
