"""A batch service over the shared storage account, documents in memory and an endpoint that is a real HTTP server."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from shared import bootstrap
from shared.adapters.batch_files import BlobBatchFiles
from shared.domain.documents import to_json
from shared.services.batches import showing, worker
from shared.services.batches.taking import Batches
from tests.conftest import StorageAccount
from tests.support.scoring_support import App, Endpoint, serve

HEADER = "age,job,euribor3m,member"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A batch service on the shared Azurite with documents in memory."""

    def __init__(self, app: App, account: StorageAccount, clock: Clock) -> None:
        self.app, self.clock = app, clock
        self.container = account.container("batch")
        self.files = BlobBatchFiles(account.service)
        self.batches = Batches(
            app.scoring,
            app.documents,
            self.files,
            self.container.container_name,
            clock,
            frozenset({self.container.container_name}),
        )

    def upload(self, text: str | bytes, name: str = "in/rows.csv") -> str:
        self.container.upload_blob(name, text, overwrite=True)
        return f"{self.container.container_name}/{name}"

    def take(self, blob: str, key: str | None = None) -> dict[str, Any]:
        body = json.dumps({"blob": blob}).encode()
        return to_json(self.batches.create("bank", body, "application/json", key))

    def work(self, seconds: float = 60.0) -> int:
        return worker.step_batches(self.batches, time.monotonic() + seconds)

    def output(self, batch: dict[str, Any]) -> list[dict[str, str]]:
        path = batch["output"].partition("/")[2]
        text = self.container.download_blob(path).readall().decode()
        return list(csv.DictReader(io.StringIO(text)))

    def show(self, batch: dict[str, Any]) -> dict[str, Any]:
        return to_json(showing.show(self.batches, "bank", batch["id"]))


def rows(count: int, first: int = 0) -> str:
    lines = (f"{18 + (first + at) % 80},technician,{at / 7:.6f}," for at in range(count))
    return HEADER + "\n" + "\n".join(lines) + "\n"


@contextmanager
def batch_bench(account: StorageAccount, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """One dataset in service, `bank`, and its batches behind the doors."""
    with serve(Endpoint()) as endpoint:
        app = App(endpoint)
        app.publish()
        bench = Bench(app, account, Clock())
        monkeypatch.setattr(bootstrap, "batches", lambda: bench.batches)
        yield bench
