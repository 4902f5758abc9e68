"""The doctor: a line a check, with what mends it, whatever one of them does to itself."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from shared.domain.errors import NotFound, Transient, Upstream
from shared.services.doctor import app, report, storage
from shared.services.doctor.azure import AzureChecks, Place
from shared.services.run.state_documents import StateDocuments
from shared.services.ticks import WRITE_SECONDS, Ticks
from tests.support.memory import MemoryDocuments

WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
PLACE = Place(WORKSPACE, "s", "g", "w", "dropml_data", "dropml-data", "cpu", False, "acct")
LISTENS = replace(PLACE, compute="", event_grid=True)
TOPIC = replace(LISTENS, event_topic="evgt")
HOOK = "https://func.azurewebsites.net/runtime/webhooks/blobs"
REFUSED = Upstream("Storage refused access to incoming.", code="storage-refused")


class TestEachOnItsOwn:
    def test_what_raises_and_what_hangs_hides_no_other(self) -> None:
        gone, never = threading.Event(), threading.Event()

        def hangs() -> report.Finding:
            never.wait()
            return report.ok("hangs", "")

        def breaks() -> report.Finding:
            gone.set()
            raise KeyError("id")

        def refuses() -> report.Finding:
            raise Transient("Storage is away: AccountKey=c2VjcmV0c2VjcmV0c2VjcmV0;", remedy="Wait.")

        checks = {
            "hangs": hangs,
            "breaks": breaks,
            "refuses": refuses,
            "fine": lambda: report.ok("fine", "is."),
        }
        found = report.examine(checks, patience=0.2)
        never.set()
        assert gone.is_set()
        assert [(f.check, f.status) for f in found.findings] == [
            ("hangs", "failed"), ("breaks", "failed"), ("refuses", "failed"), ("fine", "ok")
        ]  # fmt: skip
        assert not found.healthy
        assert "0 s" in found.findings[0].message
        assert "c2Vj" not in found.findings[2].message
        assert found.findings[2].remedy == "Wait."

    def test_a_warning_is_no_illness(self) -> None:
        found = report.examine({"w": lambda: report.Finding("w", "warning", "odd.")})
        assert found.healthy


@dataclass
class Blobs:
    """An account whose containers are there, missing or refused."""

    missing: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    touched: list[str] = field(default_factory=list)
    name: str = "acct"

    def look(self, container: str) -> None:
        if container in self.missing:
            raise NotFound("The container of incoming does not exist.", code="container-not-found")
        if container in self.refused:
            raise REFUSED

    def touch(self, container: str, blob: str) -> None:
        self.touched.append(f"{container}/{blob}")


class TestStorage:
    def test_dropped_files_are_only_read_and_all_else_is_written(self) -> None:
        blobs = Blobs()
        assert storage.container(blobs, "incoming", writes=False)().status == "ok"
        assert storage.container(blobs, "dropml-data", writes=True)().status == "ok"
        assert blobs.touched == [f"dropml-data/{storage.TRIAL}"]

    def test_a_missing_container_and_a_missing_role_each_name_their_command(self) -> None:
        blobs = Blobs(missing=("a",), refused=("b",))
        assert "container create" in storage.container(blobs, "a", writes=True)().remedy
        found = storage.container(blobs, "b", writes=True)()
        assert found.status == "failed"
        assert "Storage Blob Data Contributor" in found.remedy

    @pytest.mark.parametrize(("count", "status"), [(None, "ok"), (0, "ok"), (3, "warning")])
    def test_files_that_failed_at_every_try_are_counted(self, count: int | None, status: str) -> None:
        class Queues:
            def look(self) -> None:
                raise REFUSED

            def count(self, queue: str) -> int | None:
                return count

        assert storage.poison("acct", Queues())().status == status
        assert "Queue Data Contributor" in storage.queues("acct", Queues())().remedy


class Azure:
    """Management that answers what it is given; a path that it doesn't know is absent."""

    def __init__(self, answers: Mapping[str, Mapping[str, object]], refused: tuple[str, ...] = ()) -> None:
        self.answers, self.refused = answers, refused

    def find(self, url: str, what: str, params: dict[str, str] | None = None) -> Mapping[str, object] | None:
        assert params
        last = url.rsplit("/", 1)[-1]
        if last in self.refused:
            raise Upstream("(AuthorizationFailed)", code="azure-refused")
        return self.answers.get(last)


def usage(used: int, limit: int, family: str = "DSv2") -> dict[str, object]:
    name = f"Standard {family} Family Cluster Dedicated vCPUs"
    return {"currentValue": used, "limit": limit, "name": {"value": name, "localizedValue": name}}


def size(name: str, cores: int, family: str) -> dict[str, object]:
    """One of the region's sizes of machines."""
    return {"name": name, "vCPUs": cores, "family": family}


def listed(state: str, address: str) -> dict[str, object]:
    """One event subscription, as Event Grid answers it."""
    destination = {
        "endpointType": "WebHook",
        "properties": {"endpointBaseUrl": address, "maxEventsPerBatch": 1},
    }
    return {"value": [{"properties": {"provisioningState": state, "destination": destination}}]}


class TestAzure:
    def all(
        self,
        answers: Mapping[str, Mapping[str, object]] | None = None,
        place: Place = PLACE,
        refused: tuple[str, ...] = (),
    ) -> dict[str, report.Finding]:
        checks = AzureChecks(place, Azure(answers or {}, refused)).checks(quota=True)
        return {name: check() for name, check in checks.items()}

    def test_an_empty_subscription_lacks_all_and_each_line_has_its_command(self) -> None:
        found = self.all()
        assert {name: f.status for name, f in found.items()} == {
            "workspace": "failed", "datastore": "failed", "compute": "failed", "events": "ok", "quota": "unknown"
        }  # fmt: skip
        assert all(found[name].remedy.startswith("az ml") for name in ("workspace", "datastore", "compute"))

    def test_what_is_there_is_told_and_what_contradicts_the_settings_is_found(self) -> None:
        cluster = {"vmSize": "D4", "scaleSettings": {"maxNodeCount": 2}}
        answers: dict[str, Mapping[str, object]] = {
            "w": {"location": "westeurope"},
            "dropml_data": {"properties": {"containerName": "other"}},
            "cpu": {"properties": {"provisioningState": "Succeeded", "properties": cluster}},
            "usages": {"value": [usage(98, 100), usage(0, 100), usage(0, 0)]},
        }
        found = self.all(answers)
        assert found["datastore"].status == "failed"
        assert "DATA_CONTAINER=other" in found["datastore"].remedy
        assert "at most 2 nodes" in found["compute"].message
        assert found["quota"].status == "warning"
        assert "DSv2 Family Cluster Dedicated vCPUs: 98 of 100" in found["quota"].message

    def test_a_family_without_quota_in_which_the_app_starts_machines_is_a_failure(self) -> None:
        cluster = {"vmSize": "STANDARD_DS3_V2", "scaleSettings": {"maxNodeCount": 2}}
        low = cluster | {"vmPriority": "LowPriority"}
        sizes = [
            size("Standard_D2as_v4", 2, "standardDASv4Family"),
            size("Standard_DS3_v2", 4, "standardDSv2Family"),
        ]

        def told(training: Mapping[str, object], deployments: int, trainings: int) -> report.Finding:
            listed = [usage(0, deployments, "DASv4"), usage(0, trainings), usage(0, 0, "NCv3")]
            answers: dict[str, Mapping[str, object]] = {
                "w": {"location": "westeurope"},
                "cpu": {"properties": {"provisioningState": "Succeeded", "properties": training}},
                "usages": {"value": listed},
                "vmSizes": {"value": sizes},
            }
            return self.all(answers, replace(PLACE, instance_type="Standard_D2as_v4"))["quota"]

        found = told(cluster, 0, 100)
        assert (found.status, "Deployments: Standard_D2as_v4 has 2 cores" in found.message) == (
            "failed",
            True,
        )
        assert "is 0" in found.message
        assert "portal.azure.com under Quotas, Machine learning, westeurope" in found.remedy
        found = told(cluster, 100, 2)
        assert (found.status, "Training on cpu" in found.message) == ("failed", True)
        found = told(low, 100, 0)
        assert (found.status, "2 have no quota, and the app uses none" in found.message) == ("ok", True)

    def test_families_without_quota_are_named_where_the_app_s_own_are_not_known(self) -> None:
        answers: dict[str, Mapping[str, object]] = {
            "w": {"location": "westeurope"},
            "usages": {"value": [usage(0, 100), *(usage(0, 0, f"F{n}") for n in range(7))]},
        }
        for refused in ((), ("vmSizes",)):
            place = replace(PLACE, instance_type="Standard_D2as_v4")
            found = self.all(answers, place, refused)["quota"]
            assert found.status == "warning"
            assert "Standard F4 Family Cluster Dedicated vCPUs and 2 more" in found.message
            assert "where Standard_D2as_v4 is one of them" in found.remedy

    def test_quota_that_the_app_may_not_read_is_unknown_and_the_person_has_the_command(self) -> None:
        """The right is one on the subscription, which no template gives to the app."""
        found = self.all({"w": {"location": "westeurope"}}, refused=("usages",))["quota"]
        assert (found.status, found.remedy) == ("unknown", "az ml compute list-usage --location westeurope")

    def test_events_that_can_t_be_seen_are_unknown_and_not_absent(self) -> None:
        found = self.all(place=LISTENS, refused=("eventSubscriptions",))["events"]
        assert found.status == "unknown"
        assert found.remedy.startswith("az eventgrid event-subscription")
        assert self.all(place=LISTENS)["events"].status == "unknown"
        found = self.all(place=TOPIC, refused=("eventSubscriptions",))["events"]
        assert (found.status, "--system-topic-name evgt" in found.remedy) == ("unknown", True)

    def test_a_topic_that_does_not_call_the_app_is_a_failure_with_its_command(self) -> None:
        other: dict[str, Mapping[str, object]] = {
            "eventSubscriptions": listed("Succeeded", "https://elsewhere/hook")
        }
        none: dict[str, Mapping[str, object]] = {}
        empty: dict[str, Mapping[str, object]] = {"eventSubscriptions": {"value": []}}
        for answers in (none, empty, other):
            found = self.all(answers, TOPIC)["events"]
            assert (found.status, found.remedy) == ("failed", "azd hooks run postdeploy")
        found = self.all({"eventSubscriptions": listed("AwaitingManualAction", HOOK)}, TOPIC)["events"]
        assert (found.status, "AwaitingManualAction" in found.message) == ("failed", True)

    def test_a_subscription_is_known_by_the_part_of_its_address_that_is_no_secret(self) -> None:
        """Event Grid answers `endpointBaseUrl` alone, without the query that names function and key."""
        answers: dict[str, Mapping[str, object]] = {"eventSubscriptions": listed("Succeeded", HOOK)}
        assert self.all(answers, TOPIC)["events"].status == "ok"
        assert self.all(answers, LISTENS)["events"].status == "ok"


class TestTheApp:
    def test_settings_that_nothing_works_without(self) -> None:
        assert "AZUREML_WORKSPACE=VALUE" in app.settings({"AZUREML_WORKSPACE": ""}, "1")().remedy
        assert app.settings({"AZUREML_WORKSPACE": "w"}, "1")().status == "ok"

    def test_a_timer_that_came_is_known_for_a_minute_and_told_when_it_stays_away(self) -> None:
        documents, clock = MemoryDocuments(), [1000.0]
        ticks = Ticks(StateDocuments(documents), lambda *_, **__: None, lambda: clock[0], lambda: clock[0])
        check = app.timer("advance", "0 * * * * *", ticks, lambda: clock[0])
        assert check().status == "warning"
        ticks.came("advance")
        clock[0] += 30
        ticks.came("advance")
        assert ticks.last("advance") == 1000.0
        assert check().status == "ok"
        clock[0] = 11 * WRITE_SECONDS  # the same moment for every timer, whenever it was written last
        for timer in ("advance", "sweep"):
            ticks.came(timer)
            assert ticks.last(timer) == clock[0]
        clock[0] += 700
        assert check().status == "failed"
        ticks.came("advance")
        assert check().status == "ok"

    def test_telemetry_that_is_off_lost_or_wrong(self) -> None:
        class Sent:
            sent, dropped = 5, 1

        assert app.telemetry(False, None)().status == "warning"
        assert app.telemetry(True, None)().status == "failed"
        assert "1 items" in app.telemetry(True, Sent())().message
