"""Virtual environments of other libraries: those that the engine is compared with, and Azure ML's clients; made on first use."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

FOLDER = Path(__file__).parent / "venvs"
# One pip call after the other: a CPU build of torch must be there before AutoGluon asks for one.
PACKAGES = {
    "flaml": [["flaml[automl]==2.7.*"]],
    "autogluon": [["torch==2.13.0"], ["autogluon.tabular[lightgbm,xgboost,catboost]==1.6.*"]],
    "clients": [
        ["mlflow-skinny==3.1.0", "azureml-mlflow==1.62.0.post6"],
        ["mltable==1.7.0", "azureml-fsspec==1.4.0"],
        ["azure-ai-ml==1.20.0", "marshmallow<3.24", "azure-storage-blob==12.27.1"],
        [
            "pandas==2.3.3",
            *(f"{p}=={version(p)}" for p in ("numpy", "scikit-learn", "lightgbm", "xgboost-cpu")),
        ],
    ],
    # What a release of its time is installed with: it reads attributes that marshmallow and setuptools have dropped since.
    "azure-ai-ml-1.11": [
        ["azure-ai-ml==1.11.1", "azure-identity==1.17.0", "marshmallow<3.24", "setuptools<81"],
        ["azure-storage-blob==12.27.1", "pandas==2.3.3"],
    ],
    "azure-ai-ml-1.35": [["azure-ai-ml==1.35.2", "azure-identity==1.27.0"]],
}


class VenvError(RuntimeError):
    """A library could not be installed; the message says which, and pip's last words."""


def python_of(name: str) -> Path:
    """The interpreter of the library's environment. Raises VenvError."""
    folder = FOLDER / name
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if ready.exists():
        return python
    print(f"installing {name} into {folder} (once)", flush=True)
    if not python.exists():
        _run(name, [sys.executable, "-m", "venv", str(folder)])
    for packages in PACKAGES[name]:
        _run(name, [str(python), "-m", "pip", "install", "--quiet", *packages])
    ready.write_text("")
    return python


def _run(name: str, command: list[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=3600)
    if done.returncode:
        raise VenvError(f"{name} could not be installed: {done.stderr.strip()[-500:]}")
