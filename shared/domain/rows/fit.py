"""Whether a file's columns are those that a live model takes, in words what differs, and what may be why. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.problems import InvalidRows
from shared.domain.rows.cells import short
from shared.domain.rows.validation import RowValidator
from shared.domain.table.dialect import misnamed, past_blank_rows, said
from shared.domain.table.header import like_data
from shared.domain.table.titles import titled

#: Columns of each kind that a sentence names.
_NAMED = 5


@dataclass(frozen=True)
class Fit:
    """`lacks`: the model's columns that are not in the file, `needs`: those of them that may not be empty; `besides`: the
    file's that the model doesn't know.

    `refusal` says why the rows can't be scored; it is empty where they can: gaps may be left out, further columns pass.
    """

    lacks: tuple[str, ...]
    needs: tuple[str, ...]
    besides: tuple[str, ...]
    refusal: str

    @property
    def taken(self) -> bool:
        return not self.refusal

    @property
    def exact(self) -> bool:
        """The file can be meant for this model alone."""
        return self.taken and not self.lacks and not self.besides

    @property
    def differences(self) -> str:
        """What differs: `it lacks "age" and has "agee" besides`; empty where nothing does."""
        return _told(self.lacks, self.besides) or self.refusal.rstrip(".")

    @property
    def obstacle(self) -> str:
        """What keeps the rows from being scored; empty where nothing does."""
        if self.taken:
            return ""
        return _told(self.needs, self.besides) if self.needs else self.refusal.rstrip(".")


def fit(columns: Sequence[str], validator: RowValidator) -> Fit:
    """A file with these columns against the schema behind `validator`. The label is no difference."""
    refusal = ""
    try:
        validator.order(columns, others=True)
    except InvalidRows as error:
        refusal = error.message
    schema, given = validator.schema, set(columns)
    known = {*validator.names, *schema.passed, schema.label}
    absent = [column for column in schema.columns if column.name not in given]
    return Fit(
        tuple(column.name for column in absent),
        tuple(column.name for column in absent if not column.nullable),
        tuple(dict.fromkeys(name for name in columns if name not in known)),
        refusal,
    )


def cause(text: str, columns: Sequence[str], delimiter: str) -> str:
    """What makes a file that begins so have columns that nobody knows, and what to do; nothing where nothing shows."""
    text, above, _ = past_blank_rows(text)
    told, line = said(text, above + 1), above + 1
    if told is None:
        return (titled(text, line, delimiter) or like_data(columns)).strip()
    if other := misnamed(told[0], told[1]):
        return (
            f"Line {line} says sep={told[0]}, but {other!r} seems to stand between the columns: write sep={other} there, or take "
            f"line {line} out."
        )
    return (titled(told[1], line + 1, delimiter) or like_data(columns)).strip()


def _told(lacks: tuple[str, ...], besides: tuple[str, ...]) -> str:
    told = [f"lacks {_listed(lacks)}"] if lacks else []
    told += [f"has {_listed(besides)} besides"] if besides else []
    return f"it {' and '.join(told)}" if told else ""


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(f'"{short(name)}"' for name in names[:_NAMED]) + more
