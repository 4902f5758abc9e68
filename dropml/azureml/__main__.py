"""`python -m dropml.azureml --port N --data DIR`: see dropml/azureml/README.md.

Secrets come by the environment, for every user of the machine can read a process' arguments: `DROPML_STORAGE` (the
connection string), `DROPML_IDENTITY_HEADER`, `DROPML_EMULATOR_SECRET`.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from dropml.azureml.core.config import Settings


def _datastore(text: str) -> tuple[str, str]:
    name, separator, container = text.partition("=")
    if not separator or not name or not container:
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=CONTAINER")
    return name, container


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dropml.azureml", description="An Azure Machine Learning emulator."
    )
    add = parser.add_argument
    add("--port", type=int, required=True, help="https port; 0 for any")
    add("--data", type=Path, required=True, help="folder of the state; made if absent")
    add(
        "--http-port",
        type=int,
        default=0,
        help="plain http port of Application Insights ingestion; 0 for any",
    )
    add("--datastore", type=_datastore, action="append", default=[], metavar="NAME=CONTAINER")
    for name in ("subscription", "resource-group", "workspace", "location", "tenant", "compute"):
        field = name.replace("-", "_")
        add(f"--{name}", default=Settings.__dataclass_fields__[field].default)
    add("--vm-size", default=Settings.vm_size, help="size of a node of the cluster (default %(default)s)")
    add("--max-nodes", type=int, help="nodes of the cluster: jobs at the same time (default: cores / 2)")
    add("--operation-seconds", type=float, default=1.0, help="how long a long-running operation takes")
    add(
        "--no-retry-after",
        action="store_true",
        help="send no Retry-After, as the service: SDKs poll every 30 s",
    )
    add("--keep-jobs", type=int, default=Settings.keep_jobs, help="ended jobs kept (default %(default)s)")
    add("--log-level", default="warning", choices=["debug", "info", "warning", "error"])
    # For tests: a stand-in for `python -m dropml.azureml.automl`; `--job JOBDIR` is appended.
    add("--automl-command", default="", help=argparse.SUPPRESS)
    return parser


def parse(arguments: list[str]) -> Settings:
    given = _parser().parse_args(arguments)
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


def main() -> int:
    import logging

    os.umask(0o077)  # keys, secrets and rows lie in all that it writes
    settings = parse(sys.argv[1:])
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # Every request of the storage client would be a line otherwise.
    logging.getLogger("azure").setLevel(logging.WARNING)
    from dropml.azureml.front.server import run

    return run(settings)


if __name__ == "__main__":
    sys.exit(main())
