"""Notifications on a real host with real storage: a message of the poison queue reaches a real receiver; what can't is shown."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.storage.queue import QueueClient

from dropml.azurite import process
from dropml.functions_host.blob_messages import POISON_QUEUE, BlobMessage
from tests.support.host_harness import wait_for
from tests.support.scoring_cloud import Cloud, running
from tests.support.scripted_http import Reply, scripted


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[str]:
    """An account of its own: the app's containers and the queue have fixed names."""
    process.install()
    azurite = process.start(tmp_path / "azurite", die_with_parent=True)
    yield azurite.connection_string
    azurite.stop()


def test_a_poisoned_file_is_told_and_what_is_refused_is_shown_and_sent_again(
    storage: str, tmp_path: Path
) -> None:
    with scripted() as well, scripted(usual=Reply(500)) as broken:
        hooks = f"{well.url}/hook?token=do-not-show slack={broken.url}/services/do-not-show"
        settings: dict[str, Any] = {
            "NOTIFY_WEBHOOKS": hooks,
            "NOTIFY_SECRET": "secret-of-this-test",
            "NOTIFY_TRIES": "1",
        }
        _poison(storage, "incoming", "late.csv")
        with running(tmp_path / "app", storage, **settings) as cloud:
            wait_for(lambda: _events(well.headers) >= {"poison_message", "dead"}, 60, "both notifications")
            wait_for(lambda: _told(cloud, "dead")["total"] >= 1, 30, "the dead one")
            dead = _told(cloud, "dead")
            (lost,) = [each for each in dead["notifications"] if each["event"] == "poison_message"]
            assert (lost["trouble"], lost["tries"]) == ("It answered 500.", 1)
            assert len(dead["receivers"]) == 2
            broken.usual = Reply()
            url = f"{cloud.api}/notifications/{lost['id']}/resend"
            again = requests.post(url, headers=cloud.headers, timeout=20)
            assert (again.status_code, again.json()["state"]) == (202, "pending")
            wait_for(lambda: _told(cloud, "dead")["total"] == 0, 60, "it to be delivered")
            for text in (json.dumps([dead, _told(cloud, "sent")]), cloud.host.log):
                assert "do-not-show" not in text
                assert "secret-of-this-test" not in text
            refused = requests.get(f"{cloud.api}/notifications?state=lost", headers=cloud.headers, timeout=20)
            assert (refused.status_code, refused.json()["code"]) == (400, "invalid-input")
    sentence = json.loads(well.bodies[0])["sentence"]
    assert "incoming/late.csv" in sentence


def _poison(storage: str, container: str, blob: str) -> None:
    queue = QueueClient.from_connection_string(storage, POISON_QUEUE)
    queue.create_queue()
    message = BlobMessage("Host.Functions.on_drop", container, blob, "0x1").to_json()
    queue.send_message(base64.b64encode(message.encode()).decode())


def _events(headers: list[dict[str, str]]) -> set[str]:
    return {each["x-dropml-event"] for each in headers}


def _told(cloud: Cloud, state: str) -> dict[str, Any]:
    url = f"{cloud.api}/notifications?state={state}"
    return dict(requests.get(url, headers=cloud.headers, timeout=20).json())
