"""What the templates must agree with: the code's own settings and functions, and Azure's documented names."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from shared.settings import Settings, variable
from tests.support.indexed import indexed_functions

ROOT = Path(__file__).resolve().parents[2]

#: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
ROLES = {
    "AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "AcrPush": "8311e382-0749-4cb8-b61a-304f252e45ec",
    "AzureML Data Scientist": "f6c7c914-8db3-469d-8ca1-694a8f32e121",
    "Key Vault Administrator": "00482a5a-887f-4fb3-b363-3b7fe8e74483",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "Reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Blob Data Reader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "Storage Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
}

#: Series of virtual machines that Azure has said it retires in 2028 (docs/lifecycle-dates.md).
RETIRING = re.compile(
    r"Standard_(A\d+m?_v2|B\d+(l|m)?s|DS?\d+(_v2)?|F\d+s?(_v2)?|G\w+|L\d+s(_v2)?)", re.IGNORECASE
)

#: What the host, its extensions, Azure's own libraries and the C library read.
#: https://learn.microsoft.com/azure/azure-functions/functions-reference#common-properties-for-identity-based-connections
PLATFORM = frozenset(
    {
        "AzureWebJobsStorage__accountName",
        "AzureWebJobsStorage__credential",
        "AzureWebJobsStorage__clientId",
        "DATA_STORAGE__credential",
        "DATA_STORAGE__clientId",
        "AZURE_CLIENT_ID",
        "MALLOC_ARENA_MAX",
        "MALLOC_MMAP_THRESHOLD_",
    }
)
#: Not taken on Flex Consumption, where functionAppConfig says it.
#: https://learn.microsoft.com/azure/azure-functions/functions-app-settings#flex-consumption-plan-deprecations
REFUSED = re.compile(
    r"FUNCTIONS_(EXTENSION_VERSION|WORKER_RUNTIME.*|WORKER_PROCESS_COUNT|MAX_HTTP.*)|WEBSITE_.*|SCM_.*|ENABLE_ORYX_BUILD"
    r"|AzureWebJobsDashboard|AzureWebJobsStorage|.*CONNECTION_?STRING$(?<!APPLICATIONINSIGHTS_CONNECTION_STRING)"
)


def read_by_the_code() -> frozenset[str]:
    """Every setting, and what the host resolves when it indexes the functions."""
    return frozenset(map(variable, fields(Settings))) | resolved_by_the_host()


def resolved_by_the_host() -> frozenset[str]:
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "functions").glob("*.py"))
    return frozenset(name for source in sources for name in re.findall(r"%([A-Z_]+)%", source))


def needed_by_the_code() -> frozenset[str]:
    """What has no default that would do in Azure."""
    return (
        resolved_by_the_host()
        | PLATFORM
        | {
            "AZURE_SUBSCRIPTION_ID",
            "AZURE_RESOURCE_GROUP",
            "AZUREML_WORKSPACE",
            "AZUREML_COMPUTE",
            "DATASTORE",
            "DATA_STORAGE__blobServiceUri",
            "DATA_STORAGE__queueServiceUri",
            "BLOB_SOURCE",
            "EVENT_TOPIC",
            "PYTHON_THREADPOOL_THREAD_COUNT",
            "APPLICATIONINSIGHTS_CONNECTION_STRING",
            "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
            "DATA_CONTAINER",
            "QUARANTINE_CONTAINER",
            "STATE_CONTAINER",
            "BATCH_CONTAINER",
            "INSTANCE_TYPE",
            "INSTANCE_COUNT",
        }
    )


def indexed() -> frozenset[str]:
    """Functions by their names, under which the host sends a request for each call."""
    return frozenset(str(found.get_function_name()) for found in indexed_functions())


def triggered_by_blobs() -> frozenset[str]:
    """Functions that are indexed with a blob trigger."""
    return frozenset(
        str(found.get_function_name())
        for found in indexed_functions()
        if any(binding.type == "blobTrigger" for binding in found.get_bindings())
    )
