"""A clock that jumps: with this folder on its path, a process lives as many seconds ahead as the file in SOAK_CLOCK says.

What measures spans (time.monotonic) goes on as it is, as it does when a person or NTP sets a machine's clock.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

LOOK_SECONDS = 0.2


def follow(file: Path) -> None:
    """Take up what the file says, for ever."""
    import time_machine

    ahead = 0.0
    traveller = time_machine.travel(time.time(), tick=True).start()
    while True:
        try:
            wanted = float(file.read_text())
        except (OSError, ValueError):
            wanted = ahead  # it is being written
        if wanted != ahead:
            traveller.shift(wanted - ahead)
            ahead = wanted
        time.sleep(LOOK_SECONDS)


if file := os.environ.get("SOAK_CLOCK"):
    threading.Thread(target=follow, args=(Path(file),), daemon=True).start()
