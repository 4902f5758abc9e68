"""What was learnt of the compute holds for a while, what can't be read holds nobody up, and prices are told if they are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shared.adapters.preflight import AGAIN_SECONDS, Place, Preflight
from shared.domain.errors import Transient, Upstream

CLUSTER = {
    "properties": {
        "provisioningState": "Succeeded",
        "computeLocation": "westeurope",
        "properties": {
            "vmSize": "STANDARD_DS3_V2",
            "vmPriority": "Dedicated",
            "scaleSettings": {"maxNodeCount": 3},
        },
    }
}
PRICES = {
    "billingCurrency": "USD",
    "unitOfMeasure": "OneHour",
    "values": [
        {"retailPrice": 9.0, "osType": "Windows", "vmTier": "Standard"},
        {"retailPrice": 0.1, "osType": "Linux", "vmTier": "LowPriority"},
        {"retailPrice": 0.25, "osType": "Linux", "vmTier": "Standard"},
    ],
}
SIZES = {
    "value": [
        {"name": "Standard_DS3_v2", "family": "standardDSv2Family", "vCPUs": 4, "estimatedVMPrices": PRICES}
    ]
}
USAGES = {
    "value": [
        {"name": {"value": "Total Cluster Dedicated Regional vCPUs"}, "limit": 100},
        {"name": {"value": "Standard DSv2 Family Cluster Dedicated vCPUs"}, "limit": 24},
        {"name": {"value": "Standard DSv2 Family Cluster Low Priority vCPUs"}, "limit": 1},
    ]
}


class Reads:
    """Resource Manager's answers by the end of the address, and how often it was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {"cpu": CLUSTER, "vmSizes": SIZES, "usages": USAGES} | answers
        self.asked = 0

    def find(self, url: str, what: str, params: dict[str, str] | None = None) -> Mapping[str, object] | None:
        self.asked += 1
        answer = self.answers[url.rpartition("/")[2]]
        if isinstance(answer, Exception):
            raise answer
        found: Mapping[str, object] | None = answer
        return found


class Watch:
    now = 0.0


def preflight(reads: Reads, watch: Watch | None = None) -> tuple[Preflight, list[str]]:
    said: list[str] = []
    clock: Callable[[], float] = lambda: (watch or Watch()).now  # noqa: E731 - typed as what it stands in for
    return Preflight(reads, Place("/ws", "s", "cpu"), 300, lambda text, **_: said.append(text), clock), said


def test_size_nodes_quota_and_price_are_told() -> None:
    found = preflight(Reads())[0].look()
    assert found is not None
    assert (found.vm_size, found.vcpus, found.nodes, found.family) == (
        "STANDARD_DS3_V2",
        4,
        3,
        "standardDSv2Family",
    )
    assert (found.quota, found.hourly, found.currency) == (24, 0.25, "USD")


def test_it_is_asked_once_in_a_while_and_sooner_where_something_is_missing() -> None:
    reads, watch = Reads(), Watch()
    look = preflight(reads, watch)[0].look
    for _ in range(50):
        look()
    assert reads.asked == 3
    watch.now = 301
    reads.answers["cpu"] = None
    gone = look()
    assert gone is not None
    assert not gone.exists
    watch.now += AGAIN_SECONDS + 1
    reads.answers["cpu"] = CLUSTER
    back = look()
    assert back is not None
    assert back.exists


def test_without_rights_on_the_subscription_the_cluster_alone_is_told() -> None:
    look, said = preflight(Reads(vmSizes=Upstream("403")))
    found = look.look()
    assert found is not None
    assert (found.exists, found.vm_size, found.quota, found.vcpus) == (True, "STANDARD_DS3_V2", None, 0)
    assert said == ["quota can't be read"]


def test_what_cannot_be_read_at_all_holds_nobody_up() -> None:
    look, said = preflight(Reads(cpu=Transient("503")))
    assert look.look() is None
    assert said == ["compute can't be looked at before training"]


def test_answers_of_other_shapes_are_no_reason_to_fail() -> None:
    odd: list[Any] = [{}, {"value": None}, {"value": [None, 1, {"name": None, "vCPUs": "x"}]}, {"value": {}}]
    for sizes in odd:
        for usages in odd:
            found = preflight(Reads(vmSizes=sizes, usages=usages))[0].look()
            assert found is not None
            assert found.quota is None
