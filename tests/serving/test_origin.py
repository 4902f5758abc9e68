"""Only registered models are unpickled: neither a path, a link nor a file that somebody dropped leads elsewhere."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from dropml.azureml.assets.data import _copy
from dropml.azureml.serving.deployment import Deployment
from dropml.azureml.serving.loading import load
from dropml.azureml.serving.origin import OriginError, check
from dropml.azureml.workspace.storage import DataError


class Evil:
    """Whoever unpickles it makes the file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, (str(self.trace),))


@pytest.fixture
def dropped(tmp_path: Path) -> Path:
    """A model folder in the uploads, with a pickle that acts."""
    folder = tmp_path / "uploads" / "model"
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\nsignature: {inputs: '[]'}\n")
    (folder / "model.pkl").write_bytes(pickle.dumps(Evil(tmp_path / "acted")))
    return folder


@pytest.mark.parametrize(
    "way", ["as it is", "dots", "a linked folder", "a linked file", "a linked subfolder"]
)
def test_a_model_from_elsewhere_is_not_read(tmp_path: Path, dropped: Path, way: str) -> None:
    models = tmp_path / "models"
    own = models / "bank" / "1"
    if way == "as it is":
        asked = dropped
    elif way == "dots":
        models.mkdir()
        asked = models / ".." / "uploads" / "model"
    elif way == "a linked folder":
        own.parent.mkdir(parents=True)
        own.symlink_to(dropped)
        asked = own
    else:
        own.mkdir(parents=True)
        (own / "MLmodel").write_text("flavors: {}\n")
        inside, outside = (
            ("model.pkl", dropped / "model.pkl") if way == "a linked file" else ("dropml", dropped)
        )
        (own / inside).symlink_to(outside)
        asked = own
    with pytest.raises(OriginError):
        check(asked, models)
    assert not (tmp_path / "acted").exists()


def test_a_registered_model_passes_until_something_in_it_leads_out(tmp_path: Path, dropped: Path) -> None:
    own = tmp_path / "models" / "bank" / "1"
    own.mkdir(parents=True)
    (own / "MLmodel").write_text("flavors: {}\n")
    (own / "again").symlink_to(own / "MLmodel")
    check(own, tmp_path / "models")
    (own / "once more").symlink_to(dropped / "model.pkl")
    with pytest.raises(OriginError):
        check(own, tmp_path / "models")


def test_a_deployment_of_a_model_from_elsewhere_fails_before_its_pickle_is_read(
    tmp_path: Path, dropped: Path
) -> None:
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    from dropml.azureml.serving.logs import DeploymentLog
    from dropml.azureml.serving.parity_cache import ParityCache
    from dropml.azureml.serving.settings import DeploymentSettings

    wanted = DeploymentSettings("m1", dropped, "bank:1", models_dir=tmp_path / "models")

    async def story() -> Deployment:
        with ThreadPoolExecutor(1) as pool:
            found = Deployment(wanted, pool, DeploymentLog(None))
            await load(found, ParityCache(tmp_path / "parity.json"))
            return found

    deployment = asyncio.run(story())
    assert deployment.status == "failed"
    assert "not below that of registered models" in str(deployment.error)
    assert not (tmp_path / "acted").exists()


def test_a_jobs_output_with_a_link_out_of_it_is_no_model(tmp_path: Path) -> None:
    output = tmp_path / "outputs"
    output.mkdir()
    (output / "model.pkl").symlink_to("/etc/hostname")
    with pytest.raises(DataError, match="leaves the job's output"):
        _copy(output, tmp_path / "target")
    assert not (tmp_path / "target").exists()
