"""The templates: whole, of known types, and meaning what the application needs. What is planted in them is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.infra import facts
from tests.infra.check import GIVEN, check, parameters, texts
from tests.infra.mutation import Mutation
from tests.infra.mutations import MUTATIONS
from tests.infra.template import Templates
from tests.infra.types import Types
from tests.support import sweeps

FILES = texts()


@pytest.fixture(scope="session")
def types(reference: Path) -> Types:
    folder = reference / "bicep-types"
    if not folder.is_dir():
        pytest.skip(f"Microsoft's types are not here: {folder} (set DROPML_REFERENCE)")
    return Types(folder)


def told(files: dict[str, str], types: Types | None = None) -> list[str]:
    return [str(finding) for finding in check(files, types).findings]


def test_the_templates_say_what_the_application_needs() -> None:
    report = check(FILES, None)
    assert report.findings == ()
    assert report.settings_missing == 0
    assert report.resources >= 30


def test_every_resource_is_of_a_known_type(types: Types) -> None:
    report = check(FILES, types)
    assert report.findings == ()
    assert (report.types_checked, report.types_unknown) == (report.resources, 0)


@pytest.mark.parametrize(
    "mutation", sweeps.part(m for m in MUTATIONS if not m.by_types), ids=lambda m: m.name
)
def test_a_slip_is_found(mutation: Mutation) -> None:
    assert any(mutation.told in each for each in told(mutation.applied(FILES))), mutation


@pytest.mark.parametrize("mutation", [m for m in MUTATIONS if m.by_types], ids=lambda m: m.name)
def test_a_slip_against_microsofts_types_is_found(mutation: Mutation, types: Types) -> None:
    assert any(mutation.told in each for each in told(mutation.applied(FILES), types)), mutation


def test_every_file_is_reached_from_main() -> None:
    reached = {
        f"modules/{each.target.rpartition('/')[2]}"
        for each in Templates(FILES, None).parsed["main.bicep"].modules.values()
    }
    assert reached == {path for path in FILES if path.startswith("modules/")}


def test_whoever_is_made_anew_gets_assignments_of_their_own() -> None:
    """Azure changes no assignment's principal (RoleAssignmentUpdateNotPermitted): each name holds its own."""
    templates = Templates(FILES, None)
    templates.unroll("main.bicep", parameters(FILES, GIVEN))
    assigned = [
        each for each in templates.resources if each.kind == "Microsoft.Authorization/roleAssignments"
    ]
    assert len(assigned) >= 15
    for each in assigned:
        assert str(each.body["properties"]["principalId"]) in each.name


def test_no_name_but_the_groups_holds_the_environments() -> None:
    """Azd takes names of 64 characters, with dots: a budget's or a vault's may not be so."""
    environment = "An.Environment_with-a.very-long-name." + "x" * 20
    templates = Templates(FILES, None)
    templates.unroll("main.bicep", parameters(FILES, GIVEN | {"AZURE_ENV_NAME": environment}))
    named = {each.kind for each in templates.resources if f"-{environment}" in each.name}
    assert named == {"Microsoft.Resources/resourceGroups"}


def test_azd_gives_every_parameter_that_main_needs() -> None:
    main = Templates(FILES, None).parsed["main.bicep"]
    given = parameters(FILES, {})
    assert given.keys() <= main.parameters.keys()
    assert {name for name, each in main.parameters.items() if each.default is None} <= given.keys()


def test_a_setting_of_a_stage_is_not_one_that_the_template_owns() -> None:
    owned = set(Templates(FILES, None).parsed["modules/app.bicep"].names_used)
    assert "stageSettings" in owned
    settings = facts.read_by_the_code()
    for stage in ("dev", "prod"):
        values = __import__("json").loads(FILES[f"stages/{stage}.json"])["settings"]
        assert values.keys() <= settings
        assert not any(f"  {name}: " in FILES["modules/app.bicep"] for name in values)
