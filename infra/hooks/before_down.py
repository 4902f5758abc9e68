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


def _names(cloud: arm.Arm, path: str) -> list[str]:
    answer = cloud.call("GET", path, WORKSPACES)
    if answer.status == 404:
        return []
    if not answer.ok:
        raise arm.Stopped(f"{path} can't be listed: {answer.words}")
    return [str(each["name"]) for each in answer.body.get("value", [])]


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
        workspace = arm.setting("AZUREML_WORKSPACE")
        if not agreed(workspace):
            return 0
        group = f"/subscriptions/{arm.setting('AZURE_SUBSCRIPTION_ID')}/resourceGroups/{arm.setting('AZURE_RESOURCE_GROUP')}"
        path = f"{group}/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"
        purge(arm.Arm(time.monotonic() + patience, pause), path)
    except arm.Stopped as error:
        print(f"The workspace is not deleted. {error}", file=sys.stderr)
        return 1
    print(f"The workspace {workspace} is deleted for good.")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(float, sys.argv[1:])))
