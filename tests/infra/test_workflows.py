"""The workflows: what must hold of each, and what each is there for."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib

import pytest
import yaml

import dropml
from tests.infra.facts import ROOT
from tests.infra.workflows import check, uses

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.yml"))}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_keeps_the_rules(name: str) -> None:
    assert list(check(WORKFLOWS[name])) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("permissions: {}", "permissions: write-all", "permissions must be {}"),
        ("@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0", "@v5", "not by its commit"),
        (" # v5.0.0", "", "not by its commit"),
        ("persist-credentials: false", "persist-credentials: true", "keeps its token"),
        ("  pull_request:\n", "  pull_request_target:\n", "gives strangers"),
        ("    timeout-minutes: 45\n", "", "has no end"),
        ("    permissions:\n      contents: read\n", "", "says no permissions"),
        (
            "make test PYTHON",
            "echo ${{ github.event.pull_request.title }}; make test PYTHON",
            "a stranger's words",
        ),
        (
            "with:\n          python-version",
            "with:\n          client-secret: x\n          python-version",
            "a stored secret",
        ),
    ],
)
def test_a_slip_in_a_workflow_is_found(old: str, new: str, told: str) -> None:
    assert old in WORKFLOWS["test"]
    assert any(told in each for each in check(WORKFLOWS["test"].replace(old, new, 1)))


def test_an_action_is_the_same_one_everywhere() -> None:
    found: dict[str, set[str]] = {}
    for text in WORKFLOWS.values():
        for action, version in uses(text):
            found.setdefault(action, set()).add(version)
    assert {action: versions for action, versions in found.items() if len(versions) > 1} == {}


def test_every_python_that_is_promised_is_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    low, high = (int(minor) for minor in re.findall(r"3\.(\d+)", project["requires-python"]))
    matrix = yaml.safe_load(WORKFLOWS["test"])["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert matrix == [f"3.{minor}" for minor in range(low, high)]


def test_what_the_deployment_reads_is_what_azd_takes_along() -> None:
    """Else production, deployed from GitHub, would become dev: the stage stands in the variables."""
    read = set(re.findall(r"vars\.([A-Z_]+)", WORKFLOWS["deploy"]))
    its_own = {
        "AZURE_CLIENT_ID",
        "AZURE_TENANT_ID",
        "AZURE_SUBSCRIPTION_ID",
        "AZURE_ENV_NAME",
        "AZURE_LOCATION",
    }
    taken = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))["pipeline"]["variables"]
    assert set(taken) == read - its_own
    asked = set(
        re.findall(r"\$\{(\w+)", (ROOT / "infra" / "main.parameters.json").read_text(encoding="utf-8"))
    )
    assert asked - its_own - set(taken) == {"AZURE_PRINCIPAL_ID", "AZURE_PRINCIPAL_TYPE"}


def test_what_if_asks_what_the_deployment_would_do_and_needs_no_right_to_do_it() -> None:
    """Each parameter that azd would fill in, else it tells of changes that no merge makes; by rights to read alone, which
    needs another validation than the default one (https://learn.microsoft.com/azure/azure-resource-manager/bicep/deploy-what-if).
    """
    job = yaml.safe_load(WORKFLOWS["deploy"])["jobs"]["what-if"]
    command = next(step["run"] for step in job["steps"] if "what-if" in step.get("run", ""))
    filled = json.loads((ROOT / "infra" / "main.parameters.json").read_text(encoding="utf-8"))["parameters"]
    given = set(re.findall(r"\b(\w+)=\"\$", command))
    assert given == filled.keys() - {"principalId", "principalType"}  # of whoever deploys, who is another
    assert "--validation-level ProviderNoRbac" in command
    assert (ROOT / re.findall(r"--template-file (\S+)", command)[0]).is_file()


def test_who_signs_in_is_trusted_by_the_environment_that_is_told_and_no_fork_is() -> None:
    """Azure trusts `repo:OWNER/NAME:environment:NAME`: another name here, and nobody signs in."""
    page = (ROOT / "docs" / "azure.md").read_text(encoding="utf-8")
    jobs = yaml.safe_load(WORKFLOWS["deploy"])["jobs"]
    assert f":environment:{jobs['deploy']['environment']} " in page
    assert f"gh variable set AZURE_CLIENT_ID --env {jobs['what-if']['environment']} " in page
    assert "github.event.pull_request.head.repo.full_name == github.repository" in jobs["what-if"]["if"]
    assert "github.event_name != 'pull_request'" in jobs["deploy"]["if"]


def test_the_deployment_signs_in_makes_and_deploys_in_this_order() -> None:
    steps = yaml.safe_load(WORKFLOWS["deploy"])["jobs"]["deploy"]["steps"]
    asked = [" ".join(step["run"].split()[1:3]) for step in steps if step.get("run", "").startswith("azd ")]
    assert asked == ["auth login", "provision --no-prompt", "deploy --no-prompt"]


def test_only_what_signs_in_or_publishes_may_do_more_than_read() -> None:
    more = {
        f"{name}/{job}": sorted(key for key, value in told["permissions"].items() if value == "write")
        for name, text in WORKFLOWS.items()
        for job, told in yaml.safe_load(text)["jobs"].items()
        if "write" in told["permissions"].values()
    }
    assert more == {
        "deploy/what-if": ["id-token"],
        "deploy/deploy": ["id-token"],
        "release/release": ["attestations", "contents", "id-token"],
        "security/codeql": ["security-events"],
    }


def test_make_knows_every_target_that_a_workflow_asks_for() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    asked = {
        word
        for text in WORKFLOWS.values()
        for line in re.findall(r"run: make (.+)$", text, re.MULTILINE)
        for word in line.split("|")[0].split()
        if re.fullmatch(r"[a-z-]+", word)
    }
    assert {"test", "check", "infra", "audit"} <= asked <= targets


def test_dependabot_looks_at_all_that_is_pinned() -> None:
    document = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))
    found = {(each["package-ecosystem"], each["directory"]) for each in document["updates"]}
    assert found == {("pip", "/"), ("npm", "/dropml/azurite"), ("github-actions", "/")}
    assert (ROOT / "dropml" / "azurite" / "package.json").is_file()


def release_notes(tag: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "infra" / "release_notes.py"), tag]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_release_has_the_words_of_its_version() -> None:
    version = dropml.__version__
    assert yaml.safe_load((ROOT / "azure.yaml").read_text())["metadata"]["template"] == f"dropml@{version}"
    done = release_notes(f"v{version}")
    if f"\n## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("[", "").replace(
        "]", ""
    ):
        assert done.returncode == 0
        assert done.stdout.strip()
    else:  # not released yet: the tag would come too early
        assert done.returncode == 1
        assert f"CHANGELOG.md has no section {version}" in done.stderr


def test_a_tag_of_another_version_is_no_release() -> None:
    done = release_notes("v99.0.0")
    assert done.returncode == 1
    assert "the tag is v99.0.0" in done.stderr
