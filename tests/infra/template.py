"""A template unrolled: every resource with its name, properties and scope, as `azd up` would send it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from tree_sitter import Node

from tests.infra.bicep import Declared, File, Finding, parse, text
from tests.infra.types import Types, Unknown
from tests.infra.values import Opaque, Wrong, evaluate

_TYPES = {"string": str, "int": int, "bool": bool, "array": list, "object": dict}


@dataclass(frozen=True)
class Resource:
    """One resource to be: `body` without what only Bicep knows (`parent`, `scope`, `dependsOn`)."""

    where: str
    target: str
    existing: bool
    body: dict[str, Any]
    parent: Resource | None
    scope: Any
    deployed_to: str

    @property
    def kind(self) -> str:
        return self.target.partition("@")[0]

    @property
    def name(self) -> str:
        return str(self.body.get("name", ""))

    @property
    def properties(self) -> dict[str, Any]:
        found = self.body.get("properties", {})
        return found if isinstance(found, dict) else {}

    @property
    def path(self) -> str:
        """Its name under those of its parents."""
        return f"{self.parent.path}/{self.name}" if self.parent else f"{self.kind}/{self.name}"


class Templates:
    """All files by their path, texts and JSON alike."""

    def __init__(self, files: Mapping[str, str], types: Types | None) -> None:
        self.files, self.types = files, types
        self.findings: list[Finding] = []
        self.resources: list[Resource] = []
        self.parsed: dict[str, File] = {}
        for path, source in files.items():
            if path.endswith(".bicep"):
                self.parsed[path], found = parse(path, source)
                self.findings += found

    def unroll(self, path: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Adds the file's resources, and those of its modules, for these parameters; answers its outputs."""
        if path not in self.parsed:
            self.findings.append(Finding(path, "there is no such module"))
            return {}
        return _Scope(self, self.parsed[path], parameters).unroll()


class _Module:
    def __init__(self, outputs: Mapping[str, Any]) -> None:
        self.outputs = outputs


class _Scope:
    """One file with its parameters: the names that its expressions read."""

    def __init__(self, all_: Templates, file: File, parameters: Mapping[str, Any]) -> None:
        self.all, self.file = all_, file
        self.known: dict[str, Any] = {}
        self.under_way: set[str] = set()
        self._take(parameters)

    def _take(self, given: Mapping[str, Any]) -> None:
        for name in given.keys() - self.file.parameters.keys():
            self._find(f"{self.file.path} has no parameter {name}")
        for name, parameter in self.file.parameters.items():
            if name in given:
                self.known[name] = given[name]
            elif parameter.default is not None:
                self.known[name] = evaluate(parameter.default, self)
            else:
                self._find(f"{self.file.path} needs the parameter {name}")
                self.known[name] = Opaque(name)
            self._fits(name, self.known[name])

    def _fits(self, name: str, value: Any) -> None:
        parameter = self.file.parameters[name]
        if isinstance(value, Opaque):
            return
        if parameter.kind not in _TYPES or type(value) is not _TYPES[parameter.kind]:
            self._find(f"the parameter {name} is {parameter.kind}, not {value!r}")
            return
        limits = {
            key: evaluate(node, self)
            for key, node in parameter.decorators.items()
            if node is not None and key != "description"
        }
        size = len(value) if isinstance(value, str) else value
        if "allowed" in limits and value not in limits["allowed"]:
            self._find(f"the parameter {name} may be one of {limits['allowed']}, not {value!r}")
        least = limits.get("minValue", limits.get("minLength"))
        most = limits.get("maxValue", limits.get("maxLength"))
        if (least is not None and size < least) or (most is not None and size > most):
            self._find(f"the parameter {name} is out of its range: {value!r}")

    def _find(self, what: str, line: int | None = None) -> None:
        self.all.findings.append(Finding(self.file.path + (f":{line}" if line else ""), what))

    # -- what expressions ask for --------------------------------------------------------------------------

    def look_up(self, name: str) -> Any:
        if name in self.known:
            return self.known[name]
        if name in self.under_way:
            raise Wrong(f"{name} rests on itself")
        self.under_way.add(name)
        if name in self.file.variables:
            self.known[name] = evaluate(self.file.variables[name], self)
        elif name in self.file.resources:
            self.known[name] = self._resource(self.file.resources[name])
        elif name in self.file.modules:
            self.known[name] = self._module(self.file.modules[name])
        else:
            raise Wrong(f"nothing here is named {name}")
        self.under_way.discard(name)
        return self.known[name]

    def member(self, of: Any, name: str) -> Any:
        if isinstance(of, _Path):
            return self._of_resource(of.resource, (*of.names, name))
        if isinstance(of, Opaque):
            return Opaque(f"{of.source}.{name}")
        if isinstance(of, _Module):
            if name != "outputs":
                raise Wrong(f"a module has no {name}")
            return of.outputs
        if isinstance(of, Resource):
            if name == "name":
                return of.body["name"]
            return self._of_resource(of, (name,))
        if isinstance(of, Mapping) and name in of:
            return of[name]
        raise Wrong(f"there is no {name} in it")

    def _of_resource(self, resource: Resource, names: tuple[str, ...]) -> Any:
        source = f"{resource.path}.{'.'.join(names)}"
        if self.all.types is not None and names not in {("id",), ("type",)}:
            try:
                self.all.types.property(resource.target, names)
            except Unknown as error:
                raise Wrong(str(error)) from None
        return _Path(source, resource, names)

    def load_json(self, path: str) -> Any:
        full = str(PurePosixPath(self.file.path).parent / path)
        if full not in self.all.files:
            raise Wrong(f"there is no file {full}")
        return json.loads(self.all.files[full])

    # -- declarations ---------------------------------------------------------------------------------------

    def unroll(self) -> dict[str, Any]:
        self._unused()
        for name, declared in (*self.file.resources.items(), *self.file.modules.items()):
            self._safely(declared.line, name)
        outputs: dict[str, Any] = {}
        for name, (kind, node) in self.file.outputs.items():
            try:
                outputs[name] = evaluate(node, self)
            except Wrong as error:
                self._find(f"output {name}: {error}", node.start_point.row + 1)
                outputs[name] = Opaque(name)
            if not isinstance(outputs[name], Opaque) and type(outputs[name]) is not _TYPES.get(kind):
                self._find(f"the output {name} is {kind}, not {outputs[name]!r}")
        return outputs

    def _safely(self, line: int, name: str) -> None:
        try:
            self.look_up(name)
        except Wrong as error:
            self.known[name] = Opaque(name)
            self._find(f"{name}: {error}", line)

    def _unused(self) -> None:
        declared = {**self.file.parameters, **self.file.variables}
        for name in declared.keys() - self.file.names_used:
            self._find(f"{name} is declared and never read")

    def _bodies(self, declared: Declared) -> Iterator[dict[str, Any]]:
        """One for each turn of a loop; none where the condition doesn't hold."""
        node, turns = declared.body, [dict[str, Any]()]
        if node.type == "for_statement":
            variable, over, node = (*node.named_children[:2], node.named_children[-1])
            turns = [{text(variable): each} for each in evaluate(over, self)]
        for local in turns:
            body: Node = node
            if body.type == "if_statement":
                if not evaluate(body.named_children[0], self, local):
                    continue
                body = body.named_children[-1]
            made = evaluate(body, self, local)
            if not isinstance(made, dict):
                raise Wrong(f"the body of {declared.symbol} is no object")
            yield made

    def _resource(self, declared: Declared) -> Any:
        made: list[Resource] = []
        for body in self._bodies(declared):
            body.pop("dependsOn", None)
            parent, scope = body.pop("parent", None), body.pop("scope", None)
            where = f"{self.file.path}:{declared.line} {declared.symbol}"
            if parent is not None and not isinstance(parent, Resource):
                raise Wrong("its parent is no resource")
            made.append(
                Resource(where, declared.target, declared.existing, body, parent, scope, self.file.scope)
            )
        self.all.resources += made
        if declared.body.type == "for_statement":
            return made
        return made[0] if made else Opaque(declared.symbol)

    def _module(self, declared: Declared) -> Any:
        path = str(PurePosixPath(self.file.path).parent / declared.target)
        for body in self._bodies(declared):
            if not isinstance(body.get("scope"), Resource):
                raise Wrong("a module of a resource group needs its group as scope")
            return _Module(self.all.unroll(path, body.get("params", {})))
        return Opaque(declared.symbol)


@dataclass(frozen=True)
class _Path(Opaque):
    """Something that a resource will answer, of which more can be asked."""

    resource: Resource
    names: tuple[str, ...]
