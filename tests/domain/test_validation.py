"""Rows against the schema: every stranger, gap and misfit is named with its row; what repeats is read once."""

from __future__ import annotations

import pytest

from shared.domain.problems import MAX_LISTED, InvalidRows
from shared.domain.rows import validation
from shared.domain.rows.validation import MAX_MEMO, MAX_MEMO_TEXT, RowValidator
from shared.domain.schema import Column, Schema

SCHEMA = Schema(
    "y",
    (Column("age", "integer"), Column("job", "string", nullable=True, categories=("clerk", "cook"))),
    ("no", "yes"),
)


@pytest.fixture
def validator() -> RowValidator:
    return RowValidator(SCHEMA)


def refused(validator: RowValidator, records: list[object]) -> InvalidRows:
    with pytest.raises(InvalidRows) as caught:
        validator.check_records(records)
    return caught.value


class TestOrder:
    def test_columns_may_stand_anywhere_and_a_nullable_one_may_lack(self, validator: RowValidator) -> None:
        assert validator.order(["job", "age"]) == [1, 0]
        assert validator.order(["age"]) == [0, None]

    def test_others_are_taken_only_where_it_is_asked_for(self, validator: RowValidator) -> None:
        assert validator.order(["y", "age", "job"], others=True) == [1, 2]
        assert validator.order(["age", "job"], others=True) == [0, 1]
        with pytest.raises(InvalidRows, match="the very thing that is predicted"):
            validator.order(["y", "age", "job"])
        assert validator.order(["z", "age", "job"], others=True) == [1, 2]
        with pytest.raises(InvalidRows, match='Did you mean "job"'):
            validator.order(["jobb", "age"], others=True)

    def test_what_is_wrong_with_a_header_is_raised_at_once(self, validator: RowValidator) -> None:
        for header in (["job"], ["age", "age", "job"], ["age", "jib"]):
            with pytest.raises(InvalidRows):
                validator.order(header)

    def test_a_table_tells_its_headers_faults_with_its_rows(self, validator: RowValidator) -> None:
        with pytest.raises(InvalidRows) as caught:
            validator.check_table(["age", "jib"], [[1, "cook"], [1]])
        assert [(issue.code, issue.field, issue.row) for issue in caught.value.issues] == [
            ("unknown-field", "jib", None),
            ("wrong-width", None, 1),
        ]
        assert 'Did you mean "job"?' in caught.value.issues[0].message

    def test_a_misspelt_column_is_looked_for_among_so_many_strangers(self, validator: RowValidator) -> None:
        """Each is compared with what is absent, and names by the ten thousand are no slip."""
        strangers = [f"#{number}" for number in range(20_000)]
        with pytest.raises(InvalidRows, match='Did you mean "job"'):
            validator.order([*strangers[1:], "jobb", "age"], others=True)
        assert validator.order([*strangers, "jobb", "age"], others=True) == [20_001, None]

    def test_however_many_columns_are_absent_some_strangers_are_compared(self) -> None:
        wide = RowValidator(Schema("y", tuple(Column(f"c{n}", "integer") for n in range(20_001)), ()))
        given = [f"#{number}" for number in range(MAX_LISTED)]
        assert wide._misspelt([*given[1:], "c00001"]) == ["c00001"]
        assert wide._misspelt([*given, "c00001"]) == []

    def test_rows_of_another_shape_are_named(self, validator: RowValidator) -> None:
        with pytest.raises(InvalidRows) as caught:
            validator.check_table(["age", "job"], [[1, "cook"], {"age": 1}, [1, "cook", 2]])
        assert [(issue.code, issue.row, issue.message) for issue in caught.value.issues] == [
            ("wrong-width", 1, "Row 1 is not a list of values."),
            ("wrong-width", 2, "Row 2 has 3 values; 2 columns are named."),
        ]

    def test_what_is_wrong_is_said_in_words(self, validator: RowValidator) -> None:
        messages = [issue.message for issue in refused(validator, [{"age": None}, [1]]).issues]
        assert messages[-1] == "Row 1 is not a JSON object of field and value."
        (empty,) = refused(validator, [{"age": None}]).issues
        assert empty.message == 'Field "age" must not be empty.'
        (twice,) = refused_table(validator, ["age", "age"], [[1, 1]]).issues
        assert (twice.code, twice.field, twice.message) == (
            "duplicate-field",
            "age",
            'Column "age" is named twice.',
        )


class TestListing:
    @pytest.mark.parametrize("wrong", [MAX_LISTED - 1, MAX_LISTED, MAX_LISTED + 1, 3 * MAX_LISTED])
    def test_so_many_are_listed_and_all_are_counted(self, validator: RowValidator, wrong: int) -> None:
        error = refused(validator, [{"age": "x", "job": None}] * wrong)
        assert len(error.issues) == min(wrong, MAX_LISTED)
        assert error.total == wrong
        assert [issue.row for issue in error.issues] == list(range(min(wrong, MAX_LISTED)))

    def test_a_category_never_seen_is_a_warning_with_its_row(self, validator: RowValidator) -> None:
        checked = validator.check_records([{"age": 1, "job": "cook"}, {"age": 2, "job": "king"}])
        assert checked.rows == [[1, "cook"], [2, "king"]]
        assert [(w.code, w.field, w.row) for w in checked.warnings] == [("unseen-category", "job", 1)]
        assert checked.total_warnings == 1

    def test_a_record_with_a_stranger_and_a_gap_tells_of_both(self, validator: RowValidator) -> None:
        error = refused(validator, [{"agee": 1}, 7])
        assert [(issue.code, issue.field, issue.row) for issue in error.issues] == [
            ("missing-field", "age", 0),
            ("unknown-field", "agee", 0),
            ("wrong-type", None, 1),
        ]

    @pytest.mark.parametrize("sent", ["Age", "AGE", "aged"])
    def test_a_field_that_is_missing_names_the_near_one_that_was_sent(
        self, validator: RowValidator, sent: str
    ) -> None:
        for error in (
            refused(validator, [{sent: 1, "job": "cook"}]),
            refused_table(validator, [sent, "job"], [[1, "cook"]]),
        ):
            said = {issue.code: issue.message for issue in error.issues}
            assert said["missing-field"] == f'Field "age" is missing. Did you mean it by "{sent}"?'
            assert said["unknown-field"].endswith('Did you mean "age"?')
            assert error.remedy
        assert refused(validator, [{"job": "cook"}]).issues[0].message == 'Field "age" is missing.'

    def test_a_stranger_in_place_of_a_field_that_may_be_absent_is_told(self, validator: RowValidator) -> None:
        (issue,) = refused(validator, [{"age": 1, "jobb": "cook"}]).issues
        assert (issue.code, issue.field) == ("unknown-field", "jobb")

    def test_a_record_may_leave_a_nullable_field_out(self, validator: RowValidator) -> None:
        assert validator.check_records([{"age": 1}]).rows == [[1, None]]


def refused_table(validator: RowValidator, columns: list[str], rows: list[object]) -> InvalidRows:
    with pytest.raises(InvalidRows) as caught:
        validator.check_table(columns, rows)
    return caught.value


class TestCells:
    def test_a_row_of_texts_is_read_by_its_columns_types(self, validator: RowValidator) -> None:
        assert validator.check_cells(["7", "cook"]) == ([7, "cook"], [])
        assert validator.check_cells(["7", ""]) == ([7, None], [])

    def test_a_bad_row_is_told_and_never_remembered(self, validator: RowValidator) -> None:
        for _ in range(2):
            _, issues = validator.check_cells(["seven", "cook"])
            assert [(issue.code, issue.field, issue.row) for issue in issues] == [("wrong-type", "age", None)]
        _, issues = validator.check_cells(["", "cook"])
        assert [issue.code for issue in issues] == ["null-value"]

    def test_what_a_column_has_shown_is_remembered_within_bounds(self, validator: RowValidator) -> None:
        long = "x" * (MAX_MEMO_TEXT + 1)
        validator.check_cells(["1", long])
        validator.check_cells(["1", long[:-1]])
        remembered = validator._memos[1]
        assert set(remembered) == {long[:-1]}
        most = MAX_MEMO // 2
        for number in range(most + 5):
            validator.check_cells([str(number), f"job {number}"])
        assert len(validator._memos[0]) == most
        assert validator.check_cells([str(most + 4), f"job {most + 4}"]) == (
            [most + 4, f"job {most + 4}"],
            [],
        )

    def test_a_table_of_one_column_has_the_memory_to_itself(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(validation, "MAX_MEMO", 10)
        alone = RowValidator(Schema("y", (Column("age", "integer"),), ()))
        for number in range(20):
            alone.check_cells([str(number)])
        assert len(alone._memos[0]) == 10

    def test_a_row_that_is_cut_short_is_refused(self, validator: RowValidator) -> None:
        for _ in range(2):
            with pytest.raises(ValueError, match=r"zip\(\)"):
                validator.check_cells(["7"])
            validator.check_cells(["7", "cook"])
