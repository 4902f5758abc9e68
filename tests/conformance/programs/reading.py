"""mltable and azureml-fsspec, unmodified: a datastore's files listed, opened and read as a table.

`python reading.py TRACKING_URI FOLDER`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import flows
import mltable
import pandas as pd
from azureml.fsspec import AzureMachineLearningFileSystem


def place(tracking_uri: str) -> str:
    workspace = tracking_uri.partition("/subscriptions/")[2].partition("?")[0]
    subscription, _, rest = workspace.partition("/resourceGroups/")
    group, _, name = rest.partition("/providers/")
    return f"subscriptions/{subscription}/resourcegroups/{group}/workspaces/{name.rpartition('/')[2]}"


URI = f"azureml://{place(sys.argv[1])}/datastores/data/paths/bank/train"
COLUMNS = ["age", "balance", "job", "y"]


def list_files() -> None:
    found = [path.rpartition("/")[2] for path in AzureMachineLearningFileSystem(URI).ls()]
    assert set(found) == {"MLTable", "data.csv"}, found


def open_a_file() -> None:
    files = AzureMachineLearningFileSystem(URI)
    (name,) = (path for path in files.ls() if path.endswith("data.csv"))
    with files.open(name) as file:
        assert file.readline() == b"age,balance,job,y\n"


def read_with_pandas() -> None:
    assert list(pd.read_csv(f"{URI}/data.csv").columns) == COLUMNS


def download_a_folder() -> None:
    folder = Path(sys.argv[2]) / "downloaded"
    AzureMachineLearningFileSystem(URI).download(rpath="bank/train", lpath=str(folder), recursive=True)
    assert [path.name for path in sorted(folder.rglob("*")) if path.is_file()] == ["MLTable", "data.csv"]


def upload_a_file() -> None:
    source = Path(sys.argv[2]) / "own.txt"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text("mine\n")
    files = AzureMachineLearningFileSystem(URI)
    files.upload(lpath=str(source), rpath="mine", overwrite="MERGE_WITH_OVERWRITE")
    there = AzureMachineLearningFileSystem(URI.replace("bank/train", "mine"))
    assert [path.rpartition("/")[2] for path in there.ls()] == ["own.txt"]


def load_a_table() -> None:
    frame = mltable.load(URI).to_pandas_dataframe()
    assert (list(frame.columns), len(frame)) == (COLUMNS, 240)


def make_a_table() -> None:
    table = mltable.from_delimited_files(paths=[{"file": f"{URI}/data.csv"}]).take(5)
    assert list(table.to_pandas_dataframe().columns) == COLUMNS


if __name__ == "__main__":
    flows.run(
        list_files,
        open_a_file,
        read_with_pandas,
        download_a_folder,
        upload_a_file,
        load_a_table,
        make_a_table,
    )
