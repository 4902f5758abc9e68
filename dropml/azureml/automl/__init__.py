"""The AutoML engine: one process for each job, `python -m dropml.azureml.automl --job JOBDIR` (docs/seams.md).

How a job runs: `job` reads the data (`prepare`: `mltable`, `labels`, `purpose`, `splits`, `encode`), `trials` starts
one worker process for each trial (`pool`, `worker`), `board` tells of each in events.jsonl, `ensemble` combines them,
`best` fits the winner on all rows and saves it (`finish`, `save`, `compile`, `explain`). `limits` keeps the time.
"""
