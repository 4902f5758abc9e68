"""What may differ, and why. A deviation that no line here explains is a failure; so is a line that explains none."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.conformance.exchange import Exchange


@dataclass(frozen=True)
class Allowance:
    """`route` and `fault` are regular expressions on the exchange's `METHOD route` and on the deviation's text."""

    route: str
    fault: str
    reason: str

    def explains(self, exchange: Exchange, fault: str) -> bool:
        return bool(
            re.search(self.route, f"{exchange.method} {exchange.route}") and re.search(self.fault, fault)
        )


#: Requests of azure-ai-ml 1.35.2 that break the specs; the service takes them.
SDK = (
    Allowance(
        r"PUT \{ws\}/jobs/\{\}",
        r"featurizationSettings/mode: 'auto'",
        "azure-ai-ml writes `auto`; the spec's enum says `Auto`",
    ),
    Allowance(
        r"PUT \{ws\}/batchEndpoints/\{\}$",
        r"properties/authMode: 'aadToken'",
        "azure-ai-ml writes `aadToken`; the spec's enum says `AADToken`",
    ),
    Allowance(
        r"PUT \{ws\}/batchEndpoints/\{\}/deployments/\{\}",
        r"settings/continue_on_step_failure: False",
        "azure-ai-ml writes a boolean; the spec declares a map of strings",
    ),
)

#: Answers of ours that break the specs because the real service's recorded answers do, too.
ANSWERS = (
    Allowance(
        r"PUT \{ws\}/onlineEndpoints/\{\}$",
        r"'location' is a required property",
        "the service's answer to an endpoint's update has no location (recorded 2025-02-27)",
    ),
)

#: Recorded properties that our answers lack.
RECORDED = (
    Allowance(
        r"onlineEndpoints/\{\}/deployments",
        r"properties/(codeConfiguration|environmentId): null",
        "the recording has a scoring script; it is repeated without one, for its code is not in the recording",
    ),
    Allowance(
        r"batchEndpoints/\{\}/deployments",
        r"properties/(codeConfiguration|environmentId|model): null",
        "the recording deploys a model with a script; the emulator deploys pipeline components",
    ),
    Allowance(
        r"POST /score",
        r"body/\*: string, recorded number",
        "the recorded model is a regression, ours answers labels",
    ),
    Allowance(
        r"GET \{ws\}$",
        r"sdkTelemetryAppInsightsKey: null",
        "a key would have SDKs send telemetry to Microsoft's Application Insights",
    ),
    Allowance(
        r"GET \{ws\}/jobs/\{\}",
        r"properties/(mlflow\.source\.git\.\w+|azureml\.git\.dirty|ClientSdkVersion): ",
        "facts about the submitting machine's git checkout and 2022 SDK, sent by that SDK",
    ),
    Allowance(
        r"GET \{ws\}/jobs/\{\}",
        r"properties/(ProblemInfoJsonString|FeaturizationRunJsonPath|FeaturizationRunId|ModelExplainRunId): absent",
        "featurization and explanation are phases of one process here, not runs of their own",
    ),
)


def explain(rules: tuple[Allowance, ...], exchange: Exchange, fault: str) -> Allowance | None:
    return next((rule for rule in rules if rule.explains(exchange, fault)), None)
