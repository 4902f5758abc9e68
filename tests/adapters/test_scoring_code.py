"""What a script deployment is made of: names that tell contents apart, and packages from whatever a job has left."""

from __future__ import annotations

import string
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.scoring_code import (
    ENTRY,
    FOLDER,
    code_files,
    code_version,
    environment_version,
    first,
    packages,
)
from shared.domain.errors import Upstream

#: As AutoML's own file is laid out, and as MLflow's.
AUTOML = """
channels: [anaconda, conda-forge, pytorch]
dependencies:
- python=3.9.20
- numpy==1.23.5
- scikit-learn=1.5.1
- pip:
  - azureml-train-automl-runtime==1.58.0
  - azureml-defaults==1.58.0
  - inference-schema
name: project_environment
"""
MLFLOW = "channels:\n- conda-forge\ndependencies:\n- python=3.11\n- pip<=24\n- pip:\n  - mlflow==2.9\n  - lightgbm\n"


def pip(conda: dict[str, Any]) -> list[str]:
    found: list[str] = conda["dependencies"][-1]["pip"]
    return found


def test_the_code_is_the_scorer_s_modules_and_nothing_else() -> None:
    files = code_files()
    assert set(files) == {path.name for path in FOLDER.glob("*.py")}
    assert ENTRY in files
    assert b"def init()" in files[ENTRY]


def test_every_change_of_a_file_or_of_its_name_is_another_version() -> None:
    files = {"a.py": b"1", "b.py": b"2"}
    others = [
        {"a.py": b"1"},
        {"a.py": b"12", "b.py": b""},
        {"a.py": b"1", "c.py": b"2"},
        {"a.py1": b"", "b.py": b"2"},
    ]
    versions = {code_version(one) for one in (files, *others)}
    assert len(versions) == 5
    assert code_version(dict(files)) == code_version(files)


def test_automl_s_own_packages_stay_and_bring_the_server_along() -> None:
    conda = packages(AUTOML, "bank-1-a1_7")
    assert conda["channels"] == ["anaconda", "conda-forge", "pytorch"]
    assert conda["dependencies"][:3] == ["python=3.9.20", "numpy==1.23.5", "scikit-learn=1.5.1"]
    assert pip(conda) == [
        "azureml-train-automl-runtime==1.58.0",
        "azureml-defaults==1.58.0",
        "inference-schema",
        "pyyaml",
    ]


def test_mlflow_s_packages_get_the_server() -> None:
    conda = packages(MLFLOW, "bank-1-a1_7")
    assert conda["dependencies"][:-1] == ["python=3.11", "pip<=24"]
    assert pip(conda) == ["mlflow==2.9", "lightgbm", "azureml-inference-server-http"]


def test_equal_packages_are_one_environment_and_another_image_is_another() -> None:
    one, other = packages(AUTOML, "bank-1-a1_7"), packages(AUTOML, "wine-3-a1_2")
    assert environment_version("image", one) == environment_version("image", other)
    assert environment_version("image:2", one) != environment_version("image", one)


@pytest.mark.parametrize("text", ["", "[]", "dependencies: 7", "a: [", "7", "dependencies:\n  pip: x"])
def test_what_is_no_conda_file_is_told_with_the_way_out(text: str) -> None:
    with pytest.raises(Upstream, match="bank-1-a1_7") as caught:
        packages(text, "bank-1-a1_7")
    assert caught.value.error_code == "no-environment"
    assert "DEPLOYMENT_MODE=no_code" in (caught.value.remedy or "")
    with pytest.raises(Upstream):
        first((None, None), "bank-1-a1_7")


@given(
    st.lists(st.text(string.ascii_letters + string.digits + "._-=<>![], ", max_size=20), max_size=8),
    st.booleans(),
)
def test_whatever_is_listed_stays_in_its_order(lines: list[str], nested: bool) -> None:
    listed: list[Any] = ["python=3.11", {"pip": lines}] if nested else [*lines]
    conda = packages(yaml.safe_dump({"dependencies": listed}), "x")
    kept = pip(conda)[: len(lines)] if nested else conda["dependencies"][: len(lines)]
    assert kept == lines
    names = [line.partition("=")[0] for line in pip(conda)]
    assert (
        any(name.startswith(("azureml-inference-server-http", "azureml-defaults")) for name in names)
        or not nested
    )
