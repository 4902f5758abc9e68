"""Schedules: a trigger and the job that it creates."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.core.arm import ArmError, bad_request, conflict, not_found, page, reply, system_data
from dropml.azureml.core.clock import stamp
from dropml.azureml.core.fields import check_name, json_body, one_of, properties_of
from dropml.azureml.core.operations import Kind, OperationFailedError
from dropml.azureml.core.store import Doc
from dropml.azureml.jobs import triggers
from dropml.azureml.jobs.routes import Jobs
from dropml.azureml.jobs.runs import Runs

log = logging.getLogger(__name__)
_POLL = 0.25
#: A stepped clock may pass many occurrences at once; no more than these are made up for.
_CATCH_UP = 24


class Schedules:
    def __init__(self, jobs: Jobs, runs: Runs) -> None:
        self._jobs, self._c = jobs, runs.c
        put = Kind("s", "Creating", self._nothing, self._settle, body="schedule")
        delete = Kind("s", "Deleting", self._nothing, self._settle, body="schedule")
        self._c.operations.register("schedule.put", put)
        self._c.operations.register("schedule.delete", delete)

    async def _nothing(self, _operation: Doc) -> None:
        """Schedules are documents; `run` fires them."""

    def _settle(self, operation: Doc, failure: OperationFailedError | None) -> None:
        if operation["kind"] == "schedule.delete":
            self._c.store.delete("schedule", operation["target"])
            return
        state = "Failed" if failure else "Succeeded"
        self._c.store.update("schedule", operation["target"], lambda d: d.update(state=state))

    def _find(self, request: Request) -> Doc:
        name = request.path_params["name"]
        found = self._c.store.get("schedule", name)
        if found is None:
            raise not_found(f"Resource Trigger {name} not found")
        return found

    # -- shapes --------------------------------------------------------------------------------------------

    def _definition(self, given: Doc) -> Doc:
        """The job of a schedule, checked and filled in as a submitted one would be."""
        if not isinstance(given, dict):
            raise bad_request("The field 'action.jobDefinition' is required.")
        if str(given.get("jobType")) == "AutoML":
            raise bad_request("Unsupported job type 'AutoML' in a schedule: put it into a pipeline.")
        normal = self._jobs.normal(given)
        for value in normal["inputs"].values():
            value.pop("pathOnCompute", None)  # not in the versions of the API that know schedules
        return {
            "description": given.get("description"),
            "tags": given.get("tags") or {},
            "properties": given.get("properties") or {},
            "displayName": given.get("displayName"),
            "status": "NotStarted",
            "services": None,
            "isArchived": bool(given.get("isArchived")),
            **normal,
        }

    def _shape(self, doc: Doc, *, answer_to_put: bool = False) -> Doc:
        state = "Creating" if answer_to_put else doc["state"]
        properties = {**doc["properties"], "provisioningState": state}
        if answer_to_put:
            return {"properties": properties}
        return {"name": doc["name"], "properties": properties, "systemData": system_data(doc)}

    # -- routes --------------------------------------------------------------------------------------------

    async def put(self, request: Request) -> Response:
        name = request.path_params["name"]
        check_name("schedule", name)
        given = properties_of(await json_body(request))
        before = self._c.store.get("schedule", name)
        if before:
            self._idle(before)
        action = given.get("action") or {}
        one_of(action.get("actionType"), ("CreateJob",), "action.actionType")
        trigger = triggers.normal(given.get("trigger"))
        enabled = given.get("isEnabled") is not False
        properties = {
            "description": given.get("description"),
            "tags": given.get("tags") or {},
            "properties": given.get("properties") or {},
            "displayName": given.get("displayName"),
            "isEnabled": enabled,
            "trigger": trigger,
            "action": {
                "actionType": "CreateJob",
                "jobDefinition": self._definition(action.get("jobDefinition")),  # type: ignore[arg-type]
            },
        }
        now = self._c.clock.now()
        created = before["created"] if before else now
        with self._c.store.transaction():
            operation = self._c.operations.begin("schedule.put", name, request.query_params["api-version"])
            doc = {
                "name": name,
                "properties": properties,
                "created": created,
                "modified": now,
                "state": "Updating" if before else "Creating",
                "status": "enabled" if enabled else "disabled",
                "next": triggers.next_fire(trigger, now, created) if enabled else None,
                "operation": operation["id"],
            }
            self._c.store.put("schedule", name, doc)
        headers = self._c.operations.headers(operation, self._c.location_header(request))
        return reply(self._shape(doc, answer_to_put=True), 201, headers)

    def _idle(self, doc: Doc) -> None:
        if self._c.operations.pending(doc.get("operation")):
            raise conflict(f"The schedule {doc['name']} has an operation in progress: wait for it.")

    async def get(self, request: Request) -> Response:
        return reply(self._shape(self._find(request)))

    async def all(self, request: Request) -> Response:
        view = request.query_params.get("listViewType", "EnabledOnly").lower()
        wanted = {"enabledonly": ("enabled",), "disabledonly": ("disabled",)}.get(view)
        found = page(
            request,
            self._c.store,
            "schedule",
            self._shape,
            base_url=self._c.settings.base_url,
            statuses=wanted,
        )
        return reply(found)

    async def delete(self, request: Request) -> Response:
        name = request.path_params["name"]
        doc = self._c.store.get("schedule", name)
        if doc is None:
            return Response(None, 204)
        self._idle(doc)
        if doc["properties"]["isEnabled"]:
            raise bad_request(f"The schedule {name} is enabled: disable it before it is deleted.")
        with self._c.store.transaction():
            operation = self._c.operations.begin("schedule.delete", name, request.query_params["api-version"])
            doc |= {"state": "Deleting", "operation": operation["id"]}
            self._c.store.put("schedule", name, doc)
        return Response(None, 202, self._c.operations.headers(operation))

    # -- firing --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Fire what is due, forever. What fell due while the emulator was down is left out."""
        self._skip_missed()
        while True:
            await asyncio.sleep(_POLL)
            for _, _, doc in self._c.store.find("schedule", statuses=("enabled",)):
                if doc["state"] == "Succeeded":
                    self._fire_due(doc)

    def _skip_missed(self) -> None:
        now = self._c.clock.now()
        for _, name, doc in self._c.store.find("schedule", statuses=("enabled",)):
            if doc["next"] is not None and doc["next"] <= now:
                due = triggers.next_fire(doc["properties"]["trigger"], now, doc["created"])
                self._c.store.update("schedule", name, lambda d, due=due: d.update(next=due))  # type: ignore[misc]

    def _fire_due(self, doc: Doc) -> None:
        now, fired = self._c.clock.now(), 0
        while doc["next"] is not None and doc["next"] <= now:
            due = doc["next"]
            if fired < _CATCH_UP:
                self._fire(doc, due)
            fired += 1
            after = due if fired < _CATCH_UP else now
            doc["next"] = triggers.next_fire(doc["properties"]["trigger"], after, doc["created"])
        if fired:
            self._c.store.update("schedule", doc["name"], lambda d: d.update(next=doc["next"], fired=now))

    def _fire(self, doc: Doc, due: float) -> None:
        text = json.dumps(doc["properties"]["action"]["jobDefinition"])
        text = text.replace("${{creation_context.trigger_time}}", stamp(due))
        definition = json.loads(text)
        definition["experimentName"] = definition.get("experimentName") or "Default"
        name = f"{doc['name']}-{datetime.fromtimestamp(due, UTC):%Y%m%dT%H%M%S}"
        if self._c.store.get("run", name):
            return
        try:
            self._jobs.submit(name, definition, schedule=doc["name"])
        except ArmError as error:
            log.error("schedule %s: its job can't be submitted: %s", doc["name"], error.message)

    def routes(self) -> list[Route]:
        one = "/ws/schedules/{name}"
        return [
            Route("/ws/schedules", self.all, methods=["GET"]),
            Route(one, self.get, methods=["GET"]),
            Route(one, self.put, methods=["PUT"]),
            Route(one, self.delete, methods=["DELETE"]),
        ]
