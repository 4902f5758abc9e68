"""A running emulator as other programs see it: where it is, and the variables that point them there."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from dropml.common import private
from dropml.common.processes import Child, StartError

RECORD = "emulator.json"
#: The folder of the emulator that a program was started with (`run`), for those that want more of it than the SDKs do.
HOME_VARIABLE = "DROPML_AZUREML_FOLDER"
#: DefaultAzureCredential would ask Azure with these before it asks the emulator.
OTHER_IDENTITIES = (
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_USERNAME",
    "AZURE_PASSWORD",
)
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")


@dataclass(frozen=True)
class Running:
    """`emulator.json`. Ports and the identity header are the same at the next start."""

    folder: str
    port: int
    http_port: int
    subscription: str
    resource_group: str
    workspace: str
    storage: str
    identity_header: str
    #: Id and start of the emulator's process and, where it has one, of its Azurite's.
    pids: dict[str, int]
    started: dict[str, float]

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def home(self) -> Path:
        return Path(self.folder)

    @property
    def workspace_id(self) -> str:
        """The ARM id of the workspace."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace}"
        )

    @property
    def mlflow_tracking_uri(self) -> str:
        """What `ml.workspaces.get(...).mlflow_tracking_uri` answers."""
        return f"azureml://localhost:{self.port}/mlflow/v1.0{quote(self.workspace_id)}"

    @property
    def certificate(self) -> Path:
        """What whoever speaks to it trusts: its own authority beside those that this machine trusts anyway."""
        return self.home / "trusted.pem"

    @property
    def secret(self) -> str:
        """What opens `/_emulator/` (header `x-emulator-secret`)."""
        return (self.home / "state" / "emulator.secret").read_text().strip()

    def children(self) -> list[Child]:
        """Of its processes those that live."""
        found = [Child.adopt(pid, self.started.get(name)) for name, pid in self.pids.items()]
        return [child for child in found if child]

    def alive(self) -> bool:
        return len(self.children()) == len(self.pids)

    def variables(self, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
        """For azure-ai-ml, azure-identity, azureml-mlflow, mltable and azureml-fsspec."""
        found = {
            "AZURE_SUBSCRIPTION_ID": self.subscription,
            "AZURE_RESOURCE_GROUP": self.resource_group,
            "AZUREML_WORKSPACE": self.workspace,
            "AZUREML_DEV_URL_MFE": self.url,
            "AZUREML_SERVICE_ENDPOINT": self.url,
            "REQUESTS_CA_BUNDLE": str(self.certificate),
            "SSL_CERT_FILE": str(self.certificate),
            "IDENTITY_ENDPOINT": f"{self.url}/msi/token",
            "IDENTITY_HEADER": self.identity_header,
            HOME_VARIABLE: self.folder,
        }
        if self.storage:
            found["AZURE_STORAGE_CONNECTION_STRING"] = self.storage
        if any(environment.get(name) or environment.get(name.lower()) for name in _PROXIES):
            before = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
            around = ",".join(filter(None, [before, "localhost,127.0.0.1"]))
            found |= {"NO_PROXY": around, "no_proxy": around}
        return found

    def exports(self, environment: Mapping[str, str] = os.environ) -> str:
        """Lines for a POSIX shell's `eval`."""
        others = [name for name in OTHER_IDENTITIES if name in environment]
        lines = [f"unset {name}" for name in others]
        lines += [
            f"export {name}={shlex.quote(value)}" for name, value in self.variables(environment).items()
        ]
        return "\n".join(lines)

    def environment(self) -> dict[str, str]:
        """This process' environment with the variables in it, for a program that is started."""
        kept = {name: value for name, value in os.environ.items() if name not in OTHER_IDENTITIES}
        return kept | self.variables()


def kept(running: Running) -> Running:
    """Write it down, and what is to be trusted. Raises OSError."""
    private.write(running.certificate, _trusted(running.home / "state" / "ca.pem"))
    private.write_json(running.home / RECORD, asdict(running))
    return running


def _trusted(authority: Path) -> str:
    """Programs speak to other servers too: the authorities that they trusted stay."""
    others = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or _certifi()
    known = Path(others).read_text() if others and Path(others).is_file() else ""
    own = authority.read_text()
    # A shell that has the variables of an earlier start trusts it already.
    return known if own in known else f"{known.rstrip()}\n{own}".lstrip()


def _certifi() -> str:
    import certifi

    return certifi.where()


def load(home: Path) -> Running | None:
    """What was started under `home` last; None if nothing was. Raises StartError."""
    path = home.resolve() / RECORD
    if not path.is_file():
        return None
    try:
        return Running(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise StartError(f"{path} can't be read ({error}). Delete it and start again.") from error
