"""From a deployment that answers to one that serves: smoke test, gate, live (the canary between: `canary`).

One run of a dataset at a time is between gate and live: the dataset's document names it under `promoting`.
"""

from __future__ import annotations

from typing import Any

from shared.domain import documents
from shared.domain.errors import DropMLError, Transient
from shared.domain.gate import GateConfig, Verdict, judge, judge_first, judge_regression
from shared.domain.labels import canonical_label
from shared.domain.run.run import Run, State
from shared.domain.schema import Schema
from shared.domain.schema_change import breaking_changes
from shared.services.monitoring import tallies
from shared.services.run.lifecycle import Context
from shared.services.run.ports import Endpoint


def endpoint_of(run: Run, ctx: Context) -> Endpoint:
    found = ctx.azureml.endpoint(run.endpoint["name"])
    if found is None:
        raise DropMLError(
            f"The endpoint {run.endpoint['name']} no longer exists.",
            remedy="Retry the run.",
            code="endpoint-gone",
        )
    return found


def columns_of(run: Run) -> list[str]:
    return [c["name"] for c in run.data["schema"]["columns"]]


def verifying(run: Run, ctx: Context) -> bool:
    """Smoke test: the new deployment must answer the dataset's own example rows with labels it was trained on."""
    endpoint = endpoint_of(run, ctx)
    columns, classes = columns_of(run), run.data["schema"]["classes"]
    rows = [[row.get(c) for c in columns] for row in run.data["schema"]["example"]]
    try:
        answers = ctx.scorer.labels(endpoint, run.endpoint["deployment"], columns, rows)
    except Transient:
        raise
    except DropMLError as error:
        return _refuse(run, ctx, f"the smoke test got no answer: {error.message}")
    known = {canonical_label(c) for c in classes}
    strange = [a for a in answers if known and canonical_label(a) not in known]
    if len(answers) != len(rows) or strange:
        return _refuse(
            run, ctx, f"the smoke test got {answers!r} for {len(rows)} rows, not labels of {classes}"
        )
    run.gate = {"smoke": answers}
    run.advance(State.GATE, ctx.clock(), smoke=answers)
    return True


def _refuse(run: Run, ctx: Context, why: str) -> bool:
    ctx.azureml.begin_delete_deployment(run.endpoint["name"], run.endpoint["deployment"])
    raise DropMLError(
        f"Deployment {run.endpoint['deployment']} was taken down: {why}.",
        remedy="Read the deployment's log in the studio; POST /api/runs/{id}/retry trains and deploys anew.",
        code="smoke-failed",
    )


def _claim(run: Run, ctx: Context) -> tuple[bool, str | None]:
    """Be the one run of the dataset that is promoted now; `(claimed, champion's run id)`."""

    def take(doc: dict[str, Any]) -> tuple[bool, str | None]:
        if doc["promoting"] in (None, run.run_id):
            doc["promoting"] = run.run_id
            return True, doc["champion"]
        return False, doc["champion"]

    return ctx.runs.change_dataset(run.slug, take)


def gate(run: Run, ctx: Context) -> bool:
    """Challenger and champion answer the same holdout rows; the numbers decide, and are kept.

    Without a champion the floor decides, and all traffic goes to the first model without a canary.
    """
    claimed, champion_id = _claim(run, ctx)
    if not claimed:
        return False
    endpoint = endpoint_of(run, ctx)
    if run.gate.get("decision") == "promote":
        return take_all(run, None, endpoint, ctx)
    champion = ctx.runs.load(champion_id)[0] if champion_id else None
    if champion and champion.n > run.n:
        run.gate |= {
            "decision": "reject",
            "reason": f"superseded: {champion.run_id} is newer and already live",
        }
        return reject(run, ctx)
    broken = _schema_break(run, champion)
    if broken:
        run.gate |= {"decision": "reject", "reason": broken}
        return reject(run, ctx)
    verdict = _compare(run, champion, endpoint, ctx)
    run.gate |= verdict | {"champion_run": champion_id}
    if verdict["decision"] == "reject":
        return reject(run, ctx)
    if champion:
        run.gate["canary_percent"] = ctx.settings.canary_percent
        run.advance(State.CANARY, ctx.clock(), **verdict)
    else:
        run.record(ctx.clock(), "gate", **verdict)
    return True


def _schema_break(run: Run, champion: Run | None) -> str | None:
    """Why callers of the champion would be refused by the challenger; None when none would, or it is allowed."""
    if champion is None or run.config["gate"].get("allow_schema_change"):
        return None
    old, new = (Schema.from_dict(r.data["schema"]) for r in (champion, run))
    changes = breaking_changes(old, new)
    if not changes:
        return None
    return (
        f"held: the input schema breaks its callers. {' '.join(changes)} To promote it all the same, set "
        "gate.allow_schema_change: true in the dataset's yaml and drop the file again."
    )


def _compare(run: Run, champion: Run | None, endpoint: Endpoint, ctx: Context) -> dict[str, Any]:
    config = documents.from_json(run.config["gate"], GateConfig)
    schema = Schema.from_dict(run.data["schema"])
    rows, truth = ctx.data.draw_holdout(run.data["holdout_path"], schema, ctx.settings.gate_max_rows)
    columns = columns_of(run)

    def answers(of: Run) -> list[str]:
        labels = ctx.scorer.labels(endpoint, of.endpoint["deployment"], columns, rows) if rows else []
        return [canonical_label(label) for label in labels]

    truth = [canonical_label(label) for label in truth]
    new, old = answers(run), answers(champion) if champion else None
    if run.config["task"] != "classification":
        verdict = _judge_numbers(truth, new, old, config)
    elif old is None:
        verdict = judge_first(truth, new, config, seed=run.run_id)
    else:
        verdict = judge(truth, old, new, config, seed=run.run_id)
    return documents.to_json(verdict)


def _judge_numbers(truth: list[str], new: list[str], old: list[str] | None, config: GateConfig) -> Verdict:
    champion = [float(a) for a in old] if old is not None else None
    return judge_regression([float(t) for t in truth], [float(a) for a in new], champion, config)


def reject(run: Run, ctx: Context) -> bool:
    """A rejection is a normal outcome: the numbers stay, the deployment goes."""
    if ctx.azureml.deployment(run.endpoint["name"], run.endpoint["deployment"]) is not None:
        ctx.azureml.begin_delete_deployment(run.endpoint["name"], run.endpoint["deployment"])
    run.advance(State.REJECTED, ctx.clock(), gate=run.gate)
    return True


def traffic_is(endpoint: Endpoint, wanted: dict[str, int]) -> bool:
    return {k: v for k, v in endpoint.traffic.items() if v} == wanted


def take_all(run: Run, champion: Run | None, endpoint: Endpoint, ctx: Context) -> bool:
    """All traffic to the run's deployment; live once the endpoint says so."""
    wanted = {run.endpoint["deployment"]: 100}
    if endpoint.state not in ("Succeeded", "Failed"):
        return False
    if not traffic_is(endpoint, wanted):
        ctx.azureml.begin_traffic(endpoint.name, wanted)
        return False
    write_serving(run, endpoint, champion, ctx)

    def crown(doc: dict[str, Any]) -> None:
        doc["champion"], doc["previous"] = run.run_id, doc["champion"]

    tallies.forget(ctx.runs, run.slug)
    if (ctx.runs.dataset(run.slug) or {}).get("champion") != run.run_id:
        ctx.runs.change_dataset(run.slug, crown)
    if champion:
        retire(champion.run_id, run.run_id, ctx)
    prune(run, champion, ctx)
    run.advance(State.LIVE, ctx.clock(), traffic={run.endpoint["deployment"]: 100})
    return True


def retire(run_id: str, by: str, ctx: Context) -> None:
    """The old champion's run ends; its deployment stays at 0 % for instant rollback."""
    run, etag = ctx.runs.load(run_id)
    if run.state is State.LIVE:
        run.advance(State.RETIRED, ctx.clock(), replaced_by=by)
        ctx.runs.save(run, etag)
    elif run.pending:  # retired by a host that died before the ledger had it
        ctx.runs.settle(run, etag)


def prune(run: Run, champion: Run | None, ctx: Context) -> None:
    """At most two deployments are kept; one with traffic is never deleted (the service would refuse)."""
    keep = {run.endpoint["deployment"]} | ({champion.endpoint["deployment"]} if champion else set())
    for deployment in ctx.azureml.deployments(run.endpoint["name"]):
        if deployment.name not in keep and deployment.state in ("Succeeded", "Failed"):
            ctx.azureml.begin_delete_deployment(run.endpoint["name"], deployment.name)


def write_serving(
    run: Run, endpoint: Endpoint, other: Run | None, ctx: Context, *, traffic: dict[str, int] | None = None
) -> None:
    """What the scoring path reads: where to send rows, who answers, and what a row looks like.

    `traffic` stands in for the endpoint's own where the proxy shall follow another one already.
    """
    traffic = traffic or {k: v for k, v in endpoint.traffic.items() if v}
    by_deployment = {r.endpoint["deployment"]: r for r in (run, other) if r}
    ctx.runs.write(
        f"serving/{run.slug}.json",
        {
            "dataset": run.dataset,
            "slug": run.slug,
            "endpoint": endpoint.name,
            "scoring_uri": endpoint.scoring_uri,
            "auth_mode": endpoint.auth_mode,
            "traffic": traffic,
            "deployments": {
                name: {"run_id": r.run_id, "model": f"{r.model['name']}:{r.model['version']}"}
                for name, r in by_deployment.items()
            },
            "live": _live(traffic, other),
            "schema": run.data["schema"],
            "updated_at": ctx.clock(),
        },
    )


def _live(traffic: dict[str, int], other: Run | None) -> str:
    """The deployment that stands for the dataset: the champion as long as it has traffic, else the one with most."""
    if other and traffic.get(other.endpoint["deployment"]):
        return str(other.endpoint["deployment"])
    return max(traffic, key=lambda k: traffic[k])
