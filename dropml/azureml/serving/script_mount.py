"""The files of a scoring script where a container would have them: `code`'s folder, and the model under its name and version.

They are copies: whatever a script does to its files, the registered ones stay as they are.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from dropml.azureml.serving import origin
from dropml.azureml.serving.settings import DeploymentSettings, EndpointSettings
from dropml.common import private


class MountError(Exception):
    """The script is not in its code."""


@dataclass(frozen=True, slots=True)
class Mount:
    """`root` holds everything; `model_dir` is None for a deployment without a model."""

    root: Path
    app_root: Path
    model_dir: Path | None

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)


def clear(settings: EndpointSettings) -> None:
    """Take away what a killed process has left of its copies."""
    for folder in {d.script.mounts for d in settings.deployments.values() if d.script is not None}:
        shutil.rmtree(folder, ignore_errors=True)


def mount(root: Path, settings: DeploymentSettings) -> Mount:
    """Copy code and model below `root`. Raises MountError, OriginError, OSError. Blocking."""
    script = settings.script
    assert script is not None
    shutil.rmtree(root, ignore_errors=True)
    private.folder(root)
    app_root = root / script.code_name
    shutil.copytree(script.code_dir, app_root, symlinks=True)
    if not (app_root / script.entry).is_file():
        there = ", ".join(sorted(str(p.relative_to(app_root)) for p in app_root.rglob("*.py"))[:20])
        raise MountError(f"the code holds no {script.entry}, but {there or 'no Python file'}")
    if settings.model_dir is None:
        return Mount(root, app_root, None)
    origin.check(settings.model_dir, settings.models_dir)
    name, _, version = settings.model.partition(":")
    model_dir = root / "azureml-models" / name / version
    single = settings.model_dir / script.model_as
    if single.is_file() and len([*settings.model_dir.iterdir()]) == 1:
        model_dir.mkdir(parents=True)  # a file was registered, not a folder
        shutil.copy(single, model_dir)
    else:
        shutil.copytree(settings.model_dir, model_dir / script.model_as)
    return Mount(root, app_root, model_dir)
