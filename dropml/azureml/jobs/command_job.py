"""Command jobs on the wire: defaults, and the placeholders of a command line."""

from __future__ import annotations

import re
import shlex

from dropml.azureml.core.arm import bad_request
from dropml.azureml.core.fields import one_of, seconds
from dropml.azureml.core.store import Doc
from dropml.azureml.jobs.automl_job import RESOURCES, job_input

_INPUT_TYPES = (
    "literal", "uri_file", "uri_folder", "mltable", "custom_model", "mlflow_model", "triton_model",
)  # fmt: skip
_PLACEHOLDER = re.compile(r"\$\{\{\s*(inputs|outputs)\.([A-Za-z0-9_\-.]+)\s*\}\}")
_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)


def job_inputs(given: Doc | None) -> Doc:
    """Inputs of a job as the service stores them."""
    found: Doc = {}
    for name, value in (given or {}).items():
        if not isinstance(value, dict) or not value.get("jobInputType"):
            raise bad_request(f"The input '{name}' needs a jobInputType.")
        if value["jobInputType"] not in _INPUT_TYPES:
            kind = one_of(value["jobInputType"], _INPUT_TYPES, f"inputs.{name}.jobInputType")
            value = value | {"jobInputType": kind}
        if value["jobInputType"] == "literal":
            found[name] = {
                "description": value.get("description"),
                "jobInputType": "literal",
                "value": value.get("value"),
            }
        elif not value.get("uri"):
            raise bad_request(f"The input '{name}' needs a uri.")
        else:
            found[name] = job_input(value)
    return found


def job_outputs(given: Doc | None) -> Doc:
    """Outputs of a job as the service stores them; `default` is the service's own."""
    found: Doc = {}
    for name, value in (given or {}).items():
        if name == "default":
            continue
        kind = (value or {}).get("jobOutputType") or "uri_folder"
        found[name] = {
            "description": (value or {}).get("description"),
            "uri": (value or {}).get("uri"),
            "mode": (value or {}).get("mode") or "ReadWriteMount",
            "assetName": (value or {}).get("assetName"),
            "assetVersion": (value or {}).get("assetVersion"),
            "jobOutputType": kind,
        }
    return found


def command_limits(given: Doc | None) -> Doc | None:
    """The limits of a command job; 400 for a timeout that is no duration."""
    if given and given.get("timeout"):
        seconds(given["timeout"], "limits.timeout")
    return given


def command_properties(given: Doc) -> Doc:
    """The ARM properties of a command job."""
    for key in ("command", "environmentId"):
        if not given.get(key):
            raise bad_request(f"Command: the field '{key}' is required.")
    return {
        "computeId": given.get("computeId"),
        "experimentName": given.get("experimentName") or "Default",
        "identity": given.get("identity"),
        "componentId": given.get("componentId"),
        "notificationSetting": given.get("notificationSetting"),
        "secretsConfiguration": {},
        "jobType": "Command",
        "resources": RESOURCES | {k: v for k, v in (given.get("resources") or {}).items() if v is not None},
        "codeId": given.get("codeId"),
        "command": given["command"],
        "environmentId": given["environmentId"],
        "environmentVariables": given.get("environmentVariables") or {},
        "inputs": job_inputs(given.get("inputs")),
        "outputs": job_outputs(given.get("outputs")),
        "distribution": given.get("distribution"),
        "autologgerSettings": given.get("autologgerSettings"),
        "limits": command_limits(given.get("limits")),
        "parameters": {},
        "queueSettings": {"jobTier": "Null", "priority": None} | (given.get("queueSettings") or {}),
    }


def render(command: str, inputs: dict[str, str | None], outputs: dict[str, str]) -> str:
    """The shell command with values for its placeholders; ValueError names one without a value.

    `$[[ ... ]]` goes away where an optional input inside has no value.
    https://learn.microsoft.com/azure/machine-learning/reference-yaml-component-command
    """

    def optional(match: re.Match[str]) -> str:
        part = match.group(1)
        names = [n for kind, n in _PLACEHOLDER.findall(part) if kind == "inputs"]
        return part if all(inputs.get(n) is not None for n in names) else ""

    def value(match: re.Match[str]) -> str:
        kind, name = match.groups()
        found = (inputs if kind == "inputs" else outputs).get(name)
        if found is None:
            raise ValueError(f"the command uses ${{{{{kind}.{name}}}}}, which has no value")
        return shlex.quote(found)

    return _PLACEHOLDER.sub(value, _OPTIONAL.sub(optional, command))
