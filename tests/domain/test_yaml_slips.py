"""A slip in a configuration file is told at its own line, with the line put right."""

from __future__ import annotations

import pytest

from shared.domain.config_yaml import parse_yaml
from shared.domain.errors import InvalidConfig


def refused(text: str) -> InvalidConfig:
    with pytest.raises(InvalidConfig) as caught:
        parse_yaml(text.encode(), "people.yaml")
    return caught.value


@pytest.mark.parametrize("key", ["label:y", "label=y", "label = y", "label:\u00a0y"])
@pytest.mark.parametrize("above", ["", "max_trials: 4\n", "# mine\n\nmax_trials: 4\n"])
@pytest.mark.parametrize("below", ["", "task: auto\n"])
def test_a_key_without_a_colon_and_a_blank_is_shown_with_both(key: str, above: str, below: str) -> None:
    error = refused(f"{above}{key}\n{below}")
    assert error.where["line"] == above.count("\n") + 1
    assert error.example is not None
    assert error.example.good == "label: y"
    assert error.remedy.endswith("label: y")


@pytest.mark.parametrize(
    ("line", "at", "right"),
    [
        ('label: "y', 8, 'label: "y"'),
        ("label: 'y", 8, "label: 'y'"),
        ("drop: [a, b", 7, "drop: [a, b]"),
        ("drop: [a, b  # more", 7, "drop: [a, b]"),
        ("gate: {margin: 0", 7, "gate: {margin: 0}"),
    ],
)
@pytest.mark.parametrize("below", ["", "task: auto\nmax_trials: 4\n"])
def test_what_is_left_open_is_told_where_it_opens(line: str, at: int, right: str, below: str) -> None:
    error = refused(f"explain: true\n{line}\n{below}")
    assert (error.where["line"], error.where["column"]) == (2, at)
    assert error.example is not None
    assert error.example.good == right
    assert parse_yaml(f"{error.example.good}\n{below}".encode(), "people.yaml").said


def test_what_a_line_means_is_not_guessed_where_it_is_sound() -> None:
    assert "single value" in refused("just text\n").message
    assert "another document" in refused("label: a=b\n---\nlabel: z\n").message
