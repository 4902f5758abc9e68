"""A table is profiled as it is staged: what lies beside the snapshot, and what the run is warned of."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from shared.domain.config import DatasetConfig
from shared.domain.documents import from_json
from shared.domain.table.profile.parts import ColumnProfile, Profile
from shared.services.intake.staging import PROFILE
from tests.services.test_staging_memory import grown
from tests.support.staging_area import MemoryArea, people, staged


def profiled(data: bytes | str, config: DatasetConfig | None = None) -> tuple[Profile, str]:
    """The profile that was written, and the warnings."""
    area = MemoryArea()
    done = staged(data, config, area=area, chunk=1 << 20)
    return from_json(json.loads(area.blobs[PROFILE]), Profile), "\n".join(done.warnings)


def column(profile: Profile, name: str) -> ColumnProfile:
    found = profile.column(name)
    assert found is not None
    return found


def test_each_column_has_its_figures() -> None:
    found, _ = profiled(people(400).replace(",Bern,", ",NA,"))
    assert [item.name for item in found.columns] == ["code", "age", "income", "city", "member", "joined", "y"]
    assert (found.label, found.rows, found.sampled) == ("y", 400, 400)
    city = column(found, "city")
    assert (city.type, city.gaps, city.distinct, city.distinct_exact) == ("string", 134, 2, True)
    assert [(item.value, item.count) for item in city.frequent] == [("Oslo", 133), ("Rome", 133)]
    age = column(found, "age")
    assert (age.type, age.minimum, age.maximum, age.quantiles[10]) == ("integer", 20, 69, 44)
    assert age.histogram is not None
    assert set(age.histogram.counts) <= {16, 24}
    assert (column(found, "joined").earliest, column(found, "joined").latest) == ("2024-01-01", "2024-01-28")
    assert [(item.value, item.rows) for item in found.balance] == [("no", 300), ("yes", 100)]


def test_a_regression_has_the_figures_of_its_label() -> None:
    found, _ = profiled(people(400), DatasetConfig(label="income", task="regression"))
    assert found.balance == ()
    assert (column(found, "income").minimum, column(found, "income").maximum) == (1000, 1598.5)


def test_what_will_mislead_a_model_is_a_warning_and_a_repeated_column_is_not() -> None:
    lines = people(400).splitlines()
    planted = [f"{lines[0]},y_copy,same,town"]
    planted += [f"{line},{line.rpartition(',')[2]},1,{line.split(',')[3]}" for line in lines[1:]]
    found, told = profiled("\n".join(planted))
    assert "Column 'y_copy' alone gives the label 'y' in 100.0% of the rows looked at." in told
    assert "Column 'code' has another value in nearly every row (400 in 400)" in told
    assert "Column 'same' has the same value in every row." in told
    assert "town" not in told
    assert ("city", "town") in [finding.columns for finding in found.findings if finding.code == "duplicate"]


def test_columns_kept_out_of_training_are_told_of_no_more() -> None:
    found, told = profiled(people(400), DatasetConfig(id="code"))
    assert found.column("code") is None
    assert "another value" not in told


def test_the_rows_of_a_long_table_are_sampled_and_said_to_be() -> None:
    found, _ = profiled(people(12_000))
    code = column(found, "code")
    assert (found.rows, found.sampled, code.rows, code.sampled) == (12_000, 10_000, 12_000, 10_000)
    assert (code.distinct, code.distinct_exact, column(found, "age").distinct) == (12_000, False, 50)


@pytest.mark.parametrize("config", [DatasetConfig(), DatasetConfig(label="x", task="regression")])
def test_numbers_of_more_digits_than_are_kept_refuse_no_file(config: DatasetConfig) -> None:
    rows = (f"{i}.{'123456789' * 20}{i},{i},{'yes' if i % 3 else 'no'}" for i in range(200))
    found, _ = profiled("\n".join(["x,z,y", *rows]), config)
    long = column(found, "x")
    assert (long.type, long.gaps, long.quantiles, long.distinct) == ("number", 0, (), 200)
    assert long.maximum == pytest.approx(199.123, abs=0.001)


def test_a_wide_table_of_distinct_values_is_profiled_in_bounded_memory(tmp_path: Path) -> None:
    found, mebibytes = grown("wide distinct", 6, tmp_path)
    assert found == "taken"
    assert mebibytes < 200


def test_the_bank_file_and_what_was_planted_in_it(reference: Path) -> None:
    """41,188 calls of a bank, of which 3 in 4 are here: https://archive.ics.uci.edu/dataset/222/bank+marketing."""
    rows = list(csv.DictReader(io.StringIO((reference / "data/bankmarketing_train.csv").read_text())))
    for number, row in enumerate(rows):
        row |= {
            "call_id": f"C{number:06d}",
            "y_copy": {"yes": "sold", "no": "lost"}[row["y"]],
            "bank": "ours",
            "age_months": str(int(row["age"]) * 12),
        }
    out = io.StringIO()
    writer = csv.DictWriter(out, [*rows[0]])
    writer.writeheader()
    writer.writerows(rows)
    found, told = profiled(out.getvalue())
    assert [(item.value, item.rows) for item in found.balance] == [("no", 29_258), ("yes", 3_692)]
    pdays = column(found, "pdays")
    assert (pdays.type, pdays.minimum, pdays.maximum, pdays.distinct) == ("integer", 0, 999, 26)
    assert (pdays.frequent[0].value, pdays.quantiles[2:]) == ("999", (999.0,) * 19)
    assert pdays.frequent[0].share == pytest.approx(0.963, abs=0.01)
    assert pdays.histogram is not None
    assert pdays.histogram.counts[1:19] == (0,) * 18
    assert {(finding.code, finding.columns) for finding in found.findings} == {
        ("leakage", ("y_copy",)),
        ("identifier", ("call_id",)),
        ("constant", ("bank",)),
        ("duplicate", ("age", "age_months")),
        # A month's consumer prices and the month's mood of consumers: the same months.
        ("duplicate", ("cons.price.idx", "cons.conf.idx")),
    }
    assert "drop: [y_copy]" in told
