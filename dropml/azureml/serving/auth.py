"""Who may call: endpoint keys, or JWTs of the emulator."""

import hmac
import time
from typing import Any

from dropml.azureml.serving import answers
from dropml.azureml.serving.messages import Answer
from dropml.azureml.serving.settings import EndpointSettings

AUDIENCES = ("https://ml.azure.com", "https://ml.azure.com/")
_CACHE = 256


class Guard:
    """Checks the Authorization header of the settings of the endpoint.

    Texts of refusals: key_auth_* are what the service answers [reports of callers]; token_auth_* are formed
    like them [guess].
    """

    def __init__(self, settings: EndpointSettings) -> None:
        self._settings = settings
        self._keys = tuple(key.encode() for key in settings.keys)
        self._kind = "key" if settings.auth_mode == "Key" else "token"
        self._verified: dict[bytes, float] = {}  # token -> Unix time of its end

    def refusal(self, header: bytes | None) -> Answer | None:
        """None if the caller may pass, else the 401 to answer."""
        if not header or header[:7].lower() != b"bearer ":
            return self._deny("bad_header_forbidden")
        credential = header[7:].strip()
        passed = self._key(credential) if self._kind == "key" else self._token(credential)
        return None if passed else self._deny("access_denied")

    def _key(self, credential: bytes) -> bool:
        # Every key is compared, in constant time, so that timing tells nothing.
        matches = [hmac.compare_digest(credential, key) for key in self._keys]
        return any(matches)

    def _token(self, credential: bytes) -> bool:
        now = time.time()
        expiry = self._verified.get(credential)
        if expiry is None:
            expiry = self._verify(credential)
            if expiry is None:
                return False
            if len(self._verified) >= _CACHE:
                self._verified.clear()
            self._verified[credential] = expiry
        return now < expiry

    def _verify(self, credential: bytes) -> float | None:
        import jwt  # heavy through cryptography, and only token endpoints need it

        # A token from before the clock was put back is none of the future.
        options: Any = {"require": ["exp"], "verify_nbf": False, "verify_iat": False}
        audience: Any = None
        if self._settings.auth_mode == "AADToken":
            audience = AUDIENCES
        else:
            options["verify_aud"] = False
        try:
            claims = jwt.decode(
                credential,
                self._settings.token_secret,
                algorithms=["HS256"],
                audience=audience,
                options=options,
            )
        except jwt.InvalidTokenError:
            return None
        if self._settings.auth_mode == "AMLToken" and claims.get("sub") != self._settings.name:
            return None
        return float(claims["exp"])

    def _deny(self, why: str) -> Answer:
        return answers.text(401, f"{self._kind}_auth_{why}", b"WWW-Authenticate: Bearer\r\n")
