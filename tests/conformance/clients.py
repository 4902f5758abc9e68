"""Programs of Azure ML's clients, unmodified, each in an environment that has only them."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.automl_venvs import python_of
from tests.support.emulator_support import STANDIN, Emulator, automl, emulator, trained_model, upload_table

PROGRAMS = Path(__file__).with_name("programs")
#: Which program runs in which environments; `packages` are those whose behaviour it tries.
PLAN = {
    "tracking": ("clients",),
    "reading": ("clients",),
    "loading": ("clients",),
    "workspace": ("azure-ai-ml-1.11", "clients", "azure-ai-ml-1.35"),
}
_PACKAGES = {
    "tracking": ("azureml-mlflow", "mlflow-skinny"),
    "reading": ("mltable", "azureml-fsspec"),
    "loading": ("mlflow-skinny",),
    "workspace": ("azure-ai-ml",),
}
_FLOW = re.compile(r"^flow (\S+) (passed|failed)(?: (.*))?$", re.MULTILINE)
_VERSIONS = "import sys\nfrom importlib.metadata import version\nprint(*(f'{p} {version(p)}' for p in sys.argv[1:]), sep=', ')"


@dataclass(frozen=True)
class Program:
    """How one program went in one environment: each flow with its fault, empty where it passed."""

    name: str
    packages: str
    flows: dict[str, str]
    #: Its last words where it came to no flow.
    broken: str = ""

    @property
    def failed(self) -> dict[str, str]:
        found = {flow: fault for flow, fault in self.flows.items() if fault}
        return found | ({"start": self.broken} if self.broken else {})


def run_program(running: Emulator, name: str, environment: str, folder: Path) -> Program:
    uri = running.arm("GET", "").json()["properties"]["mlFlowTrackingUri"]
    authority, python = str(running.folder / "ca.pem"), str(python_of(environment))
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "AZURE_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000001",
        "AZURE_RESOURCE_GROUP": "dropml",
        "AZUREML_WORKSPACE": "dropml-local",
        "AZUREML_DEV_URL_MFE": running.url,
        "AZUREML_SERVICE_ENDPOINT": running.url,
        "IDENTITY_ENDPOINT": f"{running.url}/msi/token",
        "IDENTITY_HEADER": "x",
        "REQUESTS_CA_BUNDLE": authority,
        "SSL_CERT_FILE": authority,
        "MODEL_RUN": "auto_0",
        "MODEL_FOLDER": str(trained_model()),
    }
    words = [python, "-c", _VERSIONS, *_PACKAGES[name]]
    packages = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
    folder.mkdir(parents=True)
    done = subprocess.run(
        [python, str(PROGRAMS / f"{name}.py"), uri, str(folder)],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
        env=variables,
    )
    flows = {flow: why if how == "failed" else "" for flow, how, why in _FLOW.findall(done.stdout)}
    broken = "" if done.returncode == 0 or any(flows.values()) else done.stderr.strip()[-2000:]
    return Program(name, packages, flows, broken)


def run_all(storage: str) -> list[Program]:
    """Every program in every environment of its, one after the other."""
    upload_table(storage, "conformance-clients", "bank/train")
    options = ["--automl-command", STANDIN, "--datastore", "data=conformance-clients"]
    with (
        tempfile.TemporaryDirectory(prefix="clients-") as folder,
        emulator(Path(folder) / "emulator", storage, *options, "--operation-seconds", "0.1") as running,
    ):
        running.arm("PUT", "/jobs/auto", automl("azureml://datastores/data/paths/bank/train"))
        running.wait_job("auto")
        return [
            run_program(running, name, environment, Path(folder) / f"{name}-{environment}")
            for name, environments in PLAN.items()
            for environment in environments
        ]
