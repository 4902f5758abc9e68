"""Drop files by the wave, wait for their verdicts, and see that a good file still gets through."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from azure.core.exceptions import AzureError
from azure.storage.blob import ContentSettings

from dropml.client import DONE
from shared.domain.names import upload_id
from tests.attack.files import Drop, Verdict
from tests.attack.tally import Tally
from tests.support.live_stack import LiveStack, small_table

WAVE = 40
#: For a wave of small files, and for each MiB (a file that is costly to read takes its time).
VERDICT_SECONDS, MIB_SECONDS = 90.0, 0.6
#: A run that has come so far has left intake.
AT_INTAKE = ("dropped", "validating")
TOLD_LATER = ("training-failed", "training-timeout")


def drop_all(live: LiveStack, kind: str, drops: Sequence[Drop], tally: Tally, *, until: float) -> None:
    """Waves of drops, each followed by a good file; ends early once `until` (monotonic) has passed."""
    for number, first in enumerate(range(0, len(drops), WAVE)):
        if time.monotonic() > until:
            return
        stored = [one for one in drops[first : first + WAVE] if _upload(live, one)]
        expected = {one.dataset: one for one in stored if one.verdict is not Verdict.PASSED_OVER}
        mib = sum(len(one.data) for one in stored) / 2**20
        found = _verdicts(live, set(expected), VERDICT_SECONDS + MIB_SECONDS * mib)
        for dataset, one in expected.items():
            state, code = found.get(dataset, ("no verdict", ""))
            tally.expect(kind, one.label, held=holds(one.verdict, state), seen=f"{state} {code}")
        _still_working(live, kind, f"{kind}-after-{number}", tally)
        for one in stored:
            if one.verdict is Verdict.PASSED_OVER:
                live.incoming.delete_blob(one.name)


def _upload(live: LiveStack, drop: Drop) -> bool:
    """The yaml first, as people are told to do it; False where storage itself refuses the name."""
    try:
        if drop.sidecar is not None:
            settings = ContentSettings(content_encoding=drop.sidecar_encoding)
            live.drop(f"{drop.dataset}.yaml", drop.sidecar, content_settings=settings)
        settings = ContentSettings(content_encoding=drop.encoding)
        live.drop(drop.name, drop.data, metadata=drop.metadata, content_settings=settings)
    except (AzureError, ValueError):
        return False
    return True


def _verdicts(
    live: LiveStack, datasets: set[str], seconds: float = VERDICT_SECONDS
) -> dict[str, tuple[str, str]]:
    """State and problem of each dataset's run, once all have left intake or the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        found = {run["dataset"]: run for run in live.runs() if run["dataset"] in datasets}
        told = reported(datasets, (blob.name for blob in live.quarantine.list_blobs("_files/")))
        settled = len(told) + sum(run["state"] not in AT_INTAKE for run in found.values())
        if settled >= len(datasets) or time.monotonic() > deadline:
            verdicts = {name: _verdict(live, run) for name, run in found.items()}
            return verdicts | dict.fromkeys(told, ("quarantined", "told by a report"))
        time.sleep(0.5)


def reported(datasets: Iterable[str], reports: Iterable[str]) -> set[str]:
    """Those whose file has a report instead of a run; `reports` are the names under `_files/` in the quarantine."""
    there = {name.split("/")[1].rpartition("-")[2] for name in reports}
    return {name for name in datasets if upload_id("incoming", f"{name}.csv", "") in there}


def _verdict(live: LiveStack, run: dict[str, Any]) -> tuple[str, str]:
    """A file that trained to no model was taken: what came of it later is its run's matter, and told."""
    state, told = run["state"], str(run["error"] or "")
    if state == "failed" and live.get(f"/runs/{run['run_id']}")["problem"]["code"] in TOLD_LATER:
        return "taken", told
    return state, told


def holds(verdict: Verdict, state: str) -> bool:
    """Whether a run in this state is what a file with this verdict must come to."""
    if state in (*AT_INTAKE, "no verdict", "failed"):
        return False
    quarantined = state == "quarantined"
    return verdict is Verdict.EITHER or quarantined == (verdict is Verdict.QUARANTINED)


def _still_working(live: LiveStack, kind: str, dataset: str, tally: Tally) -> None:
    """Intake goes on: an ordinary file, too small to be trained on, gets its verdict."""
    live.drop(f"{dataset}.csv", small_table(rows=30))
    state, code = _verdicts(live, {dataset}).get(dataset, ("no verdict", ""))
    tally.expect(kind, "an ordinary file afterwards", held=state == "quarantined", seen=f"{state} {code}")


def settle(live: LiveStack, seconds: float) -> int:
    """Wait until no run is open any more; how many still are."""
    deadline = time.monotonic() + seconds
    while (still := sum(run["state"] not in DONE for run in live.runs())) and time.monotonic() < deadline:
        time.sleep(1)
    return still
