"""Why a model cannot be loaded, or rows cannot be scored."""

from __future__ import annotations

from typing import Any


class CompiledFormError(RuntimeError):
    """The model folder has no usable compiled form: serve the reference form."""


class SignatureError(ValueError):
    """The rows do not fit the model's signature."""


class NoModelError(RuntimeError):
    """The folder that a deployment names holds no model, or more than one."""


class ThresholdError(ValueError):
    """The deployment's own threshold is no probability, or its model has not two classes."""


class UnexplainedError(ValueError):
    """The model's files lack what an explanation takes."""


class RequestError(ValueError):
    """A request that cannot be scored: the HTTP status due, and what is wrong with which row, column and value."""

    def __init__(
        self, status: int, code: str, message: str, errors: list[dict[str, Any]] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.errors = status, code, errors

    @property
    def body(self) -> dict[str, Any]:
        """What the caller is answered; `message` as the inference server's own errors have it."""
        body: dict[str, Any] = {"message": str(self), "code": self.code}
        return body if self.errors is None else {**body, "errors": self.errors}
