"""The hooks that azd starts, as it starts them: processes of their own, before a real HTTP server that speaks as Azure does."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra import facts
from tests.infra.facts import ROOT
from tests.infra.types import Types
from tests.support.scripted_http import Reply, Service, scripted

KEY = "a/secret+key=="
QUOTED = "a/secret%2Bkey%3D%3D"
CALLS = "callers=="
GROUP = "/subscriptions/sub/resourceGroups/rg-dropml-dev/providers"
SUBSCRIPTION = (
    f"{GROUP}/Microsoft.EventGrid/systemTopics/evgt/eventSubscriptions/dropped?api-version=2025-02-15"
)
ENVIRONMENT = {
    "AZURE_SUBSCRIPTION_ID": "sub",
    "AZURE_RESOURCE_GROUP": "rg-dropml-dev",
    "AZUREML_WORKSPACE": "mlw",
    "FUNCTION_APP_NAME": "func",
    "DATA_ACCOUNT_ID": f"{GROUP}/Microsoft.Storage/storageAccounts/stdata",
    "INCOMING_CONTAINER": "incoming",
    "DEAD_LETTER_CONTAINER": "dead-letters",
    "EVENT_TOPIC_NAME": "evgt",
}


def reply(status: int = 200, **body: Any) -> Reply:
    return Reply(status, json.dumps(body).encode())


def state(word: str) -> Reply:
    return reply(properties={"provisioningState": word})


KEYS = reply(systemKeys={"blobs_extension": KEY}, functionKeys={"default": CALLS})
HEALTHY = reply(healthy=True, findings=[{"check": "settings", "status": "ok", "message": "m", "remedy": ""}])


def run(
    name: str, cloud: Service, tmp_path: Path, patience: float = 60, **more: str
) -> subprocess.CompletedProcess[str]:
    """The hook, with an azd on the path that knows a token."""
    azd = tmp_path / "azd"
    azd.write_text('#!/bin/sh\necho \'{"token": "t0ken"}\'\n')
    azd.chmod(azd.stat().st_mode | stat.S_IXUSR)
    there = {"AZURE_ARM_ENDPOINT": cloud.url, "FUNCTION_APP_URI": cloud.url}
    env = {**ENVIRONMENT, **there, "PATH": f"{tmp_path}:{os.environ['PATH']}", **more}
    command = [sys.executable, str(ROOT / "infra" / "hooks" / f"{name}.py"), "0.01", str(patience)]
    return subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL
    )


def test_the_app_is_waited_for_and_the_subscription_made(tmp_path: Path) -> None:
    cold = (reply(503), reply(systemKeys={}), KEYS)
    handshake = (
        reply(201),
        state("Creating"),
        state("Failed"),
        reply(201),
        state("Creating"),
        state("Succeeded"),
    )
    with scripted(*cold, *handshake, HEALTHY) as cloud:
        done = run("subscribe", cloud, tmp_path)
    assert done.returncode == 0, done.stderr
    listed = f"POST {GROUP}/Microsoft.Web/sites/func/host/default/listkeys?api-version=2024-04-01"
    put, get = f"PUT {SUBSCRIPTION}", f"GET {SUBSCRIPTION}"
    assert cloud.seen == [listed] * 3 + [put, get, get, put, get, get, "GET /api/doctor"]
    assert {each.get("authorization") for each in cloud.headers[:-1]} == {"Bearer t0ken"}
    assert "authorization" not in cloud.headers[-1]
    assert cloud.headers[-1]["x-functions-key"] == CALLS
    assert "nothing is missing" in done.stdout
    assert "az storage blob upload --auth-mode login --account-name stdata -c incoming" in done.stdout
    assert KEY not in done.stdout + done.stderr
    assert CALLS not in done.stdout + done.stderr


def test_what_the_app_lacks_is_told_with_its_remedy_and_ends_nothing(tmp_path: Path) -> None:
    lacks = {"check": "container incoming", "status": "failed", "message": "Refused.", "remedy": "az role x"}
    fine = {"check": "settings", "status": "ok", "message": "all", "remedy": ""}
    with scripted(KEYS, reply(201), state("Succeeded"), reply(findings=[fine, lacks])) as cloud:
        done = run("subscribe", cloud, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "container incoming: failed. Refused. az role x" in done.stdout
    assert "settings" not in done.stdout
    with scripted(KEYS, reply(201), state("Succeeded"), reply(503)) as cloud:
        done = run("subscribe", cloud, tmp_path)
    assert (done.returncode, "can't be asked yet" in done.stdout) == (0, True)


def body_sent(tmp_path: Path) -> dict[str, Any]:
    with scripted(KEYS, reply(201), state("Succeeded"), HEALTHY) as cloud:
        assert run("subscribe", cloud, tmp_path, FUNCTION_APP_URI=f"{cloud.url}/func").returncode == 0
    return dict(json.loads(cloud.bodies[1]))


def test_the_subscription_names_a_function_that_is_indexed_and_files_that_stand_whole(tmp_path: Path) -> None:
    told = body_sent(tmp_path)["properties"]
    address = told["destination"]["properties"]["endpointUrl"]
    before, _, called = address.partition("?functionName=Host.Functions.")
    assert before.endswith("/func/runtime/webhooks/blobs")
    function, _, code = called.partition("&code=")
    assert function in facts.triggered_by_blobs()
    assert code == QUOTED
    assert told["filter"]["includedEventTypes"] == ["Microsoft.Storage.BlobCreated"]
    assert told["filter"]["subjectBeginsWith"] == "/blobServices/default/containers/incoming/"
    assert told["filter"]["advancedFilters"] == [
        {
            "operatorType": "StringIn",
            "key": "data.api",
            "values": ["PutBlob", "PutBlockList", "CopyBlob", "FlushWithClose"],
        }
    ]
    dead = told["deadLetterWithResourceIdentity"]["deadLetterDestination"]["properties"]
    assert dead == {"resourceId": ENVIRONMENT["DATA_ACCOUNT_ID"], "blobContainerName": "dead-letters"}


def test_the_subscription_is_of_microsofts_type(tmp_path: Path, reference: Path) -> None:
    target = "Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15"
    body = {"name": "dropped", **body_sent(tmp_path)}
    assert list(Types(reference / "bicep-types").check(target, body, "resourceGroup")) == []


def test_a_refusal_ends_at_once_and_says_what_helps(tmp_path: Path) -> None:
    with scripted(usual=reply(403, error={"code": "AuthorizationFailed", "message": "no"})) as cloud:
        done = run("subscribe", cloud, tmp_path)
    assert done.returncode == 1
    assert len(cloud.seen) == 1
    assert "AuthorizationFailed no. Whoever deploys needs Contributor" in done.stderr


def test_waiting_ends_and_the_key_is_in_no_word_of_it(tmp_path: Path) -> None:
    refused = reply(400, error={"code": "Url validation", "message": f"no answer of ...&code={QUOTED} {KEY}"})
    with scripted(KEYS, usual=refused) as cloud:
        done = run("subscribe", cloud, tmp_path, patience=0.3)
    assert done.returncode == 1
    assert "Url validation" in done.stderr
    assert "azd hooks run postdeploy" in done.stderr
    assert KEY not in done.stderr
    assert QUOTED not in done.stderr


def test_without_an_environment_the_hook_says_how_to_get_one(tmp_path: Path) -> None:
    with scripted() as cloud:
        done = run("subscribe", cloud, tmp_path, FUNCTION_APP_NAME="")
    assert done.returncode == 1
    assert "FUNCTION_APP_NAME is not set. Run `azd provision` first" in done.stderr
    assert cloud.seen == []


def test_before_down_nothing_goes_that_nobody_agreed_to(tmp_path: Path) -> None:
    with scripted() as cloud:
        done = run("before_down", cloud, tmp_path)
    assert done.returncode == 0
    assert cloud.seen == []
    assert "recoverable for 14 days" in done.stdout


def test_before_down_endpoints_and_workspace_go_for_good(tmp_path: Path) -> None:
    path = f"{GROUP}/Microsoft.MachineLearningServices/workspaces/mlw"
    script = (
        reply(value=[{"name": "bank-1a2b3c"}]),
        reply(202),
        reply(409, error={"code": "Conflict", "message": "being deleted"}),
        reply(404),
        reply(value=[]),
        reply(202),
        reply(204),
    )
    with scripted(*script) as cloud:
        done = run("before_down", cloud, tmp_path, DROPML_PURGE="yes")
    assert done.returncode == 0, done.stderr
    version = "?api-version=2025-09-01"
    endpoint, workspace = (
        f"DELETE {path}/onlineEndpoints/bank-1a2b3c{version}",
        f"DELETE {path}{version}&forceToPurge=true",
    )
    assert cloud.seen == [
        f"GET {path}/onlineEndpoints{version}",
        *[endpoint] * 3,
        f"GET {path}/batchEndpoints{version}",
        *[workspace] * 2,
    ]


def test_before_down_every_page_of_endpoints_goes_and_a_busy_service_is_asked_again(tmp_path: Path) -> None:
    """A workspace with more endpoints than a page holds would keep some, which cost and hold it back."""
    path = f"{GROUP}/Microsoft.MachineLearningServices/workspaces/mlw"
    with scripted() as cloud:
        link = f"{cloud.url}{path}/onlineEndpoints?api-version=2025-09-01&$skip=page2"
        cloud.script += [
            reply(503),
            reply(value=[{"name": "first"}], nextLink=link),
            reply(value=[{"name": "second"}], nextLink=None),
            *[reply(404)] * 2,
            reply(value=[]),
            reply(204),
        ]
        done = run("before_down", cloud, tmp_path, DROPML_PURGE="yes")
    assert done.returncode == 0, done.stderr
    gone = [each.partition("?")[0].rpartition("/")[2] for each in cloud.seen if each.startswith("DELETE")]
    assert gone == ["first", "second", "mlw"]


def test_the_next_page_on_another_host_gets_no_token(tmp_path: Path) -> None:
    with scripted() as other:
        page = reply(value=[], nextLink=f"{other.url}/subscriptions/sub")
        with scripted(page) as cloud:
            done = run("before_down", cloud, tmp_path, DROPML_PURGE="yes")
    assert (done.returncode, other.seen) == (1, [])
    assert "another host" in done.stderr


def test_a_workspace_that_takes_too_long_to_go_is_for_another_down(tmp_path: Path) -> None:
    with scripted(reply(value=[]), reply(value=[]), usual=reply(202)) as cloud:
        done = run("before_down", cloud, tmp_path, 0.3, DROPML_PURGE="yes")
    assert done.returncode == 1
    assert "Waited too long for the workspace to go. Run `azd down --purge`" in done.stderr


def test_what_an_up_that_failed_has_left_is_found_without_its_outputs(tmp_path: Path) -> None:
    """It writes none; what it has made costs money and keeps its name all the same."""
    bare = {
        "AZUREML_WORKSPACE": "",
        "AZURE_RESOURCE_GROUP": "",
        "AZURE_ENV_NAME": "dev",
        "DROPML_PURGE": "yes",
    }
    workspaces = f"{GROUP}/Microsoft.MachineLearningServices/workspaces"
    found = reply(value=[{"name": "mlw-dropml-x1"}, {"name": "somebody-elses"}])
    with scripted(found, reply(value=[]), reply(value=[]), reply(204)) as cloud:
        done = run("before_down", cloud, tmp_path, 60, **bare)
    assert done.returncode == 0, done.stderr
    assert cloud.seen[0] == f"GET {workspaces}?api-version=2025-09-01"
    assert cloud.seen[-1] == f"DELETE {workspaces}/mlw-dropml-x1?api-version=2025-09-01&forceToPurge=true"
    assert "somebody-elses" not in "".join(cloud.seen)


def test_where_an_up_has_made_no_group_down_goes_on(tmp_path: Path) -> None:
    bare = {
        "AZUREML_WORKSPACE": "",
        "AZURE_RESOURCE_GROUP": "",
        "AZURE_ENV_NAME": "dev",
        "DROPML_PURGE": "yes",
    }
    missing = reply(404, error={"code": "ResourceGroupNotFound", "message": "no"})
    with scripted(missing) as cloud:
        done = run("before_down", cloud, tmp_path, 60, **bare)
    assert done.returncode == 0, done.stderr
    assert "no workspace" in done.stdout
    assert len(cloud.seen) == 1


def test_azd_is_told_of_the_app_and_of_hooks_that_exist() -> None:
    azure = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))
    api = {"project": ".", "language": "python", "host": "function", "remoteBuild": True}
    assert azure["services"] == {"api": api}
    hooks = {name: hook["run"] for name, hook in azure["hooks"].items()}
    assert hooks == {"postdeploy": "./infra/hooks/subscribe.py", "predown": "./infra/hooks/before_down.py"}
    assert all((ROOT / path).is_file() for path in hooks.values())


def test_azd_finds_beside_the_hooks_that_there_is_nothing_to_install() -> None:
    """It takes the nearest file of requirements on the way up, which else is the app's own."""
    lines = (ROOT / "infra" / "hooks" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []


@pytest.mark.parametrize("name", ["subscribe", "before_down", "arm"])
def test_hooks_need_the_standard_library_alone(name: str) -> None:
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append('infra/hooks'); import {name}"]
    done = subprocess.run(command, cwd=ROOT, check=False, timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
