"""Bicep as a tree: what a file declares, by tree-sitter's grammar. pycep reads each file a second time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import pycep
import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

_PARSER = Parser(Language(tree_sitter_bicep.language()))


@dataclass(frozen=True)
class Finding:
    """Something wrong with a template, and where."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True)
class Parameter:
    name: str
    kind: str
    default: Node | None
    decorators: dict[str, Node | None]


@dataclass(frozen=True)
class Declared:
    """A resource or a module: its symbol, what follows it in quotes, and its body with loop and condition."""

    symbol: str
    target: str
    existing: bool
    body: Node
    line: int


@dataclass
class File:
    path: str
    scope: str = "resourceGroup"
    parameters: dict[str, Parameter] = field(default_factory=dict)
    variables: dict[str, Node] = field(default_factory=dict)
    resources: dict[str, Declared] = field(default_factory=dict)
    modules: dict[str, Declared] = field(default_factory=dict)
    outputs: dict[str, tuple[str, Node]] = field(default_factory=dict)
    names_used: set[str] = field(default_factory=set)
    calls: dict[str, int] = field(default_factory=dict)


def text(node: Node | None) -> str:
    return "" if node is None or node.text is None else node.text.decode()


def plain(node: Node) -> str:
    """The text of a string without interpolations."""
    return "".join(text(child) for child in node.children if child.type == "string_content")


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from walk(child)


@lru_cache(maxsize=256)
def parse(path: str, source: str) -> tuple[File, tuple[Finding, ...]]:
    """What the file declares, and where it is no Bicep."""
    root = _PARSER.parse(source.encode()).root_node
    found = File(path)
    findings = [
        Finding(f"{path}:{node.start_point.row + 1}", f"no Bicep: {text(node)[:60]!r}")
        for node in walk(root)
        if node.type == "ERROR" or node.is_missing
    ]
    if not findings:
        findings = _second_opinion(path, source)
    decorators: dict[str, Node | None] = {}
    for node in root.children:
        if node.type == "decorators":
            decorators = dict(_decorators(node))
            continue
        findings += _declare(found, node, decorators)
        decorators = {}
    for node in walk(root):
        if node.type == "identifier" and _is_use(node):
            found.names_used.add(text(node))
        if node.type == "call_expression":
            found.calls.setdefault(_called(node), node.start_point.row + 1)
    return found, tuple(findings)


def _second_opinion(path: str, source: str) -> list[Finding]:
    try:
        pycep.BicepParser().parse(text=source)
    except Exception as error:  # noqa: BLE001 - whatever the parser stumbles over, the file is to blame
        return [Finding(path, f"no Bicep to pycep: {str(error).splitlines()[0]}")]
    return []


def _called(node: Node) -> str:
    """The function's name, of `f(x)` as of `resource.f(x)`."""
    return text(node.children[0]).rpartition(".")[2]


def _decorators(node: Node) -> Iterator[tuple[str, Node | None]]:
    for decorator in node.named_children:
        call = decorator.named_children[0]
        arguments = [child for child in call.children if child.type == "arguments"]
        values = arguments[0].named_children if arguments else []
        yield text(call.children[0]), values[0] if values else None


def _is_use(node: Node) -> bool:
    """Whether an identifier is read, and not declared, called or a key."""
    parent = node.parent
    if parent is None:
        return False
    if parent.type in {
        "parameter_declaration",
        "variable_declaration",
        "resource_declaration",
        "module_declaration",
    }:
        return parent.named_children[0] != node
    if parent.type == "object_property":
        return parent.named_children[0] != node
    return not (parent.type == "call_expression" and parent.children[0] == node)


def _declare(found: File, node: Node, decorators: dict[str, Node | None]) -> list[Finding]:
    named = node.named_children
    where = f"{found.path}:{node.start_point.row + 1}"
    if node.type == "target_scope_assignment":
        found.scope = plain(named[0])
    elif node.type == "parameter_declaration":
        default = named[2] if len(named) > 2 else None
        found.parameters[text(named[0])] = Parameter(text(named[0]), text(named[1]), default, decorators)
    elif node.type == "variable_declaration":
        found.variables[text(named[0])] = named[-1]
    elif node.type in {"resource_declaration", "module_declaration"}:
        existing = any(child.type == "existing" for child in node.children)
        declared = Declared(text(named[0]), plain(named[1]), existing, named[-1], node.start_point.row + 1)
        (found.resources if node.type.startswith("resource") else found.modules)[declared.symbol] = declared
    elif node.type == "output_declaration":
        found.outputs[text(named[0])] = (text(named[1]), named[-1])
    elif node.type not in {"comment", "ERROR"}:
        return [Finding(where, f"a {node.type} is not among what these templates use")]
    return []
