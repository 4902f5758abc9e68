"""ASP.NET route templates: `items/{id:int}`, `{id?}`, `{id=5}`, `{*rest}`, `{name}.{ext}`."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote

from dropml.functions_host.errors import BindingError
from dropml.functions_host.indexing import FunctionDefinition

Constraint = Callable[[str], bool]
_PARAMETER = re.compile(r"\{(\*{0,2})(\w+)((?::[^{}=?]+)?)(=[^{}?]*)?(\?)?\}")
# Doubled braces stand for the character; kept apart while the others are read.
_OPEN, _CLOSE = "\x01", "\x02"
_PATH_SAFE = "/-._~!$&'()*+,;=:@"  # what PathString leaves as it is, besides letters and digits
ALL_METHODS = frozenset({"GET", "POST", "DELETE", "HEAD", "PATCH", "PUT", "OPTIONS", "TRACE", "CONNECT"})


def _converts(convert: Callable[[str], Any]) -> Constraint:
    def check(text: str) -> bool:
        try:
            convert(text)
        except (ValueError, ArithmeticError):
            return False
        return True

    return check


def _whole(low: int, high: int) -> Constraint:
    return lambda text: bool(re.fullmatch(r"[+-]?\d+", text)) and low <= int(text) <= high


_PLAIN: dict[str, Constraint] = {
    "int": _whole(-(2**31), 2**31 - 1),
    "long": _whole(-(2**63), 2**63 - 1),
    "bool": lambda text: text.lower() in ("true", "false"),
    "alpha": lambda text: bool(re.fullmatch(r"[A-Za-z]*", text)),
    "guid": _converts(uuid.UUID),
    "decimal": _converts(Decimal),
    "double": _converts(float),
    "float": _converts(float),
    "datetime": _converts(datetime.fromisoformat),
    "required": bool,
}


def _with_argument(name: str, argument: str) -> Constraint | None:
    if name == "regex":
        pattern = re.compile(_unescape(argument), re.IGNORECASE)
        return lambda text: bool(pattern.search(text))
    numbers = [int(part) for part in argument.split(",")]
    first, last = numbers[0], numbers[-1]
    return {
        "min": lambda text: _PLAIN["long"](text) and int(text) >= first,
        "max": lambda text: _PLAIN["long"](text) and int(text) <= first,
        "range": lambda text: _PLAIN["long"](text) and first <= int(text) <= last,
        "minlength": lambda text: len(text) >= first,
        "maxlength": lambda text: len(text) <= first,
        "length": lambda text: first <= len(text) <= last,
    }.get(name)


@dataclass(frozen=True)
class _Parameter:
    name: str
    catch_all: bool
    optional: bool
    default: str | None
    constraints: tuple[Constraint, ...]


@dataclass(frozen=True)
class Route:
    """A template with the function and the methods that it serves."""

    template: str
    function: FunctionDefinition
    methods: frozenset[str]
    pattern: re.Pattern[str]
    parameters: tuple[_Parameter, ...]
    precedence: tuple[int, ...]

    def match(self, path: str) -> dict[str, str] | None:
        """Route values for a path without its leading slash; absent optional ones are left out."""
        found = self.pattern.fullmatch(path)
        if found is None:
            return None
        values: dict[str, str] = {}
        for parameter in self.parameters:
            value = found[parameter.name] or parameter.default
            if value is None or (value == "" and (parameter.optional or parameter.catch_all)):
                continue
            if not all(check(value) for check in parameter.constraints):
                return None
            values[parameter.name] = value
        return values


def compile_route(prefix: str, template: str, function: FunctionDefinition, methods: Iterable[str]) -> Route:
    """Compile a template under the route prefix. Raises BindingError if it is malformed."""
    whole = "/".join(part.strip("/") for part in (prefix, template) if part.strip("/"))
    whole = whole.replace("{{", _OPEN).replace("}}", _CLOSE)
    parameters: list[_Parameter] = []
    pattern, precedence = "", []
    for index, segment in enumerate(whole.split("/") if whole else []):
        compiled, digit = _segment(segment, parameters, whole)
        precedence.append(digit)
        separator = "/" if index else ""
        trailing = parameters[-1] if parameters and _PARAMETER.fullmatch(segment) else None
        if trailing and (trailing.optional or trailing.default is not None or trailing.catch_all):
            pattern += f"(?:{separator}{compiled})?"
        else:
            pattern += separator + compiled
    names = [parameter.name for parameter in parameters]
    if len(names) != len(set(names)):
        raise BindingError(f"route {whole!r} uses a parameter name twice.")
    allowed = frozenset(method.upper() for method in methods) or ALL_METHODS
    return Route(
        _unescape(whole),
        function,
        allowed,
        re.compile(pattern + "/?", re.IGNORECASE | re.DOTALL),
        tuple(parameters),
        tuple(precedence),
    )


def _segment(segment: str, parameters: list[_Parameter], whole: str) -> tuple[str, int]:
    """Regular expression of one segment, and its place in the order: literal 1, mixed 2, parameter 2 to 5."""
    found = list(_PARAMETER.finditer(segment))
    literal = _PARAMETER.sub("", segment)
    if "{" in literal or "}" in literal:
        raise BindingError(
            f"route {whole!r}: {segment!r} is not a literal, {{name}}, {{name:constraint}} or {{*rest}}."
        )
    if not found:
        return re.escape(_unescape(segment)), 1
    own = [_parameter(match, whole) for match in found]
    parameters.extend(own)
    if literal:
        text, position = "", 0
        for match in found:
            text += re.escape(_unescape(segment[position : match.start()])) + rf"(?P<{match[2]}>[^/]+)"
            position = match.end()
        return text + re.escape(_unescape(segment[position:])), 2
    only = own[0]
    base = 4 if only.catch_all else 2
    inner = ".*" if only.catch_all else "[^/]+"
    return rf"(?P<{only.name}>{inner})", base if only.constraints else base + 1


def _unescape(text: str) -> str:
    return text.replace(_OPEN, "{").replace(_CLOSE, "}")


def _parameter(match: re.Match[str], whole: str) -> _Parameter:
    stars, name, constraints, default, optional = match.groups()
    checks = []
    for text in re.findall(r":([^:(]+(?:\(.*?\)(?=:|$))?)", constraints or ""):
        kind, _, argument = text.partition("(")
        check = _with_argument(kind.lower(), argument[:-1]) if argument else _PLAIN.get(kind.lower())
        if check is None:
            raise BindingError(f"route {whole!r}: there is no constraint {text!r}.")
        checks.append(check)
    return _Parameter(name, bool(stars), bool(optional), default[1:] if default else None, tuple(checks))


class RouteTable:
    """All routes of the app, the most specific first."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = sorted(routes, key=lambda route: (route.precedence, route.template))

    def find(self, method: str, raw_path: str) -> tuple[Route, dict[str, str]] | None:
        """The route for a request's raw (percent-encoded) path, with its values; None if there is none."""
        path = decode_path(raw_path)
        for route in self.routes:
            if method in route.methods:
                values = route.match(path)
                if values is not None:
                    return route, values
        return None


def decode_path(raw_path: str) -> str:
    """Decode a path as Kestrel does: everything but an encoded slash; without the leading slash."""
    if "%" in raw_path:
        pieces = re.split(r"(?i)(%2f)", raw_path)
        raw_path = "".join(piece if piece.lower() == "%2f" else unquote(piece) for piece in pieces)
    return raw_path.removeprefix("/")


def encode_path(path: str) -> str:
    """Encode a decoded path again: what is percent-encoded in it (a slash) stays so."""
    pieces = re.split(r"(%[0-9A-Fa-f]{2})", path)
    return "".join(
        piece if index % 2 else quote(piece, safe=_PATH_SAFE) for index, piece in enumerate(pieces)
    )
