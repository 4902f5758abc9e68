"""Why a model cannot be loaded, or rows cannot be scored."""

from __future__ import annotations


class CompiledFormError(RuntimeError):
    """The model folder has no usable compiled form: serve the reference form."""


class SignatureError(ValueError):
    """The rows do not fit the model's signature."""
