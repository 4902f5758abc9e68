"""The input schema of a dataset: what a row looks like. Inferred at intake, enforced at scoring."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

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
    #: How the file writes the column's numbers (`shared.domain.table.number_notation`), where not as programs do.
    notation: str = ""
    #: Whether no row had a value: its type is nobody's word.
    empty: bool = False


@dataclass(frozen=True)
class Schema:
    """Feature columns in file order (label and weight excluded), the label, and two real example rows."""

    label: str
    columns: tuple[Column, ...]
    classes: tuple[str, ...] = ()
    example: tuple[dict[str, Value], ...] = field(default=())
    #: Columns that rows may bring along and the model never sees: identifiers, and what was left out.
    passed: tuple[str, ...] = ()
    #: The one of them that tells rows apart: it comes back with the answers.
    id: str | None = None
    #: Whether features of whole numbers were declared as floats, so that the model takes gaps and decimals in them.
    whole_as_float: bool = False

    @property
    def named(self) -> tuple[str, ...]:
        """All columns that a file of it has."""
        return (*(column.name for column in self.columns), *self.passed, self.label)


@dataclass(frozen=True)
class Earlier:
    """The schema that a file is held against, and the run that took it."""

    run_id: str
    schema: Schema
