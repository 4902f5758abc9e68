"""What can be wrong with an app or its settings, each with the exit code that the host ends with."""

from __future__ import annotations


class HostError(Exception):
    """The host cannot start; the message says what is wrong, where, and what to do."""

    exit_code = 2


class ConfigError(HostError):
    """A settings file, host.json, a key file or a storage connection is missing or wrong."""


class AppError(HostError):
    """function_app.py cannot be imported or indexed; as in Azure, no function of it runs then."""

    exit_code = 3


class BindingError(Exception):
    """One function's trigger cannot be set up (an unknown %SETTING%, a bad schedule): that function is left out."""
