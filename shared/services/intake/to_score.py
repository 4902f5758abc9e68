"""Intake's way to batches: files named to be scored, and tables that lack nothing but the label of a live model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from shared.domain import names
from shared.domain.batches import Batch
from shared.domain.errors import InvalidConfig
from shared.domain.problems import Fault
from shared.domain.run.dataset import Dataset
from shared.domain.table.encoding import ENCODINGS
from shared.services.batches.dropped import Drop, DroppedFiles, Instead, Said
from shared.services.intake.ports import FileInfo, Files, IntakePlan
from shared.services.intake.sidecars import config_for, encoding_for

#: Of `encoding:`, what the file's own first bytes tell.
_BY_MARK = frozenset({"auto", "utf-16"})


class ToScore:
    """A file to score has its dataset's configuration, as far as it says how files are written."""

    def __init__(
        self, files: Files, plan: IntakePlan, dropped: DroppedFiles, log: Callable[..., object]
    ) -> None:
        self._files, self._plan, self._dropped, self._log = files, plan, dropped, log

    def known(self, doc: Dataset, info: FileInfo) -> bool:
        """Whether this version is a batch already."""
        return self._dropped.known(self._drop(doc, info)) is not None

    def take(self, doc: Dataset, info: FileInfo) -> Batch:
        """The batch of a file that is named to be scored."""
        drop = self._drop(doc, info)
        try:
            encoding = encoding_for(info.name, info.metadata, self._files, self._plan)
        except InvalidConfig as error:  # read by guess, the file would be scored as other words
            return self._dropped.take(replace(drop, wrong=_wrong(error)))
        if encoding is None:  # told under the configuration's own name; scoring asks for little of it
            self._log(
                "the configuration can't be read, the file is scored without", blob=names.shown(info.name)
            )
        return self._dropped.take(replace(drop, encoding=_python(encoding or self._plan.defaults.encoding)))

    def instead(self, doc: Dataset, info: FileInfo) -> Instead | None:
        """None where a table of plain name is scored; else what its refusal for the missing label adds."""
        try:
            return self._dropped.instead(self._drop(doc, info), partial(self._said, info))
        except InvalidConfig:  # it is refused for that
            return Instead()

    def _said(self, info: FileInfo) -> Said:
        config = config_for(info.name, info.metadata, self._files, self._plan).config
        return Said(config.label, _python(config.encoding))

    def _drop(self, doc: Dataset, info: FileInfo) -> Drop:
        where = self._plan.incoming
        return Drop(doc.dataset, doc.slug, where, info.name, info.etag, info.size, info.last_modified)


def _python(encoding: str) -> str:
    """Python's name of it; nothing where the file's first bytes tell."""
    return "" if encoding in _BY_MARK else ENCODINGS[encoding]


def _wrong(error: InvalidConfig) -> Fault:
    fault, line = Fault.of(error), error.where.get("line")
    message = f"Line {line}: {fault.message}" if line and not error.mistakes else fault.message
    return replace(fault, message=message, remedy=f"{fault.remedy} Then drop this file again.")
