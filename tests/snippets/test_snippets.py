"""No snippet of a page goes untried unseen: each is run, read, or its own text says what it needs that isn't here."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from tests.snippets import running, shell, table
from tests.snippets.kinds import READERS, How, verdict
from tests.snippets.pages import ROOT, Snippet, of, snippets
from tests.snippets.reader import Outcome, Reader

ALL = snippets()
PROGRAMS = [one for one in ALL if one.info in ("python", "javascript") and "azureml" not in one.text]
DOCUMENTS = [one for one in ALL if one.info in READERS]
#: What a page leaves to its reader: a word in capitals that is no variable, dots, a path to somewhere.
_LEFT = re.compile(r"(?<![\w${.])[A-Z][A-Z0-9]+\b(?![=\w])|\.\.\.|path/to|<\w+>")


def bash(text: str, page: str = "page.md") -> Snippet:
    return Snippet(page, 1, "bash", text)


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    folder = tmp_path / "checkout"
    folder.mkdir()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return Reader(folder, {"PATH": path, "GIVEN": "by the page before"}, {})


def test_every_snippet_is_tried_or_says_what_it_needs() -> None:
    found = [verdict(one) for one in ALL]
    assert sum(one.how in (How.RUN, How.READ) for one in found) >= 30
    assert all(one.needs for one in found if one.how is How.NOT_RUN)
    needs = {need.partition(" (")[0] for one in found for need in one.needs}
    assert needs <= {
        "Azure", "Application Insights", "a public address", "a tool of one's own", "a package of its own",
        "the whole suite, which CI runs",
    }  # fmt: skip


def test_ci_runs_what_is_left_to_it() -> None:
    assert "run: make test " in (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("info", "text"),
    [
        ("ruby", "puts 1\n"),
        ("sh", "dropml runs\n"),
        ("bash", "terraform apply\n"),
        ("bash", "dropml runs | jq .\n"),
        ("bash", "echo $(terraform output)\n"),
        ("bash", "# nothing but a comment\n"),
        ("bash", "dropml drop 'people.csv\n"),
        ("", "dropml runs\n"),
        ("", "$ az login\n"),
    ],
)
def test_what_nobody_has_thought_of_is_told_with_its_place(info: str, text: str) -> None:
    with pytest.raises(shell.UnclassifiedError, match=r"docs/new\.md:7: "):
        verdict(Snippet("docs/new.md", 7, info, text))


@pytest.mark.parametrize(
    ("statement", "needs"),
    [
        ("dropml runs  # az is not asked", ""),
        ("dropml runs && az login", "Azure"),
        ('eval "$(azd env get-values)"', "Azure"),
        ("export DROPML_KEY=$(az functionapp keys list -o tsv)", "Azure"),
        ("python -m dropml.azureml run -- az login", "Azure"),
        ('curl -s "$API/score/bank"', ""),
        ("curl -s https://prices.azure.com/api", "a public address"),
        ("make test", "the whole suite, which CI runs"),
        ("make wheel", ""),
        ("pre-commit install", "a tool of one's own"),
    ],
)
def test_a_statement_needs_what_it_calls(statement: str, needs: str) -> None:
    assert shell.reason(statement) == needs


def test_a_page_is_cut_where_its_fences_are_and_a_shell_where_its_statements_end() -> None:
    page = "# T\n```\nshown\n```\n* item:\n\n  ```bash\n  a 1 \\\n    2\n  # why\n  b 'x\n  y'  # z\n  ```\n"
    shown, cut = of("p.md", page)
    assert (shown.info, shown.line, cut.info, cut.line) == ("", 2, "bash", 7)
    assert shell.statements(cut.text) == ["a 1 \\\n  2", "b 'x\ny'  # z"]


def test_no_line_of_the_table_outlives_its_page_and_nothing_is_left_to_fill_in() -> None:
    for one in table.PLACEHOLDERS:
        assert any(one.text in found.text for found in ALL if found.page == one.page), one
    values = dict.fromkeys(("wheel", "record", "workspace", "options", "refused", "endpoint"), "x")
    for snippet in running.tried():
        if snippet.info != "bash":
            continue
        for statement in shell.statements(snippet.text):
            if not shell.reason(statement):
                words = " ".join(shell.words(table.filled(snippet.page, statement, values)))
                assert _LEFT.findall(words.replace("=INT ", " ")) == [], f"{snippet.place}: {words}"


@pytest.mark.parametrize("snippet", [*PROGRAMS, *DOCUMENTS], ids=lambda one: one.place)
def test_what_needs_no_stack_is_well(snippet: Snippet, reader: Reader) -> None:
    outcome = reader.run(snippet)
    assert outcome.code == 0, outcome.said


@pytest.mark.parametrize(
    ("info", "text"),
    [
        ("yaml", "lable: y\n"),
        ("toml", '[default]\nadress = "https://x"\n'),
        ("python", "raise SystemExit(3)\n"),
        ("javascript", "process.exit(3);\n"),
        ("bash", "head -1 nothing.csv\nexport AFTER=1\n"),
        ("bash", 'export AFTER="$NEVER_SET"\n'),
    ],
)
def test_what_is_wrong_is_told(info: str, text: str, reader: Reader) -> None:
    outcome = reader.run(Snippet("docs/new.md", 1, info, text))
    assert outcome.code != 0
    assert outcome.said or info in ("python", "javascript")
    (run, failed, *_) = running.figures([outcome])
    assert (run.value, failed.value, failed.ok) == (0, 1, False)
    assert "docs/new.md:1" in failed.note


def test_a_page_s_shells_hand_on_their_variables_and_leave_out_what_isn_t_here(reader: Reader) -> None:
    first = reader.run(bash('export MINE="a b" && az login\nexport MINE="$GIVEN"\naz login\n'))
    assert first.code == 0, first.said
    second = reader.run(bash('export AGAIN="$MINE"\nhead -c "${#AGAIN}" /dev/zero > size\n'))
    assert second.code == 0, second.said
    assert (reader._folder / "size").stat().st_size == len("by the page before")


def test_an_exit_code_is_allowed_where_the_table_says_so_and_only_that(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.snippets.reader.ALLOWED", {"exit(5)": (0, 5)})
    assert reader.run(bash("python -c 'exit(5)'  # rejected\nexport AFTER=1\n")).code == 0
    assert reader.run(bash("python -c 'exit(5) or exit(4)' && python -c 'exit(4)'\n")).code == 0
    assert reader.run(bash("python -c 'exit(4)'  # exit(5)\n")).code != 0


def test_the_figures_name_what_the_rest_needs() -> None:
    outcome = Outcome(ALL[0], 0, 1.0)
    _, failed, left, parts = running.figures([outcome])
    assert failed.ok
    assert left.ok
    assert "needs Azure" in left.note
    assert "needs Application Insights 9" in left.note
    assert "needs Azure 2" in parts.note
