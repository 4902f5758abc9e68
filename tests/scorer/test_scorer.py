"""The compiled scorer: quick, light, and the same as the pipeline it was made from."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dropml.azureml.automl.model import flat
from scorer import CompiledFormError, SignatureError, check_parity, load
from scorer.compiled import CompiledScorer
from scorer.parity import difference
from scorer.reference import ReferenceScorer
from scorer.trees import Trees
from tests.support.automl_jobs import ROOT, people, run_here, write_data, write_spec

COLUMNS = ["age", "income", "job", "member", "joined", "note"]
ROW = [70, 2500.0, "pilot", True, "2021-06-01", "12"]


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A voting ensemble of a boosted, a linear and a forest model over columns of every type."""
    folder = tmp_path_factory.mktemp("model")
    data = people(400)
    rng = np.random.default_rng(6)
    label = data.pop("y")
    data["note"] = np.where(rng.random(400) < 0.1, "none", rng.integers(0, 50, 400).astype(str))
    data["income"] = np.where(rng.random(400) < 0.1, np.nan, data["income"])
    training = {
        "allowedTrainingAlgorithms": ["LightGBM", "XGBoostClassifier", "LogisticRegression", "RandomForest"],
        "enableStackEnsemble": False,
    }
    spec = {"validation_size": 0.3, "limits": {"timeout_s": 40, "max_trials": 5}, "training": training}
    types = {"note": "string"}
    done = run_here(
        write_spec(folder / "job", write_data(folder / "data", {**data, "y": label}, types), **spec)
    )
    assert done.failure == ""
    return done.model_dir


def test_types_and_labels_are_the_signatures(model_dir: Path) -> None:
    for form in ("compiled", "reference"):
        scorer = load(model_dir, form)
        assert scorer.types == {
            "age": "long",
            "income": "double",
            "job": "string",
            "member": "boolean",
            "joined": "datetime",
            "note": "string",
        }
        assert scorer.columns == COLUMNS
        assert scorer.labels == ["no", "yes"]


def test_both_forms_answer_alike(model_dir: Path) -> None:
    assert check_parity(model_dir) <= 1e-6
    compiled, reference = load(model_dir, "compiled"), load(model_dir, "reference")
    rows: list[list[Any]] = [
        ROW,
        [20, None, None, None, None, None],
        [33, 1.0, "astronaut", False, "1999-12-31T23:59:59", "none"],
    ]
    assert compiled.predict(COLUMNS, rows) == reference.predict(COLUMNS, rows)
    assert np.allclose(
        compiled.predict_proba(COLUMNS, rows), reference.predict_proba(COLUMNS, rows), atol=1e-9
    )


def test_a_thousand_odd_rows_agree_within_a_millionth(model_dir: Path) -> None:
    rng = np.random.default_rng(7)

    def pick(*values: Any) -> Any:
        return values[rng.integers(len(values))]

    rows = [
        [
            pick(None, int(rng.integers(-5, 200)), 10**12),
            pick(None, float(rng.normal(3000, 3000)), 0.0, -1e300, 1e-300, 2499.999999999),
            pick(None, "pilot", "clerk", "Pilot", "", "🚀", "nurse "),
            pick(None, True, False),
            pick(None, "2021-06-01", "1970-01-01T00:00:00Z", "2400-02-29", "2020-12-31T23:59:59.999+02:00"),
            pick(None, "", "none", "12", "-3.5", "nan", "1e9", "inf", "other"),
        ]
        for _ in range(1000)
    ]
    assert difference(CompiledScorer(model_dir), ReferenceScorer(model_dir), COLUMNS, rows) <= 1e-6


def test_the_compiled_form_needs_numpy_alone(model_dir: Path) -> None:
    script = f"""
import sys
from pathlib import Path
before = set(sys.modules)
from scorer import load
scorer = load(Path({str(model_dir)!r}), "compiled")
scorer.predict({COLUMNS!r}, [{ROW!r}])
packages = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(sorted(packages - set(sys.stdlib_module_names)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "['numpy', 'scorer']", done.stderr


def test_threads_do_not_mix_their_rows(model_dir: Path) -> None:
    scorer = load(model_dir, "compiled")
    rows = [[int(age), 2500.0, "pilot", True, "2021-06-01", "12"] for age in range(18, 90)]
    expected = [scorer.predict_proba(COLUMNS, [row])[0] for row in rows]
    wrong: list[int] = []

    def work(offset: int) -> None:
        for i in range(400):
            j = (offset * 17 + i) % len(rows)
            if scorer.predict_proba(COLUMNS, [rows[j]])[0] != expected[j]:
                wrong.append(j)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


class TestSignature:
    @pytest.mark.parametrize("form", ["compiled", "reference"])
    @pytest.mark.parametrize(
        ("column", "value", "sentence"),
        [
            ("age", "70", r"column age. Can not safely convert object to int64\.$"),
            ("age", 70.5, r"column age. Can not safely convert float64 to int64\.$"),
            (
                "age",
                None,
                r"column age. Can not safely convert float64 to int64. Hint: the type mismatch is likely",
            ),
            ("age", True, r"column age. Can not safely convert bool to int64"),
            ("income", "much", r"column income. Can not safely convert object to float64"),
            ("job", 7, r"column job. Can not safely convert int64 to <U0"),
            ("member", "yes", r"column member. Can not safely convert object to bool"),
            ("joined", "soon", r"Failed to convert column joined from type object to DataType.datetime"),
        ],
    )
    def test_a_wrong_type_is_named(
        self, model_dir: Path, form: Any, column: str, value: Any, sentence: str
    ) -> None:
        row = [value if name == column else cell for name, cell in zip(COLUMNS, ROW, strict=True)]
        with pytest.raises(SignatureError, match=sentence):
            load(model_dir, form).predict(COLUMNS, [ROW, row])

    def test_whole_numbers_are_taken_where_doubles_are_due(self, model_dir: Path) -> None:
        scorer = load(model_dir, "compiled")
        assert scorer.predict_proba(COLUMNS, [[70, 2500, *ROW[2:]]]) == scorer.predict_proba(COLUMNS, [ROW])

    def test_columns_in_any_order_and_some_more(self, model_dir: Path) -> None:
        scorer = load(model_dir, "compiled")
        turned = scorer.predict_proba(["extra", *COLUMNS[::-1]], [[1, *ROW[::-1]]])
        assert turned == scorer.predict_proba(COLUMNS, [ROW])

    def test_missing_and_extra_columns_are_both_named(self, model_dir: Path) -> None:
        with pytest.raises(
            SignatureError, match=r"Model is missing inputs \['age'\]. .* extra inputs: \['Age'\]"
        ):
            load(model_dir, "compiled").predict(["Age", *COLUMNS[1:]], [ROW])

    def test_a_short_row_is_refused(self, model_dir: Path) -> None:
        with pytest.raises(SignatureError, match="6 columns passed, passed data had 5 columns"):
            load(model_dir, "compiled").predict(COLUMNS, [ROW[:5]])

    def test_no_rows_no_answers(self, model_dir: Path) -> None:
        for form in ("compiled", "reference"):
            assert load(model_dir, form).predict(COLUMNS, []) == []


def test_a_folder_without_compiled_form_says_so(model_dir: Path, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(model_dir, tmp_path / "model")
    shutil.rmtree(copy / "dropml")
    with pytest.raises(CompiledFormError, match="holds no compiled form"):
        load(copy, "compiled")
    assert load(copy, "reference").predict(COLUMNS, [ROW])


def test_a_tampered_compiled_form_is_noticed(model_dir: Path, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(model_dir, tmp_path / "model")
    path = copy / "dropml" / "pipeline.json"
    document = json.loads(path.read_text())
    document["features"][0]["fill"] = 1.0
    document["combine"]["weights"] = [w * 0.9 for w in document["combine"]["weights"]]
    path.write_text(json.dumps(document))
    assert check_parity(copy) > 1e-3


def test_the_mlflow_files_are_there(model_dir: Path) -> None:
    import yaml

    document = yaml.safe_load((model_dir / "MLmodel").read_text())
    assert set(document["flavors"]) == {"python_function", "sklearn"}
    inputs = json.loads(document["signature"]["inputs"])
    assert inputs[0] == {"type": "long", "name": "age", "required": True}
    example = json.loads((model_dir / "input_example.json").read_text())
    assert set(example) == {"columns", "index", "data"}
    assert load(model_dir, "compiled").predict(example["columns"], example["data"])
    for name in ("conda.yaml", "python_env.yaml", "requirements.txt"):
        assert (model_dir / name).is_file()


def test_model_pkl_takes_a_data_frame_as_mlflow_gives_it(model_dir: Path) -> None:
    import pickle

    import pandas as pd

    pipeline = pickle.loads((model_dir / "model.pkl").read_bytes())
    frame = pd.DataFrame([ROW, [20, math.nan, None, False, "2020-01-01", None]], columns=COLUMNS)
    frame["joined"] = pd.to_datetime(frame["joined"])
    expected = load(model_dir, "compiled").predict_proba(COLUMNS, [ROW])[0]
    assert np.allclose(pipeline.predict_proba(frame)[0], expected, atol=1e-6)
    assert next(iter(pipeline.predict(frame))) in ("no", "yes")


@pytest.mark.parametrize("outputs", [1, 3])
def test_many_rows_take_the_same_paths_as_each_alone(outputs: int) -> None:
    """Many rows go through a few trees at a time, from several threads at once; the sums stay the same."""
    trees = Trees(flat.model_text([stump(at) for at in range(75)], outputs, 2), outputs, 2)
    x = np.random.default_rng(3).normal(size=(400, 2))
    x[::7, 0] = np.nan
    alone = np.concatenate([trees.raw_row(row.ctypes.data) for row in x])
    assert len(np.unique(alone[:, 0])) > 20
    with ThreadPoolExecutor(4) as pool:
        for together in pool.map(trees.raw, [x] * 20):
            assert np.allclose(together, alone, rtol=0, atol=1e-12)
    assert np.allclose(trees.raw(x[:3]), alone[:3], rtol=0, atol=1e-12)


def stump(at: int) -> flat.Tree:
    """One split, another for each number."""
    rng = np.random.default_rng(at)
    return flat.Tree(
        left=np.array([1, -1, -1]),
        right=np.array([2, -1, -1]),
        feature=np.array([at % 2, 0, 0]),
        threshold=np.array([rng.normal(), 0.0, 0.0]),
        missing_left=np.array([at % 3 == 0, False, False]),
        values=np.array([0.0, *rng.normal(size=2)]),
        weights=np.array([10.0, 3.0, 7.0]),
    )
