"""Pipeline jobs on the wire: checked, filled in, and each node as a child job."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from dropml.azureml.assets.components import Components
from dropml.azureml.core.arm import bad_request
from dropml.azureml.core.context import Context
from dropml.azureml.core.store import Doc
from dropml.azureml.jobs.command_job import job_inputs, job_outputs
from dropml.azureml.jobs.pipeline_nodes import (
    OutputOf,
    automl_node,
    bound_value,
    command_node,
    component_inputs,
    depends_on,
    node_limits,
    ordered,
)
from dropml.azureml.workspace.computes import Computes


class PipelineSpec:
    def __init__(self, context: Context, components: Components, computes: Computes) -> None:
        self._c, self.components, self._computes = context, components, computes

    # -- the pipeline --------------------------------------------------------------------------------------

    def properties(self, given: Doc) -> Doc:
        """The ARM properties of a pipeline job; 404 for a missing component, 400 for a node that can't be."""
        properties: Doc = {
            "computeId": given.get("computeId"),
            "experimentName": given.get("experimentName") or "Default",
            "identity": given.get("identity"),
            "componentId": given.get("componentId"),
            "notificationSetting": given.get("notificationSetting"),
            "secretsConfiguration": None,
            "jobType": "Pipeline",
            "settings": given.get("settings") or {},
            "jobs": given.get("jobs") or {},
            "inputs": job_inputs(given.get("inputs")),
            "outputs": job_outputs(given.get("outputs")),
            "sourceJobId": given.get("sourceJobId"),
        }
        if given.get("sourceJobId") and not properties["jobs"]:
            properties |= self._of_source(given["sourceJobId"])
        if given.get("componentId") and not properties["jobs"]:
            properties["jobs"] = self.components.spec(given["componentId"]).get("jobs") or {}
        self._computes.required(properties["settings"].get("default_compute"), " of settings.default_compute")
        self.check_nodes(properties["jobs"])
        return properties

    def _of_source(self, arm_id: str) -> Doc:
        run = self._c.store.get("run", self._c.arm_name(arm_id, "jobs") or "")
        if run is None or run["type"] != "Pipeline":
            raise bad_request(f"The source job {arm_id} is no pipeline job of this workspace.")
        return {k: run["properties"][k] for k in ("jobs", "inputs", "outputs", "settings")}

    def check_nodes(self, nodes: Doc) -> None:
        if not nodes:
            raise bad_request("A pipeline job needs at least one node in 'jobs'.")
        for name, node in nodes.items():
            kind = node.get("type")
            if kind not in ("command", "automl", "pipeline"):
                raise bad_request(
                    f"The node '{name}' is of type '{kind}'; supported: command, automl, pipeline."
                )
            if kind != "automl":
                self.components.runnable(self.components.spec(node.get("componentId") or ""))
                node_limits(node, lambda value: value)
            else:
                automl_node(node, lambda _: {"uri": "azureml:any:1", "jobInputType": "mltable"})
            absent = depends_on(node) - nodes.keys()
            if absent:
                raise bad_request(f"The node '{name}' takes an output of '{min(absent)}', which is no node.")
            self._computes.required(node.get("computeId") or node.get("compute"), f" of the node '{name}'")
        ordered(nodes)

    def run_properties(self, properties: Doc) -> dict[str, str]:
        """The strings that the service writes at once."""
        settings = properties["settings"]
        compute = settings.get("default_compute") or properties.get("computeId") or ""
        return {
            "azureml.DevPlatv2": "true",
            "azureml.DatasetAccessMode": "Asset",
            "azureml.runsource": "azureml.PipelineRun",
            "runSource": "MFE",
            "runType": "HTTP",
            "azureml.parameters": json.dumps(
                {k: v["value"] for k, v in properties["inputs"].items() if v["jobInputType"] == "literal"}
            ),
            "azureml.continue_on_step_failure": str(bool(settings.get("continue_on_step_failure"))),
            "azureml.continue_on_failed_optional_input": "True",
            "azureml.enforceRerun": str(bool(settings.get("force_rerun"))),
            "azureml.defaultComputeName": str(compute).rpartition("/")[2].removeprefix("azureml:"),
            "azureml.defaultDataStoreName": "workspaceblobstore",
            "azureml.pipelineComponent": "pipelinerun",
        }

    # -- its nodes -----------------------------------------------------------------------------------------

    def child(self, pipeline: Doc, name: str, output_of: OutputOf) -> tuple[str, Doc]:
        """(job type, ARM properties) of a node, its bindings replaced by values."""
        properties = pipeline["properties"]
        node = properties["jobs"][name]

        def bound(value: Any) -> Any:
            return bound_value(value, properties, output_of)

        if node["type"] == "automl":
            kind, body = "AutoML", automl_node(node, bound)
        else:
            spec = self.components.spec(node["componentId"])
            body = self._component(name, node, spec, bound)
            kind = "Pipeline" if spec["type"] == "pipeline" else "Command"
        settings = properties["settings"]
        target = node.get("computeId") or node.get("compute") or settings.get("default_compute")
        target = target or properties.get("computeId")
        compute = self._c.arm_name(target, "computes") if target else None
        body["computeId"] = self._c.arm_id("computes", compute) if compute else None
        body |= {
            "experimentName": properties["experimentName"],
            "displayName": node.get("display_name") or name,
        }
        body |= {"tags": dict(node.get("tags") or {}), "properties": dict(node.get("properties") or {})}
        return kind, body

    def _component(self, name: str, node: Doc, spec: Doc, bound: Callable[[Any], Any]) -> Doc:
        inputs = component_inputs(name, node, spec, bound)
        outputs = {
            key: {"jobOutputType": declared.get("type") or "uri_folder"}
            for key, declared in (spec.get("outputs") or {}).items()
        }
        if spec["type"] != "pipeline":
            return command_node(node, spec, inputs, outputs, node_limits(node, bound))
        return self.properties(
            {
                "jobs": spec.get("jobs"),
                "inputs": inputs,
                "outputs": outputs,
                "settings": node.get("settings") or {},
                "componentId": node["componentId"],
            }
        )
