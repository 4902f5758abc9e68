"""`python -m tests.functions.contract`: 10,000 generated requests against the served OpenAPI document, over HTTP.

No answer may be a 5xx, undocumented in status, type or shape, or disagree with the document about what is valid.
One check is left out: `unsupported_method` wants 405 with `Allow`; the Functions host answers a method that no function
has with 404, as it does in Azure.

Prints what schemathesis says and one line a figure; writes benchmarks/results/schemathesis.json.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import requests

from benchmarks import machine
from benchmarks.figure import Figure
from dropml.azurite import process
from tests.support.scoring_cloud import Cloud, running

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "schemathesis.json"
WANTED = 10_000
#: A round that makes no requests at all would be repeated for ever.
MOST_ROUNDS = 40


@dataclass(frozen=True)
class Outcome:
    """What one run of schemathesis found. `failures`: distinct ones."""

    passed: bool
    cases: int
    output: str

    @property
    def failures(self) -> int:
        found = re.search(r"(\d+) unique failures?", self.output)
        return int(found[1]) if found else int(not self.passed)


def check(
    cloud: Cloud, folder: Path, *, examples: int, phases: str, seed: int, options: tuple[str, ...] = ()
) -> Outcome:
    """Run schemathesis against a running app; `options` go to its command line."""
    swagger = requests.get(f"{cloud.api}/swagger.json", headers=cloud.headers, timeout=20).json()
    body = swagger["paths"]["/api/score/bank"]["post"]["requestBody"]["content"]
    config = folder / "schemathesis.toml"
    config.write_text(
        '[parameters]\n"path.name" = "bank-abc123"\n"path.dataset" = "bank"\n'
        '[[operations]]\ninclude-tag = "runs"\nparameters = { "path.id" = "bank-1-a1" }\n'
    )
    command = [str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(config), "run"]
    command += [f"{cloud.api}/swagger.json", "--header", f"x-functions-key: {cloud.key}"]
    command += ["--exclude-checks", "unsupported_method", "--phases", phases, "--seed", str(seed)]
    command += ["--max-examples", str(examples), "--request-timeout", "30", "--no-color"]
    command += ["--continue-on-failure", "--suppress-health-check", "all", "--generation-database", "none"]
    command += options
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ
        | {
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.functions.contract_hooks",
            "CONTRACT_CSV": body["text/csv"]["example"],
        },
        capture_output=True,
        text=True,
        timeout=7200,
        check=False,
    )
    output = done.stdout + done.stderr
    found = re.search(r"(\d+) generated", output)
    return Outcome(done.returncode == 0, int(found[1]) if found else 0, output)


def rounds(cloud: Cloud, folder: Path, examples: int, seed: int, cases: int) -> list[Outcome]:
    """Whole runs, stateful ones included, each with the next seed, until there were so many cases."""
    outcomes: list[Outcome] = []
    phases = "examples,coverage,fuzzing,stateful"
    while sum(outcome.cases for outcome in outcomes) < cases and len(outcomes) < MOST_ROUNDS:
        outcomes.append(check(cloud, folder, examples=examples, phases=phases, seed=seed + len(outcomes)))
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.functions.contract", description=__doc__)
    parser.add_argument("--examples", type=int, default=60, help="per operation and phase")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--cases", type=int, default=WANTED, help="rounds are made, each with the next seed, until so many"
    )
    options = parser.parse_args()
    process.install()
    with tempfile.TemporaryDirectory() as name:
        azurite = process.start(Path(name) / "azurite", die_with_parent=True)
        try:
            with running(Path(name) / "app", azurite.connection_string) as cloud:
                outcomes = rounds(cloud, Path(name), options.examples, options.seed, options.cases)
                faults = [line for line in cloud.host.lines if "Traceback" in line]
        finally:
            azurite.stop()
    print(*(outcome.output for outcome in outcomes), sep="\n")
    figures = [
        Figure("schemathesis_cases", sum(outcome.cases for outcome in outcomes), options.cases),
        Figure("schemathesis_failures", sum(outcome.failures for outcome in outcomes), 0, at_least=False),
        Figure("schemathesis_tracebacks", len(faults), 0, at_least=False),
    ]
    print(*(figure.line() for figure in figures), sep="\n")
    RESULTS.parent.mkdir(exist_ok=True)
    document = {"machine": machine.facts("schemathesis"), "seed": options.seed}
    document["figures"] = [figure.to_dict() for figure in figures]
    RESULTS.write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
