"""The options of the emulator, as arguments: what `serve` takes, and what the tool hands on to it."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path

from dropml.azureml.core.config import Settings

#: Those of a workspace and of its speed: `serve` takes them, and each command that starts one.
_WORDS = ("subscription", "resource-group", "workspace", "location", "tenant", "compute")


def _datastore(text: str) -> tuple[str, str]:
    name, separator, container = text.partition("=")
    if not separator or not name or not container:
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=CONTAINER")
    return name, container


def add_workspace(parser: argparse.ArgumentParser) -> None:
    """What the emulated workspace is like."""
    add = parser.add_argument_group("the workspace").add_argument
    for name in _WORDS:
        default = Settings.__dataclass_fields__[name.replace("-", "_")].default
        add(f"--{name}", default=default, metavar="NAME", help="(default %(default)s)")
    add(
        "--datastore", type=_datastore, action="append", default=[], metavar="NAME=CONTAINER",
        help="a blob datastore over a container of the storage; may be repeated",
    )  # fmt: skip
    add(
        "--vm-size",
        default=Settings.vm_size,
        metavar="SIZE",
        help="of a cluster's node (default %(default)s)",
    )
    add("--max-nodes", type=int, metavar="N", help="jobs at the same time (default: half of the cores)")
    add(
        "--operation-seconds", type=float, default=1.0, metavar="S",
        help="how long a long-running operation takes (default %(default)s)",
    )  # fmt: skip
    add(
        "--no-retry-after",
        action="store_true",
        help="send no Retry-After, as the service: SDKs poll every 30 s",
    )
    add(
        "--keep-jobs",
        type=int,
        default=Settings.keep_jobs,
        metavar="N",
        help="ended jobs kept (default %(default)s)",
    )
    add("--log-level", default="warning", choices=["debug", "info", "warning", "error"])
    # For tests: a stand-in for `python -m dropml.azureml.automl`; `--job JOBDIR` is appended.
    add("--automl-command", default="", help=argparse.SUPPRESS)


def add_server(parser: argparse.ArgumentParser) -> None:
    """What the process itself needs."""
    add = parser.add_argument
    add("--port", type=int, required=True, help="https port; 0 for any")
    add("--data", type=Path, required=True, help="folder of the state; made if absent")
    add(
        "--http-port",
        type=int,
        default=0,
        help="plain http port of Application Insights ingestion; 0 for any",
    )


def handed_on(given: argparse.Namespace) -> list[str]:
    """The workspace's options as arguments of `serve`."""
    words = [part for name in _WORDS for part in (f"--{name}", getattr(given, name.replace("-", "_")))]
    for name, container in given.datastore:
        words += ["--datastore", f"{name}={container}"]
    words += ["--vm-size", given.vm_size, "--operation-seconds", str(given.operation_seconds)]
    words += ["--keep-jobs", str(given.keep_jobs), "--log-level", given.log_level]
    words += [] if given.max_nodes is None else ["--max-nodes", str(given.max_nodes)]
    words += ["--no-retry-after"] if given.no_retry_after else []
    return words + (["--automl-command", given.automl_command] if given.automl_command else [])


def settings(given: argparse.Namespace) -> Settings:
    """Of the server; secrets come by the environment, for every user of the machine can read arguments."""
    more = {} if given.max_nodes is None else {"max_nodes": given.max_nodes}
    return Settings(
        port=given.port,
        data=given.data.resolve(),
        http_port=given.http_port,
        storage=os.environ.get("DROPML_STORAGE"),
        datastores=dict(given.datastore),
        subscription=given.subscription,
        resource_group=given.resource_group,
        workspace=given.workspace,
        location=given.location,
        tenant=given.tenant,
        compute=given.compute,
        vm_size=given.vm_size,
        operation_seconds=given.operation_seconds,
        retry_after=not given.no_retry_after,
        keep_jobs=given.keep_jobs,
        identity_header=os.environ.get("DROPML_IDENTITY_HEADER"),
        secret=os.environ.get("DROPML_EMULATOR_SECRET"),
        log_level=given.log_level,
        automl_command=tuple(shlex.split(given.automl_command)),
        **more,
    )
