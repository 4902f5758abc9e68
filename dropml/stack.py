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
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from dropml.azurite import process
from dropml.azurite.node import AzuriteError
from dropml.common import processes
from dropml.common.processes import Child, StartError

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".dropml"
NOT_RUNNING = "The stack is not running; `make up` starts it."
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
GROUP, WORKSPACE = "dropml", "dropml-local"
CONTAINERS = ("incoming", "dropml-data", "dropml-quarantine", "dropml-state", "dropml-batch")
#: The order in which the parts are stopped: nobody is left to call what is gone.
PARTS = ("host", "azureml", "azurite")


@dataclass(frozen=True)
class Started:
    """What finds a process again, and tells it from a later one with the same id."""

    pid: int
    created: float

    @classmethod
    def of(cls, child: Child) -> Started:
        return cls(child.pid, child.started)

    def find(self) -> Child | None:
        """The process, if it still runs."""
        return Child.adopt(self.pid, self.created)


@dataclass(frozen=True)
class Places:
    """`stack.json`: where everything is. Ports, header and instrumentation key are the same at the next start."""

    storage: str
    emulator_port: int
    ingestion_port: int
    host_port: int
    host_url: str
    ca: str
    identity_header: str
    instrumentation_key: str
    processes: dict[str, Started]

    @classmethod
    def read(cls, path: Path) -> Places:
        document = json.loads(path.read_text())
        started = {name: Started(**record) for name, record in document.pop("processes").items()}
        return cls(**document, processes=started)


@dataclass(frozen=True)
class Stack:
    """A stack under `home`, running or not."""

    home: Path
    places: Places

    @property
    def api(self) -> str:
        return f"{self.places.host_url}/api"

    @property
    def key(self) -> str:
        """The function key."""
        return str(json.loads((self.home / "keys.json").read_text())["default"])

    @property
    def storage(self) -> str:
        """Azurite's connection string."""
        return self.places.storage

    @property
    def running(self) -> bool:
        started = self.places.processes
        return all(name in started and started[name].find() for name in PARTS)

    def note(self, name: str, child: Child) -> Stack:
        """Write a process down as soon as it is there, so that whatever comes it is found again."""
        started = {**self.places.processes, name: Started.of(child)}
        noted = replace(self, places=replace(self.places, processes=started))
        write_json(self.home / "stack.json", asdict(noted.places))
        return noted


def load(home: Path) -> Stack | None:
    """What was started under `home` last; None if nothing was."""
    path = home / "stack.json"
    return Stack(home, Places.read(path)) if path.is_file() else None


def app_settings(places: Places, label: str, budget_seconds: float, extra: dict[str, str]) -> dict[str, str]:
    """The application's environment: the same settings as in Azure, with local values."""
    emulator = f"https://localhost:{places.emulator_port}"
    ingestion = f"http://127.0.0.1:{places.ingestion_port}/"
    values = {
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "PYTHON_THREADPOOL_THREAD_COUNT": "110",
        "AzureWebJobsStorage": places.storage,
        "DATA_STORAGE": places.storage,
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
        "REQUESTS_CA_BUNDLE": places.ca,
        "IDENTITY_ENDPOINT": f"{emulator}/msi/token",
        "IDENTITY_HEADER": places.identity_header,
        "APPLICATIONINSIGHTS_CONNECTION_STRING": (
            f"InstrumentationKey={places.instrumentation_key};IngestionEndpoint={ingestion}"
        ),
        "LABEL_COLUMN": label,
        "EXPERIMENT_TIMEOUT_MINUTES": str(budget_seconds / 60),
        "TRIAL_TIMEOUT_MINUTES": str(budget_seconds / 60),
        "CANARY_SECONDS": "2",
    }
    return values | extra


def up(home: Path, *, label: str = "y", budget: float = 60.0, extra: dict[str, str] | None = None) -> Stack:
    """Start what isn't running; a half-dead stack is taken down first. Raises StartError, AzuriteError."""
    found = load(home)
    if found and found.running:
        return found
    if found:
        down(home)
    home.mkdir(parents=True, exist_ok=True)
    process.install(ROOT)
    azurite = process.start(home / "azurite-data")
    stack = Stack(home, _places(home, azurite.connection_string, found.places if found else None))
    try:
        stack = stack.note("azurite", azurite.child)
        stack = stack.note("azureml", _start_emulator(stack))
        return stack.note("host", _start_host(stack, app_settings(stack.places, label, budget, extra or {})))
    except BaseException:
        down(home)
        raise


def _places(home: Path, storage: str, previous: Places | None) -> Places:
    host_port = processes.free_port(previous.host_port if previous else 7071)
    return Places(
        storage=storage,
        emulator_port=processes.free_port(previous.emulator_port if previous else None),
        ingestion_port=processes.free_port(previous.ingestion_port if previous else None),
        host_port=host_port,
        host_url=f"http://127.0.0.1:{host_port}",
        ca=str(home / "azureml" / "ca.pem"),
        identity_header=previous.identity_header if previous else secrets.token_hex(16),
        instrumentation_key=previous.instrumentation_key if previous else str(uuid.uuid4()),
        processes={},
    )


def _start_emulator(stack: Stack) -> Child:
    home, places = stack.home, stack.places
    command = [
        "dropml.azureml",
        "--port", str(places.emulator_port), "--http-port", str(places.ingestion_port),
        "--data", str(home / "azureml"), "--storage", places.storage,
        "--datastore", "dropml_data=dropml-data", "--identity-header", places.identity_header,
        "--subscription", SUBSCRIPTION, "--resource-group", GROUP, "--workspace", WORKSPACE,
    ]  # fmt: skip
    return processes.start_ready("The Azure ML emulator", command, home / "logs" / "azureml.log")


def _start_host(stack: Stack, values: dict[str, str]) -> Child:
    home = stack.home
    write_json(home / "local.settings.json", {"IsEncrypted": False, "Values": values})
    _containers(stack.storage)
    command = [
        "dropml.functions_host",
        "--app", str(ROOT), "--port", str(stack.places.host_port),
        "--settings", str(home / "local.settings.json"), "--keys", str(home / "keys.json"),
    ]  # fmt: skip
    # In the environment too: there a variable of the shell would win over the settings file, as in Core Tools.
    return processes.start_ready("The Functions host", command, home / "logs" / "host.log", values)


def _containers(storage: str) -> None:
    """In Azure the deployment makes the containers; here it's the stack."""
    from azure.core.exceptions import ResourceExistsError
    from azure.storage.blob import BlobServiceClient

    with BlobServiceClient.from_connection_string(storage) as service:
        for name in CONTAINERS:
            try:
                service.create_container(name)
            except ResourceExistsError:
                continue


def down(home: Path) -> None:
    """End every process of the stack, the host first; state stays under `home`."""
    found = load(home)
    if found is None:
        return
    for name in PARTS:
        started = found.places.processes.get(name)
        child = started.find() if started else None
        if child is not None:
            child.end()
    # What a part that was killed has left behind: endpoints and jobs, which have their folders as arguments.
    for child in processes.working_in(home / "azureml"):
        child.end()


def write_json(path: Path, document: object) -> None:
    """Replace the file by the document, at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(document, indent=2))
    temporary.replace(path)


def describe(stack: Stack) -> str:
    """What a person wants to know of a running stack."""
    return "\n".join(
        [
            "",
            f"  API            {stack.api}   (docs: {stack.api}/docs)",
            f"  function key   {stack.key}",
            f"  storage        {stack.storage}",
            "  drop files in  container `incoming`",
            f"  Azure ML       https://localhost:{stack.places.emulator_port}  (CA: {stack.places.ca})",
            f"  logs           {stack.home / 'logs'}",
            "",
        ]
    )


def main(argv: list[str] | None = None) -> int:
    """Exit code: 0, or 1 where something could not be started or nothing runs."""
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
        except (StartError, AzuriteError) as error:
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
