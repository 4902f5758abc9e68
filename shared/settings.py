"""One typed settings object, read from the environment once. `settings_page` writes docs/settings.md from it."""

from __future__ import annotations

import logging
import os
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, fields
from typing import Any

from shared.domain.automl_names import GATE_METRICS, PRIMARY_METRICS
from shared.domain.config_values import KEYS, THRESHOLD_WORDS
from shared.domain.errors import InvalidSetting
from shared.once import Once
from shared.setting_kinds import checked, choice, container, datastore_name, number, several, text, url, whole
from shared.settings_cost import CostSettings
from shared.settings_judging import JudgingSettings
from shared.settings_notify import NotifySettings
from shared.settings_watching import WatchingSettings

#: Longest time an AutoML run may take, in minutes: six days.
_SIX_DAYS = 8640
_EVERY_PRIMARY_METRIC = PRIMARY_METRICS["classification"] + PRIMARY_METRICS["regression"]


def _threshold(raw: str) -> object:
    from shared.domain.config_threshold import threshold_in_words  # not at indexing

    return threshold_in_words(raw)


@dataclass(frozen=True)
class Settings(CostSettings, WatchingSettings, NotifySettings, JudgingSettings):
    """Each field is the environment variable of its name in capitals, unless said otherwise."""

    azure_subscription_id: str = text("", "Subscription of the Azure ML workspace")
    azure_resource_group: str = text("", "Resource group of the workspace")
    azureml_workspace: str = text("", "Name of the workspace")
    azureml_dev_url_mfe: str = url("", "Another management endpoint (the Azure ML SDK's own setting)")
    azureml_compute: str = text("", "Training cluster; empty = serverless compute")
    datastore: str = datastore_name("dropml_data", "Datastore over the data container")
    data_storage: str = text("", "Connection string of the data account")
    data_storage_blob_uri: str = url(
        "", "Blob service URI of the data account, reached by identity", "DATA_STORAGE__blobServiceUri"
    )
    data_storage_queue_uri: str = url(
        "", "Its queue service URI; the blob trigger needs both", "DATA_STORAGE__queueServiceUri"
    )
    blob_source: str = choice(
        "LogsAndContainerScan",
        "How the host finds dropped files; Flex Consumption knows EventGrid alone",
        ("LogsAndContainerScan", "EventGrid"),
    )
    event_topic: str = text(
        "", "Event Grid's topic of the data account; the doctor looks whether it calls the app"
    )
    incoming_container: str = container("incoming", "Where people drop files; the app never writes there")
    data_container: str = container("dropml-data", "Snapshots: training data and holdout")
    quarantine_container: str = container("dropml-quarantine", "Refused files with their reports")
    state_container: str = container("dropml-state", "Runs, ledger, serving state")
    batch_container: str = container("dropml-batch", "Results of batch scoring")
    credential: str = choice("default", "How the app signs in", ("default", "interactive", "device_code"))
    endpoint_auth: str = choice("key", "How the proxy authenticates to endpoints", ("key", "aad_token"))
    instance_type: str = text("Standard_D2as_v4", "VM size of a deployment")
    instance_count: int = whole(1, "Instances of a deployment", 1)
    deployment_mode: str = choice(
        "script",
        "What new deployments answer with: script (scorer/score.py: probabilities too), or Azure's own for MLflow models",
        ("script", "no_code"),
    )
    inference_image: str = text(
        "mcr.microsoft.com/azureml/minimal-py312-inference:latest",
        "Image under a script deployment's packages; Azure supports tags up to six months old",
    )
    label_column: str = text("y", "Label, where a dataset's own config names none")
    task: str = choice("auto", "auto: the label tells", ("auto", "classification", "regression"))
    task_auto: str = choice("ask", "What auto makes of a label of many numbers", ("ask", "regression"))
    primary_metric: str = choice(
        "",
        "Azure's name; empty = AUC_weighted, or for regression R2 (normalised RMSE)",
        _EVERY_PRIMARY_METRIC,
    )
    experiment_timeout_minutes: float = number(60.0, "Limit of a whole AutoML run", 0.1, _SIX_DAYS)
    trial_timeout_minutes: float = number(20.0, "Limit of one trial", 0.1, _SIX_DAYS)
    max_trials: int = whole(40, "Most trials of a run", 1, 1000)
    max_concurrent_trials: int = whole(2, "Trials at a time", 1, 100)
    imbalance: str = choice(
        "weight", "weight: a weight column evens out the classes; off: none", ("weight", "off")
    )
    override_locked: frozenset[str] = several("Keys that no file or metadata may set otherwise", KEYS)
    override_gate: str = choice(
        "stricter", "What a file may do to the gate: make it stricter only, or anything", ("stricter", "any")
    )
    override_max_timeout_minutes: float = number(
        0.0, "Most timeout_minutes that a file may ask for; 0 = EXPERIMENT_TIMEOUT_MINUTES", 0, _SIX_DAYS
    )
    override_max_concurrent_trials: int = whole(
        0, "Most max_concurrent_trials that a file may ask for; 0 = MAX_CONCURRENT_TRIALS", 0, 100
    )
    threshold: str = checked(
        "none",
        "The threshold of models of two classes, where a dataset's own config says none",
        _threshold,
        THRESHOLD_WORDS,
    )
    step_workers: int = whole(16, "Datasets that one tick works on at a time", 1, 64)
    step_deadline_seconds: float = number(45.0, "How long one tick works on runs", 0.1, 600)
    open_run_hours: float = number(24.0, "After so long in one state a run fails, with an explanation", 0.001)
    settle_seconds: float = number(
        120.0, "How long something just made may be missing before a run fails for it", 0
    )
    sweep_hours: float = number(24.0 * 7, "How far back the sweep looks for missed files", 0.001)
    quarantine_days: float = number(90.0, "How long refused files and their reports are kept", 1)
    keep_days: float = number(
        90.0, "How long staged data, batches and pipeline runs that have ended are kept; 0 = for ever", 0
    )
    pipeline_mode: str = choice(
        "batch_endpoint", "What retraining runs on", ("batch_endpoint", "pipeline_job", "v1")
    )
    pipeline_v1_url: str = url("", "Published v1 pipeline REST URL, for pipeline_mode v1")
    max_upload_bytes: int = whole(4 * 1024**3, "Largest file taken", 1)
    score_wait_days: float = number(
        14.0, "How long a file to score waits for the first model of its dataset", 0, 3650
    )
    score_timeout_seconds: float = number(
        30.0, "Deadline of one scoring request (Azure ends any request at 230 s)", 0.05, 230
    )
    score_max_rows: int = whole(5000, "Most rows in one scoring request", 1)
    score_probabilities: str = choice(
        "off",
        "Whether scores and batches hold probabilities where the call doesn't say (`?proba=`)",
        ("off", "on"),
    )
    explain_timeout_seconds: float = number(
        10.0, "Deadline of a scoring request that asks for explanations (`?explain=true`)", 0.05, 230
    )
    dashboard_look_seconds: float = number(5.0, "Between two looks of a page at what moves", 0.5, 3600)
    dashboard_auth: str = choice(
        "key",
        "Who opens the dashboard: whoever has a function key, or whom Azure has signed in (App Service authentication)",
        ("key", "entra"),
    )
    worker_threads: int = whole(
        110,
        "Sync functions at once. Unset, the host says 1000, and Python 3.12 starts as many",
        1,
        name="PYTHON_THREADPOOL_THREAD_COUNT",
    )
    worker_share: float = number(
        0.5, "Share of the workers that calls of one dataset may hold; 503 beyond it", 0.01, 1
    )
    breaker_failures: int = whole(
        5, "Calls in a row without an answer after which an endpoint is left alone", 1
    )
    breaker_seconds: float = number(10.0, "For how long it is; then one call tries it again", 0.1, 3600)
    rate_limit: float = number(
        0.0, "Calls a second with one function key, to each process; 0 = no limit", 0, 100_000
    )
    batch_formulas: str = choice(
        "neutralise",
        "Cells of CSV answers and batch outputs that a spreadsheet would run: an apostrophe, or as they are",
        ("neutralise", "keep"),
    )
    applicationinsights_connection_string: str = text("", "Telemetry of the app itself; empty = none")
    applicationinsights_authentication_string: str = text(
        "", "Authorization=AAD where Application Insights takes identities alone; the host reads it, too"
    )

    @property
    def workspace_id(self) -> str:
        """ARM id of the workspace."""
        return (
            f"/subscriptions/{self.azure_subscription_id}/resourceGroups/{self.azure_resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.azureml_workspace}"
        )

    @property
    def dataset_defaults(self) -> dict[str, object]:
        """The configuration of a dataset that says nothing itself, by the keys of its configuration file."""
        gate: dict[str, object] = {
            "margin": self.gate_margin,
            "earlier_margin": self.gate_earlier_margin,
            "collapse": self.gate_collapse,
            "floor": self.gate_floor,
            "insufficient_evidence": self.gate_insufficient_evidence,
            "policy": self.gate_policy,
        }
        classes = self.task != "regression"
        if classes:
            gate["metric"] = self.gate_metric
        return {
            "label": self.label_column,
            "task": self.task,
            "primary_metric": self.primary_metric or None,
            "timeout_minutes": self.experiment_timeout_minutes,
            "trial_timeout_minutes": self.trial_timeout_minutes,
            "max_trials": self.max_trials,
            "max_concurrent_trials": self.max_concurrent_trials,
            "imbalance": self.imbalance,
            "threshold": self.threshold if classes else None,
            "approval": self.approval,
            "daily_runs": self.dataset_daily_runs,
            "daily_training_minutes": self.dataset_daily_training_minutes,
            "gate": gate,
            "capture": self.capture == "on",
            "drift": {"threshold": self.drift_threshold, "min_rows": self.drift_min_rows},
            "retrain": {"cool_down_hours": self.retrain_cool_down_hours},
        }

    @property
    def arm_endpoint(self) -> str:
        return self.azureml_dev_url_mfe.rstrip("/") or "https://management.azure.com"


def variable(f: Field[Any]) -> str:
    """The environment variable of a field."""
    return str(f.metadata["name"] or f.name.upper())


@dataclass(frozen=True)
class Refusal:
    """A setting that can't be taken: its variable, what is wrong with it, what to do."""

    name: str
    message: str
    remedy: str


def read(environ: Mapping[str, str]) -> Settings:
    """Settings from a mapping. Raises InvalidSetting, which tells of all that can't be taken at once."""
    values: dict[str, Any] = {}
    refused: list[Refusal] = []
    for f in fields(Settings):
        name, kind = variable(f), f.metadata["kind"]
        raw = environ.get(name, "").strip()
        try:
            values[f.name] = kind.parse(raw) if raw else f.default
        except ValueError:
            what = "can't be taken" if kind.secret else f"is {reprlib.repr(raw)}"
            message = f"{name} {what}; it takes {kind.takes}."
            refused.append(Refusal(name, message, f"Correct {name}, or remove it to use {f.default!r}."))
    refused += _storage(environ)
    if not any(each.name == "TASK" for each in refused):
        refused += _for_task(str(values["task"]), values)
    if refused:
        raise _all(refused)
    return Settings(**values)


def _storage(environ: Mapping[str, str]) -> Iterator[Refusal]:
    """Only what the blob trigger's extension (1.1.2) takes as well; values may be secrets and are not told."""
    remedy = (
        "Set DATA_STORAGE to a connection string, or DATA_STORAGE__blobServiceUri and DATA_STORAGE__queueServiceUri "
        "to https://ACCOUNT.blob.core.windows.net and https://ACCOUNT.queue.core.windows.net."
    )
    for name in ("DATA_STORAGE__accountName", "AzureWebJobsDATA_STORAGE"):
        if environ.get(name, "").strip():
            yield Refusal(
                name, f"{name} is set, which the blob trigger can't use.", f"Remove {name}. {remedy}"
            )
    uris = [f"DATA_STORAGE__{service}ServiceUri" for service in ("blob", "queue")]
    missing = [name for name in uris if not environ.get(name, "").strip()]
    if len(missing) == 1:
        yield Refusal(missing[0], f"{missing[0]} is not set, and the blob trigger needs both URIs.", remedy)


def _for_task(task: str, values: Mapping[str, Any]) -> Iterator[Refusal]:
    """A metric of the other task (auto takes those of classification); the gate's has a default of its own for regression."""
    plain = "regression" if task == "regression" else "classification"
    rules = [("primary_metric", PRIMARY_METRICS[plain])]
    if plain == "classification":
        rules.append(("gate_metric", GATE_METRICS[plain]))
    for name, known in rules:
        value = values.get(name)
        if value and value not in known:
            message = f"{name.upper()} is {value!r}; for TASK={task} it takes one of {', '.join(known)}."
            yield Refusal(name.upper(), message, f"Correct {name.upper()} or TASK.")


def _all(refused: list[Refusal]) -> InvalidSetting:
    count = "A setting" if len(refused) == 1 else f"{len(refused)} settings"
    return InvalidSetting(
        " ".join([f"{count} can't be taken.", *(each.message for each in refused)]),
        remedy=" ".join(dict.fromkeys(each.remedy for each in refused)),
        field=", ".join(each.name for each in refused),
    )


@Once
def settings() -> Settings:
    """The process's settings. Read at first use, never at import; what can't be taken is logged and raised."""
    try:
        return read(os.environ)
    except InvalidSetting as error:
        logging.getLogger("dropml").error("%s %s", error.message, error.remedy)
        raise
