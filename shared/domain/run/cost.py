"""What a training runs on and what it may cost, told before it begins; and what keeps it from beginning. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.domain.spend import Refusal

#: vCPU hours up to which a training is of the class; above the last it is `high`.
CLASSES = (("low", 4.0), ("medium", 40.0))


@dataclass(frozen=True)
class Compute:
    """The training compute as the workspace tells it. An empty name is serverless compute."""

    name: str
    #: False where the workspace has no compute of that name.
    exists: bool = True
    state: str = "Succeeded"
    vm_size: str = ""
    vcpus: int = 0
    nodes: int = 1
    #: Cores of its family that the subscription may use in the region; None where that could not be read.
    quota: int | None = None
    family: str = ""
    #: Pay-as-you-go price of a node's hour, where the service tells one.
    hourly: float | None = None
    currency: str = ""


@dataclass(frozen=True)
class CostEstimate:
    """The most that a training may use: `nodes` machines for `minutes`. `price` is `low`, `medium` or `high`, by vCPU hours."""

    compute: str
    vm_size: str
    nodes: int
    minutes: float
    vcpu_hours: float
    price: str
    sentence: str
    #: Money, where the service tells prices.
    at_most: float | None = None
    currency: str = ""


def estimate(compute: Compute, minutes: float, concurrent: int) -> CostEstimate:
    """For an AutoML job of so many minutes with so many trials at a time."""
    nodes, hours = min(max(1, compute.nodes), concurrent), minutes / 60
    vcpu_hours = round(nodes * compute.vcpus * hours, 2)
    price = next((name for name, most in CLASSES if vcpu_hours <= most), "high")
    where = compute.name or "serverless compute"
    size = (
        f"{compute.vm_size} ({compute.vcpus} vCPUs)" if compute.vm_size else "a size that the service chooses"
    )
    formula = f"at most {nodes} x {size} for {minutes:g} minutes on {where}"
    at_most = None if compute.hourly is None else round(nodes * hours * compute.hourly, 2)
    money = f", at most {at_most:g} {compute.currency}" if at_most is not None else ""
    used = f": {vcpu_hours:g} vCPU hours ({price})" if compute.vcpus else ""
    return CostEstimate(
        where,
        compute.vm_size,
        nodes,
        minutes,
        vcpu_hours,
        price if compute.vcpus else "unknown",
        f"{formula}{used}{money}.",
        at_most,
        compute.currency if at_most is not None else "",
    )


def missing(compute: Compute) -> Refusal | None:
    """Why nothing can train there now; None where it can, or nobody knows."""
    if not compute.exists:
        return Refusal(
            "compute-missing",
            f"The workspace has no compute {compute.name!r}, on which this run shall train.",
            f"Make the cluster {compute.name}, or set AZUREML_COMPUTE (empty: serverless). The run then goes on by itself.",
            tomorrow=False,
        )
    if compute.state in ("Failed", "Canceled", "Deleting"):
        return Refusal(
            "compute-missing",
            f"The compute {compute.name!r} is {compute.state}.",
            f"Repair or make {compute.name} anew in the studio. The run then goes on by itself.",
            tomorrow=False,
        )
    if compute.quota is not None and compute.vcpus and compute.quota < compute.vcpus:
        return Refusal(
            "quota-missing",
            f"A node of {compute.name or 'the compute'} is {compute.vm_size} with {compute.vcpus} vCPUs, and the subscription's "
            f"quota of {compute.family} is {compute.quota}.",
            "Ask for quota of that family in the portal (Quotas, Machine learning), or use another size. The run then goes on "
            "by itself.",
            tomorrow=False,
        )
    return None


def is_of_family(usage: str, family: str) -> bool:
    """`standardDSv2Family` is `Standard DSv2 Family Cluster Dedicated vCPUs` in the list of usages."""
    name, plain = re.sub(r"[\s_]", "", usage).lower(), family.lower()
    return bool(plain) and (name == plain or name.startswith(f"{plain}cluster"))
