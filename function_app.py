"""The function app: blueprints registered, nothing built. Everything else happens at the first invocation."""

import logging
import os

import azure.functions as func

from functions.blueprints import BLUEPRINTS
from shared import redaction

redaction.install(os.environ)
logging.getLogger("azure").setLevel(logging.WARNING)

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
for blueprint in BLUEPRINTS:
    app.register_functions(blueprint)
