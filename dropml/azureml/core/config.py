"""What the emulator is started with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dropml.common import processors

PROVIDER = "Microsoft.MachineLearningServices"
HOST = "localhost"


@dataclass(frozen=True)
class Settings:
    """Ids, ports, folders and speeds. Defaults are those of docs/seams.md."""

    port: int
    data: Path
    http_port: int = 0
    storage: str | None = None
    datastores: dict[str, str] = field(default_factory=dict)
    subscription: str = "00000000-0000-0000-0000-000000000001"
    resource_group: str = "dropml"
    workspace: str = "dropml-local"
    location: str = "westeurope"
    tenant: str = "00000000-0000-0000-0000-000000000002"
    compute: str = "cpu-cluster"
    vm_size: str = "STANDARD_DS2_V2"
    max_nodes: int = field(default_factory=lambda: max(1, processors.count() // 2))
    operation_seconds: float = 1.0
    retry_after: bool = True
    identity_header: str | None = None
    secret: str | None = None
    #: Ended jobs with their trials; the oldest go first.
    keep_jobs: int = 500
    automl_command: tuple[str, ...] = ()
    log_level: str = "warning"

    @property
    def workspace_id(self) -> str:
        """The ARM id of the workspace."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/{PROVIDER}/workspaces/{self.workspace}"
        )

    @property
    def base_url(self) -> str:
        return f"https://{HOST}:{self.port}"

    @property
    def ingestion_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/v2.1/track"
