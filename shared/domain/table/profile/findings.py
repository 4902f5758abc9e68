"""What is odd about a table's columns, in sentences that say what to do."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Mapping, Sequence

from shared.domain.config import Task
from shared.domain.table.profile.duplicates import duplicates
from shared.domain.table.profile.leakage import class_leaks, number_leaks
from shared.domain.table.profile.parts import ColumnProfile, Finding, FindingCode
from shared.domain.table.profile.readings import Reading, numbers, reading

#: Rows of the sample that leaks and duplicates are looked for in.
LOOKED_AT = 4000
#: Columns that a sentence names, and findings of a kind that are told one by one.
NAMED = 10
#: Words that differ in so many rows tell rows apart; whole numbers must in more, and be consecutive where rows are few.
NEARLY_ALL, NEARLY_EACH, FEW_ROWS = 0.95, 0.99, 1000
_PLAIN = re.compile(r"\w(?:[\w .-]*\w)?")


def findings(
    columns: Sequence[ColumnProfile], label: int, sample: Sequence[Sequence[str]], task: Task
) -> tuple[Finding, ...]:
    """`sample` are the cells of each column, `label` is the place of the label among them."""
    features = [column for at, column in enumerate(columns) if at != label]
    count = len(sample[label])
    rows = random.Random(count).sample(range(count), min(count, LOOKED_AT))
    readings = {
        at: reading([sample[at][row] for row in rows], column.type)
        for at, column in enumerate(columns)
        if at != label and (column.distinct > 1 or (column.distinct and column.gaps))
    }
    return (
        *_leaks(columns, label, readings, [sample[label][row] for row in rows], task),
        *_identifiers(features),
        *_constants(features),
        *_duplicates(columns, readings),
    )


def left_out(names: Iterable[str]) -> str:
    """The line of a configuration that keeps columns out of training."""
    return f"drop: [{', '.join(map(_word, names))}]"


def _word(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _leaks(
    columns: Sequence[ColumnProfile],
    label: int,
    readings: Mapping[int, Reading],
    cells: Sequence[str],
    task: Task,
) -> list[Finding]:
    classes = task == "classification"
    found = (
        class_leaks(readings, cells)
        if classes
        else number_leaks(readings, [x or 0.0 for x in numbers(cells)])
    )
    told = [
        Finding(
            "leakage",
            (name,),
            f"Column {name!r} alone gives the label {columns[label].name!r}"
            + (f" in {leak.share:.1%} of the rows looked at." if classes else "."),
            f"If it is known only once the label is (a copy of it, or what follows from it), the model will fail in use: "
            f"leave it out ({left_out([name])}).",
        )
        for leak in found
        for name in (columns[leak.column].name,)
    ]
    return _bounded(
        told, "leakage", "give the label", "Leave out those that are known only once the label is"
    )


def _identifiers(columns: Iterable[ColumnProfile]) -> list[Finding]:
    told = [
        Finding(
            "identifier",
            (column.name,),
            f"Column {column.name!r} has another value in nearly every row "
            f"({_about(column)} in {column.rows - column.gaps:,}): it tells rows apart and says nothing of new ones.",
            f"Name it as what it is (id: {_word(column.name)}) or leave it out ({left_out([column.name])}).",
        )
        for column in columns
        if _identifies(column)
    ]
    return _bounded(told, "identifier", "have another value in nearly every row", "Leave them out")


def _identifies(column: ColumnProfile) -> bool:
    rows = column.rows - column.gaps
    if 2 * rows < column.rows or column.distinct < NEARLY_ALL * rows:
        return False
    if column.type == "string":
        return True
    if column.type != "integer" or column.minimum is None or column.maximum is None:
        return False  # measurements differ, too, and so do moments
    if column.distinct_exact and column.distinct < NEARLY_EACH * rows:
        return False
    return rows >= FEW_ROWS or column.maximum - column.minimum < 2 * rows


def _about(column: ColumnProfile) -> str:
    return f"{'' if column.distinct_exact else 'about '}{column.distinct:,}"


def _constants(columns: Sequence[ColumnProfile]) -> list[Finding]:
    constant = [column.name for column in columns if column.distinct == 1 and not column.gaps]
    empty = [column.name for column in columns if column.distinct == 0]
    return [
        *_grouped(
            constant, "constant", "has the same value in every row", "have the same value in every row"
        ),
        *_grouped(empty, "empty", "is empty", "are empty"),
    ]


def _grouped(names: Sequence[str], code: FindingCode, one: str, several: str) -> list[Finding]:
    if not names:
        return []
    who = f"Column {names[0]!r} {one}" if len(names) == 1 else f"Columns {_listed(names)} {several}"
    return [Finding(code, tuple(names), f"{who}.", f"No model learns from that: {left_out(names[:NAMED])}.")]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(map(repr, names[:NAMED])) + more


def _duplicates(columns: Sequence[ColumnProfile], readings: Mapping[int, Reading]) -> list[Finding]:
    told = []
    for found in duplicates(readings):
        first, name = columns[found.first].name, columns[found.column].name
        how = (
            "say the same in other words"
            if found.equal is None
            else f"are equal in {found.equal:.1%} of the rows looked at"
        )
        told.append(
            Finding(
                "duplicate",
                (first, name),
                f"Columns {first!r} and {name!r} {how}.",
                f"One of them is enough: {left_out([name])}.",
            )
        )
    return _bounded(told, "duplicate", "repeat another one", "Leave them out")


def _bounded(told: list[Finding], code: FindingCode, what: str, remedy: str) -> list[Finding]:
    """The first few one by one, the others in one sentence."""
    rest = [finding.columns[-1] for finding in told[NAMED:]]
    if not rest:
        return told
    whole = Finding(
        code, tuple(rest), f"{len(rest):,} more columns {what}: {_listed(rest)}.", f"{remedy} (`drop`)."
    )
    return [*told[:NAMED], whole]
