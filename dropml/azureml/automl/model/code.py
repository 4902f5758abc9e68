"""The code that a trained model needs, beside the model: it loads where this project is not installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import scorer

CODE = "code"
_ROOT = Path(scorer.__file__).parents[1]
#: Modules whose classes `model.pkl` holds, and what those import of ours.
MODULES = (
    "dropml/azureml/automl/data/purpose.py",
    "dropml/azureml/automl/data/table.py",
    "dropml/azureml/automl/fit/encode.py",
    "dropml/azureml/automl/fit/models.py",
    "dropml/azureml/automl/fit/scores.py",
    "dropml/azureml/automl/fit/text.py",
    "dropml/azureml/automl/model/pipeline.py",
    "scorer/dates.py",
    "scorer/errors.py",
    "scorer/words.py",
)


def copy_code(folder: Path) -> None:
    """The modules and the packages they lie in, below `folder/code`."""
    for module in MODULES:
        parts = Path(module)
        packages = [p / "__init__.py" for p in parts.parents if p.name]
        for file in (parts, *packages):
            target = folder / CODE / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(_ROOT / file, target)
