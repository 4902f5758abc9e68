"""Ends this process when its parent does, where the system can tell it to (Linux).

A job that is killed outright can tidy nothing up; without this its fork server would finish its imports before it
noticed, and a worker its whole trial. Elsewhere they do that, and end then.
"""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
