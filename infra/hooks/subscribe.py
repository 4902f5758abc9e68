"""After `azd deploy`: tells Event Grid to call the app for each file that is dropped, and asks the app what it lacks. May be run
again at any time.

The subscription can't stand in the templates: its address holds a key that the app makes when its blob extension first
starts, and Event Grid shakes hands with the running app before it keeps it.
https://learn.microsoft.com/azure/azure-functions/functions-event-grid-blob-trigger
"""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

import arm

SITES, EVENTS = "2024-04-01", "2025-02-15"
NAME, FUNCTION = "dropped", "on_drop"
#: Calls of the storage API after which a blob stands whole.
#: https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage
WHOLE = ["PutBlob", "PutBlockList", "CopyBlob", "FlushWithClose"]
#: Seconds for the host to come up and for Event Grid to take the subscription.
PATIENCE = 900.0


def subscription(address: str, account: str, incoming: str, dead_letters: str) -> dict[str, Any]:
    """Every name is told of, not `.csv` alone: configurations, and files that nobody can read, get their answer too."""
    return {
        "properties": {
            "eventDeliverySchema": "EventGridSchema",
            "destination": {
                "endpointType": "WebHook",
                "properties": {
                    "endpointUrl": address,
                    "maxEventsPerBatch": 1,
                    "preferredBatchSizeInKilobytes": 64,
                },
            },
            "filter": {
                "includedEventTypes": ["Microsoft.Storage.BlobCreated"],
                "subjectBeginsWith": f"/blobServices/default/containers/{incoming}/",
                "isSubjectCaseSensitive": True,
                "advancedFilters": [{"operatorType": "StringIn", "key": "data.api", "values": WHOLE}],
            },
            "retryPolicy": {"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440},
            "deadLetterWithResourceIdentity": {
                "identity": {"type": "SystemAssigned"},
                "deadLetterDestination": {
                    "endpointType": "StorageBlob",
                    "properties": {"resourceId": account, "blobContainerName": dead_letters},
                },
            },
        }
    }


def keys(cloud: arm.Arm, site: str) -> tuple[str, str]:
    """The app's key for blob events, and the one for callers ("" where there is none yet). A new app has none until its host is
    up, and answers errors before that.
    """

    def look() -> tuple[str, str] | None:
        answer = cloud.call("POST", f"{site}/host/default/listkeys", SITES)
        if answer.ok:
            found = (answer.body.get("systemKeys") or {}).get("blobs_extension")
            called = (answer.body.get("functionKeys") or {}).get("default") or ""
            return (str(found), str(called)) if found else None
        if answer.status in {401, 403}:
            raise arm.Stopped(
                f"The app's keys can't be read: {answer.words}. Whoever deploys needs Contributor on the group."
            )
        return None

    found: tuple[str, str] = cloud.wait("the app's host to come up", look)
    return found


def subscribe(cloud: arm.Arm, topic: str, body: dict[str, Any], secret: str) -> None:
    """Puts the subscription and waits until Event Grid has shaken hands; a cold app may miss the first try."""
    path = f"{topic}/eventSubscriptions/{NAME}"
    last = ""

    def put() -> str | None:
        nonlocal last
        answer = cloud.call("PUT", path, EVENTS, body)
        last = answer.words.replace(quote(secret), "***").replace(secret, "***")
        if answer.status in {401, 403, 404}:
            raise arm.Stopped(
                f"The subscription can't be made: {last}. Run `azd provision`, then this again."
            )
        return cloud.wait("Event Grid", settled) if answer.ok else None

    def settled() -> str | None:
        answer = cloud.call("GET", path, EVENTS)
        state = str((answer.body.get("properties") or {}).get("provisioningState", ""))
        return state if state in {"Succeeded", "Failed", "Canceled"} or answer.status == 404 else None

    def made() -> bool | None:
        return True if put() == "Succeeded" else None

    try:
        cloud.wait("Event Grid to take the subscription", made)
    except arm.Stopped as error:
        raise arm.Stopped(f"{error} Event Grid's last word: {last}") from None


def lacking(uri: str, secret: str) -> list[str]:
    """What the app's own doctor finds, a line each with its remedy. None of it ends the hook: roles hold late."""
    request = urllib.request.Request(f"{uri}/api/doctor", headers={"x-functions-key": secret})  # noqa: S310 - the address is ours, not a caller's
    try:
        with urllib.request.urlopen(request, timeout=arm.REQUEST) as response:  # noqa: S310 - the address is ours, not a caller's
            found = json.loads(response.read())["findings"]
        odd = [one for one in found if one["status"] != "ok"]
        return [f"{one['check']}: {one['status']}. {one['message']} {one['remedy']}".strip() for one in odd]
    except urllib.error.HTTPError as error:
        with error:
            return [f"The app can't be asked yet what it lacks: it answers {error.code}."]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [f"The app can't be asked yet what it lacks: {error}."]


def tell(uri: str, secret: str, account: str, incoming: str) -> None:
    """What stands, what is missing, and what to do next."""
    print(f"Event Grid tells {FUNCTION} of each file in {incoming}.")
    if lines := lacking(uri, secret):
        print("The app's own doctor (a role takes up to ten minutes to hold; `dropml doctor` asks again):")
        print("\n".join(f"  {line}" for line in lines))
    else:
        print("The app's own doctor finds that nothing is missing.")
    print("Drop a file:")
    print(
        f"  az storage blob upload --auth-mode login --account-name {account} -c {incoming} -f bank.csv -n bank.csv"
    )


def main(pause: float = arm.PAUSE, patience: float = PATIENCE) -> int:
    try:
        group = f"/subscriptions/{arm.setting('AZURE_SUBSCRIPTION_ID')}/resourceGroups/{arm.setting('AZURE_RESOURCE_GROUP')}"
        site = f"{group}/providers/Microsoft.Web/sites/{arm.setting('FUNCTION_APP_NAME')}"
        topic = f"{group}/providers/Microsoft.EventGrid/systemTopics/{arm.setting('EVENT_TOPIC_NAME')}"
        uri, incoming = arm.setting("FUNCTION_APP_URI"), arm.setting("INCOMING_CONTAINER")
        account, dead = arm.setting("DATA_ACCOUNT_ID"), arm.setting("DEAD_LETTER_CONTAINER")
        cloud = arm.Arm(time.monotonic() + patience, "azd hooks run postdeploy", pause)
        secret, calls = keys(cloud, site)
        address = f"{uri}/runtime/webhooks/blobs?functionName=Host.Functions.{FUNCTION}&code={quote(secret)}"
        subscribe(cloud, topic, subscription(address, account, incoming, dead), secret)
    except arm.Stopped as error:
        print(f"Event Grid is not subscribed. {error}", file=sys.stderr)
        return 1
    tell(uri, calls, account.rpartition("/")[2], incoming)
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(float, sys.argv[1:])))
