"""What the host pays at indexing: nothing is imported that only an invocation needs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Loaded at indexing: the doors, the errors they tell, the settings.
NEEDED = {
    "domain",
    "domain.automl_names",
    "domain.config_values",
    "domain.errors",
    "domain.names",
    "domain.notify",
    "domain.notify.notices",
    "domain.problems",
    "domain.table",
    "domain.table.encoding",
    "domain.table.invisible",
    "domain.table.number_notation",
    "domain.words",
    "once",
    "services",
    "services.flight",
    "services.monitoring",
    "services.monitoring.probe",
    "setting_kinds",
    "settings",
    "settings_judging",
    "settings_cost",
    "settings_notify",
    "settings_watching",
    "teller",
    "bootstrap",
    "bootstrap_upkeep",
    "correlation",
    "dashboard",
    "front",
    "redaction",
}


def said(script: str, **environment: str) -> list[str]:
    """The words that a process of its own prints."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.split()


def loaded(code: str) -> set[str]:
    """Modules that are there after `code` has run."""
    return set(said(f"{code}\nimport sys\nprint(*sys.modules)"))


def test_indexing_loads_the_doors_and_nothing_behind_them() -> None:
    modules = loaded("import function_app\nfunction_app.app.get_functions()")
    ours = {name.removeprefix("shared.") for name in modules if name.startswith("shared.")}
    assert ours - NEEDED == set()
    heavy = {"msgspec", "pandas", "numpy", "polars", "yaml", "jinja2", "requests.sessions", "azure.ai.ml"}
    bare = loaded("import azure.functions, azurefunctions.extensions.bindings.blob")
    assert heavy & (modules - bare) == set()


def test_the_way_of_a_score_loads_nothing_heavy() -> None:
    modules = loaded("import function_app, shared.services.scoring.proxy, shared.adapters.endpoint")
    assert {"pandas", "numpy", "polars", "azure.ai.ml", "jinja2"} & modules == set()


def test_wrong_settings_stop_no_function_from_being_indexed() -> None:
    script = "import function_app\nprint(*(f.get_function_name() for f in function_app.app.get_functions()))"
    wrong = {"BLOB_SOURCE": "Polling", "CANARY_PERCENT": "250", "DATA_STORAGE__accountName": "acct"}
    assert said(script, **wrong) == said(script)
    assert {"health", "on_drop", "score"} <= set(said(script, **wrong))


def test_what_is_indexed_is_what_the_document_lists() -> None:
    script = "import function_app\nprint(*(f.get_function_name() for f in function_app.app.get_functions()))"
    table = (ROOT / "docs" / "functions.md").read_text(encoding="utf-8").split("Delivery, and what")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert sorted(said(script)) == sorted(name for row in rows for name in re.findall(r"`(\w+)`", row))
