"""Fits FLAML on a CSV within a budget; runs in FLAML's own virtual environment.

Arguments: train.csv test.csv label seconds cores seed out.json. Writes the fit's wall time and the test rows'
probabilities of the second label in sorted order.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import pandas as pd
from flaml import AutoML

warnings.simplefilter("ignore")


def main() -> None:
    train_path, test_path, label, seconds, cores, seed, out = sys.argv[1:8]
    train, test = pd.read_csv(train_path), pd.read_csv(test_path)
    for frame in (train, test):
        for name in frame.columns:
            if not pd.api.types.is_numeric_dtype(frame[name]):
                frame[name] = frame[name].astype(object)
    start = time.time()
    model = AutoML()
    model.fit(
        X_train=train.drop(columns=label),
        y_train=train[label],
        task="classification",
        metric="roc_auc",
        time_budget=float(seconds),
        n_jobs=int(cores),
        seed=int(seed),
        verbose=0,
    )
    wall = time.time() - start
    proba = model.predict_proba(test.drop(columns=label))[:, 1]
    with Path(out).open("w", encoding="utf-8") as file:
        json.dump(
            {"wall_s": wall, "best": str(model.best_estimator), "proba": [float(p) for p in proba]}, file
        )


if __name__ == "__main__":
    main()
