"""`python -m dropml.cli.page` writes docs/cli.md: every command with its arguments and options, as `--help` tells them."""

from __future__ import annotations

import sys
from typing import Any

import typer.main

from dropml.cli.app import build
from dropml.cli.session import COMMON

_HEAD = """# The command line

Made by `make docs` from the commands themselves; `dropml COMMAND --help` tells the same.

`dropml` asks the app over HTTP, here or in Azure. Alone (`pip install dist/dropml-*.whl`, which `make wheel` builds) it
is a thin client; with the set `local` behind the wheel's path (`pip install "path/to/dist/dropml-0.1.0-py3-none-any.whl[local]"`)
it brings the engine, the emulator and the application along, and `dropml demo` and `dropml up` work in any folder; what they keep
is in `./.dropml`. No registry has the package.

**Which app is asked**: `--url` and `--key`; else `--profile`; else `DROPML_URL` and `DROPML_KEY`; else the stack that was
started in this folder (`.dropml/stack.json`); else the profile `default` of `~/.config/dropml/config.toml`, which must be its
owner's alone (mode 0600):

```toml
[default]
url = "https://my-app.azurewebsites.net"
key = "..."
storage = "https://myaccount.blob.core.windows.net"   # or a connection string; for `drop`
container = "incoming"
```

`drop` uploads to `storage` (`DROPML_STORAGE`): a connection string, or the URL of a blob service, opened by whoever you are
to Azure (`az login`, a managed identity) with the role *Storage Blob Data Contributor*.
`DROPML_ACTOR` is your name in the ledger.

**What is printed**: data on stdout (`-o table`, `json` or `jsonl`), progress and errors on stderr. Lines are rewritten on a
terminal only; `NO_COLOR` and `TERM=dumb` are obeyed. Every error ends with the command that comes next.

| exit code | what it means |
|---|---|
| 0 | well; of a run that was waited for: live, or cancelled where `cancel` was asked |
| 1 | an error |
| 2 | a wrong word in the command itself |
| 3 | the file is quarantined |
| 4 | the run, the batch or the rotation failed |
| 5 | the run was rejected |
| 6 | not done within `--timeout` |
| 7 | the key, or who you are to Azure, is refused |
| 130 | interrupted |
"""


def page() -> str:
    root: Any = typer.main.get_command(build())
    parts = [_HEAD, _common(root)]
    for name, command in root.commands.items():
        inner = getattr(command, "commands", None)
        if inner:
            parts += [_section(f"{name} {sub}", found) for sub, found in inner.items()]
        else:
            parts.append(_section(name, command))
    return "\n".join(parts)


def _common(root: Any) -> str:
    """The options of every command, from the first one that has them."""
    options = [p for p in root.commands["runs"].params if p.name in COMMON]
    return "Options of every command (but `azureml`, whose are its own):\n\n" + _table(options)


def _section(name: str, command: Any) -> str:
    arguments = " ".join(
        p.metavar if p.required else f"[{p.metavar}]"
        for p in command.params
        if p.param_type_name == "argument"
    )
    options = [
        p
        for p in command.params
        if p.param_type_name == "option" and p.name not in COMMON and p.name != "help"
    ]
    about = "\n".join(line.strip() for line in (command.help or "").splitlines()).strip()
    text = f"## `dropml {name}{' ' + arguments if arguments else ''}`\n\n{about}\n"
    return text + (f"\n{_table(options)}" if options else "")


def _table(options: list[Any]) -> str:
    lines = ["| option | what it says |", "|---|---|"]
    for option in options:
        names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
        lines.append(f"| {names} | {option.help or ''}{_default(option)} |")
    return "\n".join(lines) + "\n"


def _default(option: Any) -> str:
    value = option.default
    if value in (None, "", False, True, ()) or callable(value) or option.name == "home":
        return ""
    return f" Default: `{value:g}`." if isinstance(value, float) else f" Default: `{value}`."


if __name__ == "__main__":
    sys.stdout.write(page())
