"""What every ledger must do (`shared.services.documents.Ledger`)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.domain.errors import Conflict
from shared.services.documents import Ledger

PATH = "ledger/bank-1-a1.jsonl"


class LedgerContract:
    """A subclass gives the fixture `ledger` (empty) and may write into one as a dying or forging hand would."""

    @pytest.fixture
    def ledger(self) -> Ledger:
        raise NotImplementedError

    def half_written(self, ledger: Ledger, data: bytes) -> None:
        """Append raw bytes to the ledger at PATH, whole lines or not."""
        raise NotImplementedError

    def test_without_a_ledger_there_are_no_lines(self, ledger: Ledger) -> None:
        assert ledger.read(PATH) == []

    def test_lines_are_appended_in_place(self, ledger: Ledger) -> None:
        end = ledger.append(PATH, 0, ['{"n":1}', '{"n":2}'])
        assert end == 16
        assert ledger.append(PATH, end, ["zwölf"]) == 16 + 7
        assert ledger.read(PATH) == ['{"n":1}', '{"n":2}', "zwölf"]

    def test_a_line_with_other_separators_of_text_is_one_line(self, ledger: Ledger) -> None:
        line = '{"by":"a\u2028b\x85c\x0cd"}'
        ledger.append(PATH, 0, [line])
        assert ledger.read(PATH) == [line]

    def test_lines_that_a_dead_worker_had_appended_are_not_doubled(self, ledger: Ledger) -> None:
        first = ledger.append(PATH, 0, ["one"])
        assert ledger.append(PATH, 0, ["one"]) == first
        second = ledger.append(PATH, first, ["two", "three"])
        assert ledger.append(PATH, first, ["two", "three"]) == second
        assert ledger.append(PATH, first, ["two"]) == first + 4
        assert ledger.append(PATH, first, ["two", "three", "four"]) == second + 5
        assert ledger.read(PATH) == ["one", "two", "three", "four"]

    def test_a_line_written_by_half_is_completed(self, ledger: Ledger) -> None:
        first = ledger.append(PATH, 0, ["one"])
        self.half_written(ledger, b"tw")
        assert ledger.read(PATH) == ["one", "tw"]
        end = ledger.append(PATH, first, ["two", "three"])
        assert ledger.append(PATH, end, ["four"]) == end + 5
        assert ledger.read(PATH) == ["one", "two", "three", "four"]

    def test_a_forged_line_is_left_alone_and_told(self, ledger: Ledger) -> None:
        first = ledger.append(PATH, 0, ["one"])
        self.half_written(ledger, b"forged\n")
        with pytest.raises(Conflict) as caught:
            ledger.append(PATH, first, ["two"])
        assert caught.value.error_code == "ledger-diverged"
        with pytest.raises(Conflict):
            ledger.append(PATH, 0, ["uno"])
        assert ledger.read(PATH) == ["one", "forged"]

    def test_a_ledger_that_ends_before_is_told(self, ledger: Ledger) -> None:
        with pytest.raises(Conflict) as caught:
            ledger.append(PATH, 10, ["three"])
        assert caught.value.error_code == "ledger-diverged"
        end = ledger.append(PATH, 0, ["one"])
        with pytest.raises(Conflict):
            ledger.append(PATH, end + 10, ["three"])
        assert ledger.read(PATH) == ["one"]

    def test_two_workers_who_append_the_same_lines_at_once_write_them_once(self, ledger: Ledger) -> None:
        first = ledger.append(PATH, 0, ["one"])
        with ThreadPoolExecutor(4) as pool:
            ends = [pool.submit(ledger.append, PATH, first, ["two", "three"]) for _ in range(8)]
            assert {end.result() for end in ends} == {first + 10}
        assert ledger.read(PATH) == ["one", "two", "three"]

    def test_ledgers_are_apart(self, ledger: Ledger) -> None:
        ledger.append(PATH, 0, ["one"])
        ledger.append(PATH + "2", 0, ["two"])
        assert (ledger.read(PATH), ledger.read(PATH + "2")) == (["one"], ["two"])
