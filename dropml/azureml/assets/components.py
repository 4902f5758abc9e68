"""Components: command and pipeline specs, anonymous ones addressed by their content."""

from __future__ import annotations

import json
import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from dropml.azureml.assets.environments import Environments
from dropml.azureml.assets.versions import Versions, common
from dropml.azureml.core.arm import ArmError, bad_request, not_found
from dropml.azureml.core.context import Context
from dropml.azureml.core.fields import json_body, properties_of
from dropml.azureml.core.store import Doc

ANONYMOUS = "azureml_anonymous"
_CONTENT = uuid.UUID("5c6f1f0e-8f3b-5f0a-9d43-0a6a2f8b7f11")
#: Of a component whose version nobody named: azure-ai-ml asks for it by this name.
_DEFAULT_VERSION = "azureml_default"
_TYPES = ("command", "pipeline")
#: Of a specification: what tells where it came from, and what its address tells.
_NO_CONTENT = ("name", "version", "_source", "sourceJobId")


def missing_component(arm_id: str) -> ArmError:
    """As recorded for a pipeline job that names a missing component: 404 on the PUT itself, code NotFound."""
    name, _, version = arm_id.rpartition("/components/")[2].partition("/versions/")
    message = f"key: {arm_id}, Message: Not found component {name} (version: {version})."
    return ArmError(404, message, "NotFound")


def _texts(value: Any) -> Any:
    """Booleans and numbers come back as strings."""
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, dict):
        return {k: _texts(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_texts(v) for v in value]
    return value


def _content(spec: Doc) -> Doc:
    """What a version keeps for ever, as a GET answers it: azure-ai-ml archives a component by putting that back."""
    told: Doc = _texts({k: v for k, v in spec.items() if k not in _NO_CONTENT})
    return {"is_deterministic": "False"} | told


def _same(before: Doc, spec: Doc) -> bool:
    """Whether both are one specification; a pipeline's nodes, which no GET shows, need not be said again."""
    old, new = _content(before), _content(spec)
    return old == {"jobs": old["jobs"]} | new if "jobs" in old else old == new


def _by_content(spec: Doc) -> str:
    """The version of an anonymous component."""
    content = {k: v for k, v in spec.items() if k not in ("name", "version", "_source")}
    return str(uuid.uuid5(_CONTENT, json.dumps(content, sort_keys=True)))


class Components(Versions):
    kind, label, segments = "component", "component", ("components", "versions")
    container_verbs = ("GET", "PUT")

    def __init__(self, context: Context, environments: Environments) -> None:
        super().__init__(context)
        self.environments = environments

    def find(self, key: str) -> Doc:
        name, _, version = key.partition("/")
        if version == _DEFAULT_VERSION and (container := self.containers.get_doc(name)):
            return super().find(f"{name}/{container['latest']}")
        return super().find(key)

    def missing(self, key: str) -> ArmError:
        name, _, version = key.partition("/")
        return not_found(f"Not found component {name} (version: {version}).")

    def missing_container(self, name: str) -> ArmError:
        return not_found(f"Not found component {name}.")

    def spec(self, arm_id: str) -> Doc:
        """The full spec of a component; 404 as a pipeline job's PUT answers it."""
        found = self.by_id(arm_id)
        if found is None:
            raise missing_component(arm_id)
        return dict(found["spec"])

    def shape(self, doc: Doc) -> Doc:
        spec = {k: v for k, v in doc["spec"].items() if k not in ("jobs", "_source", "sourceJobId")}
        spec |= {"name": doc["name"], "version": doc["version"]}
        spec.setdefault("is_deterministic", False)
        return self.envelope(doc, {**doc["properties"], "componentSpec": _texts(spec)})

    async def put(self, request: Request) -> Response:
        name, version = self.named(request)
        given = properties_of(await json_body(request))
        spec = given.get("componentSpec")
        if not isinstance(spec, dict) or spec.get("type") not in _TYPES:
            raise bad_request(f"The field 'componentSpec' needs a type of {', '.join(_TYPES)}.")
        anonymous = bool(given.get("isAnonymous"))
        before = self.get_doc(f"{name}/{version}")
        if before and _same(before["spec"], spec):
            spec = before["spec"]
        elif before and not anonymous:
            raise bad_request(
                f"Component {name}:{version} already exists with another specification. A version can't be "
                "changed: use a new one.",
                "BadArgument",
                "Immutable",
            )
        else:
            self._check_spec(spec)
            version = _by_content(spec) if anonymous else version
        properties = {**common(given), "description": None}
        doc, new = self.save(name, version, properties, spec=spec)
        return self.stored(doc, request, new=new or anonymous)

    def runnable(self, spec: Doc) -> None:
        """400 for a component whose environment isn't there."""
        if spec.get("environment"):
            self.environments.required(spec["environment"])

    def _check_spec(self, spec: Doc) -> None:
        self.runnable(spec)
        if spec["type"] == "command" and not spec.get("command"):
            raise bad_request("A command component needs a 'command'.")
        for node in (spec.get("jobs") or {}).values():
            if node.get("componentId"):
                self.spec(node["componentId"])
