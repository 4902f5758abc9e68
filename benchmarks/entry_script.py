"""A deployment's entry script without a server: one row to its probability, and to its explanation.

    python -m benchmarks.entry_script [MODEL_FOLDER]

The bank-marketing VotingEnsemble and its input example's rows, as text of JSON to `run`, one after the other in one process.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.figure import Figure
from benchmarks.serving_model import NoModelError, data_file, voting_ensemble

TIMES, WARM_UP = 300, 30
MANY = 20  # the most that are explained at once


def measure(model_dir: Path) -> list[Figure]:
    """Medians in ms."""
    os.environ["AZUREML_MODEL_DIR"] = str(model_dir)
    from scorer import score

    score.init()
    example = json.loads((model_dir / "input_example.json").read_text())
    records = [dict(zip(example["columns"], row, strict=True)) for row in example["data"]]
    explain = {"params": {"explain": True}}
    many = {"input_data": (records * MANY)[:MANY], **explain}
    row = _p50(score.run, [{"input_data": [record]} for record in records], TIMES * 10)
    explained = _p50(score.run, [{"input_data": [record], **explain} for record in records], TIMES)
    all_explained = _p50(score.run, [many], TIMES // 10)
    return [
        Figure("script_row_ms", row, 0.15, at_least=False),
        Figure("explain_row_ms", explained, 5.0, at_least=False),
        Figure("explain_20_rows_ms", all_explained, 5.0 * MANY, at_least=False),
    ]


def _p50(run: Any, bodies: list[dict[str, Any]], times: int) -> float:
    texts = [json.dumps(body) for body in bodies]
    found = []
    for i in range(WARM_UP + times):
        start = time.perf_counter()
        answer = run(texts[i % len(texts)])
        found.append(1000 * (time.perf_counter() - start))
        if not isinstance(answer, dict):
            raise RuntimeError(f"the script refused a row: {answer}")
    return statistics.median(found[WARM_UP:])


def main(argv: list[str]) -> int:
    try:
        model_dir = Path(argv[0]) if argv else voting_ensemble(data_file())[0]
    except NoModelError as error:
        print(error, file=sys.stderr)
        return 0
    for figure in measure(model_dir.resolve()):
        print(figure.line())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
