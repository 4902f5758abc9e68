"""Stands in for `python -m dropml.azureml.automl` where a test is about the control plane, not about training.

It keeps to docs/seams.md; what it does is ordered by the job's properties `_standin.*`.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

ALGORITHMS = ("LightGBM", "XGBoostClassifier", "LogisticRegression", "RandomForest")

#: As AutoML writes it, one pip package in it.
CONDA = "channels: [conda-forge]\ndependencies:\n- python=3.10\n- pip:\n  - numpy==1.26.4\n"


class Job:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spec = json.loads((folder / "spec.json").read_text())
        self.events = (folder / "events.jsonl").open("a", buffering=1)
        self.orders = {k: v for k, v in self.spec["properties"].items() if k.startswith("_standin.")}

    def order(self, name: str, default: str = "") -> str:
        return str(self.orders.get(f"_standin.{name}", default))

    def emit(self, kind: str, **fields: Any) -> None:
        self.events.write(json.dumps({"type": kind, "time": time.time(), **fields}) + "\n")

    def trial(self, number: int, status: str, start: float, score: float | None = None) -> None:
        rows = len((Path(self.spec["training_data"]) / "data.csv").read_text().splitlines()) - 1
        self.emit(
            "trial",
            id=f"{self.spec['job']}_{number}",
            iteration=number,
            algorithm=ALGORITHMS[number % len(ALGORITHMS)],
            preprocessor="MaxAbsScaler",
            status=status,
            start=start,
            end=None if status == "Running" else time.time(),
            metrics={} if score is None else {"AUC_weighted": score, "accuracy": score - 0.05, "rows": rows},
            error=None,
            artifacts=[],
        )

    def run(self) -> int:
        if message := self.order("fail"):
            self.emit("failed", message=message, code="UserError")
            return 1
        trials, pause = int(self.order("trials", "2")), float(self.order("seconds", "0.1"))
        for number in range(trials):
            start = time.time()
            self.trial(number, "Running", start)
            self._work(number, pause)
            model = self.folder / "trials" / str(number) / "outputs" / "mlflow-model"
            model.mkdir(parents=True)
            (model / "MLmodel").write_text(
                "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n"
            )
            (model.parent / "conda_env_v_1_0_0.yml").write_text(CONDA)
            self.trial(number, "Completed", start, 0.9 + number / 100)
        self.emit("completed", best=f"{self.spec['job']}_{trials - 1}")
        return 0

    def _work(self, number: int, pause: float) -> None:
        if self.order("crash") == str(number):
            print("the process is about to crash", flush=True)
            sys.exit(7)
        if self.order("memory") == str(number):
            held = bytearray(int(float(self.order("mib", "400")) * 2**20))
            held[::4096] = b"x" * len(held[::4096])
            time.sleep(30)
        time.sleep(pause)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--job", type=Path, required=True)
    # SIGTERM cancels: no event, an exit code other than 0.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return Job(parser.parse_args().job).run()


if __name__ == "__main__":
    sys.exit(main())
