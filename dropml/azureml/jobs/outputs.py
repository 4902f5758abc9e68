"""What jobs have written, on this machine and in the workspace's datastores: found, fetched and stored.

A job writes into its own folder. Its artifacts are copied to the artifact store when a client asks for them, so that
trials that nobody looks at cost nothing; what a client logs lies in the store first and is fetched when it is needed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from dropml.azureml.core.store import Doc
from dropml.azureml.jobs.output_uris import DEFAULT_OUTPUT, asset_id, chosen_place, container, output_path
from dropml.azureml.jobs.runs import Runs
from dropml.azureml.workspace.datastores import ARTIFACTS, DEFAULT, Datastores
from dropml.azureml.workspace.storage import DataError

#: A job's folder also holds its inputs and the engine's files, which are no artifacts.
_ARTIFACT_FOLDERS = ("outputs", "logs", "user_logs", "system_logs", "azureml-logs")
#: How run history names the types of data and of models. azure-ai-ml 1.35 compares the former in lower case and so
#: finds no data of `jobs.download(all=True)`; with `output_name=` it looks where the default is.
_DATA_TYPES = {"uri_file": "UriFile", "uri_folder": "UriFolder", "mltable": "MLTable"}
MODEL_TYPES = {"custom_model": "CustomModel", "mlflow_model": "MLFlowModel", "triton_model": "TritonModel"}


class JobOutputs:
    def __init__(self, runs: Runs, datastores: Datastores) -> None:
        self.runs, self._stores, self._c = runs, datastores, runs.c
        self._storage = datastores.storage

    # -- by URI --------------------------------------------------------------------------------------------

    def local(self, uri: str) -> Path | None:
        """The file or folder that a URI of a job's output names, None for other URIs; DataError if it isn't there."""
        named = output_path(uri)
        if named is None:
            return None
        run = self.runs.get(named.job)
        if run is None:
            raise DataError(f"The job {named.job} does not exist.")
        whole = named.output == DEFAULT_OUTPUT
        base = self.gathered(run, named.path) if whole else self.runs.named_output(named.job, named.output)
        found = (base / named.path).resolve()
        if not found.is_relative_to(base.resolve()) or not found.exists():
            where = "artifact" if whole else f"output '{named.output}' with anything"
            raise DataError(f"The job {named.job} has no {where} at '{named.path}'.")
        return found

    def stored_uri(self, uri: str) -> str | None:
        """The URI as the service keeps it, of a datastore; None where it names no job's output."""
        named = output_path(uri)
        if named is None:
            return None
        s = self._c.settings
        base = f"azureml://subscriptions/{s.subscription}/resourceGroups/{s.resource_group}/workspaces/{s.workspace}"
        store, folder = self._place(named.job, named.output)
        return f"{base}/datastores/{store}/paths/" + f"{folder}/{named.path}".rstrip("/")

    def _place(self, job: str, output: str) -> tuple[str, str]:
        """Datastore and path of an output: the job's own choice, else where the service puts it."""
        if output == DEFAULT_OUTPUT:
            return ARTIFACTS, container(job)
        run = self.runs.get(job)
        uri = (((run or {}).get("properties") or {}).get("outputs") or {}).get(output, {}).get("uri")
        if not uri:
            return DEFAULT, f"azureml/{job}/{output}"
        return chosen_place(uri, job, output)

    def assets(self, run: Doc) -> Doc:
        """Id and type of the asset that each named output of a run became, as run history tells them."""
        s, found = self._c.settings, {}
        for name, value in (run["properties"].get("outputs") or {}).items():
            kind = str((value or {}).get("jobOutputType") or "uri_folder")
            there = self.runs.named_output(run["name"], name)
            if there.exists() and name not in ("default", DEFAULT_OUTPUT):
                model = kind in MODEL_TYPES
                identity = asset_id(s.location, self._c.guid, run["name"], name, model=model)
                found[name] = {"assetId": identity, "type": (MODEL_TYPES | _DATA_TYPES).get(kind, kind)}
        return found

    def asset_type(self, asset: str) -> str | None:
        """The type of the asset that a job's named output became."""
        named = output_path(asset)
        run = self.runs.get(named.job) if named else None
        return self.assets(run).get(named.output, {}).get("type") if run and named else None

    # -- artifacts -----------------------------------------------------------------------------------------

    def names(self, run: Doc) -> dict[str, int | None]:
        """Path and size of every artifact of a run; the size of one that only the store has is unknown."""
        base = self.runs.artifacts(run)
        local = {p.relative_to(base).as_posix(): p.stat().st_size for p in self._files(run)}
        return dict(sorted({**dict.fromkeys(run.get("logged") or [], None), **local}.items()))

    def _files(self, run: Doc) -> Iterator[Path]:
        base = self.runs.artifacts(run)
        tops = [base] if run["type"] == "Trial" else [base / name for name in _ARTIFACT_FOLDERS]
        for top in tops:
            yield from (p for p in top.rglob("*") if p.is_file())

    def gathered(self, run: Doc, path: str) -> Path:
        """A folder in which every artifact at or below a path lies, whether job or client wrote it. Blocking."""
        base, logged = self.runs.artifacts(run), run.get("logged") or []
        uploaded = [name for name in logged if _within(name, path)]
        if not uploaded and (run["type"] == "Trial" or path.partition("/")[0] in _ARTIFACT_FOLDERS):
            return base
        root = self.runs.folder(run["name"]) / "gathered"
        for name in uploaded:
            if not (root / name).exists():
                store = self._stores.container_of(ARTIFACTS)
                self._storage.download(store, f"{container(run['name'])}/{name}", (root / name).parent)
        for file in self._files(run):
            name = file.relative_to(base).as_posix()
            if _within(name, path):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, root / name)
        return root

    def publish(self, run: Doc, path: str = "") -> None:
        """Copy the artifacts at or below a path into the artifact store, if they aren't there. Blocking."""
        if not self._storage.configured:
            return
        base, store = self.runs.artifacts(run), self._stores.container_of(ARTIFACTS)
        folder = container(run["name"])
        there = self._storage.sizes(store, f"{folder}/{path}".rstrip("/"))
        for file in self._files(run):
            name = file.relative_to(base).as_posix()
            if _within(name, path) and there.get(f"{folder}/{name}") != file.stat().st_size:
                self._storage.put(file, store, f"{folder}/{name}")

    def publish_uri(self, uri: str) -> None:
        """See that what a URI names of a job's output lies in its datastore. Blocking."""
        named = output_path(uri)
        run = self.runs.get(named.job) if named else None
        if named is None or run is None:
            return
        if named.output == DEFAULT_OUTPUT:
            self.publish(run, named.path)
        else:
            self.keep(named.job, named.output)

    def keep(self, job: str, output: str) -> None:
        """Copy a named output to its datastore. Blocking. Raises DataError, and ArmError for a datastore that isn't there."""
        found = self.runs.named_output(job, output)
        if self._storage.configured and found.exists():
            store, path = self._place(job, output)
            self._storage.upload(found, self._stores.container_of(store), path)

    def create(self, run: Doc, paths: list[str]) -> None:
        """Names that a client is about to upload."""
        self.runs.edit(run["name"], lambda found: found.update(logged=[*(found.get("logged") or []), *paths]))

    def url(self, run: Doc, path: str) -> str:
        """Where a client reads or writes one artifact: a blob's address with a signature. Blocking."""
        token, _ = self._storage.sas(24.0)
        blob = f"{container(run['name'])}/{path}"
        return self._stores.proxy.blob_url(self._stores.container_of(ARTIFACTS), blob, token)


def _within(name: str, path: str) -> bool:
    return not path or name == path or name.startswith(f"{path}/")
