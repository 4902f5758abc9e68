"""Microsoft's OpenAPI (swagger 2.0) of Azure ML as JSON schemas, and the checks of requests and answers."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tests.conformance.exchange import Exchange


class Spec:
    """One api-version. Enums are compared without case; a `null` in an answer stands for an unset property."""

    def __init__(self, folder: Path) -> None:
        self.document = json.loads((folder / "mfe.pruned.json").read_text())
        self.definitions: dict[str, Any] = self.document["definitions"]
        self._routes = [
            (re.compile("^" + re.sub(r"\{[^}]+\}", "[^/]+", path) + "$", re.IGNORECASE), path)
            for path in self.document["paths"]
        ]
        self._parents = self._find_parents()
        self._case = "(?i)"

    def _find_parents(self) -> dict[str, list[str]]:
        """Base definition to its subtypes, all the way down."""
        direct: dict[str, list[str]] = {}
        for name, definition in self.definitions.items():
            for part in definition.get("allOf") or []:
                if "$ref" in part:
                    direct.setdefault(part["$ref"].rpartition("/")[2], []).append(name)

        def below(name: str) -> list[str]:
            return [s for child in direct.get(name, []) for s in [child, *below(child)]]

        return {name: below(name) for name in direct}

    def operation(self, exchange: Exchange) -> dict[str, Any] | None:
        for pattern, path in self._routes:
            if pattern.match(exchange.path):
                found = self.document["paths"][path].get(exchange.method.lower())
                if found:
                    return dict(found)
        return None

    # -- schemas -------------------------------------------------------------------------------------------

    @cache  # noqa: B019 - a handful of specs live as long as the run
    def validator(self, name: str, answers: bool, exact: bool) -> Draft202012Validator:
        self._case = "" if exact else "(?i)"
        definitions = {d: self._definition(d, answers) for d in self.definitions}
        concrete = {f"{d}!": self._concrete(d, answers) for d in self.definitions}
        return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": definitions | concrete})

    def _definition(self, name: str, answers: bool) -> dict[str, Any]:
        """A definition where it is referred to: a base with a discriminator stands for its subtypes."""
        definition = self.definitions[name]
        key = definition.get("discriminator")
        if not key:
            return self._concrete(name, answers)
        cases = []
        for sub in self._parents.get(name, []):
            value = self.definitions[sub].get("x-ms-discriminator-value")
            if value:
                shape = {"properties": {key: {"pattern": f"(?i)^{re.escape(value)}$"}}, "required": [key]}
                cases.append({"if": shape, "then": {"$ref": f"#/$defs/{sub}!"}})
        known = {"type": "object", "required": [key], "properties": {key: self._property(name, key, answers)}}
        return self._nullable({**known, "allOf": cases}, answers)

    def _flat(self, name: str) -> tuple[dict[str, Any], set[str], Any]:
        """Own and inherited properties, required names, and what else may be there."""
        definition = self.definitions[name]
        properties: dict[str, Any] = {}
        required: set[str] = set()
        for part in definition.get("allOf") or []:
            inherited, needed, _ = self._flat(part["$ref"].rpartition("/")[2])
            properties |= inherited
            required |= needed
        properties |= definition.get("properties") or {}
        required |= set(definition.get("required") or [])
        return properties, required, definition.get("additionalProperties", True)

    def _property(self, name: str, key: str, answers: bool) -> dict[str, Any]:
        return self._schema(self._flat(name)[0].get(key) or {}, answers)

    def _concrete(self, name: str, answers: bool) -> dict[str, Any]:
        definition = self.definitions[name]
        if "enum" in definition or definition.get("type") not in (None, "object"):
            return self._schema(definition, answers)
        properties, required, more = self._flat(name)
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {k: self._schema(v, answers) for k, v in properties.items()},
            "additionalProperties": self._schema(more, answers) if isinstance(more, dict) else bool(more),
        }
        if required:
            schema["required"] = sorted(required)
        return self._nullable(schema, answers)

    @staticmethod
    def _nullable(schema: dict[str, Any], may: bool) -> dict[str, Any]:
        return {"anyOf": [{"type": "null"}, schema]} if may else schema

    def _schema(self, node: dict[str, Any], answers: bool) -> dict[str, Any]:
        null = answers or bool(node.get("x-nullable"))
        if "$ref" in node:
            return self._nullable({"$ref": f"#/$defs/{node['$ref'].rpartition('/')[2]}"}, null)
        schema: dict[str, Any] = {}
        if "enum" in node:
            schema = {
                "type": "string",
                "pattern": self._case + "^(" + "|".join(map(re.escape, node["enum"])) + ")$",
            }
        elif node.get("type") == "object" or "properties" in node:
            more = node.get("additionalProperties", True)
            schema = {
                "type": "object",
                "properties": {
                    k: self._schema(v, answers) for k, v in (node.get("properties") or {}).items()
                },
                "additionalProperties": self._schema(more, answers) if isinstance(more, dict) else bool(more),
            }
        elif node.get("type") == "array":
            schema = {"type": "array", "items": self._schema(node.get("items") or {}, answers)}
        elif node.get("type"):
            keep = ("type", "pattern", "minLength", "maxLength", "minimum", "maximum")
            schema = {k: node[k] for k in keep if k in node}
        return self._nullable(schema, null) if schema else {}


class Specs:
    """All api-versions that are at hand."""

    def __init__(self, folder: Path) -> None:
        self._specs = {f.name: Spec(f) for f in sorted(folder.iterdir()) if (f / "mfe.pruned.json").is_file()}

    def covers(self, exchange: Exchange) -> bool:
        spec = self._specs.get(exchange.api_version or "")
        return spec is not None and spec.operation(exchange) is not None

    def request_faults(self, exchange: Exchange) -> list[str]:
        """`path: message` of everything in the request that the spec doesn't allow."""
        spec = self._specs[exchange.api_version or ""]
        operation = spec.operation(exchange) or {}
        body = next((p for p in operation.get("parameters") or [] if p.get("in") == "body"), None)
        if body is None or exchange.request is None:
            return []
        return _faults(spec, body["schema"], exchange.request, answers=False)

    def spelling_faults(self, exchange: Exchange) -> list[str]:
        """Enum values of the request whose case is not the spec's."""
        spec = self._specs[exchange.api_version or ""]
        body = next(
            (p for p in (spec.operation(exchange) or {}).get("parameters") or [] if p.get("in") == "body"),
            None,
        )
        if body is None or exchange.request is None:
            return []
        return _faults(spec, body["schema"], exchange.request, answers=False, exact=True)

    def answer_faults(self, exchange: Exchange) -> list[str]:
        """The same for the answer, and a status that the operation doesn't declare."""
        spec = self._specs[exchange.api_version or ""]
        responses = (spec.operation(exchange) or {}).get("responses") or {}
        found = responses.get(str(exchange.status))
        if found is None and exchange.status < 400:
            return [f"status: {exchange.status} is not declared"]
        schema = (found or responses.get("default") or {}).get("schema")
        if schema is None or exchange.answer is None:
            return []
        return _faults(spec, schema, exchange.answer, answers=True)


def _faults(
    spec: Spec, schema: dict[str, Any], value: Any, *, answers: bool, exact: bool = False
) -> list[str]:
    if "$ref" not in schema:
        return []
    validator = spec.validator(schema["$ref"].rpartition("/")[2], answers, exact)
    return sorted({f"{_where(e)}: {e.message}"[:300] for e in _leaves(validator.iter_errors(value))})


def _leaves(errors: Any) -> Any:
    """The errors that say something: of `null or X`, those of X."""
    for error in errors:
        inner = [
            e for e in error.context or [] if not (e.validator == "type" and e.validator_value == "null")
        ]
        if inner:
            yield from _leaves(inner)
        else:
            yield error


def _where(error: Any) -> str:
    return "/".join("*" if isinstance(p, int) else str(p) for p in error.absolute_path)
