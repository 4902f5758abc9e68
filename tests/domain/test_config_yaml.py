"""A configuration file, whatever is in it, is read as text in bounded time, or refused at its line and column."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.config import DatasetConfig
from shared.domain.config_reader import MAX_SIDECAR
from shared.domain.config_sources import defaults, effective
from shared.domain.config_yaml import MAX_DEPTH, parse_yaml
from shared.domain.errors import InvalidConfig
from shared.domain.yaml_words import in_yaml


def refused(raw: bytes | str) -> InvalidConfig:
    data = raw.encode() if isinstance(raw, str) else raw
    with pytest.raises(InvalidConfig) as caught:
        effective(DatasetConfig(), data, sidecar_name="people.yaml")
    assert caught.value.where["file"] == "people.yaml"
    assert caught.value.remedy
    assert len(caught.value.message) < 500
    return caught.value


def place(error: InvalidConfig) -> tuple[object, object]:
    return error.where.get("line"), error.where.get("column")


@pytest.mark.parametrize(
    ("text", "at", "said"),
    [
        ("label: y\ngate: &g {margin: 0}\n", (2, 7), "anchors"),
        ("label: y\nexplain: *g\n", (2, 10), "aliases"),
        ("gate:\n  <<: {margin: 0}\n", (2, 3), "merge key"),
        ("label: !!python/name:os.system x\n", (1, 8), "tags"),
        ("max_trials: !!int ''\n", (1, 13), "tags"),
        ("explain: !!bool maybe\n", (1, 10), "tags"),
        ("label: y\nmax_trials: 3\nlabel: z\n", (3, 1), "first in line 1"),
        ("gate: {margin: 0, margin: 0}\n", (1, 19), "says 'margin' twice"),
        ("? [a]\n: b\n", (1, 3), "no text"),
        ("label: [y\n", (1, 8), "the bracket is never closed"),
        ("a: b: c\n", (1, 5), "not valid YAML"),
        ("\tlabel: y", (1, 1), "not valid YAML"),
        ("gate:\n\tmargin: 0\n", (2, 1), "not valid YAML"),
        ("- label\n- y\n", (1, 1), "a list"),
        ("just text", (1, 1), "a single value"),
        ("label: y\n--- \nlabel: z\n", (2, 1), "another document"),
        ("label: y\nname: a\x00b\n", (2, 8), "#x0000"),
        ("%YAML 9.9\n---\nlabel: y\n", (1, 1), "version"),
        ("max_trials: 4\nlable: y\n", (2, 1), "did you mean label?"),
        ("gate:\n  margin: lots\n", (2, 11), "a number from 0 to 1"),
        ("task: regression\nprimary_metric: accuracy\n", (2, 1), "not for regression"),
        ("timeout_minutes: 1e400\n", (1, 18), "minutes"),
        (f"timeout_minutes: 1{'0' * 400}\n", (1, 18), "minutes"),
        (f"max_trials: 1{'0' * 5000}\n", (1, 13), "a whole number"),
    ],
)
def test_what_cannot_be_taken_is_told_at_its_line_and_column(
    text: str, at: tuple[int, int], said: str
) -> None:
    error = refused(text)
    assert place(error) == at
    assert said in error.message


@pytest.mark.parametrize(
    ("text", "at", "said"),
    [
        ('label: "\\ud800"\n', (1, 8), "U+D800"),
        ('task: classification\nlabel: "a\\0b"\n', (2, 8), "U+0000"),
        ('drop: [x, "\\udfff y"]\n', (1, 11), "U+DFFF"),
        ('id: "\\x1b[31m"\n', (1, 5), "U+001B"),
        ('label: "\\ufffe"\n', (1, 8), "U+FFFE"),
        ('"\\ud800": 1\n', (1, 1), "U+D800"),
        ('gate:\n  "\\u0007": 1\n', (2, 3), "U+0007"),
        ('task: "\\ud800"\n', (1, 7), "U+D800"),
        ('encoding: "\\ud800"\n', (1, 11), "U+D800"),
    ],
)
def test_escapes_of_what_no_text_holds_are_told_and_every_word_of_it_can_be_written(
    text: str, at: tuple[int, int], said: str
) -> None:
    error = refused(text)
    assert place(error) == at
    assert said in error.message
    assert json.dumps(error.to_dict(), ensure_ascii=False).encode()


def test_so_are_those_in_metadata_and_settings() -> None:
    with pytest.raises(InvalidConfig, match=r"dropml_label .*U\+D800"):
        effective(DatasetConfig(), None, {"dropml_label": "\ud800"})
    with pytest.raises(InvalidConfig, match=r"LABEL_COLUMN .*U\+DCFF"):
        defaults({"label": "\udcff"})


def test_a_columns_name_is_cleaned_as_its_header_is() -> None:
    said = "label: gro\u0308\u00dfe\u200b\ndrop: ['a\u00a0b']\n".encode()
    config = effective(DatasetConfig(), said).config
    assert effective(DatasetConfig(), b'label: "a\\nb"').config.label == "a\nb"
    assert (config.label, config.drop) == ("gr\u00f6\u00dfe", ("a b",))


def test_tabs_are_told_by_name() -> None:
    assert "not with tabs" in refused("gate:\n\tmargin: 0\n").remedy


@pytest.mark.parametrize(
    ("raw", "at", "said"),
    [
        ("größe: 1\n".encode("latin-1"), (1, 3), "not UTF-8"),
        (b"label: y\n\xff", (2, 1), "not UTF-8"),
        (b"\x1f\x8b\x08\x00" + b"x" * 50, (None, None), "gzip"),
        (b"PK\x03\x04" + b"\x00" * 50, (1, 3), "not allowed"),
        (b"#" * (MAX_SIDECAR + 1), (None, None), "65,536 bytes"),
        (b"\xff\xfel", (1, 3), "not UTF-8"),
    ],
)
def test_bytes_that_are_no_text_are_told(raw: bytes, at: tuple[int | None, int | None], said: str) -> None:
    error = refused(raw)
    assert place(error) == at
    assert said in error.message


@pytest.mark.parametrize("raw", [b"", b"\xef\xbb\xbf", b"\n\n", b"# nothing\n", b"---\n", b"''", b"gate:\n"])
def test_a_file_that_says_nothing_changes_nothing(raw: bytes) -> None:
    assert effective(DatasetConfig(), raw).config == DatasetConfig()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_encodings_that_editors_write_are_read(encoding: str) -> None:
    assert effective(DatasetConfig(), "label: größe\n".encode(encoding)).config.label == "größe"


@pytest.mark.parametrize(
    "name", ["007", "1.10", "no", "True", "null", "2024-01-01", "1:30", "0x1f", "9999999-01-01", "=", "1_000"]
)
def test_a_column_is_called_by_the_very_words_of_the_file(name: str) -> None:
    assert effective(DatasetConfig(), f"label: {name}\n".encode()).config.label == name


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("label: y: 1", 'label: "y: 1"'),
        ("label: y:", 'label: "y:"'),
        ("label: @y", 'label: "@y"'),
        ("label: `y`  # the column", 'label: "`y`"'),
        ("label: %y", 'label: "%y"'),
        ("label: | y", 'label: "| y"'),
        ("label: - y", 'label: "- y"'),
        ("id: *y", 'id: "*y"'),
        ("id: &y", 'id: "&y"'),
        ("id: !y", 'id: "!y"'),
        ("drop: [@x, z, w]", 'drop: ["@x", z, w]'),
        ("  - @x", '- "@x"'),
    ],
)
def test_a_columns_name_that_yaml_refuses_is_told_with_quotation_marks(line: str, right: str) -> None:
    error = refused(f"max_trials: 3\n{'drop:' if '-' in line[:3] else 'task: auto'}\n{line}\n")
    assert error.where["line"] == 3
    assert error.remedy == f"If that is a column's name, put it in quotation marks: {right}"
    assert error.example is not None
    assert error.example.good == right
    key = "drop:\n" if right.startswith("-") else ""
    config = effective(DatasetConfig(), f"{key}{right}\n".encode()).config
    assert {config.label, config.id, *config.drop} & {
        "y: 1",
        "y:",
        "@y",
        "`y`",
        "%y",
        "| y",
        "- y",
        "*y",
        "&y",
        "!y",
        "@x",
    }


@pytest.mark.parametrize("line", ["gate: margin: 3", "a: b: c", "label: @" + "y " * 400])
def test_what_is_no_columns_name_is_told_as_before(line: str) -> None:
    assert refused(f"{line}\n").remedy == "Write one `key: value` per line."


@pytest.mark.parametrize("line", ["label: #y", "label: [y]", "label: {y}", "drop: [a: b]"])
def test_a_name_that_yaml_reads_as_something_else_is_told_of_quotation_marks(line: str) -> None:
    assert "in quotation marks where it begins with a sign such as #, [ or {" in refused(f"{line}\n").message


@given(st.text(st.sampled_from("ab:#@`%&*!|>{}[],\"' -?")).map(str.strip).filter(bool))
def test_a_column_is_offered_as_yaml_reads_it(name: str) -> None:
    said = effective(
        DatasetConfig(label="-"),
        f"label: {in_yaml(name)}\ndrop: [{in_yaml(name + '.', listed=True)}]\n".encode(),
    )
    assert (said.config.label, said.config.drop) == (name, (f"{name}.",))


def test_a_bomb_does_not_go_off() -> None:
    levels = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 9)]
    merges = [f"m{i}: &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 9)}]}}" for i in range(1, 9)]
    for bomb in (
        "\n".join(["label: &l0 [y, y]", *levels]),
        "\n".join(["m0: &m0 {a: 1}", *merges]),
        "[" * 60_000,
        "label: " + "{a: " * 15_000,
        "- " * 30_000,
    ):
        began = time.thread_time()
        refused(bomb)
        assert time.thread_time() - began < 30, "it is refused where it begins"


def test_depth_is_bounded_and_every_known_key_lies_above_the_bound() -> None:
    deepest = "a: " + "[" * (MAX_DEPTH - 2) + "x" + "]" * (MAX_DEPTH - 2)
    assert parse_yaml(deepest.encode(), "f.yaml").said
    assert "levels" in refused("a: " + "[" * MAX_DEPTH + "x" + "]" * MAX_DEPTH).message


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=80),
        st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.lists(
            st.sampled_from(
                ["label", "gate", "max_trials", ": ", "\n", "  ", "- ", "[", "{", "}", "]", "&a ", "*a", "<<", "!!int ",
                 "'", '"', "?", "|", ">", "%", "@", "\t", "#", "1e999", "---\n", "\ufeff", "\x85", "~", ","]
            ),
            max_size=30,
        ).map(lambda parts: "".join(parts).encode()),
    )
)  # fmt: skip
def test_any_bytes_are_a_configuration_or_a_refusal_under_the_files_own_name(raw: bytes) -> None:
    try:
        told = effective(DatasetConfig(), raw, sidecar_name="f.yaml").config.label
    except InvalidConfig as error:
        told = str(error.where["file"])
    assert told
