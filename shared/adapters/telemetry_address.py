"""Where telemetry goes, and by what right."""

from __future__ import annotations

from shared.domain.errors import InvalidConfig

DEFAULT_INGESTION = "https://dc.services.visualstudio.com"
#: What a token for telemetry is asked for; the two slashes are the service's own.
#: https://learn.microsoft.com/azure/azure-monitor/app/azure-ad-authentication
SCOPE = "https://monitor.azure.com//.default"


def parse_connection_string(text: str) -> tuple[str, str]:
    """(instrumentation key, ingestion URL). Raises InvalidConfig.

    https://learn.microsoft.com/azure/azure-monitor/app/connection-strings
    """
    pairs = (part.split("=", 1) for part in text.split(";") if "=" in part)
    fields = {key.strip().lower(): value.strip() for key, value in pairs}
    key = fields.get("instrumentationkey", "")
    if not key:
        raise InvalidConfig(
            "APPLICATIONINSIGHTS_CONNECTION_STRING names no InstrumentationKey.",
            remedy="Copy it whole from the Application Insights resource, or leave it empty.",
            field="APPLICATIONINSIGHTS_CONNECTION_STRING",
        )
    return key, fields.get("ingestionendpoint", DEFAULT_INGESTION).rstrip("/") + "/v2.1/track"


def wants_token(authentication: str) -> bool:
    """Whether APPLICATIONINSIGHTS_AUTHENTICATION_STRING asks for Microsoft Entra ID: `Authorization=AAD`."""
    pairs = (part.partition("=") for part in authentication.split(";"))
    return any(
        name.strip().lower() == "authorization" and value.strip().upper() == "AAD" for name, _, value in pairs
    )
