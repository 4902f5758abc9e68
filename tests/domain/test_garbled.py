"""Words that were damaged before the file came are told with one of them, its line, and what may be the cause."""

from __future__ import annotations

import time

import pytest

from shared.domain.table.garbled import Garbled, is_garbled, repaired
from tests.domain.test_word_signs import ELSEWHERE, WORDS
from tests.support.staging_area import staged


def damaged(text: str, codec: str) -> str:
    return text.encode().decode(codec)


def told(header: str, words: list[str], rows: int = 200) -> list[str]:
    """`words` and a class of them, so that the label has them, too, where the header says so."""
    text = (
        header
        + "\n"
        + "".join(f"{words[i % len(words)]},{i % 7},{'no' if i % 3 else 'yes'}\n" for i in range(rows))
    )
    return [said for said in staged(text).warnings if "damaged" in said]


@pytest.mark.parametrize(
    "word", ["Köln", "für", "Zürich", "Łódź", "São", "5 €", "10 °C", "naïve – “so”", "Straße", "ñandú"]
)
@pytest.mark.parametrize(
    ("codec", "people"),
    [("cp1252", "Windows-1252"), ("mac-roman", "Mac Roman"), ("cp850", "a DOS code page")],
)
def test_words_read_wrongly_and_saved_anew_are_read_rightly(word: str, codec: str, people: str) -> None:
    try:
        wrong = damaged(word, codec)
    except UnicodeDecodeError:
        wrong = "".join(bytes([b]).decode(codec, "ignore") or chr(b) for b in word.encode())
    assert repaired(wrong) == (word, people)


@pytest.mark.parametrize("word", ["Москва", "Αθήνα", "東京", "北京", "שלום", "한국"])
def test_so_are_those_of_other_scripts(word: str) -> None:
    wrong = "".join(bytes([b]).decode("cp1252", "ignore") or chr(b) for b in word.encode())
    assert repaired(wrong) == (word, "Windows-1252")


@pytest.mark.parametrize(
    "text",
    [
        *(word for text in WORDS.values() for word in (text, *text.split())),
        *(word for text, _ in ELSEWHERE for word in (text, *text.split())),
        "SÃO PAULO", "IRMÃ", "ABITÄ“", "„Spaß“", "“CAFÉ”", "«É»", "Ø½", "Ø 5", "2×¼", "Paris–Évry", "“Äpfel", "Â", "Bern", "√2",
        "—",
    ],
)  # fmt: skip
def test_plain_words_are_not(text: str) -> None:
    assert not is_garbled(text)
    assert told("word,n,y", [f'"{text}"', "Bern"]) == []


def test_the_first_is_told_with_its_column_its_line_and_its_cause() -> None:
    [said] = told("city,n,y", ["Bern", damaged("Zürich", "cp1252"), damaged("Köln", "cp1252")])
    assert said == (
        "Column 'city' holds 'KÃ¶ln' (line 4) that was damaged before it came here. It seems to be 'Köln', UTF-8 that was read "
        "as Windows-1252 and saved anew. Models learn the words as they stand: export the file anew from its source, as UTF-8."
    )


def test_a_letter_that_is_lost_is_told() -> None:
    [said] = told("city,n,y", ["Bern", "K\ufffdln"])
    assert "'K\ufffdln' (line 3)" in said
    assert "U+FFFD stands where a program could not read a letter" in said


@pytest.mark.parametrize("word", ["García", "sí", "città", "voilà un"])
def test_letters_of_which_the_half_is_invisible_are_told(word: str) -> None:
    [said] = told("city,n,y", ["Bern", damaged(word, "latin-1")])
    assert "It seems to be UTF-8 that was read as Windows-1252" in said


def test_classes_and_names_are_looked_at_and_columns_counted() -> None:
    words = [damaged("für", "cp1252"), "gegen"]
    rows = "".join(f"{i % 7},{words[i % 2]},{words[i % 3 % 2]}\n" for i in range(200))
    [label] = [said for said in staged(f"n,word,y\n{rows}").warnings if "damaged" in said]
    assert (
        "Column 'word' holds 'fÃ¼r' (line 2) that was damaged before it came here; so does one more column."
        in label
    )
    [name] = told(damaged("Straße", "cp850") + ",n,y", ["Bern", "Oslo"])
    assert "has a name that was damaged before it came here. It seems to be 'Straße'" in name


def test_a_column_without_end_is_looked_through_in_bounds() -> None:
    watched, words = Garbled(), {f"Größe «{i}»" for i in range(200_000)}
    began = time.thread_time()
    for _ in range(20):
        watched.update(words)
    assert time.thread_time() - began < 10
    watched.update({damaged("Köln", "cp1252")})
    assert not watched.example, "what lies so far behind is not looked at"
