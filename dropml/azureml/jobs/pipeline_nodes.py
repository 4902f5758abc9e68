"""A pipeline's nodes: what each waits for, its bindings, and it as a job of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from dropml.azureml.core.arm import bad_request
from dropml.azureml.core.store import Doc
from dropml.azureml.jobs import automl_job
from dropml.azureml.jobs.command_job import command_limits, command_properties

_BINDING = re.compile(r"^\$\{\{\s*parent\.(inputs|outputs)\.([\w.\-]+)\s*\}\}$")
_NODE_OUTPUT = re.compile(r"\$\{\{\s*parent\.jobs\.([\w\-]+)\.outputs\.([\w\-]+)\s*\}\}")
_LITERALS = ("string", "number", "integer", "boolean")
#: What a bound value turns into: (node, output) to an input document.
OutputOf = Callable[[str, str], Doc]


def depends_on(node: Doc) -> set[str]:
    """Names of the nodes whose outputs this one takes."""
    return {name for name, _ in _NODE_OUTPUT.findall(json.dumps(node))}


def _camel(node: Doc, names: dict[str, str]) -> Doc:
    return {wire: node[key] for key, wire in names.items() if node.get(key) is not None}


def _minutes(value: Any) -> str:
    try:
        return f"PT{float(value) * 60:.6f}".rstrip("0").rstrip(".") + "S"
    except (TypeError, ValueError):
        raise bad_request(
            f"The value '{value}' of an AutoML node's timeout is no number of minutes."
        ) from None


def bound_value(value: Any, properties: Doc, output_of: OutputOf) -> Any:
    """An input document, a literal, or None for an optional input without a value."""
    if isinstance(value, dict) and "value" in value and "uri" not in value:
        value = value["value"]
    if isinstance(value, str):
        if found := _BINDING.match(value):
            return properties["inputs"].get(found.group(2).removesuffix(".path"))
        if found := _NODE_OUTPUT.fullmatch(value.strip()):
            return output_of(found.group(1), found.group(2))
    return value


def component_inputs(name: str, node: Doc, spec: Doc, bound: Callable[[Any], Any]) -> Doc:
    """The component's inputs, bound or by default; ValueError names a required one without a value."""
    given = node.get("inputs") or {}
    inputs: Doc = {}
    for key, declared in (spec.get("inputs") or {}).items():
        value = bound(given[key]) if key in given else declared.get("default")
        if value is None:
            if not _true(declared.get("optional")):
                raise ValueError(f"the input '{key}' of the node '{name}' has no value")
            continue
        inputs[key] = _as_input(value, str(declared.get("type") or "string"))
    return inputs


def node_limits(node: Doc, bound: Callable[[Any], Any]) -> Doc | None:
    """A command node's limits in the job's wire form; 400 for a timeout that is none, where it isn't bound later."""
    timeout = bound((node.get("limits") or {}).get("timeout"))
    if isinstance(timeout, dict):
        timeout = timeout.get("value")
    if timeout is None or _BINDING.match(str(timeout)):
        return None
    text = f"PT{timeout}S" if str(timeout).isdecimal() else timeout
    return command_limits({"jobLimitsType": "Command", "timeout": text})


def command_node(node: Doc, spec: Doc, inputs: Doc, outputs: Doc, limits: Doc | None) -> Doc:
    """A node of a command component as a command job."""
    return command_properties(
        {
            "command": spec["command"],
            "environmentId": spec.get("environment") or "azureml:local",
            "codeId": str(spec["code"]).removeprefix("azureml:") if spec.get("code") else None,
            "environmentVariables": {
                **(spec.get("environment_variables") or {}),
                **(node.get("environment_variables") or {}),
            },
            "inputs": inputs,
            "outputs": outputs,
            "limits": limits,
            "componentId": node["componentId"],
        }
    )


def automl_node(node: Doc, bound: Callable[[Any], Any]) -> Doc:
    """An AutoML node, spelled in snake case and minutes, as the job's wire form."""

    def table(key: str) -> Doc | None:
        value = bound(node[key]) if node.get(key) is not None else None
        if value is None:
            return None
        return {**_as_input(value, "mltable"), "jobInputType": "mltable"}

    limits = dict(node.get("limits") or {})
    for key in ("timeout_minutes", "trial_timeout_minutes"):
        if limits.get(key) is not None:
            limits[key] = _minutes(limits[key])
    folds = node.get("n_cross_validations")
    details = {
        "taskType": node.get("task"),
        "targetColumnName": node.get("target_column_name"),
        "primaryMetric": node.get("primary_metric"),
        "logVerbosity": node.get("log_verbosity"),
        "weightColumnName": node.get("weight_column_name"),
        "positiveLabel": node.get("positive_label"),
        "validationDataSize": node.get("validation_data_size"),
        "testDataSize": node.get("test_data_size"),
        "cvSplitColumnNames": node.get("cv_split_column_names"),
        "nCrossValidations": _folds(folds),
        "trainingData": table("training_data"),
        "validationData": table("validation_data"),
        "testData": table("test_data"),
        "limitSettings": _camel(limits, _LIMIT_NAMES),
        "trainingSettings": _camel(node.get("training") or {}, _TRAINING_NAMES),
        "featurizationSettings": (
            _camel(node["featurization"], _FEATURIZATION_NAMES) if node.get("featurization") else None
        ),
    }
    body = automl_job.properties({"jobType": "AutoML", "taskDetails": details})
    body["outputs"] = {
        key: {"jobOutputType": "mlflow_model"} for key in (node.get("outputs") or {"best_model": None})
    }
    return body


_LIMIT_NAMES = {
    "timeout_minutes": "timeout",
    "trial_timeout_minutes": "trialTimeout",
    "max_trials": "maxTrials",
    "max_concurrent_trials": "maxConcurrentTrials",
    "max_cores_per_trial": "maxCoresPerTrial",
    "max_nodes": "maxNodes",
    "exit_score": "exitScore",
    "enable_early_termination": "enableEarlyTermination",
}
_TRAINING_NAMES = {
    "enable_onnx_compatible_models": "enableOnnxCompatibleModels",
    "enable_dnn_training": "enableDnnTraining",
    "enable_model_explainability": "enableModelExplainability",
    "enable_stack_ensemble": "enableStackEnsemble",
    "enable_vote_ensemble": "enableVoteEnsemble",
    "allowed_training_algorithms": "allowedTrainingAlgorithms",
    "blocked_training_algorithms": "blockedTrainingAlgorithms",
    "training_mode": "trainingMode",
}
_FEATURIZATION_NAMES = {
    "mode": "mode",
    "blocked_transformers": "blockedTransformers",
    "column_name_and_types": "columnNameAndTypes",
    "dataset_language": "datasetLanguage",
    "enable_dnn_featurization": "enableDnnFeaturization",
    "transformer_params": "transformerParams",
}


def _folds(value: Any) -> Doc | None:
    if value is None:
        return None
    return {"mode": "Auto"} if str(value).lower() == "auto" else {"mode": "Custom", "value": int(value)}


def _true(value: Any) -> bool:
    return str(value).lower() == "true"


def _as_input(value: Any, declared: str) -> Doc:
    """A job input of the component's declared type."""
    if isinstance(value, dict):
        if value.get("jobInputType") == "literal":
            value = value.get("value")
        else:
            uri = value.get("uri") or value.get("path")
            kind = value.get("jobInputType") or value.get("type") or declared
            return {"jobInputType": kind, "uri": uri, "mode": value.get("mode")}
    if declared in _LITERALS:
        return {"jobInputType": "literal", "value": str(value)}
    return {"jobInputType": declared, "uri": str(value)}


def ordered(nodes: Doc) -> list[str]:
    """Names in an order that honours the bindings; 400 for a cycle."""
    left = {name: depends_on(node) for name, node in nodes.items()}
    order: list[str] = []
    while left:
        ready = sorted(n for n, needs in left.items() if needs <= set(order))
        if not ready:
            raise bad_request(f"The nodes {', '.join(sorted(left))} wait for each other.")
        order += ready
        for name in ready:
            del left[name]
    return order
