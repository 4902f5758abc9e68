"""Runs the SDK's story and the replay of the recordings, and judges every exchange."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.conformance import exceptions
from tests.conformance.capture import captured
from tests.conformance.clients import Program
from tests.conformance.exceptions import Allowance, explain
from tests.conformance.exchange import Exchange
from tests.conformance.recordings import Recorded, compare, load
from tests.conformance.replay import LEFT_OUT, Replay
from tests.conformance.sdk_story import Story
from tests.conformance.spec import Specs
from tests.support.emulator_support import (
    STANDIN,
    Emulator,
    emulator,
    no_schema_download,
    sdk_environment,
    trained_model,
    upload_folder,
    upload_table,
)

#: The folders that the recorded requests name.
_UPLOADS = "LocalUpload/" + "0" * 32


@dataclass
class Row:
    """What was checked of one route."""

    requests: int = 0
    answers: int = 0
    recorded: int = 0
    uncovered: int = 0
    explained: int = 0
    deviations: list[str] = field(default_factory=list)


@dataclass
class Result:
    rows: dict[str, Row] = field(default_factory=dict)
    used: set[Allowance] = field(default_factory=set)
    versions: set[str] = field(default_factory=set)
    programs: list[Program] = field(default_factory=list)

    def row(self, exchange: Exchange) -> Row:
        return self.rows.setdefault(f"{exchange.method} {exchange.route}", Row())

    def judge(self, exchange: Exchange, faults: list[str], rules: tuple[Allowance, ...], what: str) -> None:
        row = self.row(exchange)
        for fault in faults:
            rule = explain(rules, exchange, fault)
            if rule:
                self.used.add(rule)
                row.explained += 1
            else:
                row.deviations.append(f"{what} {exchange.api_version or ''}: {fault}")

    def note(self, exchange: Exchange, spellings: list[str], rules: tuple[Allowance, ...]) -> None:
        """Values in another case than the spec's are no deviations; the listed ones are counted as seen."""
        for text in spellings:
            rule = explain(rules, exchange, text)
            if rule and rule not in self.used:
                self.used.add(rule)
                self.row(exchange).explained += 1

    def total(self, name: str) -> int:
        return sum(getattr(row, name) for row in self.rows.values())

    @property
    def deviations(self) -> list[str]:
        return [f"{route}: {text}" for route, row in sorted(self.rows.items()) for text in row.deviations]

    @property
    def idle(self) -> list[Allowance]:
        """Exceptions that nothing needed: they would hide a deviation to come."""
        rules = exceptions.SDK + exceptions.ANSWERS + exceptions.RECORDED
        return [rule for rule in rules if rule not in self.used]


@contextmanager
def _emulator(storage: str, name: str, *options: str) -> Iterator[Emulator]:
    upload_table(storage, name, "bank/train")
    upload_folder(storage, name, "model", trained_model())
    stores = ["--datastore", f"data={name}", "--datastore", f"workspaceblobstore={name}-default"]
    upload_table(storage, f"{name}-default", f"{_UPLOADS}/train")
    upload_folder(storage, f"{name}-default", f"{_UPLOADS}/lightgbm_mlflow_model", trained_model())
    with (
        tempfile.TemporaryDirectory(prefix="conformance-") as folder,
        emulator(Path(folder), storage, *stores, "--automl-command", STANDIN, *options) as running,
    ):
        yield running


def story(storage: str) -> list[Exchange]:
    """Everything that azure-ai-ml says to the emulator and hears from it."""
    with (
        _emulator(storage, "conformance-story", "--operation-seconds", "0.1") as running,
        sdk_environment(running),
        no_schema_download(),
        captured(running.url) as exchanges,
        tempfile.TemporaryDirectory() as scratch,
    ):
        Story(running, Path(scratch)).tell()
    return exchanges


def replay(storage: str, recordings: Path) -> list[tuple[Recorded, Exchange]]:
    """Our answer to every recorded request. Without Retry-After, which the service doesn't send."""
    found = []
    with _emulator(storage, "conformance-replay", "--no-retry-after") as running:
        for name in ("automl-cpu-cluster", "batch-cluster"):
            body = {"properties": {"computeType": "AmlCompute", "properties": {}}}
            running.arm("PUT", f"/computes/{name}", body)
        running.call("POST", "/_emulator/clock", {"freeze": True})
        player = Replay(running)
        for recorded in load(recordings):
            if recorded.key not in LEFT_OUT:
                found.append((recorded, player.play(recorded)))
    return found


def check(storage: str, reference: Path) -> Result:
    """The whole conformance run. `reference` holds azureml-openapi and azureml-recordings."""
    specs, result = Specs(reference / "azureml-openapi"), Result()
    told, seen = story(storage), set[tuple[str, str]]()
    replayed = replay(storage, reference / "azureml-recordings")
    for exchange in told:
        row = result.row(exchange)
        if not specs.covers(exchange):
            # Polls of one operation count once: their number is a matter of time.
            row.uncovered += (exchange.method, exchange.url) not in seen
            seen.add((exchange.method, exchange.url))
            continue
        result.versions.add(exchange.api_version or "")
        row.requests += 1
        result.judge(exchange, specs.request_faults(exchange), exceptions.SDK, "request")
        result.note(exchange, specs.spelling_faults(exchange), exceptions.SDK)
        _answer(result, specs, exchange)
    for recorded, exchange in replayed:
        row = result.row(exchange)
        row.recorded += 1
        result.judge(exchange, compare(recorded, exchange), exceptions.RECORDED, recorded.key)
        if specs.covers(exchange):
            _answer(result, specs, exchange)
    return result


def _answer(result: Result, specs: Specs, exchange: Exchange) -> None:
    result.row(exchange).answers += 1
    result.judge(exchange, specs.answer_faults(exchange), exceptions.ANSWERS, "answer")
