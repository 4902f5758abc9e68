"""Canaries: secrets that are planted or found where they belong, and looked for where none may be.

Looked through: logs, telemetry, state, ledgers, reports, batches, the pages that the API answers, the arguments of every
process, core files, and the modes of the files that hold them.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import psutil
import requests

from tests.attack.stand import Stand

#: Set in the environment that starts the stack, as a person's shell has them.
PLANTED = ("AZURE_CLIENT_SECRET", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "MY_PASSWORD")
CONTAINERS = ("dropml-data", "dropml-quarantine", "dropml-state", "dropml-batch", "azure-webjobs-hosts")
LARGEST = 64 * 2**20


@contextmanager
def planted() -> Iterator[dict[str, str]]:
    """Canaries in this process' environment while the block lasts: what is started then inherits them."""
    made = {name: f"canary-{secrets.token_hex(12)}" for name in PLANTED}
    before = {name: os.environ.get(name) for name in PLANTED}
    os.environ.update(made)
    try:
        yield made
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def known(stand: Stand, endpoint_keys: list[str], canaries: dict[str, str]) -> dict[str, str]:
    """Every secret of the stack by what it is."""
    running = stand.live.running
    found = dict(canaries) | {f"key {i} of an endpoint": key for i, key in enumerate(endpoint_keys)}
    found["identity header"] = running.places.identity_header
    account = re.search(r"AccountKey=([^;]+)", running.storage)
    if account:
        found["storage key"] = account[1]
    for path in running.home.rglob("*.secret"):
        found[path.name] = path.read_text().strip()
    for name, value in _strings(json.loads((running.home / "keys.json").read_text())):
        found[f"function key {name}"] = value
    return {name: value for name, value in found.items() if len(value) >= 12}


def _strings(document: object, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(document, dict):
        for name, value in document.items():
            yield from _strings(value, f"{path}/{name}")
    elif isinstance(document, str):
        yield path, document


def use_wrongly(stand: Stand) -> dict[str, str]:
    """Secrets that callers send where they mustn't be kept: wrong keys, keys in queries, bodies and names."""
    made = {
        what: f"canary-{secrets.token_hex(12)}"
        for what in ("a wrong key", "a key in a query", "a bearer token", "a cookie")
    }
    url = f"{stand.host}/api/score/bystander"
    sent = {"x-functions-key": made["a wrong key"], "Authorization": f"Bearer {made['a bearer token']}"}
    sent["Cookie"] = f"session={made['a cookie']}"
    for path in (url, f"{stand.host}/api/runs", f"{stand.host}/admin/host/status", f"{stand.host}/nowhere"):
        requests.post(path, headers=sent, json={"data": []}, timeout=30)
        requests.get(f"{path}?code={made['a key in a query']}", timeout=30)
    requests.post(url, headers=sent | stand.headers, json={"data": stand.rows}, timeout=30)
    return made


def search(stand: Stand, needles: dict[str, str]) -> list[str]:
    """Where each was found, one line a place; the secret itself is not repeated."""
    spelt = {name: forms(value) for name, value in needles.items()}
    places = [*_logs(stand), *_telemetry(stand), *_blobs(stand), *_pages(stand), *_arguments()]
    found = []
    for place, content in places:
        for name, spellings in spelt.items():
            if any(one in content for one in spellings):
                found.append(f"{name} in {place}")
        stand.tally.cases["secrets"] += 1
    return [*found, *_open_files(stand.live.running.home, spelt)]


def forms(value: str) -> list[bytes]:
    """How a secret may stand somewhere."""
    raw = value.encode()
    return [raw, quote(value, safe="").encode(), base64.b64encode(raw), raw.hex().encode()]


def _logs(stand: Stand) -> Iterator[tuple[str, bytes]]:
    home = stand.live.running.home
    for path in home.rglob("*"):
        core = path.name == "core" or path.name.startswith("core.")
        if path.is_file() and (core or ".log" in path.name or path.suffix in (".txt", ".out", ".err")):
            yield str(path.relative_to(home)), path.read_bytes()[-LARGEST:]


def _telemetry(stand: Stand) -> Iterator[tuple[str, bytes]]:
    database = stand.live.running.home / "azureml" / "state.sqlite"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        for kind, body in opened.execute("SELECT type, body FROM telemetry"):
            yield f"telemetry ({kind})", str(body).encode()


def _blobs(stand: Stand) -> Iterator[tuple[str, bytes]]:
    for name in CONTAINERS:
        container = stand.live.storage.get_container_client(name)
        if not container.exists():
            continue
        for blob in container.list_blobs(include=["metadata"]):
            content = (
                container.download_blob(blob.name, max_concurrency=1).readall()
                if blob.size < LARGEST
                else b""
            )
            yield f"{name}/{blob.name}", content + json.dumps(blob.metadata).encode()


def _pages(stand: Stand) -> Iterator[tuple[str, bytes]]:
    paths = [
        "/swagger.json",
        "/docs",
        "/health",
        "/runs?limit=500",
        "/datasets",
        "/runs/nobody-1-a1",
        "/nowhere",
    ]
    for run in list(stand.live.runs())[:40]:
        paths += [f"/runs/{run['run_id']}", f"/runs/{run['run_id']}/ledger"]
    for path in paths:
        answer = stand.live.request("GET", path)
        yield f"GET {path}", answer.content + str(dict(answer.headers)).encode()


def _arguments() -> Iterator[tuple[str, bytes]]:
    for process in psutil.process_iter(["pid", "name", "cmdline"]):
        yield f"the arguments of {process.info['name']}", " ".join(process.info["cmdline"] or []).encode()


def _open_files(home: Path, spelt: dict[str, list[bytes]]) -> Iterator[str]:
    """Files with a secret in them that other users of the machine can read."""
    if not home.stat().st_mode & (stat.S_IXGRP | stat.S_IXOTH):
        return  # nobody else gets into the folder
    for path in home.rglob("*"):
        if (
            not path.is_file()
            or path.stat().st_size > LARGEST
            or not path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)
        ):
            continue
        content = path.read_bytes()
        for name, spellings in spelt.items():
            if any(one in content for one in spellings):
                yield f"{name} in {path.relative_to(home)}, which others can read"
