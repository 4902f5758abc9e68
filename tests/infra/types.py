"""Microsoft's own types of resources (Azure/bicep-types-az), read from the reference folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.infra.values import Opaque

REQUIRED, READ_ONLY = 1, 2
#: Bits of `writableScopes`.
SCOPES = {"subscription": 4, "resourceGroup": 8, "extension": 16}

Entry = Mapping[str, Any]


class Unknown(Exception):
    """No such type, or no such property."""


class Types:
    def __init__(self, folder: Path) -> None:
        self._files: dict[str, list[Entry]] = {}
        self._where: dict[str, tuple[str, Entry]] = {}
        for path in sorted(folder.glob("*.json")):
            entries = json.loads(path.read_text(encoding="utf-8"))
            self._files[path.name] = entries
            for entry in entries:
                if entry["$type"] == "ResourceType":
                    self._where[entry["name"].casefold()] = (path.name, entry)

    def __contains__(self, target: str) -> bool:
        return target.casefold() in self._where

    def versions(self, kind: str) -> list[str]:
        """The api-versions that are known of a resource type."""
        start = f"{kind.casefold()}@"
        return sorted(name.partition("@")[2] for name in self._where if name.startswith(start))

    def check(self, target: str, body: Mapping[str, Any], scope: str) -> Iterator[str]:
        """What is wrong with a resource of this type, deployed to this scope."""
        if target not in self:
            yield f"there is no type {target}; known versions: {', '.join(self.versions(target.partition('@')[0]))}"
            return
        file, entry = self._where[target.casefold()]
        if not entry["writableScopes"] & SCOPES[scope]:
            yield f"{target} can't be deployed to a {scope}"
        yield from _Walk(self._files[file]).check(entry["body"], body, "")

    def property(self, target: str, names: tuple[str, ...]) -> None:
        """Raises Unknown where the resource will not have this property."""
        if target not in self:
            raise Unknown(f"there is no type {target}")
        file, entry = self._where[target.casefold()]
        _Walk(self._files[file]).find(entry["body"], names, target)


class _Walk:
    """Through the types of one file."""

    def __init__(self, entries: list[Entry]) -> None:
        self._entries = entries

    def at(self, reference: Entry) -> Entry:
        return self._entries[int(reference["$ref"].removeprefix("#/"))]

    def find(self, reference: Entry, names: tuple[str, ...], of: str) -> None:
        entry = self.at(reference)
        if not names or entry["$type"] == "AnyType":
            return None
        shapes = [entry]
        if entry["$type"] == "DiscriminatedObjectType":
            shapes = [{"properties": entry["baseProperties"]}, *map(self.at, entry["elements"].values())]
        for shape in shapes:
            found = shape.get("properties", {}).get(names[0])
            if found is not None:
                return self.find(found["type"], names[1:], f"{of}.{names[0]}")
        raise Unknown(f"{of} has no {names[0]}")

    def check(self, reference: Entry, value: Any, at: str) -> Iterator[str]:
        entry = self.at(reference)
        if isinstance(value, Opaque) or entry["$type"] in {"AnyType", "ResourceFunctionType"}:
            return
        if entry["$type"] == "UnionType":
            yield from self._union(entry, value, at)
        elif entry["$type"] == "ArrayType":
            if not isinstance(value, list):
                yield f"{at} is a list, not {value!r}"
                return
            for index, each in enumerate(value):
                yield from self.check(entry["itemType"], each, f"{at}[{index}]")
        elif entry["$type"] in {"ObjectType", "DiscriminatedObjectType"}:
            if not isinstance(value, dict):
                yield f"{at} is an object, not {value!r}"
                return
            yield from self._object(entry, value, at)
        else:
            yield from _scalar(entry, value, at)

    def _union(self, entry: Entry, value: Any, at: str) -> Iterator[str]:
        """A union with plain text beside its words is open to the service's next release; here the known words hold."""
        elements = [self.at(each) for each in entry["elements"]]
        words = [each["value"] for each in elements if each["$type"] == "StringLiteralType"]
        if words and value not in words:
            yield f"{at} may be one of {', '.join(words)}, not {value!r}"
        elif not words and all(list(self.check(each, value, at)) for each in entry["elements"]):
            yield f"{at} can't be {value!r}"

    def _object(self, entry: Entry, value: dict[str, Any], at: str) -> Iterator[str]:
        known = dict(entry.get("properties", {}))
        if entry["$type"] == "DiscriminatedObjectType":
            word = value.get(entry["discriminator"])
            if word not in entry["elements"]:
                yield f"{at}.{entry['discriminator']} may be one of {', '.join(entry['elements'])}, not {word!r}"
                return
            chosen = self.at(entry["elements"][word])
            known = {**entry["baseProperties"], **chosen["properties"]}
        more = entry.get("additionalProperties")
        for name, each in value.items():
            path = f"{at}.{name}" if at else name
            if name in known:
                if known[name]["flags"] & READ_ONLY:
                    yield f"{path} is read-only"
                yield from self.check(known[name]["type"], each, path)
            elif more is not None:
                yield from self.check(more, each, path)
            else:
                yield f"{path} is not known"
        for name in known.keys() - value.keys():
            if known[name]["flags"] & REQUIRED:
                yield f"{at}.{name} is required".lstrip(".")


def _scalar(entry: Entry, value: Any, at: str) -> Iterator[str]:
    kind = {"StringType": str, "IntegerType": int, "BooleanType": bool}.get(entry["$type"])
    if entry["$type"] == "StringLiteralType":
        if value != entry["value"]:
            yield f"{at} is {entry['value']!r}, not {value!r}"
    elif kind is not None and type(value) is not kind:
        yield f"{at} is {entry['$type'].removesuffix('Type').lower()}, not {value!r}"
    else:
        size = len(value) if isinstance(value, str) else value
        least, most = (
            entry.get(key[0], entry.get(key[1]))
            for key in (("minLength", "minValue"), ("maxLength", "maxValue"))
        )
        if (least is not None and size < least) or (most is not None and size > most):
            yield f"{at} is out of its range: {value!r}"
