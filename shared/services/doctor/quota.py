"""Whether what the app starts has cores to start on: the quota of each family, and of which the app's own sizes are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.domain.run.cost import is_of_family
from shared.services.doctor.report import Finding, ok

#: Fewer cores left than one node of the usual sizes has.
FEW = 4
#: So many families are named; of a new subscription there are dozens without any quota.
NAMED = 5


@dataclass(frozen=True)
class Wanted:
    """A size that the app starts machines of, and for what."""

    what: str
    size: str


@dataclass(frozen=True)
class _Usage:
    name: str
    told: str
    used: int
    limit: int

    @property
    def scarce(self) -> bool:
        return self.limit > 0 and self.limit - self.used < FEW


def judge(region: str, usages: object, sizes: object, wanted: Sequence[Wanted]) -> Finding:
    """Of the service's two lists, each as it answers; sizes that it doesn't list (or may not be read) leave it open."""
    remedy = f"Ask for more at https://portal.azure.com under Quotas, Machine learning, {region}"
    found = [usage for usage in map(_usage, _entries(usages)) if usage]
    none = [usage for usage in found if usage.limit == 0]
    offered = {str(each.get("name")).lower(): each for each in _entries(sizes)}
    stuck = [line for one in wanted if (line := _stuck(one, offered.get(one.size.lower()), found))]
    if stuck:
        message = f"{' '.join(stuck)} So it can't start in {region}."
        return Finding("quota", "failed", message, f"{remedy}, or name another size.")
    scarce = [f"{usage.told}: {usage.used} of {usage.limit}" for usage in found if usage.scarce]
    if scarce:
        return Finding("quota", "warning", f"Nearly used up: {'; '.join(scarce)}.", f"{remedy}.")
    unknown = [one.size for one in wanted if one.size.lower() not in offered]
    if none and unknown:
        message = f"No quota at all, so that nothing of these can start: {_named(none)}."
        return Finding("quota", "warning", message, f"{remedy}, where {', '.join(unknown)} is one of them.")
    rest = f"; {len(none)} have no quota, and the app uses none of them" if none else ""
    return ok("quota", f"{len(found)} kinds of cores in {region}, none used up{rest}.")


def _stuck(one: Wanted, size: Mapping[str, object] | None, usages: list[_Usage]) -> str:
    """Why no machine of that size can ever start; empty where one can, or nobody knows."""
    if size is None:
        return ""
    family, cores = str(size.get("family") or ""), size.get("vCPUs")
    least = cores if isinstance(cores, int) else 1
    for usage in usages:
        if is_of_family(usage.name, family) and usage.limit < max(1, least):
            return f"{one.what}: {one.size} has {least} cores, the quota of {usage.told} is {usage.limit}."
    return ""


def _named(usages: list[_Usage]) -> str:
    more = len(usages) - NAMED
    return ", ".join(usage.told for usage in usages[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _entries(document: object) -> list[Mapping[str, object]]:
    listed = document.get("value") if isinstance(document, Mapping) else None
    return [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []


def _usage(entry: Mapping[str, object]) -> _Usage | None:
    used, limit, name = entry.get("currentValue"), entry.get("limit"), entry.get("name")
    if not isinstance(used, int) or not isinstance(limit, int) or not isinstance(name, Mapping):
        return None
    value = str(name.get("value") or name.get("localizedValue") or "")
    return _Usage(value, str(name.get("localizedValue") or value), used, limit)
