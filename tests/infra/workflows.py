"""Rules that hold for every workflow: least rights, actions by their commit, nothing of a stranger's in a shell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
#: What whoever opens a pull request can write.
STRANGERS = re.compile(
    r"\$\{\{[^}]*(github\.(head_ref|ref_name|event\.(pull_request|issue|comment|review|commits|head_commit))|inputs\.)"
)


def check(text: str) -> Iterator[str]:
    """What is wrong with one workflow."""
    for line in text.splitlines():
        if "uses:" in line and not line.lstrip().startswith("#") and not PINNED.search(line):
            yield f"not by its commit and version: {line.strip()}"
    # YAML 1.1 reads the key `on` as true
    document = yaml.safe_load(text)
    if document.get("permissions") != {}:
        yield "permissions must be {} at the top"
    if "pull_request_target" in document.get(True, {}):
        yield "pull_request_target gives strangers the repository's rights"
    for name, job in document["jobs"].items():
        yield from (f"{name}: {what}" for what in _job(job))


def _job(job: dict[str, Any]) -> Iterator[str]:
    if not isinstance(job.get("permissions"), dict):
        yield "says no permissions of its own"
    if "timeout-minutes" not in job:
        yield "has no end"
    for step in job["steps"]:
        checkout = str(step.get("uses", "")).startswith("actions/checkout@")
        if checkout and (step.get("with") or {}).get("persist-credentials") is not False:
            yield "the checkout keeps its token"
        if STRANGERS.search(str(step.get("run", ""))):
            yield f"a stranger's words in a shell: {step['run']!r}"
        if re.search(r"client-?secret|AZURE_CREDENTIALS|publish-profile", str(step), re.IGNORECASE):
            yield "a stored secret, where a federated identity does"


def uses(text: str) -> Iterator[tuple[str, str]]:
    """(action's repository, commit and version) of each step that uses one."""
    for found in re.finditer(r"uses: ([\w-]+/[\w-]+)[\w/-]*@(.+)$", text, re.MULTILINE):
        yield found[1].lower(), found[2]
