"""Where a model may come from.

What is unpickled, and when: the pickles of a registered model (`model.pkl`, or what its flavor names), by the child of the
reference form, when a deployment is loaded; nothing else by this project, ever. A scoring script is a program, given to the
workspace by its deployment, that reads what it likes of the copy of its model. A registered model is what a training job or
a person with the workspace's token has put under the emulator's `models/`. Files that are dropped as data are read as text
and never come there.
"""

from __future__ import annotations

from pathlib import Path


class OriginError(Exception):
    """The model, or a file of it, lies outside the folder of registered models."""


def check(model_dir: Path, registered: Path | None) -> None:
    """Follow every link: the folder is below `registered`, and its files are below the folder. Raises OriginError."""
    real = model_dir.resolve()
    if registered is not None and registered.resolve() not in real.parents:
        raise OriginError("the model's folder is not below that of registered models")
    for path in real.rglob("*"):
        if path.is_symlink() and real not in path.resolve().parents:
            raise OriginError(f"{path.relative_to(real)} is a link that leaves the model's folder")
