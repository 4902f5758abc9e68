"""A stack with two datasets that answer and a file that was refused: what pages mean by `people`, `bank`, RUN and ID."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from dropml import stack
from dropml.cli.sample import write_synthetic
from tests.snippets.pages import ROOT
from tests.support.live_stack import SMALL, LiveStack, small_table

BANK_ROWS = 4000
#: A model that was promoted before: its tag has the hash of its files.
MODEL = "shared-bank"


def settle(live: LiveStack, folder: Path) -> dict[str, str]:
    """Minutes: three trainings. What the values of the pages' words are."""
    live.live("people", 0)
    live.drop("people.csv", small_table(1), metadata=SMALL)
    second = live.wait("people", number=2, seconds=120)
    assert second["state"] == "live", second["gate"]
    bank = write_synthetic(folder / "bank.csv", rows=BANK_ROWS)
    live.drop("bank.csv", bank.read_bytes())
    run = live.wait("bank", seconds=180)
    assert run["state"] == "live", run["problem"] or run["gate"]
    live.drop("broken.csv", b"a,y\n")
    refused = live.wait("broken", seconds=60)
    _promoted(live, folder)
    row = run["snapshot"]["schema"]["example"][0]
    rest = {name: value for name, value in row.items() if name not in ("age", "job")}
    return {
        "bank": str(bank),
        "record": json.dumps(rest)[1:-1],
        "refused": str(refused["run_id"]),
        "endpoint": str(second["placement"]["endpoint"]),
        "workspace": f"{stack.SUBSCRIPTION}/{stack.GROUP}/{stack.WORKSPACE}",
    }


def named(live: LiveStack) -> dict[str, str]:
    """The app by the variables of the command line."""
    running = live.running
    return {
        "DROPML_URL": running.places.host_url,
        "DROPML_KEY": running.key,
        "DROPML_STORAGE": running.storage,
    }


def deployed(live: LiveStack) -> dict[str, str]:
    """What `azd env get-values` and `az functionapp keys list` would say of it, and the SDK's way to its workspace."""
    places = live.running.places
    url = f"https://localhost:{places.emulator_port}"
    return {
        "FUNCTION_APP_URI": places.host_url,
        "DROPML_KEY": live.running.key,
        "DATA_ACCOUNT_NAME": "devstoreaccount1",
        "STORAGE": live.running.storage,
        "AZUREML_DEV_URL_MFE": url,
        "REQUESTS_CA_BUNDLE": places.ca,
        "IDENTITY_ENDPOINT": f"{url}/msi/token",
        "IDENTITY_HEADER": places.identity_header,
    }


#: Registers a model as `infra/promote.py` would have: then both ends of a promotion may be one workspace.
_REGISTER = """import sys
from pathlib import Path
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Model
from azure.identity import DefaultAzureCredential
infra, subscription, group, workspace, name, path = sys.argv[1:]
sys.path.insert(0, infra)
from promote import HASH, digest
tags = {HASH: digest(Path(path))}
client = MLClient(DefaultAzureCredential(), subscription, group, workspace)
client.models.create_or_update(Model(name=name, version="3", type="mlflow_model", path=path, tags=tags))
"""


def _promoted(live: LiveStack, folder: Path) -> None:
    """Through the SDK, in a process of its own: it is told of the workspace by variables."""
    files = folder / "promoted" / "model"
    files.mkdir(parents=True)
    (files / "MLmodel").write_text("flavors:\n  python_function: {}\n", encoding="utf-8")
    words = [ROOT / "infra", stack.SUBSCRIPTION, stack.GROUP, stack.WORKSPACE, MODEL, files]
    command = [sys.executable, "-c", _REGISTER, *map(str, words)]
    env = os.environ | deployed(live)
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=180, check=False)
    if done.returncode:
        raise RuntimeError(f"No model to promote: {done.stderr[-2000:]}")
