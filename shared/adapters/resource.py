"""One resource as ARM answers it, read by name and type.

https://learn.microsoft.com/azure/azure-resource-manager/management/resource-providers-and-types: `id`, `name`, `properties`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


def mapping(value: object) -> Mapping[str, object]:
    """A JSON object; an absent one, or something else in its place, is empty."""
    return value if isinstance(value, dict) else {}


def texts(value: object) -> dict[str, str]:
    """A JSON object whose values are texts, such as tags."""
    return {key: str(text) for key, text in mapping(value).items() if text is not None}


@dataclass(frozen=True)
class Resource:
    id: str
    name: str
    properties: Mapping[str, object]

    @classmethod
    def of(cls, document: object) -> Resource:
        found = mapping(document)
        return cls(str(found.get("id") or ""), str(found.get("name") or ""), mapping(found.get("properties")))

    @property
    def state(self) -> str:
        return self.text("provisioningState") or "Unknown"

    def text(self, name: str) -> str:
        """A property as text; empty where it is absent or null."""
        value = self.properties.get(name)
        return "" if value is None else str(value)
