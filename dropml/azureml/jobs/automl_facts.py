"""What run history writes about a running AutoML parent: tags and properties, all of them strings."""

from __future__ import annotations

import json

from dropml.azureml.core.fields import seconds
from dropml.azureml.core.store import Doc
from dropml.azureml.jobs.automl_job import METRICS


def running_tags(run: Doc, workspace_guid: str) -> dict[str, str]:
    """What run history adds to a running parent's tags."""
    task = run["properties"]["taskDetails"]

    def uri(data: Doc | None) -> Doc | None:
        return {"Uri": data["uri"], "ResolvedUri": None, "AssetId": None} if data else None

    table = {
        "Type": "MLTable",
        "TrainData": uri(task["trainingData"]),
        "TestData": uri(task["testData"]),
        "ValidData": uri(task["validationData"]),
    }
    return {
        "_aml_system_automl_mltable_data_json": json.dumps(table),
        "model_explain_run": "best_run" if task["trainingSettings"]["enableModelExplainability"] else "None",
        "_aml_system_automl_run_workspace_id": workspace_guid,
        "_aml_system_azureml.automlComponent": "AutoML",
    }


def _settings(task: Doc, target: str) -> Doc:
    """The settings of the first SDK that the service still writes."""
    limits = task["limitSettings"]
    return {
        "task_type": task["taskType"].lower(),
        "primary_metric": METRICS[task["primaryMetric"]],
        "iterations": limits["maxTrials"],
        "n_cross_validations": (task["nCrossValidations"] or {}).get("value"),
        "max_concurrent_iterations": limits["maxConcurrentTrials"],
        "iteration_timeout_minutes": seconds(limits["trialTimeout"], "trialTimeout") / 60,
        "experiment_timeout_minutes": seconds(limits["timeout"], "timeout") / 60,
        "enable_early_stopping": limits["enableEarlyTermination"],
        "compute_target": target,
        "label_column_name": task["targetColumnName"],
        "weight_column_name": task["weightColumnName"],
        "featurization": ((task["featurizationSettings"] or {}).get("mode") or "auto").lower(),
        "enable_ensembling": task["trainingSettings"]["enableVoteEnsemble"],
        "enable_stack_ensembling": task["trainingSettings"]["enableStackEnsemble"],
        "save_mlflow": True,
    }


def running_properties(run: Doc, resolved: str, target: str, cancel_uri: str) -> dict[str, str | None]:
    """The strings that the service writes into a running parent's properties. `resolved` is the data's long URI."""
    task = run["properties"]["taskDetails"]
    limits = task["limitSettings"]
    metric = METRICS[task["primaryMetric"]]
    folds = (task["nCrossValidations"] or {}).get("value")
    table = {
        "Type": "MLTable",
        "TrainData": {"Uri": task["trainingData"]["uri"], "ResolvedUri": resolved, "AssetId": None},
        "TestData": None,
        "ValidData": None,
    }
    return {
        "num_iterations": str(limits["maxTrials"]),
        "training_type": "TrainFull",
        "acquisition_function": "EI",
        "primary_metric": metric,
        "train_split": "0",
        "acquisition_parameter": "0",
        "num_cross_validation": str(folds or ""),
        "target": target,
        "AMLSettingsJsonString": json.dumps(_settings(task, target)),
        "DataPrepJsonString": None,
        "EnableSubsampling": "False",
        "runTemplate": "AutoML",
        "azureml.runsource": "automl",
        "ClientType": "Mfe",
        "_aml_system_scenario_identification": "Remote.Parent",
        "PlatformVersion": "DPV2",
        "environment_cpu_name": "AzureML-ai-ml-automl",
        "environment_cpu_label": "1",
        "environment_gpu_name": "AzureML-ai-ml-automl-gpu",
        "environment_gpu_label": "1",
        "root_attribution": "automl",
        "attribution": "AutoML",
        "Orchestrator": "AutoML",
        "CancelUri": cancel_uri,
        "mltable_data_json": json.dumps(table),
        "ClientSdkVersion": None,
        "snapshotId": "00000000-0000-0000-0000-000000000000",
        "SetupRunId": f"{run['name']}_setup",
        "SetupRunContainerId": f"dcid.{run['name']}_setup",
    }
