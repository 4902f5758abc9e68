"""What intake needs of the data account, and what it is told at the start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from shared.domain.config import DatasetConfig
from shared.domain.config_owner import Owner
from shared.domain.table.packed import Engine
from shared.domain.table.task import Numbers
from shared.services.intake.staging import Area

CHUNK = 4 * 1024 * 1024


class FileInfo(Protocol):
    """One blob; `etag` is quoted, `size` is in bytes, `last_modified` in unix seconds. Listings know no metadata."""

    @property
    def name(self) -> str: ...
    @property
    def etag(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def metadata(self) -> Mapping[str, str]: ...
    @property
    def last_modified(self) -> float: ...


class Files(Protocol):
    """The data account as intake sees it (`shared.adapters.data_files.DataStore`)."""

    def properties(self, container: str, name: str) -> FileInfo: ...
    def stream(
        self, container: str, name: str, etag: str | None = None, chunk: int = CHUNK
    ) -> Iterator[bytes]: ...
    def area(self, container: str, folder: str) -> Area: ...
    def upload_text(self, container: str, name: str, text: str) -> None: ...
    def delete(self, container: str, name: str) -> None: ...
    def delete_prefix(self, container: str, prefix: str) -> object: ...
    def list(self, container: str, prefix: str = "", since: float | None = None) -> Iterator[FileInfo]: ...


@dataclass(frozen=True)
class IntakePlan:
    """Where files come in and what becomes of them goes; how much is taken (bytes), how far back the sweep looks (hours),
    how long reports are kept (days); what the settings say of every dataset, and what their owner leaves to a file; an engine
    for clean rows, if any.
    """

    incoming: str
    data: str
    max_upload_bytes: int
    quarantine: str = "dropml-quarantine"
    sweep_hours: float = 24.0 * 7
    quarantine_days: float = 90.0
    defaults: DatasetConfig = field(default_factory=DatasetConfig)
    owner: Owner = field(default_factory=Owner)
    #: What a label of many distinct numbers is, where nobody says the task.
    many_numbers: Numbers = "ask"
    engine: Engine | None = None
