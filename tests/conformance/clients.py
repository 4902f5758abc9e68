"""Programs of Azure ML's other clients, unmodified, each in an environment that has only them."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from benchmarks.automl_venvs import FOLDER, python_of
from tests.support.emulator_support import STANDIN, Emulator, automl, emulator, trained_model, upload_table

PROGRAMS = Path(__file__).with_name("programs")


def installed() -> bool:
    """Whether the clients' environment has been made (`make conformance` makes it)."""
    return (FOLDER / "clients" / "ready").exists()


def run_program(running: Emulator, program: Path, folder: Path) -> str:
    """What went wrong, with the program's last words; empty where it passed."""
    uri = running.arm("GET", "").json()["properties"]["mlFlowTrackingUri"]
    authority = str(running.folder / "ca.pem")
    environment = os.environ | {
        "AZUREML_DEV_URL_MFE": running.url,
        "AZUREML_SERVICE_ENDPOINT": running.url,
        "IDENTITY_ENDPOINT": f"{running.url}/msi/token",
        "IDENTITY_HEADER": "x",
        "REQUESTS_CA_BUNDLE": authority,
        "SSL_CERT_FILE": authority,
        "MODEL_RUN": "auto_0",
        "MODEL_FOLDER": str(trained_model()),
    }
    done = subprocess.run(
        [str(python_of("clients")), str(program), uri, str(folder)],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
    )
    return "" if done.returncode == 0 else done.stderr.strip()[-2000:]


def run_all(storage: str) -> dict[str, str]:
    """Each program with its fault, empty where it passed."""
    upload_table(storage, "conformance-clients", "bank/train")
    options = ["--automl-command", STANDIN, "--datastore", "data=conformance-clients"]
    with (
        tempfile.TemporaryDirectory(prefix="clients-") as folder,
        emulator(Path(folder) / "emulator", storage, *options) as running,
    ):
        running.arm("PUT", "/jobs/auto", automl("azureml://datastores/data/paths/bank/train"))
        running.wait_job("auto")
        return {p.stem: run_program(running, p, Path(folder) / p.stem) for p in sorted(PROGRAMS.glob("*.py"))}
