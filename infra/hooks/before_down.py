"""Before `azd down`: deletes the workspace for good, with its endpoints. Without it Azure keeps a deleted workspace's name for
14 days, and an `azd up` of the same environment fails meanwhile.

This runs before azd asks whether to go on, so it asks itself; where nobody can answer it does so only with DROPML_PURGE=yes.
https://learn.microsoft.com/azure/machine-learning/concept-soft-delete
"""

from __future__ import annotations

import os
import sys
import time

import arm

WORKSPACES = "2025-09-01"
PATIENCE = 1800.0
#: How main.bicep begins a workspace's name.
OURS = "mlw-dropml-"


def agreed(workspace: str) -> bool:
    if os.environ.get("DROPML_PURGE", "").lower() == "yes":
        return True
    if not sys.stdin.isatty():
        print(
            "The workspace stays recoverable for 14 days, its name taken. DROPML_PURGE=yes deletes it for good."
        )
        return False
    asked = f"Delete the workspace {workspace} for good, with every model and endpoint? Type its name: "
    return input(asked).strip() == workspace


def purge(cloud: arm.Arm, path: str) -> None:
    """Endpoints first: they cost money, and a workspace that has some can refuse to go."""
    for kind in ("onlineEndpoints", "batchEndpoints"):
        for name in _names(cloud, f"{path}/{kind}"):
            _gone(cloud, f"{path}/{kind}/{name}", f"the endpoint {name} to go")
    _gone(cloud, path, "the workspace to go", "&forceToPurge=true")


def _group() -> str:
    """An `azd up` that failed has written no outputs, but has made a group under the name that main.bicep gives it."""
    name = os.environ.get("AZURE_RESOURCE_GROUP") or f"rg-dropml-{arm.setting('AZURE_ENV_NAME')}"
    return f"/subscriptions/{arm.setting('AZURE_SUBSCRIPTION_ID')}/resourceGroups/{name}"


def _known() -> list[str]:
    """The workspace that the outputs name; none where there are no outputs."""
    return [name] if (name := os.environ.get("AZUREML_WORKSPACE", "")) else []


def _names(cloud: arm.Arm, path: str) -> list[str]:
    def look() -> list[str] | None:
        answer = cloud.listed(path, WORKSPACES)
        if answer.status in arm.PASSING:
            return None
        if not answer.ok and answer.status != 404:
            raise arm.Stopped(f"{path} can't be listed: {answer.words}")
        return [str(each["name"]) for each in answer.body["value"]]

    found: list[str] = cloud.wait(f"the list of {path.rpartition('/')[2]}", look)
    return found


def _gone(cloud: arm.Arm, path: str, what: str, more: str = "") -> None:
    def delete() -> bool | None:
        answer = cloud.call("DELETE", path, WORKSPACES, more=more)
        if answer.status in {204, 404}:
            return True
        if not answer.ok and answer.status not in arm.PASSING:
            raise arm.Stopped(f"{path} can't be deleted: {answer.words}")
        return None

    cloud.wait(what, delete)


def main(pause: float = arm.PAUSE, patience: float = PATIENCE) -> int:
    try:
        cloud = arm.Arm(time.monotonic() + patience, "azd down --purge", pause)
        kind = f"{_group()}/providers/Microsoft.MachineLearningServices/workspaces"
        workspaces = _known() or [name for name in _names(cloud, kind) if name.startswith(OURS)]
        if not workspaces:
            print("There is no workspace to delete for good.")
        for workspace in filter(agreed, workspaces):
            purge(cloud, f"{kind}/{workspace}")
            print(f"The workspace {workspace} is deleted for good.")
    except arm.Stopped as error:
        print(f"The workspace is not deleted. {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(float, sys.argv[1:])))
