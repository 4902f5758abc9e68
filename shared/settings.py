"""One typed settings object, read from the environment once. `docs/settings.md` is generated from it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, cast

from shared.domain.errors import InvalidSetting


def _env(default: Any, doc: str, name: str | None = None) -> Any:
    return field(default=default, metadata={"doc": doc, "name": name})


@dataclass(frozen=True)
class Settings:
    """Each field is the environment variable of its name in capitals, unless said otherwise."""

    azure_subscription_id: str = _env("", "Subscription of the Azure ML workspace")
    azure_resource_group: str = _env("", "Resource group of the workspace")
    azureml_workspace: str = _env("", "Name of the workspace")
    azureml_dev_url_mfe: str = _env("", "Another management endpoint (the Azure ML SDK's own setting)")
    azureml_compute: str = _env("", "Training cluster; empty = serverless compute")
    datastore: str = _env("dropml_data", "Datastore over the data container")
    data_storage: str = _env("", "Connection string of the data account")
    data_storage_blob_uri: str = _env(
        "", "Blob service URI of the data account, reached by identity", "DATA_STORAGE__blobServiceUri"
    )
    incoming_container: str = _env("incoming", "Where people drop files; the app never writes there")
    data_container: str = _env("dropml-data", "Snapshots: training data and holdout")
    quarantine_container: str = _env("dropml-quarantine", "Refused files with their reports")
    state_container: str = _env("dropml-state", "Runs, ledger, serving state")
    batch_container: str = _env("dropml-batch", "Results of batch scoring")
    credential: str = _env("default", "default | interactive | device_code")
    endpoint_auth: str = _env("key", "How the proxy authenticates to endpoints: key | aad_token")
    instance_type: str = _env("Standard_DS3_v2", "VM size of a deployment")
    instance_count: int = _env(1, "Instances of a deployment")
    label_column: str = _env("y", "Label, where a dataset's own config names none")
    task: str = _env("classification", "classification | regression")
    primary_metric: str = _env(
        "", "Azure's name; empty = AUC_weighted, or for regression R2 (normalised RMSE)"
    )
    experiment_timeout_minutes: float = _env(60.0, "Limit of a whole AutoML run")
    trial_timeout_minutes: float = _env(20.0, "Limit of one trial")
    max_trials: int = _env(40, "Most trials of a run")
    max_concurrent_trials: int = _env(2, "Trials at a time")
    imbalance: str = _env("weight", "weight: a weight column evens out the classes; off: none")
    gate_metric: str = _env("balanced_accuracy", "What the gate compares on the holdout")
    gate_margin: float = _env(0.005, "How much worse a challenger may be and still pass")
    gate_floor: float = _env(0.5, "Least value of the gate metric for a first model")
    gate_insufficient_evidence: str = _env("promote", "promote | reject, under 30 holdout rows of a class")
    canary_percent: int = _env(10, "Traffic of a challenger while it proves itself; 0 = straight to live")
    canary_seconds: int = _env(300, "How long a canary runs before all traffic moves")
    canary_error_rate: float = _env(
        0.02, "Share of a canary's calls that may fail (or twice the champion's share)"
    )
    canary_latency_factor: float = _env(
        3.0, "How many times as long as the champion's a canary's answers may take"
    )
    canary_skew: float = _env(0.2, "How far the share of any label may lie from the champion's")
    step_deadline_seconds: float = _env(45.0, "How long one tick works on runs")
    open_run_hours: float = _env(24.0, "After so long in one state a run fails, with an explanation")
    sweep_hours: float = _env(24.0 * 7, "How far back the sweep looks for missed files")
    pipeline_mode: str = _env("batch_endpoint", "batch_endpoint | pipeline_job | v1")
    pipeline_v1_url: str = _env("", "Published v1 pipeline REST URL, for pipeline_mode v1")
    max_upload_bytes: int = _env(4 * 1024**3, "Largest file taken")
    score_timeout_seconds: float = _env(30.0, "Deadline of one scoring request")
    score_max_rows: int = _env(5000, "Most rows in one scoring request")
    applicationinsights_connection_string: str = _env("", "Telemetry of the app itself; empty = none")

    @property
    def workspace_id(self) -> str:
        """ARM id of the workspace."""
        return (
            f"/subscriptions/{self.azure_subscription_id}/resourceGroups/{self.azure_resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.azureml_workspace}"
        )

    @property
    def arm_endpoint(self) -> str:
        return self.azureml_dev_url_mfe.rstrip("/") or "https://management.azure.com"


def _variable(f: Any) -> str:
    return str(f.metadata["name"] or f.name.upper())


def read(environ: Mapping[str, str]) -> Settings:
    """Settings from a mapping; a value of the wrong type raises InvalidSetting and names the variable."""
    values: dict[str, Any] = {}
    for f in fields(Settings):
        raw = environ.get(_variable(f), "").strip()
        if not raw:
            continue
        try:
            values[f.name] = cast("type", type(f.default))(raw)
        except ValueError as error:
            kind = type(f.default).__name__
            raise InvalidSetting(
                f"The setting {_variable(f)} is {raw!r}, which is no {kind}.",
                remedy=f"Give {_variable(f)} a value of type {kind}, or remove it to use {f.default!r}.",
                field=_variable(f),
            ) from error
    return Settings(**values)


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The process's settings. Read at first use, never at import."""
    return read(os.environ)


def table() -> str:
    """The Markdown table of docs/settings.md."""
    rows = [f"| `{_variable(f)}` | {f.default!r} | {f.metadata['doc']} |" for f in fields(Settings)]
    return "\n".join(["| setting | default | what it is |", "|---|---|---|", *rows]) + "\n"


_PAGE = """# Settings

Every setting is an environment variable (an app setting in Azure). Written by `make docs`.

{table}
Read by the Functions host when it indexes the app:

| setting | what it is |
|---|---|
| `DATA_STORAGE` | the data account, by connection string |
| `DATA_STORAGE__blobServiceUri`, `DATA_STORAGE__queueServiceUri` | the same, by identity |
| `BLOB_SOURCE` | `LogsAndContainerScan` (default) or `EventGrid`, the only one on Flex Consumption |
| `LIFECYCLE_SCHEDULE`, `SWEEP_SCHEDULE`, `RETRAIN_SCHEDULE` | NCRONTAB, six fields |"""

if __name__ == "__main__":
    print(_PAGE.format(table=table()))
