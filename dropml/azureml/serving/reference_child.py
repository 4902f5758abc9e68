"""The child that serves the reference form, and ordinary models: `python -m dropml.azureml.serving.reference_child MODELDIR`."""

import os
import signal
import sys
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from dropml.azureml.serving import flavors
from dropml.azureml.serving.frames import LENGTH, frame
from scorer import SignatureError, check_parity, load


def serve(model_dir: Path, questions: BinaryIO, replies: BinaryIO) -> None:
    """The child's loop."""
    scorer: Any = None
    while True:
        prefix = questions.read(LENGTH.size)
        if len(prefix) < LENGTH.size:
            return
        question = orjson.loads(questions.read(LENGTH.unpack(prefix)[0]))
        try:
            if question["op"] == "parity":
                answer = {"parity": repr(float(check_parity(model_dir)))}  # JSON has no NaN
            else:
                if scorer is None:
                    ordinary = flavors.is_ordinary(model_dir)
                    scorer = flavors.load(model_dir) if ordinary else load(model_dir, "reference")
                answer = _ask_scorer(scorer, question)
        except Exception as error:  # noqa: BLE001 - whatever a model raises is the answer
            answer = _describe_error(error, quotes_rows=question["op"] == "predict")
        replies.write(frame({"id": question["id"], **answer}))
        replies.flush()


def _ask_scorer(scorer: Any, question: dict[str, Any]) -> dict[str, Any]:
    if question["op"] == "predict":
        return {"result": scorer.predict(question["columns"], question["data"])}
    said = scorer.said if isinstance(scorer, flavors.OrdinaryScorer) else None
    return {"columns": scorer.columns, "types": scorer.types, "labels": scorer.labels, "said": said}


def _describe_error(error: Exception, *, quotes_rows: bool) -> dict[str, str]:
    # A message of numpy or scikit-learn may quote a value of the row; the kind of the error never does.
    name = type(error).__name__
    # One of MLflow's sentences names columns and types only.
    told = isinstance(error, SignatureError)
    return {"error": str(error) if told else name if quotes_rows else f"{name}: {error}"}


def main() -> None:
    """Entry of the child process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the endpoint ends us
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not get between the frames
    serve(Path(sys.argv[1]), sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
