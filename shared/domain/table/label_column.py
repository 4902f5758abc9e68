"""The label column: where it is, what it holds, whether a model can be learnt from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from shared.domain.config import Task
from shared.domain.errors import InvalidTable
from shared.domain.names import likest
from shared.domain.table.bad_rows import BadRows
from shared.domain.table.blocks import Block
from shared.domain.table.column_types import ColumnStats
from shared.domain.table.dialect import DELIMITERS
from shared.domain.table.foreign_quotes import bare, in_header
from shared.domain.table.header import like_data
from shared.domain.table.label_notation import oddness, quantity, warnings, written
from shared.domain.table.number_notation import COMMA, POINT
from shared.domain.table.numerals import numbers
from shared.domain.table.odd_classes import alike, second_header
from shared.domain.words import counted, was
from shared.domain.yaml_words import COMMENT, cut, in_yaml

#: Azure AutoML takes no fewer.
MIN_ROWS = 50
MAX_CLASSES = 500
#: More classes than MANY_CLASSES may be no more than this share of the rows to train on; training refuses them otherwise.
MANY_CLASSES, MAX_DISTINCT = 20, 0.5
#: More rows than this share without a label: the file is not what it seems.
MAX_UNLABELLED = 0.2
LEFT_OUT = f"up to {MAX_UNLABELLED:.0%} of the rows may lack a label, and are left out"
#: Fewer rows of a class than this, to train on or held out: a warning.
FEW = 10


def find_label(
    header: list[str], label: str, line: int = 1, hint: str = "", known: Collection[str] = ()
) -> int:
    """Its position in the header. Raises InvalidTable, listing the columns; `hint` ends its remedy.

    `known` are the columns of the version before, whose label was found: it may have another name now.
    """
    if label in header:
        return header.index(label)
    marked = in_header(header, label)
    behind = cut(label, header)
    inside = bare(label)
    alike = behind or (inside if inside in header else None if marked else likest(label, header, 0.7))
    near = [alike] if alike else []
    shown = ", ".join(header[:50]) + (f" and {len(header) - 50} more" if len(header) > 50 else "")
    fresh = [name for name in header if name not in known] if known else []
    if not near and len(fresh) == 1:
        near, guess = fresh, f" The version before had it; new in this file is {fresh[0]!r}."
    else:
        guess = f" Did you mean {near[0]!r}?{COMMENT if behind else ''}" if near else ""
    error = InvalidTable(
        f"The label column {label!r} is not in the file. Its columns are: {shown}.{guess}",
        remedy="Name the label in a file NAME.yaml beside NAME.csv (label: COLUMN), or add the column."
        + (marked or _uncut(header, label) or like_data(header))
        + hint,
        code="label-missing",
        line=line,
        column=label,
        near=near[0] if near else None,
    )
    raise error.showing(f"label: {label}", f"label: {in_yaml(near[0])}") if near else error


def _uncut(header: Collection[str], label: str) -> str:
    """A hint where the label is part of a name, cut at another delimiter; nothing where it isn't."""
    for mark in DELIMITERS:
        found = next((name for name in header if label in [part.strip() for part in name.split(mark)]), "")
        if found:
            return f" It is part of {found[:80]!r}: if {mark!r} stands between the columns, say so in a first line sep={mark}."
    return ""


class LabelStats:
    """Counts the label's values. `label` is the column's name."""

    def __init__(self, label: str, task: Task, numbers_said: Collection[str] = ()) -> None:
        """`numbers_said` is what the configuration says of numbers."""
        self.label, self.task, self.numbers_said = label, task, numbers_said
        self.total: Counter[str] = Counter()
        self.holdout: Counter[str] = Counter()
        self.column = ColumnStats(label)
        self.rows = 0
        self.held = 0
        self.unlabelled = 0
        self.first_unlabelled: int | None = None
        #: Words among its values that count as empty.
        self.spelt: set[str] = set()
        #: The value of the first row, and its line.
        self._first: tuple[str, int] | None = None
        #: In a regression the first value that is no plain number, and its line.
        self._odd: tuple[str, int] | None = None
        #: One that is.
        self._number = ""

    def drop_unlabelled(self, block: Block, column: int, bad: BadRows | None) -> Block:
        """The block without the rows that have no label, which are put aside."""
        if block.packed and not block.packed.gaps(column):
            return block
        values = block.columns[column]
        if "" not in values:
            return block
        missing = values.count("")
        self.unlabelled += missing
        if self.first_unlabelled is None:
            self.first_unlabelled = block.starts[values.index("")]
        if bad is not None:
            reason = f"No value in the label column {self.label!r}."
            for line, start, value in zip(block.lines(), block.starts, values, strict=True):
                if value == "":
                    bad.put_aside(start, "no-label", reason, line)
        return block.keep([value != "" for value in values])

    def update(self, block: Block, column: int, held: Sequence[int]) -> None:
        """Take in rows; `held` tells which are held out."""
        counts, out = block.counts(column, held)
        if self._first is None and counts:
            self._first = block.rows([0])[0][column], block.starts[0]
        self.rows += len(block)
        self.held += sum(held)
        self.column.update(set(counts))
        self.column.place(block, column)
        if self.task == "regression":
            self._check_numeric(counts, block, column)
            return
        self.total.update(counts)
        self.holdout.update(out)
        if len(self.total) > MAX_CLASSES:
            raise InvalidTable(
                f"The label {self.label!r} has more than {MAX_CLASSES} different values{self._as_numbers()}.",
                remedy=f"{quantity(self.column, self.numbers_said)}; otherwise name another column as the label.",
                code="too-many-classes",
                column=self.label,
            )

    def _check_numeric(self, counts: Mapping[str, int], block: Block, column: int) -> None:
        """Remember the first value that is no plain number; refuse it at once where no notation reads it."""
        if not self._number:
            self._number = next((value for value in sorted(counts) if numbers([value], "\n" + value)), "")
        if self._odd is None and numbers(counts, "\n" + "\n".join(counts)) is None:
            lines = zip(block.texts(column), block.starts, strict=True)
            self._odd = next(odd for odd in lines if numbers([odd[0]], "\n" + odd[0]) is None)
        if self._odd is not None and not self.column.readings.alive:
            raise self._not_numeric(*self._odd)

    def _not_numeric(self, value: str, line: int) -> InvalidTable:
        doubt = self.column.readings.doubt(self.numbers_said)
        sign = self.column.readings.unsaid(self.numbers_said)
        both = "" if self.column.readings.alive else self.column.notations.contrary()
        odd = None if doubt else oddness(value)
        plain = odd and odd[1]
        why = doubt or both or (odd and f"it has {odd[0]}")
        say = f", or say `numbers: [{sign}]`" if sign else ""
        say += f", or say `numbers: [{COMMA}]` or `numbers: [{POINT}]`" if doubt else ""
        how = f"Write {plain[:60]} for {value[:60]}" if plain else "Correct the value"
        if len(self.column.notations.currencies) > 1:
            how = "Write all amounts in one currency, without its sign"
        empty = "" if plain or doubt else f", or leave it empty ({LEFT_OUT})"
        return InvalidTable(
            f"The label {self.label!r} on line {line} is {value[:80]!r}, which is no number: {f'{why}; ' if why else ''}"
            "regression needs numbers.",
            remedy=f"{how}{empty}, or set task: classification{say}.",
            code="label-not-numeric",
            line=line,
            column=self.label,
        ).showing(value, plain or self._number or "12.5")

    def _words(self) -> str:
        if not self.spelt:
            return ""
        spelt, several = ", ".join(map(repr, sorted(self.spelt))), len(self.spelt) > 1
        words = f"The words {spelt} count" if several else f"The word {spelt} counts"
        return f" {words} as empty. If {'one' if several else 'it'} is a class, write another word for it."

    def waive_holdout(self) -> None:
        self.holdout.clear()
        self.held = 0

    @property
    def train(self) -> Counter[str]:
        return self.total - self.holdout

    def verdict(self) -> list[str]:
        """Warnings, once all rows are in. Raises InvalidTable where nothing can be learnt from the table."""
        seen = self.rows + self.unlabelled
        if seen == 0:
            raise InvalidTable(
                "The file has a header but no rows.",
                remedy=f"Add at least {MIN_ROWS} rows.",
                code="header-only",
                line=1,
            )
        if self.unlabelled > MAX_UNLABELLED * seen:
            raise InvalidTable(
                f"{self.unlabelled:,} of {seen:,} rows have no value in the label column {self.label!r} "
                f"(the first on line {self.first_unlabelled}).{self._words()}",
                remedy=f"Give them a label or remove them; up to {MAX_UNLABELLED:.0%} are dropped with a warning.",
                code="label-values-missing",
                line=self.first_unlabelled,
                column=self.label,
            ).showing(f"{self.label}: (empty)", f"{self.label}: {next(iter(self.total), '12.5')}")
        if self.rows < MIN_ROWS:
            extra = f" with a label ({self.unlabelled} without)" if self.unlabelled else ""
            raise InvalidTable(
                f"The file has {self.rows} row{'s' if self.rows != 1 else ''}{extra}; at least {MIN_ROWS} are needed."
                f"{self._words()}",
                remedy="Add rows and drop the file again.",
                code="too-few-rows",
                rows=self.rows,
            )
        warnings = []
        if self.unlabelled:
            left_out = f"{counted(self.unlabelled, 'row')} without a value in the label column {self.label!r}"
            warnings.append(
                f"{left_out} {was(self.unlabelled)} left out (the first on line {self.first_unlabelled}).{self._words()}"
            )
        return warnings + self._classes()

    def _classes(self) -> list[str]:
        if self.task == "regression":
            if self.column.constant:
                raise self._one_value()
            if self._odd is not None and self.column.notation is None:
                raise self._not_numeric(*self._odd)
            return []
        train = self.train
        if len(self.total) < 2:
            raise self._one_value()
        if len(train) < 2:
            lost = sorted(set(self.total) - set(train))
            raise InvalidTable(
                f"All rows of the label's value{'s' if len(lost) > 1 else ''} {', '.join(map(repr, lost[:10]))} "
                "fell into the holdout, so that one class is left to train on.",
                remedy="Add rows of the rare class.",
                code="single-class",
                column=self.label,
            )
        if len(self.total) == self.rows:
            raise InvalidTable(
                f"The label {self.label!r} has another value in each of the {self.rows:,} rows{self._as_numbers()}: there is "
                "nothing to learn.",
                remedy=f"{quantity(self.column, self.numbers_said)}; otherwise name another column as the label (this one tells "
                "rows apart).",
                code="too-many-classes",
                column=self.label,
            )
        self._refuse_many(len(train), train.total())
        thin = _few(self.total, self.holdout) if self.held else ""
        rare = _few(self.total, train)
        return (
            warnings(self.column, self.numbers_said)
            + alike(self.label, self.total)
            + [f"The label {self.label!r} {told}" for told in [self.column.quotes.told()] if told]
            + second_header(self.label, self._first, self.total)
            + [f"Classes with fewer than {FEW} training rows: {rare}."] * bool(rare)
            + [f"Classes with fewer than {FEW} rows held out, on which the gate can tell little: {thin}."]
            * bool(thin)
        )

    def _refuse_many(self, classes: int, rows: int) -> None:
        """Where most rows have a label of their own there is nothing to learn, and training would end saying so."""
        if classes > MANY_CLASSES and classes > MAX_DISTINCT * rows:
            raise InvalidTable(
                f"The label {self.label!r} has {classes:,} different values in {rows:,} rows to train on{self._as_numbers()}, "
                "too many to learn each.",
                remedy=f"{quantity(self.column, self.numbers_said)}; otherwise name another column as the label, or add rows of "
                "each class.",
                code="too-many-classes",
                column=self.label,
            )

    def _one_value(self) -> InvalidTable:
        which = f"all {self.rows:,} rows"
        if self.unlabelled:
            which += (
                f" that have one ({self.unlabelled:,} have none, the first on line {self.first_unlabelled:,})"
            )
        return InvalidTable(
            f"The label {self.label!r} has the same value in {which}; a model needs at least two.{self._words()}",
            remedy="Name another column as the label, or add rows of another class.",
            code="single-class",
            column=self.label,
        )

    def _as_numbers(self) -> str:
        numbers = written(self.column)
        return f", {numbers}" if numbers else ""


def _few(names: Iterable[str], counts: Counter[str]) -> str:
    """The classes with fewer than FEW rows, as words; nothing where there are none."""
    rare = [f"{name!r} ({counts[name]})" for name in sorted(names) if counts[name] < FEW]
    return ", ".join(rare[:10]) + (f" and {len(rare) - 10} more" if len(rare) > 10 else "")
