"""What stands in a page for something that each reader has another one of, and what goes there; nothing else is changed.

A page that no longer has the words of a line here fails a test, so that no line outlives its page.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from shared.domain.notify.payloads import signature
from tests.snippets.live import MODEL

README, TUTORIAL, AZURE, EMULATOR = "README.md", "docs/tutorial.md", "docs/azure.md", "docs/emulator.md"
WHEEL_PATH = "path/to/dist/dropml-0.1.0-py3-none-any.whl"
#: What ends by it says 130.
CTRL_C = "timeout --preserve-status --signal=INT 20"
#: The app is named to the command line on these pages, as their first lines ask for.
CONNECTED = "docs/how-to/"


@dataclass(frozen=True)
class Placeholder:
    """`value` has names of values in braces: `{wheel}`."""

    page: str
    text: str
    value: str


PLACEHOLDERS = (
    Placeholder(README, WHEEL_PATH, "{wheel}"),
    Placeholder(README, '"...": "..."', "{record}"),
    Placeholder(TUTORIAL, WHEEL_PATH, "{wheel}"),
    Placeholder(AZURE, "https://$DATA_ACCOUNT_NAME.blob.core.windows.net", "$STORAGE"),
    Placeholder(AZURE, "bank:3", f"{MODEL}:3"),
    Placeholder(AZURE, "S/G/STAGING", "{workspace}"),
    Placeholder(AZURE, "S2/G2/PRODUCTION", "{workspace}"),
    Placeholder(AZURE, "--subscription S --group G --workspace STAGING", "{options}"),
    Placeholder(AZURE, "--subscription S2 --group G2 --workspace PRODUCTION", "{options}"),
    Placeholder(AZURE, "promote.py pull bank-3", "promote.py pull by-hand"),  # another way to the same
    Placeholder(AZURE, "promote.py push bank-3", "promote.py push by-hand"),
    Placeholder(EMULATOR, "path/to/dropml[emulator]", "{wheel}[emulator]"),
    Placeholder(EMULATOR, "data.csv label", "people.csv y"),
    Placeholder(EMULATOR, "python -m dropml.azureml run   ", f"{CTRL_C} python -m dropml.azureml run"),
    Placeholder("docs/how-to/quarantine.md", "show ID", "show {refused}"),
    Placeholder("docs/how-to/rotate-keys.md", "ENDPOINT", "{endpoint}"),
)  # fmt: skip

#: Exit codes that are no failure, by words of the statement.
ALLOWED: Mapping[str, tuple[int, ...]] = {
    CTRL_C: (130,),  # interrupted
}


def filled(page: str, text: str, values: Mapping[str, str]) -> str:
    for one in PLACEHOLDERS:
        if one.page == page:
            value = one.value
            for name, what in values.items():
                value = value.replace("{" + name + "}", what)
            text = text.replace(one.text, value)
    return text


@dataclass(frozen=True)
class Companion:
    """What a reader writes around a snippet that has `mark` in it. The file is run by `command`, else as a program."""

    mark: str
    before: str = ""
    after: str = ""
    file: str = ""
    command: tuple[str, ...] = ()


SUBMIT = """from azure.ai.ml.entities import Model
from azure.core.exceptions import HttpResponseError


def submit_training(client):
    model = Model(name="churn", type="custom_model", path=__file__)
    try:
        client.models.create_or_update(model)
    except HttpResponseError:
        client.models.create_or_update(model)


"""


def companions() -> tuple[Companion, ...]:
    body, secret, now = '{"event":"live"}', "s3cret", int(time.time())
    header = f"t={now},v1={signature(body.encode(), secret, now)}"
    given = f"{header!r}, {secret!r}"
    return (
        Companion(
            "def genuine(",
            after=f"\nassert genuine(b{body!r}, {given})\nassert not genuine(b'other', {given})\n",
        ),
        Companion(
            "function genuine(",
            after=f"\nif (!genuine({body!r}, {given}) || genuine('other', {given})) process.exit(1);\n",
        ),
        Companion("pytest_plugins", file="conftest.py"),
        Companion(
            "(azureml_client):", SUBMIT, file="test_mine.py",
            command=("python", "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"),
        ),
    )  # fmt: skip
