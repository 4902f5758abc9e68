"""Whether containers and queues are there and the app may use them, found by trying."""

from __future__ import annotations

from typing import Protocol

from shared.domain.errors import DropMLError, NotFound
from shared.services.doctor.report import Check, Finding, ok

#: What a trial writes and deletes; no reader of a container takes it for its own.
TRIAL = "_doctor/trial.txt"
POISON = "webjobs-blobtrigger-poison"


class Account(Protocol):
    """The data account's blobs (`shared.adapters.checkup.BlobAccount`). All raise DropMLError."""

    @property
    def name(self) -> str: ...
    def look(self, container: str) -> None:
        """List one blob of it."""

    def touch(self, container: str, blob: str) -> None:
        """Write an empty blob, and delete it."""


class Queues(Protocol):
    """The data account's queues (`shared.adapters.checkup.QueueAccount`). Both raise DropMLError."""

    def look(self) -> None: ...
    def count(self, queue: str) -> int | None:
        """Messages that wait in it, about; None where there is no such queue."""


def container(account: Account, name: str, *, writes: bool) -> Check:
    """The app only reads the container of dropped files; anywhere else it writes as well."""
    check = f"container {name}"

    def look() -> Finding:
        try:
            account.look(name)
            if writes:
                account.touch(name, TRIAL)
        except NotFound as error:
            command = (
                f"az storage container create --auth-mode login --account-name {account.name} --name {name}"
            )
            return Finding(check, "failed", error.message, command)
        except DropMLError as error:
            if error.error_code != "storage-refused":
                raise
            return Finding(
                check, "failed", error.message, _grant("Storage Blob Data Contributor", account.name)
            )
        return ok(check, "can be read and written." if writes else "can be read.")

    return look


def queues(account: str, found: Queues) -> Check:
    def look() -> Finding:
        try:
            found.look()
        except DropMLError as error:
            if error.error_code != "storage-refused":
                raise
            remedy = _grant("Storage Queue Data Contributor", account)
            return Finding("queues", "failed", error.message, remedy)
        return ok("queues", "can be listed; the blob trigger works through them.")

    return look


def poison(account: str, found: Queues) -> Check:
    """Files whose function failed at every try."""

    def look() -> Finding:
        count = found.count(POISON)
        if not count:
            return ok("failed files", "none.")
        message = f"{count} messages lie in the queue {POISON}: files whose function failed at every try."
        command = (
            f"az storage message peek --auth-mode login --account-name {account} --queue-name {POISON} --num-messages 32"
            " names them; the app's log says why; drop them again once it is mended."
        )
        return Finding("failed files", "warning", message, command)

    return look


def _grant(role: str, account: str) -> str:
    return (
        f'az role assignment create --role "{role}" --assignee-object-id PRINCIPAL --assignee-principal-type ServicePrincipal'
        f" --scope $(az storage account show --name {account} --query id --output tsv)"
    )
