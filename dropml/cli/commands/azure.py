"""`dropml azure`: the way from this machine into Azure."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from dropml.cli.session import Session, command, current
from dropml.cli.stopping import Code, Stop
from dropml.common.folders import APP, ROOT

_ARM = "https://management.azure.com/.default"
_TEMPLATE = "azure.yaml"
Environment = Annotated[str, typer.Option("--environment", "-e", help="Of azd; its default one otherwise.")]
_WORKSPACE = "SUBSCRIPTION/GROUP/WORKSPACE"


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="The way from this machine into Azure.", no_args_is_help=True)
    command(group, "up")(up)
    command(group, "subscribe")(subscribe)
    command(group, "check")(check)
    command(group, "promote")(promote)
    app.add_typer(group, name="azure")


def up(environment: Environment = "") -> None:
    """Make everything in Azure and deploy the app: `azd up`, in a checkout."""
    _azd(["up"], environment, "read what azd says above, then dropml azure up goes on where it ended")
    current().out.say("Next: dropml azure check")


def subscribe(environment: Environment = "") -> None:
    """Have the app told of dropped files: the hook that `azd up` ends with, once more."""
    _azd(["hooks", "run", "postdeploy"], environment, "dropml azure up, where the app is not deployed yet")
    current().out.say("Next: dropml doctor --canary-intake")


def _azd(words: list[str], environment: str, then: str) -> None:
    """Runs it where the templates stand; its own words and questions are the person's. Raises Stop."""
    folder, azd = _templates(), shutil.which("azd")
    if azd is None:
        raise Stop(
            "The Azure Developer CLI (azd) is not installed, or not on the path.",
            "install it as https://aka.ms/azd says, then azd auth login",
        )
    named = ["--environment", environment] if environment else []
    code = subprocess.run([azd, *words, *named], cwd=folder, check=False).returncode
    if code:
        raise Stop(f"azd {' '.join(words)} ended with exit code {code}.", then)


def _templates() -> Path:
    """The folder that azd works in: this one, one above it, or the checkout that this command comes from."""
    here = Path.cwd()
    for folder in (here, *here.parents, ROOT):
        if (folder / _TEMPLATE).is_file() and (folder / "infra" / "main.bicep").is_file():
            return folder
    raise Stop(
        f"Neither this folder nor one above it has {_TEMPLATE} and infra/: the templates are in DropML's repository.",
        "give the command in a checkout of DropML",
    )


def promote(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="NAME:VERSION, as `dropml show` has it.")],
    source: Annotated[str, typer.Option("--from", help=f"Where it is registered: {_WORKSPACE}.")] = "",
    to: Annotated[str, typer.Option("--to", help=f"Where it shall be: {_WORKSPACE}.")] = "",
    folder: Annotated[
        str, typer.Option("--folder", help="Of its files between two commands, each with one of the two.")
    ] = "",
) -> None:
    """Register a model of one workspace in another, staging to production.

    With `--from` and `--to` at once, or, where nobody may do both, one command each and `--folder`.
    """
    if not (source or to) or (not folder and not (source and to)):
        raise Stop("A model needs --from and --to; or one of them and --folder.", _usage(model), Code.USAGE)
    steps = [(step, _place(step, place)) for step, place in (("pull", source), ("push", to)) if place]
    if importlib.util.find_spec("azure.ai") is None or importlib.util.find_spec("azure.ai.ml") is None:
        raise Stop(
            "azure-ai-ml, which moves models, is not installed.", "pip install azure-ai-ml azure-identity"
        )
    with tempfile.TemporaryDirectory(prefix="dropml-model-") as between:
        kept = folder or str(Path(between) / "files")
        for step, place in steps:
            _step([step, kept, *place, *(["--model", model] if step == "pull" else [])])
    done = {"model": model, "from": source, "to": to, "folder": folder}
    current().out.document(done, done.items())


def _place(step: str, text: str) -> list[str]:
    """A workspace as the script takes it. Raises Stop."""
    parts = [part.strip() for part in text.strip("/").split("/")]
    if len(parts) != 3 or not all(parts):
        flag = "--from" if step == "pull" else "--to"
        raise Stop(f"{flag} {text!r} is not {_WORKSPACE}.", _usage("MODEL"), Code.USAGE)
    return ["--subscription", parts[0], "--group", parts[1], "--workspace", parts[2]]


def _usage(model: str) -> str:
    return f"dropml azure promote {model} --from {_WORKSPACE} --to {_WORKSPACE}"


def _step(words: list[str]) -> None:
    """Raises Stop with the script's own sentence."""
    script = APP / "infra" / "promote.py"
    done = subprocess.run([sys.executable, str(script), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        told = _reason(done.stderr) or f"The {words[0]} ended with exit code {done.returncode}."
        raise Stop(
            told, "where it is a right: az login, and the role AzureML Data Scientist in the workspace"
        )
    current().out.say(done.stdout.strip())


def _reason(stderr: str) -> str:
    """The sentence of a refusal; of a trace, the error's first line."""
    _, trace, told = stderr.rpartition("Traceback (most recent call last):")
    lines = [line for line in told.splitlines() if line.strip() and not (trace and line[0].isspace())]
    return (lines[0] if trace else lines[-1]) if lines else ""


def check() -> int:
    """Tell whether you may upload, and what the app lacks in Azure."""
    from dropml.cli.examining import everything

    session = current()
    found: list[Any] = [_identity(), *_storage(session)]
    told, code = everything(session, quota=True)
    found += told
    session.out.rows([dict(one) for one in found], ("check", "status", "message"))
    for one in found:
        if one["status"] != "ok" and one["remedy"]:
            session.out.say(f"{one['check']}: {one['remedy']}")
    failed = any(one["status"] == "failed" for one in found)
    return code or (Code.ERROR if failed else Code.OK)


def _identity() -> Any:
    from azure.core.exceptions import AzureError
    from azure.identity import DefaultAzureCredential

    from dropml.cli.examining import bad, ok

    try:
        DefaultAzureCredential(process_timeout=10).get_token(_ARM)
    except (AzureError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        return bad("signed in", f"Azure gives you no token: {reason}", "az login")
    return ok("signed in", "Azure gives you a token.")


def _storage(session: Session) -> list[Any]:
    """Whether a file could be dropped: the container is listed, nothing is written."""
    from dropml.cli import dropping
    from dropml.cli.examining import bad, ok

    try:
        dropping.look(session.target)
    except Stop as stop:
        return [bad("upload", stop.message, stop.then)]
    return [ok("upload", f"the container {session.target.container} can be reached.")]
