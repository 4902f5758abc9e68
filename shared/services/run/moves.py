"""Moves of an endpoint's traffic: each leaves word of itself before Azure is asked, and takes it back once it was in time.

A host that stands still between its decision and its call asks late, after others have decided otherwise. Its word stands then,
and tells what it asked for from what a person has changed in Azure.
"""

from __future__ import annotations

import json

from shared.domain import names
from shared.domain.run.dataset import Dataset
from shared.services.documents import entries
from shared.services.run.context import Context

FOLDER = "moves/"
#: A word counts for so long (seconds): the longest that a host which was about to move traffic may stand still (a Flex
#: instance is given ten minutes to end a call), and Azure's own time to move it.
LATE_SECONDS = 900.0


def begin(dataset: Dataset, endpoint: str, traffic: dict[str, int], ctx: Context) -> None:
    """Have the endpoint's traffic moved, as was decided by this version of the dataset's document."""
    path, shares = _path(dataset.slug, traffic), json.dumps(traffic, sort_keys=True)
    _leave(path, shares, ctx)
    ctx.azureml.begin_traffic(endpoint, traffic)
    now = ctx.store.change_dataset(dataset.slug, lambda found: found)
    if _decided(now) == _decided(dataset):
        ctx.store.documents.delete(path)
    else:
        _leave(path, shares, ctx)


def late(slug: str, traffic: dict[str, int], ctx: Context) -> bool:
    """Whether DropML itself has asked for this traffic of late, and doesn't know that it was in time."""
    path = _path(slug, traffic)
    found = (entry for entry in entries(ctx.store.documents, path) if entry.path == path)
    return any(abs(ctx.clock() - float(word.metadata.get("at", 0.0))) < LATE_SECONDS for word in found)


def _leave(path: str, shares: str, ctx: Context) -> None:
    ctx.store.documents.mark(path, {"at": f"{ctx.clock():.3f}", "traffic": shares})


def _path(slug: str, traffic: dict[str, int]) -> str:
    shares = sorted((name, share) for name, share in traffic.items() if share)
    return f"{FOLDER}{slug}/{names.digest(json.dumps(shares))[:20]}"


def _decided(dataset: Dataset) -> tuple[object, ...]:
    """What says where traffic goes."""
    shift, sleep = dataset.shift, dataset.sleep
    return (
        dataset.champion,
        dataset.promoting,
        (shift.to, shift.away, shift.at) if shift else None,
        sleep.stage if sleep else None,
    )
