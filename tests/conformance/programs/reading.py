"""mltable and azureml-fsspec, unmodified: a datastore's files listed, opened and read as a table.

`python reading.py TRACKING_URI FOLDER`.
"""

from __future__ import annotations

import sys

import mltable
from azureml.fsspec import AzureMachineLearningFileSystem


def main() -> None:
    workspace = sys.argv[1].partition("/subscriptions/")[2].partition("?")[0]
    subscription, _, rest = workspace.partition("/resourceGroups/")
    group, _, name = rest.partition("/providers/")
    place = f"subscriptions/{subscription}/resourcegroups/{group}/workspaces/{name.rpartition('/')[2]}"
    uri = f"azureml://{place}/datastores/data/paths/bank/train"
    files = AzureMachineLearningFileSystem(uri)
    found = {path.rpartition("/")[2]: path for path in files.ls()}
    assert set(found) == {"MLTable", "data.csv"}
    with files.open(found["data.csv"]) as file:
        assert file.readline() == b"age,balance,job,y\n"
    frame = mltable.load(uri).to_pandas_dataframe()
    assert (list(frame.columns), len(frame)) == (["age", "balance", "job", "y"], 240)
    print("passed")


if __name__ == "__main__":
    main()
