"""The input schema of a dataset: what a row looks like. Inferred at intake, enforced at scoring."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

#: A cell as JSON has it.
Value = str | int | float | bool | None
ColumnType = Literal["integer", "number", "boolean", "datetime", "string"]


@dataclass(frozen=True)
class Column:
    """One feature column, as seen in the training file."""

    name: str
    type: ColumnType
    nullable: bool = False
    #: Distinct values of a string column with at most 50 of them; None otherwise.
    categories: tuple[str, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True)
class Schema:
    """Feature columns in file order (label and weight excluded), the label, and two real example rows."""

    label: str
    columns: tuple[Column, ...]
    classes: tuple[str, ...] = ()
    example: tuple[dict[str, Value], ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(doc: dict[str, Any]) -> Schema:
        columns = tuple(
            Column(**{**c, "categories": None if c.get("categories") is None else tuple(c["categories"])})
            for c in doc["columns"]
        )
        return Schema(doc["label"], columns, tuple(doc.get("classes", ())), tuple(doc.get("example", ())))
