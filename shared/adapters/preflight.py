"""What training would run on: the compute, its size, the quota of its family. Asked rarely, and never a reason to fail.

https://learn.microsoft.com/rest/api/azureml/compute/get, .../virtual-machine-sizes/list, .../usages/list
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from shared.adapters.resource import Resource, mapping
from shared.domain.errors import DropMLError
from shared.domain.run.cost import Compute, is_of_family

API = "2023-10-01"
#: So long (seconds) it isn't asked again after it could not be.
AGAIN_SECONDS = 30.0
PROVIDER = "providers/Microsoft.MachineLearningServices"


class Reads(Protocol):
    """GETs of Resource Manager (`shared.adapters.arm.Arm`)."""

    def find(
        self, url: str, what: str, params: dict[str, str] | None = None
    ) -> Mapping[str, object] | None: ...


@dataclass(frozen=True)
class Place:
    """Where to ask: the workspace's ARM id, its subscription, the training compute (empty: serverless)."""

    workspace_id: str
    subscription: str
    compute: str


class Preflight:
    """One per process; thread-safe. What was learnt holds for `seconds`; what is missing is asked for more often."""

    def __init__(
        self,
        reads: Reads,
        place: Place,
        seconds: float,
        log: Callable[..., None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reads, self._place, self._seconds, self._log = reads, place, seconds, log
        self._monotonic = monotonic
        self._known: tuple[float, Compute | None] | None = None
        self._lock = threading.Lock()

    def look(self) -> Compute | None:
        """None where it can't be told: then training begins all the same."""
        with self._lock:
            now = self._monotonic()
            if self._known is None or now >= self._known[0]:
                found = self._asked()
                sound = found is not None and found.exists and found.quota is not None
                self._known = (now + (self._seconds if sound else min(self._seconds, AGAIN_SECONDS)), found)
            return self._known[1]

    def _asked(self) -> Compute | None:
        try:
            return self._compute()
        except DropMLError as error:
            self._log("compute can't be looked at before training", **error.to_dict())
            return None

    def _compute(self) -> Compute:
        name = self._place.compute
        if not name:
            return Compute("")
        found = self._find(f"{self._place.workspace_id}/computes/{name}", f"read the compute {name}")
        if found is None:
            return Compute(name, exists=False)
        outer = Resource.of(found)
        inner = mapping(outer.properties.get("properties"))
        nodes = mapping(inner.get("scaleSettings")).get("maxNodeCount")
        compute = Compute(
            name,
            state=outer.state,
            vm_size=str(inner.get("vmSize") or ""),
            nodes=nodes if isinstance(nodes, int) else 1,
        )
        region = str(outer.properties.get("computeLocation") or found.get("location") or "")
        dedicated = str(inner.get("vmPriority") or "Dedicated").lower() == "dedicated"
        return (
            self._with_quota(compute, region, dedicated=dedicated) if region and compute.vm_size else compute
        )

    def _with_quota(self, compute: Compute, region: str, *, dedicated: bool) -> Compute:
        """Reading sizes and quota wants rights on the subscription, which the app may not have."""
        base = f"/subscriptions/{self._place.subscription}/{PROVIDER}/locations/{region}"
        try:
            size = next(
                (
                    each
                    for each in self._list(f"{base}/vmSizes", "list the sizes")
                    if str(each.get("name")).lower() == compute.vm_size.lower()
                ),
                None,
            )
            if size is None:
                return compute
            compute = _sized(compute, size)
            usages = self._list(f"{base}/usages", "read the quota") if dedicated else []
        except DropMLError as error:
            self._log("quota can't be read", **error.to_dict())
            return compute
        limits = [each.get("limit") for each in usages if is_of_family(_name(each), compute.family)]
        whole = [limit for limit in limits if isinstance(limit, int)]
        return replace(compute, quota=whole[0]) if whole else compute

    def _find(self, url: str, what: str) -> Mapping[str, object] | None:
        return self._reads.find(url, what, {"api-version": API})

    def _list(self, url: str, what: str) -> list[Mapping[str, object]]:
        listed = (self._find(url, what) or {}).get("value")
        return [mapping(each) for each in listed] if isinstance(listed, list) else []


def _sized(compute: Compute, size: Mapping[str, object]) -> Compute:
    cores = size.get("vCPUs")
    prices = mapping(size.get("estimatedVMPrices"))
    values = prices.get("values")
    linux = [
        price.get("retailPrice")
        for price in map(mapping, values if isinstance(values, list) else [])
        if price.get("osType") == "Linux" and price.get("vmTier") == "Standard"
    ]
    hourly = next((price for price in linux if isinstance(price, int | float)), None)
    return replace(
        compute,
        vcpus=cores if isinstance(cores, int) else 0,
        family=str(size.get("family") or ""),
        hourly=hourly if prices.get("unitOfMeasure") == "OneHour" else None,
        currency=str(prices.get("billingCurrency") or "") if hourly is not None else "",
    )


def _name(usage: Mapping[str, object]) -> str:
    return str(mapping(usage.get("name")).get("value") or "")
