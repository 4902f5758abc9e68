"""`python -m tests.attack`: try to break a stack of its own, by kind; prints figures and writes benchmarks/results/attack.json.

What can't be taken, what is malicious, what is slow: each case has the verdict or the answers that it may get. Beside every
kind somebody scores another dataset and asks for health, and the memory of host and emulator is watched.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import machine
from tests.attack import configs, dropping, emulated, files, http, http_cases, names, outages, secrets
from tests.attack.stand import BYSTANDER, Stand
from tests.attack.tally import Tally
from tests.support.live_stack import LiveStack, live_stack
from tests.support.published import publish

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "attack.json"
QUICK_MINUTES = 4.0
SCORE = f"/api/score/{BYSTANDER}"
#: Cases drawn a minute of the time given, by kind.
DRAWN_A_MINUTE = {"files": 40, "names": 12, "configs": 24, "http": 200}


@dataclass(frozen=True)
class Plan:
    """How much: `minutes` scales what is drawn, and long floods are for long runs."""

    minutes: float
    seed: int
    kinds: tuple[str, ...]

    def drawn(self, kind: str) -> int:
        return int(DRAWN_A_MINUTE[kind] * self.minutes)

    @property
    def quick(self) -> bool:
        return self.minutes <= QUICK_MINUTES


def kinds(stand: Stand, plan: Plan, parts: dict[str, dict[str, Any]]) -> dict[str, Callable[[], None]]:
    """What each kind does; in this order."""
    live, tally, seed = stand.live, stand.tally, plan.seed
    key, ever = live.running.key, float("inf")
    hung, watched = parts[outages.HUNG]["placement"], parts[BYSTANDER]["placement"]

    def http_kind() -> None:
        cases = [*http_cases.protocol(SCORE, key), *http_cases.paths(key), *http_cases.bodies(SCORE, key)]
        http.try_all(
            "http", stand.host, [*cases, *http_cases.generated(SCORE, key, plan.drawn("http"), seed)], tally
        )
        doors = [
            ("POST", SCORE),
            ("GET", "/api/health"),
            ("POST", "/admin/host/status"),
            ("GET", "/api/docs"),
        ]
        http.large("http", stand.host, doors, tally)

    def keyless() -> None:
        words = [BYSTANDER, *stand.rows[0], outages.HUNG]
        http.keyless("keyless", stand.host, live.get("/swagger.json"), words, tally)

    def emulator() -> None:
        emulated.own_routes(stand)
        emulated.emulator_port(stand)

    def endpoint() -> None:
        emulated.endpoint(stand, watched["scoring_uri"], stand.endpoint_keys(watched["endpoint"])[0])

    def drops(kind: str, *found: list[files.Drop]) -> None:
        dropping.drop_all(live, kind, [drop for one in found for drop in one], tally, until=ever)

    def drawn(kind: str, draw: Callable[[int, int], list[files.Drop]]) -> list[files.Drop]:
        return draw(plan.drawn(kind), seed)

    return {
        "http": http_kind,
        "keyless": keyless,
        "slow": lambda: http.slow("slow", stand.host, 100 if plan.quick else 500, tally),
        "emulator": emulator,
        "ingestion": lambda: emulated.ingestion(stand),
        "endpoint": endpoint,
        "files": lambda: drops("files", files.listed_files(), drawn("files", files.generated_files)),
        "configs": lambda: drops("configs", configs.listed_configs(), drawn("configs", configs.generated_configs)),
        "names": lambda: drops(
            "names", names.listed_names(), drawn("names", names.generated_names), names.unlistable_names()
        ),
        "burning": lambda: outages.burning_files(stand, mib=40 if plan.quick else 400),
        "hung": lambda: outages.hung_endpoint(stand, hung["endpoint"]),
        "storage": lambda: outages.storage_away(stand, seconds=15 if plan.quick else 60),
    }  # fmt: skip


def attack(live: LiveStack, plan: Plan, canaries: dict[str, str], tally: Tally) -> None:
    parts = {name: live.live(name, i) for i, name in enumerate((BYSTANDER, outages.HUNG))}
    rows = parts[BYSTANDER]["snapshot"]["schema"]["example"]
    stand = Stand(live, tally, rows)
    keys = [key for run in parts.values() for key in stand.endpoint_keys(run["placement"]["endpoint"])]
    for kind, work in kinds(stand, plan, parts).items():
        if plan.kinds and kind not in plan.kinds:
            continue
        with stand.watched(kind):
            try:
                work()
            except Exception as error:  # noqa: BLE001 - a kind that ends early is told; the others are still tried
                tally.wrong.append(f"{kind}: ended early: {type(error).__name__}: {str(error)[:300]}")
    dropping.settle(live, 120)
    if not plan.kinds or "secrets" in plan.kinds:
        needles = secrets.known(stand, keys, canaries) | secrets.use_wrongly(stand)
        time.sleep(3)  # telemetry is sent in the background
        tally.secrets += secrets.search(stand, needles)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.attack", description=__doc__)
    parser.add_argument(
        "--minutes", type=float, default=30.0, help="scales what is drawn (default %(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help=f"as --minutes {QUICK_MINUTES:g}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default="", help="only these, with commas between")
    parser.add_argument("--publish", action="store_true", help="write the report into docs/reliability.md")
    parser.add_argument("--keep", type=Path, help="copy the stack's folder here at the end")
    options = parser.parse_args()
    minutes = QUICK_MINUTES if options.quick else options.minutes
    plan = Plan(minutes, options.seed, tuple(filter(None, options.kinds.split(","))))
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder, secrets.planted() as canaries:
        home = Path(folder) / "stack"
        with live_stack(home) as live:
            try:
                attack(live, plan, canaries, tally)
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - what was tried until then is told
                tally.wrong.append(f"ended early: {type(error).__name__}: {str(error)[:300]}")
        if options.keep:
            shutil.copytree(home, options.keep, dirs_exist_ok=True)
    figures = tally.figures()
    print(*tally.told(), *(figure.line() for figure in figures), sep="\n")
    if options.publish:
        publish(
            "attack", f"{minutes:g} minutes' worth of drawn cases, seed {plan.seed}.", figures, tally.told()
        )
    RESULTS.parent.mkdir(exist_ok=True)
    document: dict[str, Any] = {"machine": machine.facts("hypothesis"), "seed": plan.seed, "minutes": minutes}
    document |= {"figures": [figure.to_dict() for figure in figures], "told": tally.told()}
    RESULTS.write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
