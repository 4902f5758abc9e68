"""The documents as a site: every page has its place, every link its end, and what the product has stands in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.domain.notify.notices import EVENTS
from shared.domain.run.signals import LEDGER_EVENT, METRICS, STATE_EVENT
from shared.domain.run.states import NEXT, OPEN, State
from tests.site_figures import figures
from tests.support import map_page
from tests.support.logged_lines import table

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
#: Pages that people read in the repository.
OTHERS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted(
        path for room in ("scorer", "dropml", "samples", "infra") for path in (ROOT / room).rglob("*.md")
    ),
]
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_TOCTREE = re.compile(r"^```\{toctree\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_ROUTE = re.compile(r'route="([^"]+)", methods=\["(\w+)"\]')


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def prose(path: Path) -> str:
    """A page without its examples."""
    return _FENCE.sub("", text(path))


def placed(page: Path) -> set[Path]:
    """The pages below this one in the tree of contents."""
    found: set[Path] = set()
    for tree in _TOCTREE.findall(text(page)):
        for entry in filter(None, (line.strip() for line in tree.splitlines())):
            if not entry.startswith(":"):
                at = list(page.parent.glob(f"{entry}.md"))
                assert at, f"{page.name} lists {entry}"
                found.update(at)
    return found | {below for child in found for below in placed(child)}


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings: small letters, blanks to hyphens, other signs away."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+)$", prose(page), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
        slug = base = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = 0
        while slug in found:
            number += 1
            slug = f"{base}-{number}"
        found.add(slug)
    return found


def links(page: Path) -> Iterator[tuple[Path, str, str]]:
    """Of every link inside the repository: the file, the anchor, the link itself."""
    for link in _LINK.findall(re.sub(r"`[^`\n]*`", "", prose(page))):
        if not re.match(r"[a-z]+:", link):
            path, _, anchor = link.partition("#")
            yield (page.parent / path).resolve() if path else page, anchor, link


def test_every_page_has_a_place_in_the_contents() -> None:
    assert placed(DOCS / "index.md") == set(PAGES) - {DOCS / "index.md"}


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_has_its_end(page: Path) -> None:
    for target, anchor, link in links(page):
        assert target.exists(), f"{link}: there is no such file"
        assert not anchor or anchor in anchors(target), f"{link}: {target.name} has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_every_page_begins_with_its_one_title(page: Path) -> None:
    assert text(page).startswith("# ")
    assert len(re.findall(r"^# ", prose(page), re.MULTILINE)) == 1


@pytest.mark.parametrize("page", sorted((DOCS / "how-to").glob("*.md")), ids=lambda page: page.stem)
def test_a_how_to_says_what_it_needs_where_its_output_is_what_goes_wrong_and_what_comes_next(
    page: Path,
) -> None:
    for part in ("**You need**", "**Where the output is**", "## Common mistakes", "**Next**"):
        assert part in text(page), f"{page.name} lacks {part}"


def test_the_tutorials_commands_are_those_of_the_readme() -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```$", text(DOCS / "tutorial.md"), re.MULTILINE | re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines()]
    readme = text(ROOT / "README.md")
    assert len(commands) >= 5
    assert [command for command in commands if command not in readme] == []


def test_the_runbook_knows_every_state() -> None:
    (_, table, *_) = text(DOCS / "runbook.md").split("\n## ")
    first = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    assert sorted(re.findall(r"`(\w+)`", " ".join(first))) == sorted(State)


def test_the_page_of_states_is_the_states() -> None:
    rows = [row.split("|")[1:-1] for row in text(DOCS / "states.md").splitlines() if row.startswith("| `")]
    told = {
        name.strip(" `"): (is_open.strip(), set(re.findall(r"`(\w+)`", moves)))
        for name, _, is_open, moves in rows
    }
    assert told == {
        str(state): ("yes" if state in OPEN else "no", {str(after) for after in NEXT[state]})
        for state in State
    }


def test_every_event_that_people_are_told_of_is_documented() -> None:
    page = text(DOCS / "notifications.md").split("## Events")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(EVENTS)


def test_every_route_is_documented_with_its_method() -> None:
    page = text(DOCS / "functions.md")
    told = set(re.findall(r"`(GET|POST|PUT|DELETE) (?:/api|\.\.\.)/([^`]+)`", page))
    #: `.../reject` and `GET .../batch/{id}` go on from the route before them.
    short = set(re.findall(r"`(?:\w+ )?\.\.\.(/[^`]+)`", page))
    routes = {
        (method, route)
        for file in (ROOT / "functions").glob("*.py")
        for route, method in _ROUTE.findall(text(file))
    }
    assert len(routes) > 30
    untold = {(method, route) for method, route in routes - told if not route.endswith(tuple(short))}
    assert untold == {("GET", "docs/{file}")}, "the page's own parts alone go untold"


def test_every_event_and_metric_of_telemetry_is_documented() -> None:
    page = text(DOCS / "telemetry.md")
    sent = page.split("## What is sent")[1].split("\n## ")[0]
    names = set(re.findall(r"^\| `custom(?:Events|Metrics)` \| `(\w+)` \|", sent, re.MULTILINE))
    assert names == {STATE_EVENT, LEDGER_EVENT, *METRICS}
    assert page.endswith(table()), "run `make docs`"
    assert table().count("\n") > 40


def test_every_query_asks_for_what_is_sent() -> None:
    page = text(DOCS / "telemetry.md")
    queries = re.findall(r"^```kusto\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(queries) >= 8
    told = set(re.findall(r"`(\w+)`", page.split("## What is sent")[1].split("\n## ")[0]))
    for query in queries:
        assert set(re.findall(r'name == "(\w+)"', query)) <= told
        assert set(re.findall(r"custom(?:Dimensions|Measurements)\.(\w+)", query)) <= told


def test_the_figures_of_the_documents_are_met() -> None:
    assert [figure.line() for figure in figures() if not figure.ok] == []


def test_the_map_has_every_file_with_what_it_is() -> None:
    assert text(map_page.PAGE).endswith(map_page.rooms()), "run `make docs`"
    told = {f"{folder}/{name}" for folder, _, files in map_page.folders() for name in files}
    there = {
        path.relative_to(ROOT).as_posix()
        for room in map_page.ROOMS
        for path in (ROOT / room).rglob("*.py")
        if path.name != "__init__.py"
    }
    assert there <= told
    silent = [folder for folder, said, files in map_page.folders() if not said or not all(files.values())]
    assert silent == [], "a folder's `__init__.py`, and each file, says in its first line what it is"


def test_the_map_names_no_module_that_is_gone() -> None:
    asked = text(map_page.PAGE).partition(map_page.HEAD)[0]
    for name in re.findall(r"^\| ((?:`[\w/]+`(?:, )?)+) \|", asked, re.MULTILINE):
        for path in re.findall(r"`([\w/]+)`", name):
            inside = path if path.startswith("shared/") else f"shared/{path}"
            assert (ROOT / f"{inside}.py").exists(), f"{path} is gone"


#: Folders whose names the picture leaves to the map.
UNSHOWN = {"shared", "dropml", "shared/adapters/pipeline_code", "shared/ui/views", "dropml/cli/commands"}


def test_the_picture_has_every_room() -> None:
    picture = text(DOCS / "rooms.svg")
    packages = (path.parent for room in map_page.ROOMS for path in (ROOT / room).rglob("__init__.py"))
    rooms = {name for path in packages if (name := path.relative_to(ROOT).as_posix()).count("/") < 3}
    rooms |= {*map_page.ROOMS, "tests", "benchmarks", "docs", "requirements", "web", ".github"}
    assert len(rooms) > 40
    assert [room for room in sorted(rooms - UNSHOWN) if f"{Path(room).name}/" not in picture] == []
