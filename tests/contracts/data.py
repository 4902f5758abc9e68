"""What the lifecycle needs of every data account (`shared.services.run.ports.Data`)."""

from __future__ import annotations

import pytest

from shared.domain.errors import Conflict
from shared.domain.run.parts import RunProblem, Source
from shared.domain.run.quarantine import Report, report
from shared.domain.schema import Column, Schema
from shared.services.run.ports import Data

#: The holdout is 200 rows: x from 0 on, "yes" where it is even.
ROWS = 200
HOLDOUT = "bank/1/holdout/data.csv"
SCHEMA = Schema("y", (Column("x", "integer"),), ("no", "yes"))


class DataContract:
    """A subclass gives `data` with a holdout of ROWS at HOLDOUT, a dropped file's `source`, and `replace` for it."""

    @pytest.fixture
    def data(self) -> Data:
        raise NotImplementedError

    @pytest.fixture
    def source(self) -> Source:
        raise NotImplementedError

    def replace(self, data: Data, source: Source) -> None:
        """Somebody drops another file under the same name."""
        raise NotImplementedError

    def refused(self, source: Source) -> Report:
        problem = RunProblem("ragged-row", "Row 7 has 3 values.", "Correct the row.", {"line": 7})
        return report(problem, dataset="bank", run_id="bank-1-a1", source=source, at=1_000_000.0)

    def test_rows_come_with_their_labels(self, data: Data) -> None:
        drawn = data.draw(HOLDOUT, SCHEMA, 10_000)
        rows, truth = drawn.rows, drawn.truth
        assert sorted(int(x or 0) for (x,) in rows) == list(range(ROWS))
        assert truth == ["yes" if int(x or 0) % 2 == 0 else "no" for (x,) in rows]

    def test_at_most_so_many_rows_and_the_same_ones_every_time(self, data: Data) -> None:
        first = data.draw(HOLDOUT, SCHEMA, 50)
        assert len(first.rows) == len(first.truth) == len(set(first.places)) == 50
        assert set(first.truth) == {"no", "yes"}
        assert data.draw(HOLDOUT, SCHEMA, 50) == first

    def test_a_holdout_of_the_same_rows_is_scored_whole(self, data: Data) -> None:
        drawn = data.draw(HOLDOUT, SCHEMA, 10_000, besides=HOLDOUT)
        assert (len(drawn.rows), drawn.known) == (ROWS, 0)

    def test_a_refused_file_is_kept_as_often_as_it_takes(self, data: Data, source: Source) -> None:
        data.quarantine(source, "bank/bank-1-a1", self.refused(source))
        data.quarantine(source, "bank/bank-1-a1", self.refused(source))

    def test_a_file_that_was_replaced_is_not_kept_in_the_place_of_the_refused_one(
        self, data: Data, source: Source
    ) -> None:
        self.replace(data, source)
        with pytest.raises(Conflict) as caught:
            data.quarantine(source, "bank/bank-1-a1", self.refused(source))
        assert caught.value.error_code == "source-changed"
