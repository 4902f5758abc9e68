"""Everything on one machine: Azurite, the Azure ML emulator and the Functions host; `.dropml/stack.json` says where."""

from dropml.common.private import write_json
from dropml.stack.command import NOT_RUNNING, budget_of, describe, main, start
from dropml.stack.life import down, left_behind, up
from dropml.stack.places import HOME, PARTS, ROOT, Places, Stack, Started, load
from dropml.stack.settings import GROUP, SUBSCRIPTION, WORKSPACE, app_settings

__all__ = [
    "GROUP",
    "HOME",
    "NOT_RUNNING",
    "PARTS",
    "ROOT",
    "SUBSCRIPTION",
    "WORKSPACE",
    "Places",
    "Stack",
    "Started",
    "app_settings",
    "budget_of",
    "describe",
    "down",
    "left_behind",
    "load",
    "main",
    "start",
    "up",
    "write_json",
]
