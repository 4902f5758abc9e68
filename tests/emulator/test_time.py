"""The machine's clock jumps, back and forth: what lasts some seconds lasts no longer, and no occurrence comes in droves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from dropml.azureml.automl.search.clock import Clock as EngineClock
from dropml.azureml.core.operations import Form, Kind
from dropml.azureml.front.app import Emulator
from dropml.azureml.serving.auth import Guard
from dropml.azureml.serving.settings import parse
from tests.support.emulator_loops import beside, without_sockets


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    with without_sockets(tmp_path) as found:
        yield found


class Jumping:
    """The wall clock, which a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.by, real = 0.0, time.time
        monkeypatch.setattr(time, "time", lambda: real() + self.by)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Jumping:
    return Jumping(monkeypatch)


@pytest.mark.parametrize("by", [-600.0, 3600.0])
def test_an_operation_takes_its_time_whatever_the_clock_does(
    emulator: Emulator, wall: Jumping, by: float
) -> None:
    operations = emulator.context.operations
    object.__setattr__(emulator.context.settings, "operation_seconds", 0.3)

    async def work(_: object) -> None:
        wall.by = by

    operations.register("test", Kind(Form("t"), work, lambda _operation, _failure: None))

    async def story() -> float:
        begun = time.monotonic()
        key = operations.begin("test", "any", "1")["id"]
        while operations.pending(key):
            assert time.monotonic() - begun < 20
            await asyncio.sleep(0.01)
        return time.monotonic() - begun

    assert asyncio.run(story()) >= 0.25


def test_an_operation_that_was_begun_in_a_future_that_is_no_more_ends(
    emulator: Emulator, wall: Jumping
) -> None:
    async def nothing(_: object) -> None:
        return

    emulator.context.operations.register("test", Kind(Form("t"), nothing, lambda _o, _f: None))
    wall.by = 3600.0

    async def begun() -> str:
        return str(emulator.context.operations.begin("test", "any", "1")["id"])

    key = asyncio.run(begun())
    wall.by = 0.0

    async def later() -> bool:
        """Whether it still waits, for a time that was."""
        emulator.context.operations.resume()
        for _ in range(1000):
            if not emulator.context.operations.pending(key):
                return False
            await asyncio.sleep(0.01)
        return True

    assert not asyncio.run(later())


def test_after_a_jump_forward_a_schedule_does_not_make_up_for_what_never_was(
    emulator: Emulator, wall: Jumping, monkeypatch: pytest.MonkeyPatch
) -> None:
    fired: list[str] = []
    rounds: list[int] = []
    monkeypatch.setattr(emulator.schedules._jobs, "submit", lambda name, *_, **__: fired.append(name))
    real = emulator.schedules._round

    async def counted() -> None:
        await real()
        rounds.append(1)
        wall.by = 3600.0

    monkeypatch.setattr(emulator.schedules, "_round", counted)
    now = emulator.context.clock.now()
    trigger = {"triggerType": "Recurrence", "frequency": "Minute", "interval": 1, "timeZone": "UTC"}
    doc = {
        "name": "often",
        "properties": {"trigger": trigger, "action": {"jobDefinition": {"jobType": "any"}}},
        "created": now - 7200,
        "next": now + 300,
        "state": "Succeeded",
        "status": "enabled",
    }
    emulator.context.store.put("schedule", "often", doc)
    beside(emulator.schedules.run, lambda: len(rounds) > 3)
    assert len(fired) <= 1
    later = emulator.context.store.get("schedule", "often")
    assert later is not None
    assert later["next"] > now + 3500


def test_the_engines_time_is_not_the_walls(wall: Jumping) -> None:
    clock = EngineClock(time.monotonic(), 100.0)
    for by in (-600.0, 3600.0):
        wall.by = by
        assert 90 < clock.left(clock.end) <= 100


def test_a_token_from_before_the_clock_was_put_back_is_taken() -> None:
    document = {"name": "ep", "auth_mode": "AMLToken", "token_secret": "s" * 40, "admin_secret": "a"}
    later = time.time() + 600
    claims = {"sub": "ep", "iat": later, "nbf": later, "exp": later + 3600}
    token = jwt.encode(claims, "s" * 40, algorithm="HS256")
    assert Guard(parse(document)).refusal(f"Bearer {token}".encode()) is None
