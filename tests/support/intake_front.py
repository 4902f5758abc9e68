"""The front of the house in memory: files, the intake over them, and what became of both."""

from __future__ import annotations

import json
import time
from typing import Any

from shared.domain.run.parts import RunProblem
from shared.services.batches.dropped import DroppedFiles
from shared.services.intake.drop import Intake
from shared.services.intake.ports import IntakePlan
from shared.services.intake.sweep import Sweep
from shared.services.intake.tidy import Tidy
from tests.support.memory import World
from tests.support.memory_batches import MemoryBatchFiles, batches_over, dropped_files
from tests.support.memory_files import MemoryFiles
from tests.support.scoring_support import Endpoint
from tests.support.staging_area import people

PLAN = IntakePlan("incoming", "data", max_upload_bytes=1_000_000)


class Front:
    """The front of the house: files, the intake over them, and what became of both."""

    def __init__(self, endpoint: Endpoint | None = None) -> None:
        self.world, self.files = World(), MemoryFiles("incoming", "data", "dropml-quarantine")
        self.world.clock.now = time.time()
        self.plan = PLAN
        self.batches = batches_over(self.world, MemoryBatchFiles(self.files), endpoint=endpoint)

    @property
    def intake(self) -> Intake:
        return Intake(self.world.context, self.files, self.plan, self.dropped)

    @property
    def dropped(self) -> DroppedFiles:
        return dropped_files(self.world, self.batches, max_bytes=self.plan.max_upload_bytes)

    def sweep(self) -> int:
        return Sweep(self.world.context, self.files, self.plan, self.intake).run()

    def put(self, name: str, text: str | None = None, **metadata: str) -> None:
        self.files.put("incoming", name, (people() if text is None else text).encode(), metadata)

    def drop(self, name: str) -> str | None:
        return self.intake.drop("incoming", name)

    def tidy(self) -> int:
        return Tidy(self.world.context, self.files, self.plan).run()

    def reports(self) -> list[dict[str, Any]]:
        """The reports of files that got no run."""
        found = self.files.list("dropml-quarantine", "_files/")
        return [
            json.loads(b"".join(self.files.stream("dropml-quarantine", info.name)))
            for info in found
            if info.name.endswith("report.json")
        ]

    def problem(self, run_id: str | None) -> RunProblem:
        problem = self.world.run(str(run_id)).problem
        assert problem is not None
        return problem

    def states(self) -> dict[str, str]:
        return {run.run_id: str(run.state) for run in self.world.runs()}
