"""The storage SDK's errors as the product's, by status and code: what lost a race, what may pass, what is refused.

https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from shared.domain.errors import Conflict, DropMLError, NotFound, Transient, Upstream

ROLE_REMEDY = (
    "Check the connection string, or give the app's identity the role Storage Blob Data Contributor on the account; "
    "if it has the role, look at the account's firewall."
)
#: Statuses that another try may change.
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
#: The same among the 409s.
_PASSING_CODES = frozenset({"ContainerBeingDeleted", "AccountBeingCreated", "PendingCopyOperation"})
_EXISTS = frozenset({"BlobAlreadyExists", "ContainerAlreadyExists", "ResourceAlreadyExists"})
#: A blob committed meanwhile has thrown away the blocks that another writer staged for it.
_LOST_BLOCKS = frozenset({"InvalidBlockList", "InvalidBlobOrBlock"})


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise the storage SDK's errors as DropMLError; `what` names the blob or container."""
    try:
        yield
    except AzureError as error:
        raise translate(error, what) from error


def translate(error: AzureError, what: str) -> DropMLError:
    """Conflict where a conditional write lost, Transient where the same call may succeed later, Upstream else."""
    status = error.status_code if isinstance(error, HttpResponseError) else None
    raw = getattr(error, "error_code", None) or ""
    code = str(getattr(raw, "value", raw))
    if status in (401, 403) or isinstance(error, ClientAuthenticationError):
        return Upstream(
            f"Storage refused access to {what} ({code or _brief(error)}).",
            remedy=ROLE_REMEDY,
            code="storage-refused",
        )
    if status is None:
        return Transient(
            f"Storage could not be reached for {what} ({_brief(error)}).", code="storage-unavailable"
        )
    if status == 404:
        return _missing(what, code)
    if status in (409, 412) or code in _LOST_BLOCKS:
        return _contended(what, status, code)
    if status in _PASSING:
        return Transient(f"Storage answered {status} {code} for {what}.", code="storage-unavailable")
    return Upstream(f"Storage answered {status} {code} for {what} ({_brief(error)}).", code="storage-error")


def _missing(what: str, code: str) -> NotFound:
    if code == "ContainerNotFound":
        return NotFound(
            f"The container of {what} does not exist.",
            remedy="Create the containers that the settings name.",
            code="container-not-found",
        )
    return NotFound(f"{what} does not exist.", code="blob-not-found")


def _contended(what: str, status: int, code: str) -> DropMLError:
    """A lost race is decided anew; a blob that is locked, immutable or of another kind would refuse for ever."""
    if code in _EXISTS:
        return Conflict(f"{what} exists already.", code="blob-exists")
    if code in _PASSING_CODES:
        return Transient(f"Storage answered {status} {code} for {what}.", code="storage-unavailable")
    if code in _LOST_BLOCKS or (status == 412 and not code.startswith("Lease")):
        return Conflict(f"{what} was changed by somebody else.", code="blob-changed")
    return Upstream(
        f"Storage refuses to write {what}: {status} {code}.",
        remedy="Look at the blob for a lease, an immutability policy or another blob type, and remove what holds it.",
        code="storage-error",
    )


def _brief(error: AzureError) -> str:
    """The first line: the rest may hold signed URLs and request ids."""
    return str(error.message).partition("\n")[0][:200]
