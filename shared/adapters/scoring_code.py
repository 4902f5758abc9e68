"""What a script deployment is made of: our entry script's files, and the packages that a model was trained with.

`scorer/` is shipped with the app, beside `shared/`. Both are named by a hash of what they hold, so that every host and every
release finds what is there already and a crash between two calls costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from shared.domain import names
from shared.domain.errors import Upstream

FOLDER = Path(__file__).resolve().parents[2] / "scorer"
ENTRY = "score.py"
CODE, ENVIRONMENT = "dropml-scorer", "dropml-scoring"
#: Where a trained child says what its model needs: AutoML's own file, or MLflow's.
CONDA = ("outputs/conda_env_v_1_0_0.yml", "outputs/mlflow-model/conda.yaml")
#: What the entry script and the image's server need, and packages that bring it along.
_NEEDED = {
    "azureml-inference-server-http": ("azureml-defaults",),
    "pyyaml": ("mlflow", "mlflow-skinny"),
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@cache
def code_files() -> dict[str, bytes]:
    """The script's modules by name. Raises Upstream where the app was packed without them."""
    found = {path.name: path.read_bytes() for path in sorted(FOLDER.glob("*.py"))}
    if ENTRY not in found:
        raise Upstream(
            "The app was deployed without its folder scorer, so no scoring script can be uploaded.",
            remedy="Deploy the app with the folder scorer, or set DEPLOYMENT_MODE=no_code.",
            code="no-scorer",
        )
    return found


def code_version(files: dict[str, bytes]) -> str:
    """Of the code asset: the same files have the same one."""
    return names.digest(*(part for name, raw in files.items() for part in (name, raw.decode())))[:20]


def environment_version(image: str, conda: dict[str, Any]) -> str:
    return names.digest(image, yaml.safe_dump(conda))[:20]


def packages(text: str, child: str) -> dict[str, Any]:
    """A child's conda file with what serving needs besides. Raises Upstream for a text that is none."""
    try:
        conda = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        conda = None
    listed = conda.get("dependencies") if isinstance(conda, dict) else None
    if not isinstance(conda, dict) or not isinstance(listed, list):
        raise unreadable(child)
    asked = [part["pip"] for part in listed if isinstance(part, dict) and isinstance(part.get("pip"), list)]
    pip = [str(line) for lines in asked for line in lines]
    others = [part for part in listed if not isinstance(part, dict)]
    there = {_name(line) for line in (*pip, *(str(part) for part in others))}
    pip += [need for need, by in _NEEDED.items() if not there & {need, *by}]
    if "pip" not in there:
        others.append("pip")
    return {
        "name": "dropml",
        "channels": conda.get("channels") or ["conda-forge"],
        "dependencies": [*others, {"pip": pip}],
    }


def unreadable(child: str) -> Upstream:
    return Upstream(
        f"The packages of the model of {child} are not known: neither {' nor '.join(CONDA)} of it is a conda file.",
        remedy="Look at the job's outputs in the studio, or set DEPLOYMENT_MODE=no_code and retry the run.",
        code="no-environment",
    )


def _name(line: str) -> str:
    found = _NAME.match(line.strip())
    return re.sub(r"[._]", "-", found[0].lower()) if found else ""


def first(texts: Iterable[str | None], child: str) -> str:
    """The first text that is there. Raises Upstream where none is."""
    found = next((text for text in texts if text is not None), None)
    if found is None:
        raise unreadable(child)
    return found
