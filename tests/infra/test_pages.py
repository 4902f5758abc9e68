"""The pages about Azure say what the templates do: modules, roles, variables; and every link leads somewhere."""

from __future__ import annotations

import json
import re

import pytest

from tests.infra.check import GIVEN, check, parameters, texts
from tests.infra.facts import ROLES, ROOT
from tests.infra.meaning import Roles
from tests.infra.template import Templates

DOCS = ROOT / "docs"
AZURE = (DOCS / "azure.md").read_text(encoding="utf-8")
PAGES = ("azure", "cost", "limits", "never-run", "lifecycle-dates", "decisions/0033-into-azure")


def section(title: str) -> str:
    return AZURE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_every_module_is_told_of() -> None:
    told = set(re.findall(r"^\| `([\w-]+)` \|", section("What is made"), re.MULTILINE))
    modules = {
        path.removeprefix("modules/").removesuffix(".bicep") for path in texts() if path.endswith(".bicep")
    }
    assert told == modules


def test_every_role_is_told_of_and_no_other() -> None:
    files = texts()
    templates = Templates(files, None)
    templates.unroll("main.bicep", parameters(files, GIVEN))
    held = {role for role, *_ in Roles.of(each for each in templates.resources if not each.existing).held}
    given = {name for name, role in ROLES.items() if role in held}
    rows = section("What is made").split("| who | role | where |", 1)[1]
    told = {
        name.strip()
        for row in re.findall(r"^\|[^|]+\|([^|]+)\|", rows, re.MULTILINE)
        for name in row.split(",")
    }
    assert told - {"---"} == given


def test_every_variable_that_azd_fills_in_is_told_of() -> None:
    asked = set(re.findall(r"\$\{(\w+)", texts()["main.parameters.json"]))
    told = set(
        re.findall(
            r"`([A-Z_]+)`", "\n".join(re.findall(r"^\| (`.+?) \|", section("What you may set"), re.MULTILINE))
        )
    )
    assert told == asked


def test_what_the_quickstart_reads_is_what_the_template_answers() -> None:
    outputs = set(Templates(texts(), None).parsed["main.bicep"].outputs)
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", AZURE.split("\n## Down\n")[0], re.DOTALL))
    read = set(re.findall(r"\$\{?([A-Z_]+)", blocks)) - {"DROPML_KEY", "AZURE_SUBSCRIPTION_ID"}  # azd's own
    assert read
    assert read <= outputs


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_cost_page_tells_the_bounds_of_each_stage(stage: str) -> None:
    page = (DOCS / "cost.md").read_text(encoding="utf-8")
    found = json.loads(texts()[f"stages/{stage}.json"])
    runs, minutes = found["settings"]["DAILY_RUNS"], int(found["settings"]["DAILY_TRAINING_MINUTES"])
    assert f"{runs} and {minutes:,} in {stage}" in page
    assert f"{found['dailyLogGigabytes']} in {stage}" in page
    assert found["instanceType"] in page


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    page = DOCS / f"{name}.md"
    for target in re.findall(r"\]\((?!https?://)([^)#]*)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert not target or (page.parent / target).resolve().exists(), target


def test_what_azd_fills_in_by_itself_is_the_default_that_is_told() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| `([\w-]+)` \|", section("What you may set"), re.MULTILINE))
    filled = dict(re.findall(r"\$\{(\w+)=([^}]*)\}", texts()["main.parameters.json"]))
    assert told == {
        name: value for name, value in filled.items() if name != "AZURE_PRINCIPAL_TYPE"
    }  # azd's own


def test_the_readme_leads_to_the_pages() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "azd up" in readme
    for name in PAGES[:-1]:
        assert f"(docs/{name}.md)" in readme


def test_the_number_of_planted_slips_that_is_told_was_planted() -> None:
    from tests.infra.mutations import MUTATIONS

    assert "a hundred planted slips" in (DOCS / "never-run.md").read_text(encoding="utf-8")
    assert len(MUTATIONS) >= 100
    assert f"plants {len(MUTATIONS)} slips" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert check(texts(), None).findings == ()
