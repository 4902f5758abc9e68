"""The AutoML engine: one process for each job, `python -m dropml.azureml.automl --job JOBDIR` (docs/seams.md).

Four folders, each importing only those before it: `data` reads rows, `fit` encodes them and fits algorithms, `model`
puts fitted members together and saves them, `search` decides what is tried, in processes of its own. `job` composes.
"""
