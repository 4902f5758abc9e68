"""Intake's way to batches: files named to be scored, and tables that lack nothing but the label of a live model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from shared.domain import names
from shared.domain.batches import Batch
from shared.domain.errors import InvalidConfig
from shared.domain.run.dataset import Dataset
from shared.domain.table.encoding import ENCODINGS
from shared.services.batches.dropped import Drop, DroppedFiles, Instead, Said
from shared.services.intake.ports import FileInfo, Files, IntakePlan
from shared.services.intake.sidecars import config_for

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
            drop = replace(drop, encoding=self._said(info).encoding)
        except InvalidConfig:  # told under the configuration's own name; scoring asks for little of it
            self._log(
                "the configuration can't be read, the file is scored without", blob=names.shown(info.name)
            )
        return self._dropped.take(drop)

    def instead(self, doc: Dataset, info: FileInfo) -> Instead | None:
        """None where a table of plain name is scored; else what its refusal for the missing label adds."""
        try:
            return self._dropped.instead(self._drop(doc, info), partial(self._said, info))
        except InvalidConfig:  # it is refused for that
            return Instead()

    def _said(self, info: FileInfo) -> Said:
        config = config_for(info.name, info.metadata, self._files, self._plan).config
        return Said(config.label, "" if config.encoding in _BY_MARK else ENCODINGS[config.encoding])

    def _drop(self, doc: Dataset, info: FileInfo) -> Drop:
        where = self._plan.incoming
        return Drop(doc.dataset, doc.slug, where, info.name, info.etag, info.size, info.last_modified)
