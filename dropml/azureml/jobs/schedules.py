"""Schedules: a trigger and the job that it creates."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.core.arm import ArmError, bad_request, conflict, not_found, reply, system_data
from dropml.azureml.core.clock import stamp
from dropml.azureml.core.fields import check_name, json_body, one_of, properties_of
from dropml.azureml.core.loops import contained, every
from dropml.azureml.core.operations import Form
from dropml.azureml.core.resources import LongRunning
from dropml.azureml.core.store import Doc
from dropml.azureml.jobs import triggers
from dropml.azureml.jobs.routes import Jobs

log = logging.getLogger(__name__)
_POLL = 0.25
#: A stepped clock may pass many occurrences at once; no more than these are made up for.
_CATCH_UP = 24
#: The machine's clock has jumped where it and the steady one part by more than this; a test's step moves both.
_JUMP = 5.0


class Schedules(LongRunning):
    kind, label, segments = "schedule", "schedule", ("schedules",)
    put_form = Form("s", "Creating", body="schedule", empty=True)
    delete_form = Form("s", "Deleting", body="schedule", empty=True)

    def __init__(self, jobs: Jobs) -> None:
        super().__init__(jobs.c)
        self._jobs = jobs
        self._drift = self.c.clock.now() - self.c.clock.steady()

    def missing(self, key: str) -> ArmError:
        return not_found(f"Resource Trigger {key} not found")

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

    def shape(self, doc: Doc) -> Doc:
        properties = {**doc["properties"], "provisioningState": doc["state"]}
        return {"name": doc["name"], "properties": properties, "systemData": system_data(doc)}

    def where(self, request: Request) -> dict[str, Any]:
        view = request.query_params.get("listViewType", "EnabledOnly").lower()
        return {"statuses": {"enabledonly": ("enabled",), "disabledonly": ("disabled",)}.get(view)}

    # -- routes --------------------------------------------------------------------------------------------

    async def put(self, request: Request) -> Response:
        name = request.path_params["name"]
        check_name("schedule", name)
        given = properties_of(await json_body(request))
        before = self.get_doc(name)
        self.idle(before)
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
        times = self.dated(before)
        doc = {
            "name": name,
            "properties": properties,
            **times,
            "state": "Updating" if before else "Creating",
            "status": "enabled" if enabled else "disabled",
            "next": triggers.next_fire(trigger, times["modified"], times["created"]) if enabled else None,
        }
        headers = self.begin("put", doc, request)
        return reply({"properties": {**properties, "provisioningState": "Creating"}}, 201, headers)

    def removable(self, doc: Doc) -> None:
        if doc["properties"]["isEnabled"]:
            raise bad_request(f"The schedule {doc['name']} is enabled: disable it before it is deleted.")

    async def trigger(self, request: Request) -> Response:
        """One more job of an enabled schedule, as of the time that is asked for."""
        doc = self.find(self.key(request))
        if not doc["properties"]["isEnabled"]:
            raise bad_request(f"The schedule {doc['name']} is disabled: enable it before it is triggered.")
        text = str((await json_body(request)).get("scheduleTime") or stamp(self.c.clock.now()))
        try:
            due = datetime.fromisoformat(text)
        except ValueError:
            raise bad_request(f"The scheduleTime '{text}' is no time such as 2026-01-31T09:00:00Z.") from None
        due = due.astimezone(UTC) if due.tzinfo else due.replace(tzinfo=UTC)
        name = f"{doc['name']}-{due:%Y%m%dT%H%M%S%f}"
        if self._jobs.get_doc(name):
            raise conflict(f"The schedule {doc['name']} was triggered at {text} already.")
        self._submit(doc, due.timestamp(), name)
        return reply({"submissionId": name, "scheduleActionType": "CreateJob"})

    def routes(self) -> list[Route]:
        trigger = Route("/ws/schedules/{name}/trigger", self.trigger, methods=["POST"])
        return [*super().routes(), trigger]

    # -- firing --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Fire what is due, forever. What fell due while the emulator was down is left out."""
        self._skip_all()
        await every(_POLL, "schedules", self._round)

    def _skip_all(self) -> None:
        for name, doc in self._enabled():
            with contained(f"schedule {name}"):
                self._skip_missed(doc)

    def _enabled(self) -> list[tuple[str, Doc]]:
        return [(name, doc) for _, name, doc in self.c.store.find(self.kind, statuses=("enabled",))]

    async def _round(self) -> None:
        drift = self.c.clock.now() - self.c.clock.steady()
        if drift > self._drift + _JUMP:
            log.warning(
                "the clock went forward by %.0f s: what fell due in between is left out", drift - self._drift
            )
            self._skip_all()
        self._drift = drift
        for name, doc in self._enabled():
            if doc["state"] == "Succeeded":
                with contained(f"schedule {name}"):
                    self._fire_due(doc)

    def _skip_missed(self, doc: Doc) -> None:
        now = self.c.clock.now()
        if doc["next"] is not None and doc["next"] <= now:
            due = triggers.next_fire(doc["properties"]["trigger"], now, doc["created"])
            self.c.store.update(self.kind, doc["name"], lambda d: d.update(next=due))

    def _fire_due(self, doc: Doc) -> None:
        now, fired = self.c.clock.now(), 0
        while doc["next"] is not None and doc["next"] <= now:
            due = doc["next"]
            if fired < _CATCH_UP:
                # An occurrence that can't be fired is passed over: the next one comes.
                with contained(f"schedule {doc['name']}"):
                    self._fire(doc, due)
            fired += 1
            after = due if fired < _CATCH_UP else now
            doc["next"] = triggers.next_fire(doc["properties"]["trigger"], after, doc["created"])
        if fired:
            self.c.store.update("schedule", doc["name"], lambda d: d.update(next=doc["next"], fired=now))

    def _fire(self, doc: Doc, due: float) -> None:
        name = f"{doc['name']}-{datetime.fromtimestamp(due, UTC):%Y%m%dT%H%M%S}"
        if self.c.store.get("run", name):
            return
        try:
            self._submit(doc, due, name)
        except ArmError as error:
            log.error("schedule %s: its job can't be submitted: %s", doc["name"], error.message)

    def _submit(self, doc: Doc, due: float, name: str) -> None:
        text = json.dumps(doc["properties"]["action"]["jobDefinition"])
        text = text.replace("${{creation_context.trigger_time}}", stamp(due))
        definition = json.loads(text)
        definition["experimentName"] = definition.get("experimentName") or "Default"
        self._jobs.submit(name, definition, schedule=doc["name"])
