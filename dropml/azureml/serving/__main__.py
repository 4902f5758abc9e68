"""The endpoint's process: python -m dropml.azureml.serving --endpoint ENDPOINTDIR --port N."""

import argparse
import asyncio
import os
import socket
import sys
from pathlib import Path

# One request is scored by one thread: numeric libraries need no pools, which cost memory.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from dropml.azureml.serving.messages import ConnectionLimits  # noqa: E402 - once the number of threads is set
from dropml.azureml.serving.server import serve  # noqa: E402 - once the number of threads is set
from dropml.azureml.serving.settings import SettingsError, read_settings  # noqa: E402 - once the number of threads is set
from dropml.common.logs import announce  # noqa: E402 - once the number of threads is set

_SWITCH_SECONDS = 0.0005  # background threads (loading, telemetry) give way ten times sooner than by default


def _door(arguments: argparse.Namespace) -> socket.socket:
    """The inherited socket, or one on the port; OSError where that is taken."""
    if arguments.socket is not None:
        return socket.socket(fileno=arguments.socket)
    # With the protocol named, asyncio sets TCP_NODELAY on its connections.
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind((arguments.host, arguments.port))
    return found


def main() -> int:
    """Parse arguments and serve; 2 if endpoint.json is not valid or the port is taken."""
    parser = argparse.ArgumentParser(prog="python -m dropml.azureml.serving", description=__doc__)
    parser.add_argument("--endpoint", type=Path, required=True, help="folder with endpoint.json")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--port", type=int, help="0 picks a free one")
    where.add_argument("--socket", type=int, help="number of an inherited socket that listens already")
    parser.add_argument("--host", default="127.0.0.1")
    defaults = ConnectionLimits()
    for name, text in (
        ("head_seconds", "time for a request's headers"),
        ("body_seconds", "time for a request's body, and for reading its answer"),
        ("idle_seconds", "how long a connection may rest between requests"),
    ):
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, type=float, default=getattr(defaults, name), help=text)
    arguments = parser.parse_args()
    try:
        document = read_settings(arguments.endpoint)
    except SettingsError as error:
        print(f"endpoint not started: {error}", file=sys.stderr)
        return 2
    limits = ConnectionLimits(
        head_seconds=arguments.head_seconds,
        body_seconds=arguments.body_seconds,
        idle_seconds=arguments.idle_seconds,
    )
    sys.setswitchinterval(_SWITCH_SECONDS)
    announcement = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # native libraries print to stdout, where only the line `ready` belongs
    try:
        asyncio.run(
            serve(
                arguments.endpoint,
                document,
                limits,
                _door(arguments),
                lambda url: announce(url, announcement),
                accepting=arguments.socket is None,
            )
        )
    except OSError as error:
        print(f"endpoint not started: {error}", file=sys.stderr)
        return 2
    # Python would wait for threads that still score; everything that must be written has been.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
