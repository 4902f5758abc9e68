"""Fits AutoGluon (medium_quality) on a CSV within a budget; runs in AutoGluon's own virtual environment.

Arguments: train.csv test.csv label seconds cores seed out.json. Writes the fit's wall time and the test rows'
probabilities of the second label in sorted order.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from autogluon.tabular import TabularPredictor


def main() -> None:
    train_path, test_path, label, seconds, cores, _, out = sys.argv[1:8]
    train, test = pd.read_csv(train_path), pd.read_csv(test_path)
    with tempfile.TemporaryDirectory() as folder:
        start = time.time()
        predictor = TabularPredictor(label=label, eval_metric="roc_auc", path=folder, verbosity=0)
        predictor.fit(
            train, presets="medium_quality", time_limit=float(seconds), num_cpus=int(cores), num_gpus=0
        )
        wall = time.time() - start
        proba = predictor.predict_proba(test.drop(columns=label))
        second = proba[sorted(proba.columns)[1]]
        best = predictor.model_best
    with Path(out).open("w", encoding="utf-8") as file:
        json.dump({"wall_s": wall, "best": str(best), "proba": [float(p) for p in second]}, file)


if __name__ == "__main__":
    main()
