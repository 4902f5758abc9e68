"""The story of a refused file on a real account: state, files and quarantine are Azurite's, Azure ML alone is in memory."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from shared.adapters.batch_files import BlobBatchFiles
from shared.adapters.data_files import DataStore
from shared.adapters.documents import JsonStore
from shared.adapters.ledger import LedgerStore
from shared.adapters.snapshots import Snapshots
from shared.adapters.storage import blob_service_client
from shared.domain.errors import Conflict
from shared.domain.run.ledger import verify
from shared.domain.run.parts import Action
from shared.services.intake.drop import Intake
from shared.services.intake.ports import IntakePlan
from shared.services.quarantine.deciding import Decided, Quarantine
from shared.services.quarantine.listing import RefusedQuery
from shared.services.run import loop
from shared.settings import Settings
from tests.conftest import StorageAccount
from tests.services.test_contract import BREAKING, table
from tests.support.memory import World
from tests.support.memory_batches import batches_over, dropped_files
from tests.support.staging_area import people


class Host:
    """One process of the app over the account."""

    def __init__(self, account: StorageAccount) -> None:
        service = blob_service_client({"DATA_STORAGE": account.connection_string}, lambda: None)
        state = service.get_container_client(account.name("state"))
        self.world, self.files = World(), DataStore(service)
        self.batch_files = BlobBatchFiles(service)
        self.plan = IntakePlan(
            account.name("incoming"), account.name("data"), 1 << 30, account.name("quarantine")
        )
        self.incoming = service.get_container_client(self.plan.incoming)
        settings = Settings(data_container=self.plan.data, quarantine_container=self.plan.quarantine)
        world: Any = self.world
        world.docs, world.ledger_store, world.data = (
            JsonStore(state),
            LedgerStore(state),
            Snapshots(self.files, settings),
        )
        world.clock.now = time.time()
        world.restart()
        self.quarantine = Quarantine(self.world.context, self.files, self.plan)

    def drop(self, text: str) -> str:
        self.incoming.upload_blob("people.csv", text.encode(), overwrite=True)
        batches = batches_over(self.world, self.batch_files)
        intake = Intake(self.world.context, self.files, self.plan, dropped_files(self.world, batches))
        run_id = intake.drop(self.plan.incoming, "people.csv")
        assert run_id
        return run_id

    def press(self, refused: str, action: Action) -> Decided | str:
        try:
            return self.quarantine.act(refused, action, "ann")
        except Conflict as error:
            return error.error_code

    def kept(self, run_id: str) -> set[str]:
        found = self.files.list(self.plan.quarantine, f"people/{run_id}/")
        return {info.name.rpartition("/")[2] for info in found}


@pytest.fixture
def account(storage_account: StorageAccount) -> StorageAccount:
    for name in ("incoming", "data", "quarantine", "state"):
        storage_account.container(name)
    return storage_account


def test_a_removed_column_is_refused_with_its_diff_and_trains_once_accepted_on_whichever_host(
    account: StorageAccount,
) -> None:
    host, other = Host(account), Host(account)
    assert host.world.run(host.drop(people())).problem is None
    refused = host.drop(table(BREAKING["removed"]))
    assert host.world.run(refused).state == "quarantined"
    assert host.kept(refused) == {"people.csv", "report.json", "report.txt"}
    (line,) = other.quarantine.page(RefusedQuery.parse({"dataset": "people"}))[0].files
    assert (line.id, line.code, line.decision) == (refused, "schema-incompatible", None)
    view = other.quarantine.show(refused)
    assert [(c.kind, c.column, c.before) for c in view.problem.changes] == [("removed", "income", "number")]
    assert "removed  income  number -> -" in view.report
    submitted = host.world.azureml.submissions + other.world.azureml.submissions

    answers: list[Decided | str] = []
    presses = [
        threading.Thread(target=lambda h=h: answers.append(h.press(refused, "accept-schema")))
        for h in (host, other) * 2
    ]
    for press in presses:
        press.start()
    for press in presses:
        press.join()
    assert len(set(answers)) == 1, answers
    (done,) = set(answers)
    assert isinstance(done, Decided)
    assert host.press(refused, "discard") == "already-decided"
    staged = {info.name.split("/")[1] for info in host.files.list(host.plan.data, "people/")}
    assert len(staged) == 2, "of the first version and of the run that came of the second"
    for _ in range(3):
        loop.tick(host.world.context)
    assert host.world.run(str(done.run_id)).state not in ("quarantined", "failed")
    assert host.world.azureml.submissions + other.world.azureml.submissions == submitted + 1
    for run_id in (refused, str(done.run_id)):
        run = host.world.run(run_id)
        lines = host.world.store.ledger(run_id)
        assert verify(lines, run.ledger_head, run.pending).broken_at is None
        assert any('"ann"' in line for line in lines)
    assert other.quarantine.finish() == 0
    assert host.world.run(host.drop(people(210))).state == "quarantined", "the new schema is what holds"


def test_a_discarded_file_is_gone_with_the_next_sweep_and_its_report_stays(account: StorageAccount) -> None:
    host = Host(account)
    host.drop(people())
    refused = host.drop(people().replace("00098,", "00098,1,"))
    assert host.world.run(refused).state == "quarantined"
    (before, wrong, after) = host.quarantine.show(refused).lines
    assert (wrong.line, wrong.wrong, before.wrong, after.wrong) == (100, True, False, False)
    assert isinstance(host.press(refused, "discard"), Decided)
    assert Host(account).quarantine.finish() == 1
    assert host.kept(refused) == {"report.json", "report.txt"}
    assert host.quarantine.show(refused).decision is not None
    assert host.press(refused, "release") == "already-decided"
