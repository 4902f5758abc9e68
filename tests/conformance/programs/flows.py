"""Runs what a program tries, one after the other, and says how each ended: `flow NAME passed` or `flow NAME failed REASON`."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable


def run(*flows: Callable[[], object]) -> None:
    """Exits with 1 where any failed; a later flow may rest on an earlier one."""
    failed = 0
    for flow in flows:
        try:
            flow()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the flow's
            failed += 1
            traceback.print_exc()
            reason = " ".join(str(error).split())[:300]
            print(f"\nflow {flow.__name__} failed {type(error).__name__}: {reason}", flush=True)
        else:
            print(f"\nflow {flow.__name__} passed", flush=True)
    sys.exit(failed > 0)
