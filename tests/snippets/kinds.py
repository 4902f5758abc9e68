"""What is done with each snippet: run, read by the product's own reader, or not, with the reason that its text gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.snippets import shell
from tests.snippets.pages import Snippet
from tests.snippets.shell import UnclassifiedError


class How(StrEnum):
    RUN = "run"
    #: By the reader of that document in the product.
    READ = "read"
    NOT_RUN = "not run"
    #: What a program prints, a picture, the site's contents: nothing to try.
    SHOWN = "shown"


@dataclass(frozen=True)
class Verdict:
    """`needs` has what is wanted by a snippet that isn't run, or by those statements of it that aren't."""

    how: How
    needs: tuple[str, ...] = ()


_PROGRAMS = ("python", "javascript")
_PICTURES = ("mermaid", "{toctree}")


def verdict(snippet: Snippet) -> Verdict:
    """Raises UnclassifiedError, with the place, for what nobody has thought of."""
    try:
        return _verdict(snippet)
    except UnclassifiedError as error:
        raise UnclassifiedError(f"{snippet.place}: {error}") from None


def _verdict(snippet: Snippet) -> Verdict:
    if snippet.info == "bash":
        return _of_shell(snippet.text)
    if snippet.info in _PROGRAMS:
        return Verdict(How.RUN)
    if snippet.info in READERS:
        return Verdict(How.READ)
    if snippet.info == "kusto":
        return Verdict(How.NOT_RUN, ("Application Insights",))
    if snippet.info in _PICTURES:
        return Verdict(How.SHOWN)
    if not snippet.info:
        return _shown(snippet.text)
    raise UnclassifiedError(f"{snippet.info!r}: tests/snippets/kinds.py doesn't know how that is tried.")


def _of_shell(text: str) -> Verdict:
    needs = [shell.reason(statement) for statement in shell.statements(text)]
    left = tuple(need for need in needs if need)
    if not needs:
        raise UnclassifiedError("It has no statement.")
    return Verdict(How.RUN if len(left) < len(needs) else How.NOT_RUN, left)


def _shown(text: str) -> Verdict:
    """A block without a language is what something prints; commands in it would escape."""
    for line in text.splitlines():
        first = line.removeprefix("$ ").split(maxsplit=1)
        if first and first[0] in (shell.HERE | shell.AZURE | shell.OWN):
            raise UnclassifiedError(
                f"A command in a block without a language: {line!r}. Call the block bash."
            )
    return Verdict(How.SHOWN)


def of_a_dataset(text: str, folder: Path) -> None:
    """The configuration beside a file, as intake reads it. Raises InvalidConfig."""
    from shared.domain.config_sources import defaults, effective

    effective(defaults({"label": "y"}), text.encode(), sidecar_name="people.yaml")


def of_the_command_line(text: str, folder: Path) -> None:
    """The configuration file, as the commands read it: each profile names an app and its key. Raises Stop."""
    import tomllib

    from dropml.cli.target import _profile

    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    for name in tomllib.loads(text):
        found = _profile(path, name)
        if not found.key or not found.storage:
            raise ValueError(f"The profile {name} lacks its key or its storage: {json.dumps(name)}")


#: Of each language the reader of the only documents in it that pages show.
READERS: dict[str, Callable[[str, Path], None]] = {"yaml": of_a_dataset, "toml": of_the_command_line}
