"""Our own entry script, `scorer/score.py` byte for byte, on a compiled model: it answers in the endpoint's process.

A script of somebody else's has a process of its own (`script_service`), and so has ours wherever it would unpickle a model or
is told anything but its own variables. The compiled form is what a no-code deployment runs in this process, too, and it has
been read whole in a child before.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import scorer
from dropml.azureml.serving.contract import ContainerError
from dropml.azureml.serving.messages import Request
from dropml.azureml.serving.settings import ScriptSettings

if TYPE_CHECKING:
    from scorer.answer import Answer
    from scorer.request import Asked

_ENTRY, _NAME, _THRESHOLD = "score.py", "DROPML_MODEL", "DROPML_THRESHOLD"


class RefusalError(Exception):
    """The script refuses the request: the container's status and body, and what its log says."""

    def __init__(self, status: int, code: str, body: Any) -> None:
        super().__init__(code)
        self.status, self.body = status, body
        self.log = f"{status} {code}"


def is_ours(script: ScriptSettings) -> bool:
    """Whether the code is this package's, whole and nothing else, and is told nothing but its own variables. Blocking."""
    if script.entry != _ENTRY or not script.variables.keys() <= {_NAME, _THRESHOLD}:
        return False
    code, own = script.code_dir, Path(scorer.__file__).parent
    found = {path.relative_to(code): path for path in code.rglob("*") if not path.is_dir()}
    ours = {path.relative_to(own): path for path in own.glob("*.py")}
    return found.keys() == ours.keys() and all(
        path.read_bytes() == ours[name].read_bytes() for name, path in found.items()
    )


class OwnScript:
    """What `init` of the script has made. Raises as it does."""

    def __init__(self, model_dir: Path, variables: Mapping[str, str], model: str) -> None:
        from scorer.answer import CompiledModel, answer, standing
        from scorer.compiled import CompiledScorer
        from scorer.errors import RequestError
        from scorer.request import read
        from scorer.swagger import documents

        self._model = CompiledModel(CompiledScorer(model_dir))
        self._name = variables.get(_NAME) or model
        self._threshold = standing(variables.get(_THRESHOLD), self._model)
        #: The descriptions of its interface, by the names that the inference server looks for.
        self.swaggers = documents(self._model, model_dir, self._name)
        self._read, self._answer, self._refusal = read, answer, RequestError

    def warm(self, columns: list[str], rows: list[list[Any]]) -> list[Any]:
        """The results of some rows, all that an answer holds found for them."""
        split = {"columns": columns, "data": rows}
        return list(self.answer(self._read({"input_data": split}, self._model))["result"])

    def read(self, request: Request, query: bytes) -> "Asked":
        """A request as the inference server hands it to `run`. Raises ContainerError, RefusalError."""
        if request.method not in ("GET", "POST"):
            raise ContainerError(405, "Method not allowed")
        try:
            get = request.method == "GET"
            text = json.dumps(_from_query(query)) if get else str(request.body, "utf-8")
        except UnicodeDecodeError as error:
            raise ContainerError(400, f"Input cannot be decoded as UTF-8: {error}") from None
        try:
            return self._read(text, self._model)
        except self._refusal as error:
            raise RefusalError(error.status, error.code, error.body) from None

    def answer(self, asked: "Asked") -> "Answer":
        """As `run` does. Raises RefusalError, and whatever a model raises."""
        try:
            found = self._answer(self._model, asked, self._threshold)
        except self._refusal as error:
            raise RefusalError(error.status, error.code, error.body) from None
        found["model"] = self._name
        return found


def _from_query(query: bytes) -> dict[str, Any]:
    """Each parameter as JSON where it is some; a list of those that are given more than once."""
    found: dict[str, Any] = {}
    for name, texts in parse_qs(query.decode("latin-1"), keep_blank_values=True).items():
        values = [_as_json(text) for text in texts]
        found[name] = values[0] if len(values) == 1 else values
    return found


def _as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
