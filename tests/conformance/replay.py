"""Does on the emulator what the recordings did on the service, exchange by exchange."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import requests

from tests.conformance.exchange import Exchange, parsed
from tests.conformance.recordings import Recorded
from tests.conformance.stage import Stage
from tests.support.emulator_support import WS, Emulator, eventually

_THEIR_WS = re.compile(
    r"/subscriptions/[0-9a-f\-]+/resourceGroups/[^/\"]+/providers/Microsoft\.MachineLearningServices/workspaces/[^/\"]+",
    re.IGNORECASE,
)
_THEIR_DATA = re.compile(
    r"azureml://subscriptions/[^/]+/resourcegroups/[^/]+/workspaces/[^/]+/", re.IGNORECASE
)
_API = "2023-04-01-preview"
#: Exchanges that are not the emulator's to answer, or of a kind that it doesn't run.
LEFT_OUT = {
    "errors#5": "an ARM template deployment: Microsoft.Resources, not Azure ML",
    "batch#9": "the private-preview shape of a pipeline component's deployment (2022), replaced since",
}


class Replay(Stage):
    """One recorded file after the other, on a frozen clock that is stepped where the recording waited."""

    def __init__(self, running: Emulator) -> None:
        super().__init__(running)
        self.latest: dict[str, str] = {}
        self._before: dict[str, Callable[[], None]] = {
            "batch#8": self._nested_component,
            "batch#10": self._batch_endpoint,
            "batch#14": lambda: self._clock(step=5),
            "data#6": self._two_versions,
            "errors#4": self._batch_endpoint_of_the_error,
            "jobs_automl#0": self._training_data,
            "jobs_automl#1": lambda: self._until("000000000000000000000", "Running"),
            "jobs_automl#2": self._completed_job,
            "models#1": self._model_files,
            "online_deployments#0": self._deployment_parents,
            "online_endpoints#12": self._traffic_parents,
            "online_endpoints#13": self._second_traffic,
            "schedules#0": self._schedule_components,
        }
        self._instead: dict[str, Callable[[Recorded], tuple[str, str, Any, dict[str, str]]]] = {
            "batch#10": self._component_deployment,
            "batch#14": self._invocation,
            "jobs_automl#2": lambda r: self._plain(r, f"{WS}/jobs/completed"),
            "models#4": self._anonymous_model,
            "online_deployments#0": self._mlflow_deployment,
            "online_deployments#5": self._score,
            "online_endpoints#17": self._score,
            "workspace#6": self._compute,
        }

    def play(self, recorded: Recorded) -> Exchange:
        """Our exchange for a recorded one."""
        if prepare := self._before.get(recorded.key):
            prepare()
        document = recorded.document
        if recorded.operation or "computeOperationsStatus" in document["path_template"]:
            return self._poll(recorded)
        if document["method"] == "GET" and document["status"] == 200:
            self._settled(document)
        method, path, body, headers = self._instead.get(recorded.key, self._plain)(recorded)
        ours = self.send(method, path, body, headers)
        self._remember(recorded, ours)
        return ours

    # -- requests ------------------------------------------------------------------------------------------

    def _translated(self, value: Any) -> Any:
        text = _THEIR_WS.sub(WS, json.dumps(value))
        mine = f"azureml://subscriptions/{WS.split('/')[2]}/resourcegroups/dropml/workspaces/dropml-local/"
        return json.loads(_THEIR_DATA.sub(mine, text))

    def _plain(self, recorded: Recorded, path: str | None = None) -> tuple[str, str, Any, dict[str, str]]:
        document = recorded.document
        path = path or document["path_template"].replace("{ws}", WS)
        return (
            document["method"],
            f"{path}?{document['query'] or ''}",
            self._translated(document["request_body"]),
            {},
        )

    def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Exchange:
        url = path if path.startswith("http") else self.running.url + path
        answer = self.running.session.request(method, url, json=body, headers=headers, timeout=30)
        return _exchange(answer, body)

    def _settled(self, document: dict[str, Any]) -> None:
        """The recorded read came after its operation: let ours end, too."""
        path = document["path_template"].replace("{ws}", "")
        if not path.startswith(("/onlineEndpoints", "/batchEndpoints", "/schedules")):
            return
        if (document["response_body"] or {}).get("properties", {}).get("provisioningState") == "Succeeded":
            self._clock(step=5)
            self.running.wait_state(path)

    # -- operations ----------------------------------------------------------------------------------------

    def _remember(self, recorded: Recorded, ours: Exchange) -> None:
        url = ours.headers.get("Azure-AsyncOperation") or ours.headers.get("Location", "")
        if recorded.begins:
            self.operations[recorded.begins] = url
            self.latest[f"{recorded.file}/{recorded.begins.split(':')[0]}"] = url

    def _poll(self, recorded: Recorded) -> Exchange:
        """The same operation as in the recording, or the last one of its kind where its beginning was not kept."""
        document, key = recorded.document, recorded.operation or ""
        latest = self.latest.get(f"{recorded.file}/{key.split(':')[0]}", "")
        url = self.operations.get(key, latest) if recorded.operation else self.compute_operation
        if "mfeOperationResults" in document["path_template"]:
            url = url.replace("mfeOperationsStatus", "mfeOperationResults")
        final = (document["response_body"] or {}).get("status") in ("Succeeded", "Failed")
        if final or (document["status"] == 200 and document["response_body"] is None):
            self._clock(step=5)
            done: Exchange = eventually(lambda: _done(self.send("GET", url)), what=recorded.key)
            return done
        if key and key not in self.operations:
            self._fresh_operation(recorded)
            url = self.latest[f"{recorded.file}/{key.split(':')[0]}"]
        return self.send("GET", url)

    def _fresh_operation(self, recorded: Recorded) -> None:
        """The recording kept the polls of a schedule's update but not its PUT: begin such an update."""
        path, api = "/schedules/test_297211670461", "2023-06-01-preview"
        self._clock(step=5)
        self.running.wait_state(path)
        answer = self.running.arm(
            "PUT", path, {"properties": self.running.properties(path, api=api)}, api=api
        )
        url = answer.headers["Azure-AsyncOperation"]
        self.operations[recorded.operation or ""] = self.latest["schedules/s"] = url

    # -- requests that can't be sent as recorded -----------------------------------------------------------

    def _mlflow_deployment(self, recorded: Recorded) -> tuple[str, str, Any, dict[str, str]]:
        """Without the scoring script, whose code is not in the recording."""
        method, path, body, headers = self._plain(recorded)
        for key in ("codeConfiguration", "environmentId"):
            del body["properties"][key]
        return method, path, body, headers

    def _component_deployment(self, recorded: Recorded) -> tuple[str, str, Any, dict[str, str]]:
        """Of a pipeline component, which is what the emulator runs."""
        method, path, body, headers = self._plain(recorded)
        spec = {"type": "pipeline", "jobs": {"a": self._node()}, "inputs": {"input1": {"type": "uri_folder"}}}
        self._put("/components/replay/versions/1", {"componentSpec": spec})
        configuration = {
            "deploymentConfigurationType": "PipelineComponent",
            "componentId": {"referenceType": "Id", "assetId": f"{WS}/components/replay/versions/1"},
            "settings": {"default_compute": "cpu-cluster"},
        }
        for key in ("codeConfiguration", "environmentId", "model"):
            del body["properties"][key]
        body["properties"]["deploymentConfiguration"] = configuration
        return method, path, body, headers

    def _node(self) -> dict[str, Any]:
        component = f"{WS}/components/azureml_anonymous/versions/2c437327-f707-4c0d-8af2-eae19d1999b5"
        return {"type": "command", "componentId": component}

    def _invocation(self, recorded: Recorded) -> tuple[str, str, Any, dict[str, str]]:
        url = self.running.properties("/batchEndpoints/batch-ept-11a618d470304b2")["scoringUri"]
        headers = {"Authorization": f"Bearer {self.running.token('https://ml.azure.com')}"}
        headers["azureml-model-deployment"] = "batch-dpm-8c7fa87f5ded4e0"
        return "POST", url, recorded.document["request_body"], headers

    def _anonymous_model(self, recorded: Recorded) -> tuple[str, str, Any, dict[str, str]]:
        """A custom model, as the recorded answer shows; under another name, for that one serves here."""
        uri = "azureml://datastores/data/paths/bank"
        properties = {"modelType": "custom_model", "modelUri": uri, "isAnonymous": True}
        path = f"{WS}/models/anonymous/versions/1?api-version=2023-08-01-preview"
        return "PUT", path, {"properties": properties}, {}

    def _score(self, recorded: Recorded) -> tuple[str, str, Any, dict[str, str]]:
        """The endpoint that the replay has deployed to, with a row of its model."""
        name = "online-ept-a2eef48db44f4a9"
        self._clock(step=5)
        self.running.wait_state(f"/onlineEndpoints/{name}")
        key = self.running.arm("POST", f"/onlineEndpoints/{name}/listKeys").json()["primaryKey"]
        rows = {"columns": ["age", "balance", "job"], "index": [0], "data": [[65, 800, "student"]]}
        headers = {"Authorization": f"Bearer {key}", "azureml-model-deployment": "online-dpm-b0249d5411f7413"}
        return (
            "POST",
            self.running.properties(f"/onlineEndpoints/{name}")["scoringUri"],
            {"input_data": rows},
            headers,
        )

    def _compute(self, recorded: Recorded) -> tuple[str, str, Any, dict[str, str]]:
        """The recorder left the request's body out."""
        self._clock(freeze=True)
        body = {
            "location": "eastus",
            "properties": {
                "computeType": "AmlCompute",
                "description": "some_desc_aml",
                "properties": {
                    "vmSize": "STANDARD_DS2_V2",
                    "scaleSettings": {
                        "maxNodeCount": 2,
                        "minNodeCount": 0,
                        "nodeIdleTimeBeforeScaleDown": "PT1M40S",
                    },
                },
            },
        }
        return "PUT", f"{WS}/computes/test49208482942?{recorded.document['query']}", body, {}

    @property
    def compute_operation(self) -> str:
        body = {"properties": {"computeType": "AmlCompute", "properties": {"vmSize": "STANDARD_DS2_V2"}}}
        answer = self.running.arm("PUT", "/computes/polled", body)
        return str(answer.headers["Azure-AsyncOperation"])


def _done(exchange: Exchange) -> Exchange | None:
    status = exchange.answer.get("status") if isinstance(exchange.answer, dict) else None
    open_ = exchange.status == 202 or status in ("Updating", "Creating", "Deleting", "InProgress")
    return None if open_ else exchange


def _exchange(answer: requests.Response, body: Any) -> Exchange:
    method, url = answer.request.method or "", answer.request.url or ""
    return Exchange(method, url, body, answer.status_code, answer.headers, parsed(answer.content), "replay")
