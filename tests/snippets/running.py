"""Every page's snippets, page by page, each page by a reader of its own, beside one stack with live models."""

from __future__ import annotations

import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

from benchmarks.figure import Figure
from dropml import stack
from tests.snippets import ground, live, table
from tests.snippets.kinds import How, Verdict, verdict
from tests.snippets.pages import Snippet, snippets
from tests.snippets.reader import Outcome, Reader
from tests.support.live_stack import live_stack

#: Seconds of training; the tables are small.
BUDGET = 10.0


def run_all(told: Callable[[Outcome], None] = lambda one: None, only: str = "") -> list[Outcome]:
    """Everything that can be tried here, or the `only` page's. Takes minutes; leaves nothing running."""
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="dropml-snippets-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        laid = ground.lay(folder)
        with live_stack(folder / "stack" / ".dropml", budget=BUDGET) as running:
            values = live.settle(running, folder) | {"wheel": str(laid.wheel)}
            values["options"] = " ".join(
                map(" ".join, zip(_OPTIONS, values["workspace"].split("/"), strict=True))
            )
            envs = {"app": live.named(running), "azure": live.deployed(running)}
            for page, listed in groupby(tried(only), lambda one: one.page):
                with _reading(laid, page, values, envs) as reader:
                    for snippet in listed:
                        outcomes.append(_once(outcomes, reader, snippet))
                        told(outcomes[-1])
    return outcomes


_OPTIONS = ("--subscription", "--group", "--workspace")


def tried(only: str = "") -> list[Snippet]:
    listed = [one for one in snippets() if not only or one.page == only]
    return [one for one in listed if verdict(one).how in (How.RUN, How.READ)]


def _once(before: list[Outcome], reader: Reader, snippet: Snippet) -> Outcome:
    """`make demo` stands on two pages, and takes a minute each time."""
    for one in before:
        if one.snippet.text == snippet.text == "make demo\n":
            return Outcome(snippet, one.code, 0.0, one.said)
    return reader.run(snippet)


@contextmanager
def _reading(
    laid: ground.Ground, page: str, values: dict[str, str], envs: dict[str, dict[str, str]]
) -> Iterator[Reader]:
    folder = laid.checkout(page.replace("/", "-"))
    env = laid.env | {"API": f"{envs['app']['DROPML_URL']}/api", "KEY": envs["app"]["DROPML_KEY"]}
    if page.startswith(table.CONNECTED):
        env |= envs["app"]
    if page == table.AZURE:
        env |= envs["azure"]
        (folder / "bank.csv").write_bytes(Path(values["bank"]).read_bytes())
    try:
        yield Reader(folder, env, values)
    finally:
        for home in (folder / ".dropml", folder / ".dropml" / "demo"):
            stack.down(home)
        subprocess.run(
            ["/usr/bin/env", "python", "-m", "dropml.azureml", "down"],
            cwd=folder, env=laid.env, capture_output=True, timeout=120, check=False,
        )  # fmt: skip


def figures(outcomes: list[Outcome]) -> list[Figure]:
    """How many are well, how many not, and what the others need that isn't here."""
    verdicts = [verdict(one) for one in snippets()]
    failed = [one for one in outcomes if one.code]
    left, parts = _needs(verdicts, How.NOT_RUN), _needs(verdicts, How.RUN)
    not_run = sum(one.how is How.NOT_RUN for one in verdicts)
    return [
        Figure("docs_snippets_run", len(outcomes) - len(failed), 28),
        Figure(
            "docs_snippets_failed", len(failed), 0, at_least=False,
            note=", ".join(f"{one.snippet.place} exit {one.code}" for one in failed),
        ),
        Figure("docs_snippets_not_run", not_run, 20, at_least=False, note=left),
        Figure("docs_statements_left_out", sum(len(one.needs) for one in verdicts if one.how is How.RUN), 20,
               at_least=False, note=f"of snippets that are run: {parts}"),
    ]  # fmt: skip


def _needs(verdicts: list[Verdict], how: How) -> str:
    counted = Counter(need for one in verdicts if one.how is how for need in dict.fromkeys(one.needs))
    return ", ".join(f"needs {need} {count}" for need, count in counted.most_common())
