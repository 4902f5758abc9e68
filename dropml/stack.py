"""Everything on one machine: `python -m dropml.stack up|down|status`.

Azurite, the Azure ML emulator and the Functions host, each on a free port, detached; `.dropml/stack.json` says where.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropml.azurite import process
from dropml.azurite.node import AzuriteError
from dropml.common import processes
from dropml.common.processes import Child

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".dropml"
NOT_RUNNING = "The stack is not running; `make up` starts it."
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
GROUP, WORKSPACE = "dropml", "dropml-local"


@dataclass(frozen=True)
class Stack:
    """Where a running stack is."""

    home: Path
    doc: dict[str, Any]

    @property
    def api(self) -> str:
        return f"{self.doc['host_url']}/api"

    @property
    def key(self) -> str:
        return str(json.loads((self.home / "keys.json").read_text())["default"])

    @property
    def storage(self) -> str:
        return str(self.doc["storage"])

    @property
    def running(self) -> bool:
        return all(_find(record) for record in self.doc["processes"].values())


def _record(child: Child) -> dict[str, Any]:
    """What finds the process again, and tells it from a later one with the same id."""
    return {"pid": child.pid, "created": child.started}


def _find(record: dict[str, Any]) -> Child | None:
    return Child.adopt(record["pid"], record["created"])


def load(home: Path) -> Stack | None:
    path = home / "stack.json"
    return Stack(home, json.loads(path.read_text())) if path.is_file() else None


def app_settings(
    doc: dict[str, Any], label: str, budget_seconds: float, extra: dict[str, str]
) -> dict[str, str]:
    """The application's environment: the same settings as in Azure, with local values."""
    emulator = f"https://localhost:{doc['emulator_port']}"
    ingestion = f"http://127.0.0.1:{doc['ingestion_port']}/"
    values = {
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "PYTHON_THREADPOOL_THREAD_COUNT": "110",
        "AzureWebJobsStorage": doc["storage"],
        "DATA_STORAGE": doc["storage"],
        "INCOMING_CONTAINER": "incoming",
        "BLOB_SOURCE": "LogsAndContainerScan",
        "DROPML_HOST_BLOB_POLL_SECONDS": "1",
        "DROPML_HOST_MESSAGE_LEASE_SECONDS": "30",
        "LIFECYCLE_SCHEDULE": "* * * * * *",
        "SWEEP_SCHEDULE": "30 * * * * *",
        "RETRAIN_SCHEDULE": "0 0 3 * * 1",
        "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
        "AZURE_RESOURCE_GROUP": GROUP,
        "AZUREML_WORKSPACE": WORKSPACE,
        "AZUREML_COMPUTE": "cpu-cluster",
        "AZUREML_DEV_URL_MFE": emulator,
        "DATASTORE": "dropml_data",
        "REQUESTS_CA_BUNDLE": doc["ca"],
        "IDENTITY_ENDPOINT": f"{emulator}/msi/token",
        "IDENTITY_HEADER": doc["identity_header"],
        "APPLICATIONINSIGHTS_CONNECTION_STRING": (
            f"InstrumentationKey={doc['instrumentation_key']};IngestionEndpoint={ingestion}"
        ),
        "LABEL_COLUMN": label,
        "EXPERIMENT_TIMEOUT_MINUTES": str(budget_seconds / 60),
        "TRIAL_TIMEOUT_MINUTES": str(budget_seconds / 60),
        "CANARY_SECONDS": "2",
    }
    return values | extra


def up(home: Path, *, label: str = "y", budget: float = 60.0, extra: dict[str, str] | None = None) -> Stack:
    """Start what isn't running; a half-dead stack is taken down first."""
    found = load(home)
    if found and found.running:
        return found
    if found:
        down(home)
    home.mkdir(parents=True, exist_ok=True)
    previous = found.doc if found else {}
    process.install(ROOT)
    azurite = process.start(home / "azurite-data")
    doc: dict[str, Any] = {
        "storage": azurite.connection_string,
        "emulator_port": processes.free_port(previous.get("emulator_port")),
        "ingestion_port": processes.free_port(previous.get("ingestion_port")),
        "host_port": processes.free_port(previous.get("host_port") or 7071),
        "ca": str(home / "azureml" / "ca.pem"),
        "identity_header": previous.get("identity_header") or secrets.token_hex(16),
        "instrumentation_key": previous.get("instrumentation_key") or str(uuid.uuid4()),
        "processes": {"azurite": _record(azurite.child)},
    }
    doc["host_url"] = f"http://127.0.0.1:{doc['host_port']}"
    try:
        _start_emulator(home, doc)
        _start_host(home, doc, app_settings(doc, label, budget, extra or {}))
    except BaseException:
        write_json(home / "stack.json", doc)
        down(home)
        raise
    write_json(home / "stack.json", doc)
    return Stack(home, doc)


def _start_emulator(home: Path, doc: dict[str, Any]) -> None:
    args = ["dropml.azureml", "--port", str(doc["emulator_port"]), "--http-port", str(doc["ingestion_port"])]
    args += ["--data", str(home / "azureml"), "--storage", doc["storage"]]
    args += ["--datastore", "dropml_data=dropml-data", "--identity-header", doc["identity_header"]]
    args += ["--subscription", SUBSCRIPTION, "--resource-group", GROUP, "--workspace", WORKSPACE]
    child = processes.start_ready("The Azure ML emulator", args, home / "logs" / "azureml.log")
    doc["processes"]["azureml"] = _record(child)


def _start_host(home: Path, doc: dict[str, Any], values: dict[str, str]) -> None:
    write_json(home / "local.settings.json", {"IsEncrypted": False, "Values": values})
    _containers(doc["storage"])
    args = ["dropml.functions_host", "--app", str(ROOT), "--port", str(doc["host_port"])]
    args += ["--settings", str(home / "local.settings.json"), "--keys", str(home / "keys.json")]
    # In the environment too: there a variable of the shell would win over the settings file, as in Core Tools.
    child = processes.start_ready("The Functions host", args, home / "logs" / "host.log", values)
    doc["processes"]["host"] = _record(child)


def _containers(storage: str) -> None:
    """In Azure the deployment makes the containers; here it's the stack."""
    from azure.core.exceptions import ResourceExistsError
    from azure.storage.blob import BlobServiceClient

    with BlobServiceClient.from_connection_string(storage) as service:
        for name in ("incoming", "dropml-data", "dropml-quarantine", "dropml-state", "dropml-batch"):
            try:
                service.create_container(name)
            except ResourceExistsError:
                continue


def down(home: Path) -> None:
    """End every process of the stack, the host first; state stays under `home`."""
    found = load(home)
    if found is None:
        return
    records = found.doc["processes"]
    for name in ("host", "azureml", "azurite"):
        child = _find(records[name]) if name in records else None
        if child is not None:
            child.end()


def write_json(path: Path, doc: Any) -> None:
    """Replace the file by the document, at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(doc, indent=2))
    temporary.replace(path)


def describe(stack: Stack) -> str:
    return "\n".join(
        [
            "",
            f"  API            {stack.api}   (docs: {stack.api}/docs)",
            f"  function key   {stack.key}",
            f"  storage        {stack.storage}",
            "  drop files in  container `incoming`",
            f"  Azure ML       https://localhost:{stack.doc['emulator_port']}  (CA: {stack.doc['ca']})",
            f"  logs           {stack.home / 'logs'}",
            "",
        ]
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="dropml.stack", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status"])
    parser.add_argument("--home", type=Path, default=HOME)
    parser.add_argument("--label", default=os.environ.get("LABEL") or "y")
    parser.add_argument("--budget", type=float, default=float(os.environ.get("BUDGET") or 60))
    options = parser.parse_args(argv)
    home = options.home.resolve()
    if options.command == "down":
        down(home)
        print("Everything is stopped.")
        return 0
    if options.command == "up":
        try:
            print(describe(up(home, label=options.label, budget=options.budget)))
        except (processes.StartError, AzuriteError) as error:
            print(error, file=sys.stderr)
            return 1
        return 0
    found = load(home)
    if found is None or not found.running:
        print(NOT_RUNNING, file=sys.stderr)
        return 1
    print(describe(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
