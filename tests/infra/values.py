"""What a Bicep expression comes to, as far as that can be told without a deployment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from tree_sitter import Node

from tests.infra.bicep import text

#: What `uniqueString` answers has thirteen characters.
UNIQUE = "abcdefghijklm"


@dataclass(frozen=True)
class Opaque:
    """A value that Azure alone knows: `source` says whose and which, so that equal ones can be told."""

    source: str

    def __str__(self) -> str:
        return f"${{{self.source}}}"


class Wrong(Exception):
    """The expression can't be right; the text says why."""


class Names(Protocol):
    def look_up(self, name: str) -> Any: ...

    def member(self, of: Any, name: str) -> Any: ...

    def load_json(self, path: str) -> Any: ...


def evaluate(node: Node, names: Names, local: Mapping[str, Any] | None = None) -> Any:
    local = local or {}
    handler = _KINDS.get(node.type)
    if handler is None:
        raise Wrong(f"an expression of the kind {node.type} is not among what these templates use")
    return handler(node, names, local)


def _string(node: Node, names: Names, local: Mapping[str, Any]) -> Any:
    parts: list[Any] = []
    for child in node.children:
        if child.type in {"string_content", "escape_sequence"}:
            parts.append(text(child))
        elif child.type == "interpolation":
            parts.append(evaluate(child.named_children[0], names, local))
    joined = "".join(str(part) for part in parts)
    return Opaque(joined) if any(isinstance(part, Opaque) for part in parts) else joined


def _identifier(node: Node, names: Names, local: Mapping[str, Any]) -> Any:
    name = text(node)
    return local[name] if name in local else names.look_up(name)


def _member(node: Node, names: Names, local: Mapping[str, Any]) -> Any:
    of = evaluate(node.named_children[0], names, local)
    return names.member(of, text(node.named_children[-1]))


def _subscript(node: Node, names: Names, local: Mapping[str, Any]) -> Any:
    of, key = (evaluate(child, names, local) for child in node.named_children[:2])
    if isinstance(of, Opaque) or isinstance(key, Opaque):
        return Opaque(f"{of}[{key}]")
    try:
        return of[key]
    except (KeyError, IndexError, TypeError):
        raise Wrong(f"there is no {key!r} in {text(node.named_children[0])}") from None


def _object(node: Node, names: Names, local: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for child in node.named_children:
        if child.type == "comment":
            continue
        key, value = child.named_children[0], child.named_children[-1]
        name = str(_string(key, names, local)) if key.type == "string" else text(key)
        if name in made:
            raise Wrong(f"{name} stands twice")
        made[name] = evaluate(value, names, local)
    return made


def _array(node: Node, names: Names, local: Mapping[str, Any]) -> list[Any]:
    return [evaluate(child, names, local) for child in node.named_children if child.type != "comment"]


def _ternary(node: Node, names: Names, local: Mapping[str, Any]) -> Any:
    condition, then, otherwise = node.named_children
    return evaluate(then if evaluate(condition, names, local) else otherwise, names, local)


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    "&&": lambda a, b: a and b,
    "||": lambda a, b: a or b,
}


def _binary(node: Node, names: Names, local: Mapping[str, Any]) -> Any:
    left, operator, right = node.children
    if text(operator) not in _OPERATORS:
        raise Wrong(f"the operator {text(operator)} is not among what these templates use")
    return _OPERATORS[text(operator)](evaluate(left, names, local), evaluate(right, names, local))


def _unary(node: Node, names: Names, local: Mapping[str, Any]) -> Any:
    value = evaluate(node.named_children[-1], names, local)
    return not value if text(node.children[0]) == "!" else -value


def _call(node: Node, names: Names, local: Mapping[str, Any]) -> Any:
    called = text(node.children[0])
    given = next(child for child in node.children if child.type == "arguments").named_children
    arguments = [evaluate(child, names, local) for child in given]
    if called == "loadJsonContent":
        return names.load_json(arguments[0])
    if called not in _FUNCTIONS:
        raise Wrong(f"the function {called} is not among what these templates use")
    return _FUNCTIONS[called](*arguments)


def _items(of: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": of[key]} for key in sorted(of)]


def _union(*given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for each in given for key, value in each.items()}


def _guid(*given: Any) -> str:
    return "guid(" + ",".join(map(str, given)) + ")"


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "empty": lambda of: not of,
    "environment": lambda: Opaque("environment"),
    "guid": _guid,
    "items": _items,
    "resourceGroup": lambda: Opaque("resourceGroup"),
    "string": lambda of: of if isinstance(of, Opaque) else str(of),
    "subscription": lambda: Opaque("subscription"),
    "subscriptionResourceId": lambda kind, name: f"/{kind}/{name}",
    "toLower": lambda of: str(of).lower(),
    "union": _union,
    "uniqueString": lambda *_: UNIQUE,
    "utcNow": lambda form: {"yyyy-MM": "2026-12"}[form],
}
_KINDS: dict[str, Callable[[Node, Names, Mapping[str, Any]], Any]] = {
    "array": _array,
    "binary_expression": _binary,
    "boolean": lambda node, *_: text(node) == "true",
    "call_expression": _call,
    "identifier": _identifier,
    "member_expression": _member,
    "null": lambda *_: None,
    "number": lambda node, *_: int(text(node)),
    "object": _object,
    "parenthesized_expression": lambda node, names, local: evaluate(node.named_children[0], names, local),
    "string": _string,
    "subscript_expression": _subscript,
    "ternary_expression": _ternary,
    "unary_expression": _unary,
}
