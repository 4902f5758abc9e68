"""The job's scratch folder: what the main process and its workers hand each other, as files."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Facts:
    """What every worker must know of the job."""

    job: str
    n_classes: int
    n_splits: int
    primary: str
    seed: int
    threshold: bool
    labels: list[Any] | None
    types: dict[str, str]
    low: float = 0.0
    high: float = 1.0

    @property
    def classification(self) -> bool:
        return self.n_classes > 0


class Scratch:
    """`root` holds facts.json, the encoded folds (`fold{k}_train_x.npy` ...) and a folder for each trial."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def save_facts(self, facts: Facts) -> None:
        (self.root / "facts.json").write_text(json.dumps(asdict(facts)), encoding="utf-8")

    def facts(self) -> Facts:
        return Facts(**json.loads((self.root / "facts.json").read_text(encoding="utf-8")))

    def save_array(self, name: str, array: np.ndarray) -> None:
        np.save(self.root / f"{name}.npy", array)

    def array(self, name: str) -> np.ndarray:
        """Memory-mapped: the workers share its pages."""
        return np.asarray(np.load(self.root / f"{name}.npy", mmap_mode="r"))

    def optional(self, name: str) -> np.ndarray | None:
        return self.array(name) if (self.root / f"{name}.npy").exists() else None

    def save_object(self, name: str, value: Any) -> None:
        """Pickle, visible only when complete."""
        path = self.root / f"{name}.pkl"
        draft = path.with_suffix(".tmp")
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            pickle.dump(value, file, protocol=pickle.HIGHEST_PROTOCOL)
        draft.replace(path)

    def object(self, name: str) -> Any:
        with (self.root / f"{name}.pkl").open("rb") as file:
            return pickle.load(file)  # noqa: S301 - written by this very job

    def has_object(self, name: str) -> bool:
        return (self.root / f"{name}.pkl").exists()

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
