"""A small part of `make attack`: files on the intake itself, requests on a started host, canaries that are found."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from shared.services.intake.drop import Intake
from shared.services.intake.ports import IntakePlan
from shared.services.intake.sweep import Sweep
from tests.attack import http, http_cases
from tests.attack.bombs import MIB, gzip_bomb
from tests.attack.configs import generated_configs, listed_configs
from tests.attack.drawn import drawn
from tests.attack.dropping import holds, reported
from tests.attack.files import Drop, Verdict, contents, generated_files
from tests.attack.names import generated_names, listed_names
from tests.attack.secrets import forms
from tests.attack.tally import Tally
from tests.support.health_watch import HealthWatch
from tests.support.memory import World
from tests.support.memory_batches import dropped_in_memory
from tests.support.memory_files import MemoryFiles
from tests.support.scoring_cloud import Cloud, cloud_in

PATIENCE = 2.0


def judged(drops: list[Drop]) -> Tally:
    """What intake and sweep make of the files, each delivered once, in memory."""
    world, files, tally = World(), MemoryFiles("incoming", "data", "dropml-quarantine"), Tally()
    world.clock.now = time.time()
    plan = IntakePlan("incoming", "data", max_upload_bytes=10 * MIB)
    intake = Intake(world.context, files, plan, dropped_in_memory(world, files))
    for drop in drops:
        if drop.sidecar is not None:
            files.put("incoming", f"{drop.dataset}.yaml", drop.sidecar)
        files.put("incoming", drop.name.replace("\\", "/"), drop.data, drop.metadata)
    Sweep(world.context, files, plan, intake).run()
    states = {run.dataset: str(run.state) for run in world.runs()}
    reports = (info.name for info in files.list("dropml-quarantine", "_files/"))
    states |= dict.fromkeys(reported({drop.dataset for drop in drops}, reports), "quarantined")
    for drop in (one for one in drops if one.verdict is not Verdict.PASSED_OVER):
        state = states.get(drop.dataset, "no verdict")
        tally.expect("files", drop.label, held=holds(drop.verdict, state), seen=state)
    return tally


def test_every_file_ends_in_its_verdict_and_the_sweep_goes_on_past_each() -> None:
    drops = [Drop(f"file-{name}.csv", data, verdict) for name, data, verdict in contents()]
    tally = judged([*drops, *generated_files(120, 1)])
    assert tally.wrong == []
    assert tally.cases["files"] > 150


def test_every_configuration_ends_in_the_verdict_of_its_file() -> None:
    drops = [drop for drop in listed_configs() if drop.sidecar_encoding is None]
    tally = judged([*drops, *generated_configs(80, 1)])
    assert tally.wrong == []
    assert tally.cases["files"] > 100


def test_every_name_that_storage_can_hold_gets_a_verdict() -> None:
    assert judged([*listed_names(), *generated_names(60, 1)]).wrong == []


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with cloud_in(tmp_path_factory.mktemp("attack")) as cloud:
        yield cloud


def test_odd_requests_are_refused_and_the_host_answers_on(cloud: Cloud) -> None:
    score, tally = "/api/score/bank", Tally()
    cases = [
        *http_cases.protocol(score, cloud.key),
        *http_cases.paths(cloud.key),
        *http_cases.bodies(score, cloud.key),
    ]
    http.try_all("http", cloud.host.url, cases, tally, patience=PATIENCE)
    http.try_all("http", cloud.host.url, http_cases.generated(score, cloud.key, 60, 1), tally)
    assert (tally.wrong, tally.server_errors) == ([], [])
    assert tally.cases["http"] > 150
    assert requests.get(f"{cloud.api}/health", timeout=20).status_code == 200


def test_health_is_asked_from_a_process_of_its_own(cloud: Cloud) -> None:
    with HealthWatch(f"{cloud.api}/health", pause=0.01, timeout=20) as watch:
        requests.get(f"{cloud.api}/health", timeout=20)
    assert watch.calls >= 1
    assert 0 < watch.slowest < 20
    with HealthWatch("http://127.0.0.1:9/health", pause=0.01, timeout=0.5) as nobody:
        pass
    assert nobody.slowest == 0.5, "no answer is as slow as can be"


def test_no_door_opens_without_a_key_and_none_tells_what_is_behind_it(cloud: Cloud) -> None:
    swagger = requests.get(f"{cloud.api}/swagger.json", headers=cloud.headers, timeout=20).json()
    tally = Tally()
    http.keyless("keyless", cloud.host.url, swagger, ["bank-1-a1", "euribor3m", "technician"], tally)
    assert (tally.wrong, tally.server_errors) == ([], [])
    assert tally.cases["keyless"] > 100


def test_a_tally_tells_what_did_not_hold() -> None:
    tally = Tally()
    tally.answered("http", "fine", 400, {400})
    tally.answered("http", "broken", 500, {400})
    tally.risen = {"host": {"files": 10.0, "http": 300.0}}
    lines = {figure.name: figure.line() for figure in tally.figures()}
    assert lines["attack_cases_http"].split()[2] == "2"
    assert "short" in lines["attack_5xx"]
    assert "short (most under http)" in lines["attack_memory_host_mib"]
    assert "ok" in lines["attack_secrets_found"]


def test_a_secret_is_known_in_every_form_that_it_is_written_in() -> None:
    assert b"a%2Fb%3D" in forms("a/b=")
    assert b"YS9iPQ==" in forms("a/b=")


def test_what_is_drawn_and_what_bombs_hold_is_the_same_every_time(tmp_path: Path) -> None:
    import gzip

    from hypothesis import strategies as st

    assert drawn(st.integers(), 20, 3) == drawn(st.integers(), 20, 3)
    assert len(gzip.decompress(gzip_bomb(2, b"head"))) == 2 * MIB + 4
