"""Tokens: the managed-identity endpoint that an unmodified DefaultAzureCredential asks, and their verification."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass, field
from typing import Any

import jwt
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dropml.azureml.core.arm import GatewayError, reply
from dropml.azureml.core.clock import Clock
from dropml.azureml.core.store import Store

ARM_AUDIENCES = (
    "https://management.core.windows.net/",
    "https://management.core.windows.net",
    "https://management.azure.com/",
    "https://management.azure.com",
)
ML_AUDIENCES = ("https://ml.azure.com", "https://ml.azure.com/")
#: A managed identity's token lives for 24 hours.
LIFETIME = 24 * 3600
#: Tokens whose signature was checked already.
_KNOWN = 256


@dataclass
class Identity:
    """Issues and checks HS256 tokens with a secret made at the first start."""

    store: Store
    clock: Clock
    tenant: str
    required_header: str | None = None
    _known: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def secret(self) -> str:
        return self.store.meta_once("identity.secret", lambda: secrets.token_urlsafe(48))

    @property
    def principal(self) -> str:
        return self.store.meta_once("identity.principal", lambda: str(uuid.uuid4()))

    def issue(self, audience: str, lifetime: float = LIFETIME) -> tuple[str, int]:
        """(token, when it expires in Unix seconds)."""
        now = int(self.clock.now())
        expires = now + int(lifetime)
        claims = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{self.tenant}/",
            "iat": now,
            "nbf": now,
            "exp": expires,
            "appid": self.principal,
            "oid": self.principal,
            "sub": self.principal,
            "idtyp": "app",
            "tid": self.tenant,
            "ver": "1.0",
        }
        return jwt.encode(claims, self.secret, algorithm="HS256"), expires

    def check(self, authorization: str | None, audiences: tuple[str, ...]) -> None:
        """Raise Resource Manager's 401 unless the header carries a live token for one of the audiences."""
        if not authorization:
            raise self._refusal(
                "AuthenticationFailed",
                "Authentication failed. The 'Authorization' header is missing.",
            )
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise self._refusal(
                "AuthenticationFailedInvalidHeader",
                "Authentication failed. The 'Authorization' header is provided in an invalid format.",
            )
        claims = self._known.get(token) or self._decode(token)
        if float(claims.get("exp", 0)) <= self.clock.now():
            raise self._refusal("ExpiredAuthenticationToken", "The access token expiry UTC time has passed.")
        if claims.get("aud") not in audiences:
            allowed = ",".join(f"'{a}'" for a in audiences)
            raise self._refusal(
                "InvalidAuthenticationTokenAudience",
                "The access token has been obtained for wrong audience or resource "
                f"'{claims.get('aud')}'. It should exactly match with one of the allowed audiences {allowed}.",
            )

    def _decode(self, token: str) -> dict[str, Any]:
        """The claims of a token that this identity signed."""
        unchecked = {"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False}
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self.secret,
                algorithms=["HS256"],
                options=unchecked,  # type: ignore[arg-type]
            )
        except jwt.PyJWTError:
            raise self._refusal("InvalidAuthenticationToken", "The access token is invalid.") from None
        if len(self._known) >= _KNOWN:
            self._known.clear()
        self._known[token] = claims
        return claims

    def _refusal(self, code: str, message: str) -> GatewayError:
        challenge = (
            f'Bearer authorization_uri="https://login.microsoftonline.com/{self.tenant}", '
            f'error="invalid_token", error_description="{message}"'
        )
        return GatewayError(401, message, code, headers={"WWW-Authenticate": challenge})

    async def token(self, request: Request) -> Response:
        """App Service's identity protocol, api-version 2019-08-01.

        https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
        """
        given = request.headers.get("x-identity-header")
        if not given or (self.required_header and given != self.required_header):
            return reply({"statusCode": 401, "message": "The X-IDENTITY-HEADER is missing or wrong."}, 401)
        resource = request.query_params.get("resource")
        if not resource:
            return reply({"statusCode": 400, "message": "The query parameter 'resource' is required."}, 400)
        token, expires = self.issue(resource)
        return reply(
            {
                "access_token": token,
                "expires_on": str(expires),
                "resource": resource,
                "token_type": "Bearer",
                "client_id": self.principal,
            }
        )

    def routes(self) -> list[Route]:
        return [Route("/msi/token", self.token, methods=["GET"])]
