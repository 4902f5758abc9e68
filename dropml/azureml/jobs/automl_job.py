"""The AutoML job on the wire: defaults that the service fills in, and the spec that the engine reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dropml.azureml.core.arm import bad_request
from dropml.azureml.core.fields import one_of, seconds
from dropml.azureml.core.store import Doc

#: Wire name to the metric's name in the tracking store.
METRICS = {
    "AUCWeighted": "AUC_weighted",
    "Accuracy": "accuracy",
    "NormMacroRecall": "norm_macro_recall",
    "AveragePrecisionScoreWeighted": "average_precision_score_weighted",
    "PrecisionScoreWeighted": "precision_score_weighted",
    "SpearmanCorrelation": "spearman_correlation",
    "NormalizedRootMeanSquaredError": "normalized_root_mean_squared_error",
    "R2Score": "r2_score",
    "NormalizedMeanAbsoluteError": "normalized_mean_absolute_error",
}
_TASK_METRICS = {
    "Classification": tuple(METRICS)[:5],
    "Regression": tuple(METRICS)[5:],
}
_SHARED = ("GradientBoosting", "DecisionTree", "KNN", "SGD", "RandomForest", "ExtremeRandomTrees", "LightGBM")
_ALGORITHMS = {
    "Classification": (
        *_SHARED, "LogisticRegression", "MultinomialNaiveBayes", "BernoulliNaiveBayes", "SVM", "LinearSVM",
        "XGBoostClassifier",
    ),
    "Regression": (*_SHARED, "ElasticNet", "LassoLars", "XGBoostRegressor"),
}  # fmt: skip
_DEFAULT_LIMITS: Doc = {
    "maxTrials": 1000,
    "trialTimeout": "PT30M",
    "timeout": "PT6H",
    "maxConcurrentTrials": 1,
    "maxNodes": 1,
    "maxCoresPerTrial": -1,
    "exitScore": None,
    "enableEarlyTermination": True,
    "sweepTrials": 0,
    "sweepConcurrentTrials": 0,
}
_DEFAULT_TRAINING: Doc = {
    "enableOnnxCompatibleModels": False,
    "stackEnsembleSettings": None,
    "enableStackEnsemble": True,
    "enableVoteEnsemble": True,
    "ensembleModelDownloadTimeout": "PT5M",
    "enableModelExplainability": True,
    "enableDnnTraining": False,
    "trainingMode": "Auto",
    "allowedTrainingAlgorithms": None,
    "blockedTrainingAlgorithms": None,
}
RESOURCES: Doc = {
    "instanceCount": 1,
    "maxInstanceCount": None,
    "instanceType": None,
    "locations": None,
    "properties": None,
    "shmSize": "2g",
    "dockerArgs": None,
}


def _mltable(value: Any, what: str, required: bool = False) -> Doc | None:
    if value is None and not required:
        return None
    if not isinstance(value, dict) or not value.get("uri"):
        raise bad_request(f"AutoML: '{what}' is required, with the 'uri' of an mltable.")
    if str(value.get("jobInputType", "")).lower() != "mltable":
        raise bad_request(
            f"AutoML: '{what}' must be of type mltable, not '{value.get('jobInputType')}'.",
            "BadArgument",
            "ArgumentInvalid",
            "InvalidInputDatatype",
        )
    return job_input(value)


def job_input(value: Doc) -> Doc:
    return {
        "description": value.get("description"),
        "uri": value["uri"],
        "mode": value.get("mode") or "ReadOnlyMount",
        "pathOnCompute": value.get("pathOnCompute"),
        "jobInputType": value["jobInputType"],
    }


def _limits(given: Doc) -> Doc:
    limits = _DEFAULT_LIMITS | {k: v for k, v in given.items() if v is not None}
    timeout = seconds(limits["timeout"], "limitSettings.timeout")
    trial = seconds(limits["trialTimeout"], "limitSettings.trialTimeout")
    if given.get("trialTimeout") and trial > timeout:
        raise bad_request(
            "limitSettings.trialTimeout must not be greater than limitSettings.timeout: "
            f"{limits['trialTimeout']} > {limits['timeout']}."
        )
    if not 1 <= int(limits["maxTrials"]) <= 1000:
        raise bad_request(f"limitSettings.maxTrials must be from 1 to 1000, not {limits['maxTrials']}.")
    if not 1 <= int(limits["maxConcurrentTrials"]) <= int(limits["maxTrials"]):
        raise bad_request(
            "limitSettings.maxConcurrentTrials must be at least 1 and not greater than maxTrials: "
            f"{limits['maxConcurrentTrials']} > {limits['maxTrials']}."
        )
    return limits


def _folds(given: Any) -> Doc | None:
    if given is None:
        return None
    mode = one_of(given.get("mode"), ("Auto", "Custom"), "nCrossValidations.mode")
    if mode == "Auto":
        return {"mode": "Auto"}
    value = given.get("value")
    if not isinstance(value, int) or not 2 <= value <= 25:
        raise bad_request(f"nCrossValidations.value must be a whole number from 2 to 25, not {value}.")
    return {"mode": "Custom", "value": value}


def _featurization(given: Any) -> Doc | None:
    if given is None:
        return None
    mode = one_of(given.get("mode") or "Auto", ("Auto", "Custom", "Off"), "featurizationSettings.mode")
    return {
        "datasetLanguage": given.get("datasetLanguage"),
        "mode": mode,
        "blockedTransformers": given.get("blockedTransformers"),
        "columnNameAndTypes": given.get("columnNameAndTypes"),
        "enableDnnFeaturization": bool(given.get("enableDnnFeaturization")),
        "transformerParams": given.get("transformerParams"),
    }


def _training(given: Doc, task: str) -> Doc:
    training = _DEFAULT_TRAINING | {k: v for k, v in given.items() if v is not None}
    for key in ("allowedTrainingAlgorithms", "blockedTrainingAlgorithms"):
        if training[key]:
            training[key] = [one_of(a, _ALGORITHMS[task], key) for a in training[key]]
    return training


def task_details(given: Any) -> Doc:
    """`taskDetails` as the service stores it, every default filled in; 400 for what it refuses."""
    if not isinstance(given, dict):
        raise bad_request("AutoML: the field 'taskDetails' is required.")
    task = one_of(given.get("taskType"), ("Classification", "Regression"), "taskType")
    if not given.get("targetColumnName"):
        raise bad_request("AutoML: the field 'targetColumnName' is required.")
    size = given.get("validationDataSize")
    if size is not None and not 0 < float(size) < 1:
        raise bad_request(f"validationDataSize must be above 0 and below 1, not {size}.")
    if size is not None and given.get("nCrossValidations") is not None and given.get("validationData"):
        raise bad_request("validationData can't be combined with validationDataSize and nCrossValidations.")
    metric = given.get("primaryMetric") or _TASK_METRICS[task][0 if task == "Classification" else 1]
    details = {
        "logVerbosity": given.get("logVerbosity") or "Info",
        "trainingData": _mltable(given.get("trainingData"), "trainingData", required=True),
        "targetColumnName": given["targetColumnName"],
        "limitSettings": _limits(given.get("limitSettings") or {}),
        "sweepSettings": given.get("sweepSettings"),
        "fixedParameters": given.get("fixedParameters"),
        "searchSpace": given.get("searchSpace"),
        "nCrossValidations": _folds(given.get("nCrossValidations")),
        "cvSplitColumnNames": given.get("cvSplitColumnNames"),
        "weightColumnName": given.get("weightColumnName"),
        "validationData": _mltable(given.get("validationData"), "validationData"),
        "testData": _mltable(given.get("testData"), "testData"),
        "validationDataSize": size,
        "testDataSize": given.get("testDataSize"),
        "featurizationSettings": _featurization(given.get("featurizationSettings")),
        "taskType": task,
        "primaryMetric": one_of(metric, _TASK_METRICS[task], "primaryMetric"),
        "trainingSettings": _training(given.get("trainingSettings") or {}, task),
    }
    if task == "Classification":
        details["positiveLabel"] = given.get("positiveLabel")
    return details


def properties(given: Doc) -> Doc:
    """The job's ARM properties."""
    return {
        "computeId": given.get("computeId"),
        "experimentName": given.get("experimentName") or "Default",
        "identity": given.get("identity"),
        "componentId": None,
        "notificationSetting": given.get("notificationSetting"),
        "secretsConfiguration": {},
        "jobType": "AutoML",
        "resources": RESOURCES | {k: v for k, v in (given.get("resources") or {}).items() if v is not None},
        "environmentId": given.get("environmentId"),
        "environmentVariables": given.get("environmentVariables"),
        "taskDetails": task_details(given.get("taskDetails")),
        "outputs": given.get("outputs") or {},
        "queueSettings": {"jobTier": "Null", "priority": None} | (given.get("queueSettings") or {}),
    }


def engine_spec(run: Doc, training: Path, validation: Path | None, cpus: int, memory_mb: int) -> Doc:
    """`spec.json` of docs/seams.md."""
    task = run["properties"]["taskDetails"]
    limits = task["limitSettings"]
    folds = task["nCrossValidations"] or {}
    return {
        "job": run["name"],
        "task": task["taskType"],
        "target": task["targetColumnName"],
        "weight_column": task["weightColumnName"],
        "training_data": str(training),
        "validation_data": str(validation) if validation else None,
        "validation_size": task["validationDataSize"],
        "n_cross_validations": folds.get("value"),
        "primary_metric": task["primaryMetric"],
        "limits": {
            "timeout_s": seconds(limits["timeout"], "timeout"),
            "trial_timeout_s": seconds(limits["trialTimeout"], "trialTimeout"),
            "max_trials": limits["maxTrials"],
            "max_concurrent_trials": limits["maxConcurrentTrials"],
            "enable_early_termination": limits["enableEarlyTermination"],
            "exit_score": limits["exitScore"],
        },
        "training": task["trainingSettings"],
        "featurization": task["featurizationSettings"],
        "properties": run["run_properties"],
        "cpus": cpus,
        "memory_mb": memory_mb,
    }
