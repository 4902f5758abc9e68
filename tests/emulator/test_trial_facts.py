"""Events of the engine become the files that the service writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

from dropml.azureml.core.store import Doc
from dropml.azureml.jobs.automl_trials import apply_event
from dropml.azureml.jobs.runs import Runs


class Folders:
    """Stands in for runs, of which guardrails need a folder and a document."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.changed: Doc = {}

    def folder(self, _name: str) -> Path:
        return self._folder

    def change(self, _name: str, **values: object) -> None:
        self.changed = values


def test_guardrails_are_written_in_the_words_of_the_services_file(tmp_path: Path) -> None:
    guardrail = {
        "type": "Class balancing detection",
        "status": "Alerted",
        "description": "To decrease model bias, fix it. Learn more about imbalanced data: https://aka.ms/x",
        "parameters": {"details": [{"Size of the smallest class": "3"}]},
    }
    apply_event(cast("Runs", Folders(tmp_path)), "job", {"type": "guardrails", "guardrails": [guardrail]})
    document = json.loads((tmp_path / "outputs" / "verifier_results.json").read_text())
    assert document["faults"] == [
        {
            "friendly_type": "Class balancing detection",
            "result": "ALERTED",
            "friendly_result": "To decrease model bias, fix it.",
            "friendly_learn_more": "Learn more about imbalanced data: https://aka.ms/x",
            "friendly_parameters": [{"Size of the smallest class": "3"}],
        }
    ]
    assert "schema_version" in document
