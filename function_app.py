"""The function app: blueprints registered, nothing built. Everything else happens at the first invocation."""

import logging
import os

import azure.functions as func

from functions import (
    acts,
    dashboard,
    doctor,
    health,
    intake,
    lifecycle,
    notifications,
    pipelines,
    quarantine,
    runs,
    scoring,
)
from shared import redaction

redaction.install(os.environ)
logging.getLogger("azure").setLevel(logging.WARNING)

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
for module in (
    intake,
    lifecycle,
    scoring,
    pipelines,
    runs,
    acts,
    quarantine,
    notifications,
    dashboard,
    health,
    doctor,
):
    app.register_functions(module.bp)
