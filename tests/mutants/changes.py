"""Small faults that a person could make in a module, one at a time."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

_COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult,
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """The module's tree with one node changed; `at` counts nodes in `ast.walk`'s order."""

    line: int
    before: str
    after: str
    tree: ast.Module


@dataclass(frozen=True, slots=True)
class _Change:
    at: int
    apply: Callable[[Any], None]


def mutants(text: str) -> Iterator[Mutant]:
    tree = ast.parse(text)
    for change in _changes(tree):
        changed = copy.deepcopy(tree)
        before = list(ast.walk(tree))[change.at]
        after = list(ast.walk(changed))[change.at]
        change.apply(after)
        ast.fix_missing_locations(changed)
        line = getattr(before, "lineno", 0)
        yield Mutant(line, _first_line(before), _first_line(after), changed)


def _first_line(node: ast.AST) -> str:
    return ast.unparse(node).partition("\n")[0][:160]


def _changes(tree: ast.Module) -> Iterator[_Change]:
    declared = {id(part) for node in ast.walk(tree) for part in _declared(node)}
    for at, node in enumerate(ast.walk(tree)):
        if id(node) not in declared:
            for apply in _of(node):
                yield _Change(at, apply)


def _declared(node: ast.AST) -> Iterator[ast.AST]:
    """Every node of what only declares: types and decorators."""
    parts = [
        getattr(node, "annotation", None),
        getattr(node, "returns", None),
        *getattr(node, "decorator_list", ()),
    ]
    for part in parts:
        if isinstance(part, ast.AST):
            yield from ast.walk(part)


def _of(node: ast.AST) -> Iterator[Callable[[Any], None]]:
    if isinstance(node, ast.Compare):
        yield from (partial(_set_op, place) for place, op in enumerate(node.ops) if type(op) in _COMPARE)
    elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        yield lambda n: setattr(n, "op", _ARITHMETIC[type(n.op)]())
    elif isinstance(node, ast.comprehension) and node.ifs:
        yield lambda n: n.ifs.pop()
    else:
        yield from (change for kind, fits, change in _SIMPLE if isinstance(node, kind) and fits(node))


def _set_op(place: int, node: ast.Compare) -> None:
    node.ops[place] = _COMPARE[type(node.ops[place])]()


def _always(_node: Any) -> bool:
    return True


def _put(name: str, value: Callable[[Any], Any]) -> Callable[[Any], None]:
    return lambda node: setattr(node, name, value(node))


#: What kind of node, which of them, and what is done to it.
_SIMPLE: tuple[tuple[Any, Callable[[Any], bool], Callable[[Any], None]], ...] = (
    (ast.BoolOp, _always, _put("op", lambda n: ast.Or() if isinstance(n.op, ast.And) else ast.And())),
    (ast.If | ast.IfExp | ast.While, _always, _put("test", lambda n: ast.UnaryOp(ast.Not(), n.test))),
    (ast.Constant, lambda n: isinstance(n.value, bool), _put("value", lambda n: not n.value)),
    (ast.Constant, lambda n: type(n.value) in (int, float), _put("value", lambda n: n.value + 1)),
    (ast.Return, lambda n: not _is_none(n.value), _put("value", lambda _: ast.Constant(None))),
    (ast.UnaryOp, lambda n: isinstance(n.op, ast.USub), _put("op", lambda _: ast.UAdd())),
    (ast.Expr, lambda n: isinstance(n.value, ast.Call), _put("value", lambda _: ast.Constant(None))),
)


def _is_none(node: ast.expr | None) -> bool:
    return node is None or (isinstance(node, ast.Constant) and node.value is None)
