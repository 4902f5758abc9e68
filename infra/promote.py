"""Takes a registered model from one workspace to another, staging to production, by registering it there again.

    python infra/promote.py pull FOLDER --subscription S --group G --workspace STAGING --model bank:3
    python infra/promote.py push FOLDER --subscription S --group G --workspace PRODUCTION

Two commands, for the two workspaces are rarely one identity's to write. Needs azure-ai-ml, as the app does. `push` may be
repeated: it finds the version that it has registered, and refuses one of other contents.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

PAPER, FILES = "promotion.json", "model"
#: Tags of the promoted version: where it comes from, and the hash of its files.
FROM, HASH = "dropml.promoted_from", "dropml.sha256"


class Refused(Exception):
    """The promotion can't go on; the text says why and what to do."""


def digest(folder: Path) -> str:
    """Of all files by their names and contents."""
    total = hashlib.sha256()
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        total.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                total.update(block)
    return total.hexdigest()


def client(given: argparse.Namespace) -> Any:
    from azure.ai.ml import MLClient
    from azure.identity import DefaultAzureCredential

    return MLClient(DefaultAzureCredential(), given.subscription, given.group, given.workspace)


def pull(ml: Any, model: str, folder: Path) -> dict[str, Any]:
    """The model's files and its paper, in a folder that is new or empty."""
    name, _, version = model.rpartition(":")
    if not name or not version:
        raise Refused(f"{model!r} is not NAME:VERSION.")
    if folder.exists() and any(folder.iterdir()):
        raise Refused(f"{folder} is not empty. Name a new folder.")
    found = ml.models.get(name, version)
    fetched = folder / "download"
    ml.models.download(name, version, download_path=str(fetched))
    inner = fetched / name
    content = list(inner.iterdir()) if inner.is_dir() else []
    if not content:
        raise Refused(f"The model {model} has no files.")
    shutil.move(content[0] if len(content) == 1 and content[0].is_dir() else inner, folder / FILES)
    shutil.rmtree(fetched, ignore_errors=True)
    paper = {
        "name": name,
        "version": version,
        "type": found.type,
        "description": found.description or "",
        "tags": dict(found.tags or {}),
        "from": str(found.id),
        "sha256": digest(folder / FILES),
    }
    (folder / PAPER).write_text(json.dumps(paper, indent=2) + "\n", encoding="utf-8")
    return paper


def push(ml: Any, folder: Path) -> str:
    """Registers what `pull` has fetched, under its own name and version; the id there."""
    from azure.ai.ml.entities import Model
    from azure.core.exceptions import ResourceNotFoundError

    if not (folder / PAPER).is_file():
        raise Refused(f"{folder} holds no {PAPER}. Run pull first.")
    paper = json.loads((folder / PAPER).read_text(encoding="utf-8"))
    name, version, wanted = paper["name"], paper["version"], paper["sha256"]
    if digest(folder / FILES) != wanted:
        raise Refused(f"The files in {folder / FILES} are not those that were pulled. Pull again.")
    try:
        there = ml.models.get(name, version)
    except ResourceNotFoundError:
        there = None
    if there is not None:
        if (there.tags or {}).get(HASH) != wanted:
            raise Refused(
                f"{name}:{version} exists there with other contents. Versions are never written over."
            )
        return str(there.id)
    tags = {**paper["tags"], FROM: paper["from"], HASH: wanted}
    model = Model(
        name=name,
        version=version,
        type=paper["type"],
        path=str(folder / FILES),
        description=paper["description"],
        tags=tags,
    )
    return str(ml.models.create_or_update(model).id)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="promote.py", description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("pull", "push"):
        one = commands.add_parser(command)
        one.add_argument("folder", type=Path)
        for option in (
            "--subscription",
            "--group",
            "--workspace",
            *(["--model"] if command == "pull" else []),
        ):
            one.add_argument(option, required=True)
    given = parser.parse_args(arguments)
    try:
        if given.command == "pull":
            paper = pull(client(given), given.model, given.folder)
            print(
                f"{paper['name']}:{paper['version']} of {given.workspace} lies in {given.folder} (sha256 {paper['sha256'][:12]})"
            )
        else:
            print(f"{push(client(given), given.folder)} is registered")
    except Refused as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
