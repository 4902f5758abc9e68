"""Intake on a real account: what storage does to odd names, compressed files and empty ones."""

from __future__ import annotations

import gzip
import time
from contextlib import suppress
from dataclasses import replace

import pytest
from azure.core.exceptions import AzureError
from azure.storage.blob import ContainerClient, ContentSettings

from shared.adapters import storage
from shared.adapters.batch_files import BlobBatchFiles
from shared.adapters.data_files import DataStore
from shared.adapters.storage import blob_service_client
from shared.domain.batches import Source
from shared.domain.config_sources import defaults
from shared.domain.errors import Conflict, NotFound
from shared.domain.incoming import recognised
from shared.services.batches import showing
from shared.services.batches.dropped import DroppedFiles
from shared.services.batches.showing import BatchQuery
from shared.services.batches.taking import Batches
from shared.services.intake.drop import Intake
from shared.services.intake.ports import IntakePlan
from shared.services.intake.sweep import Sweep
from tests.conftest import StorageAccount
from tests.support.memory import World
from tests.support.memory_batches import batches_over, dropped_files
from tests.support.staging_area import people


class Front:
    """Intake over a real account; the state and Azure ML are in memory."""

    def __init__(self, account: StorageAccount) -> None:
        self.incoming: ContainerClient = account.container("incoming")
        names = [str(account.container(name).container_name) for name in ("data", "quarantine")]
        self.plan = IntakePlan(str(self.incoming.container_name), names[0], 1 << 30, names[1])
        service = blob_service_client({"DATA_STORAGE": account.connection_string}, lambda: None)
        self._listing = service.get_container_client(self.plan.incoming)
        self.files, self.batch_files = DataStore(service), BlobBatchFiles(service)
        self.batch = account.container("batch")
        self.world = World()
        self.world.clock.now = time.time()
        self.intake = Intake(self.world.context, self.files, self.plan, self.dropped())

    def dropped(self) -> DroppedFiles:
        return dropped_files(self.world, self.batches)

    @property
    def batches(self) -> Batches:
        return batches_over(self.world, self.batch_files, str(self.batch.container_name))

    def sweep(self) -> int:
        return Sweep(self.world.context, self.files, self.plan, self.intake).run()

    def listed(self) -> list[str]:
        """Names as storage gives them back; those behind one that breaks the listing are missing."""
        found: list[str] = []
        with suppress(AzureError):
            found.extend(blob.name for blob in self._listing.list_blobs())
        return found

    def ended(self, blob: str) -> bool:
        """Whether the file has a run that ended or goes on, was told of, or isn't there under this name."""
        dataset = recognised(blob).dataset
        if dataset in self.states() or self.intake.notes.id_of(blob) in self.intake.notes.told():
            return True
        return not self.incoming.get_blob_client(blob).exists()

    def states(self) -> dict[str, str]:
        return {run.dataset: str(run.state) for run in self.world.runs()}


@pytest.fixture
def front(storage_account: StorageAccount, monkeypatch: pytest.MonkeyPatch) -> Front:
    monkeypatch.setattr(storage, "RETRIES", 0)  # of the listing that a name breaks
    return Front(storage_account)


def test_a_compressed_configuration_is_told_and_never_unpacked(front: Front) -> None:
    bomb = gzip.compress(b"#" * (64 << 20))
    front.incoming.upload_blob("a.yaml", bomb, content_settings=ContentSettings(content_encoding="gzip"))
    front.incoming.upload_blob("a.csv", people())
    front.intake.drop(front.plan.incoming, "a.csv")
    problem = front.world.runs()[0].problem
    assert problem is not None
    assert (problem.code, problem.where["file"]) == ("invalid-config", "a.yaml")
    assert "gzip" in problem.message


def test_an_empty_configuration_says_nothing(front: Front) -> None:
    front.incoming.upload_blob("a.yaml", b"")
    front.incoming.upload_blob("a.csv", people())
    front.intake.drop(front.plan.incoming, "a.csv")
    front.intake.drop(front.plan.incoming, "a.yaml")
    assert front.states().keys() == {"a"}


ODD = ["nul\x00", "esc\x1b[2J", "non\ufffe", "back\\slash", "..\\..\\up", "a//b", "dot.", "two..dots", "sp ace ", "שלום",
       "emoji-🙂", "\u202egpj", "hash#q?%2F", "n" * 900]  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_an_odd_name_stops_no_other(front: Front, name: str) -> None:
    front.incoming.upload_blob("before.csv", people())
    with suppress(AzureError, ValueError):  # refused by storage itself
        front.incoming.upload_blob(f"{name}.csv", people())
    front.incoming.upload_blob("zebra.csv", people())
    front.sweep()
    assert {"before", "zebra"} <= set(front.states())
    front.intake.drop(front.plan.incoming, f"{name}.csv")  # as an event may bring it
    assert front.ended(f"{name}.csv"), "as it was uploaded"
    for blob in front.listed():
        assert front.ended(blob), "as storage has it"
    with suppress(AzureError, ValueError):
        front.incoming.delete_blob(f"{name}.csv")


def test_numbers_are_rewritten_in_the_blobs_they_were_staged_in(front: Front) -> None:
    """Each piece is read from the blob that is being written: what is read is what was there before."""
    wide = "x" * 6000  # several blocks of the blob
    rows = "".join(f"{i},5;{wide};{'no' if i % 3 else 'yes'}\n" for i in range(3000))
    front.incoming.upload_blob("people.csv", f"c;wide;y\n{rows}".encode())
    front.incoming.upload_blob("people.yaml", b"imbalance: off\n")
    front.sweep()
    (run,) = front.world.runs()
    assert run.snapshot is not None
    kept = []
    for path in (f"{run.snapshot.path}/data.csv", run.snapshot.holdout_path):
        text = b"".join(front.files.stream(front.plan.data, path)).decode()
        kept += [line.split(",")[0] for line in text.splitlines()[1:]]
    assert sorted(map(float, kept)) == [i + 0.5 for i in range(3000)]


def test_a_label_is_looked_at_before_the_file_is_read(front: Front) -> None:
    plan = replace(front.plan, defaults=defaults({"task": "auto"}))
    intake = Intake(front.world.context, front.files, plan, front.dropped())
    front.incoming.upload_blob("words.csv", people())
    front.incoming.upload_blob("prices.csv", "x,y\n" + "".join(f"{i},{i / 8}\n" for i in range(500_000)))
    for name in ("words.csv", "prices.csv"):
        intake.drop(plan.incoming, name)
    problems = {run.dataset: run.problem and run.problem.code for run in front.world.runs()}
    assert problems == {"words": None, "prices": "task-unclear"}
    told = next(run.problem.message for run in front.world.runs() if run.problem)
    assert "in its first " in told


def test_a_file_to_score_is_copied_by_storage_once_and_stays_what_it_was(front: Front) -> None:
    name, text = "größe & more #1.score.csv.gz", "age\n1\n2\n"
    settings = ContentSettings(content_encoding="gzip")
    front.incoming.upload_blob(name, gzip.compress(text.encode()), content_settings=settings)
    front.intake.drop(front.plan.incoming, name)
    front.intake.drop(front.plan.incoming, name)
    (blob,) = front.batch.list_blobs()
    front.incoming.upload_blob(name, b"age\n3\n", overwrite=True)
    files, container = front.batch_files, str(front.batch.container_name)
    info = files.stat(container, blob.name)
    copy = files.read(container, blob.name, info.etag, 0, info.size)
    assert gzip.decompress(copy).decode() == text
    assert front.sweep() == 0
    batches = showing.page(front.batches, BatchQuery())[0].batches
    assert sorted((batch.status, batch.dataset) for batch in batches) == [("waiting", "größe & more #1")] * 2


def test_a_copy_is_of_the_version_asked_for_or_there_is_none(front: Front) -> None:
    files, container = front.batch_files, str(front.batch.container_name)
    front.incoming.upload_blob("a.csv", b"x\n1\n")
    info = files.stat(front.plan.incoming, "a.csv")
    source = Source(front.plan.incoming, "a.csv", info.etag, info.size)
    first = files.copy(source, container, "a/input")
    front.incoming.upload_blob("a.csv", b"y\n", overwrite=True)
    assert files.copy(source, container, "a/input") == first, "what is there is the copy"
    with pytest.raises(Conflict):
        files.copy(source, container, "b/input")
    front.incoming.delete_blob("a.csv")
    with pytest.raises((Conflict, NotFound)):
        files.copy(source, container, "b/input")
    assert [blob.name for blob in front.batch.list_blobs()] == ["a/input"]
