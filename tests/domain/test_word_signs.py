"""A file that Windows-1252 reads wrongly is told the encoding to try, with a word of its own read both ways."""

from __future__ import annotations

import pytest

from shared.domain.config import DatasetConfig
from shared.domain.config_sources import effective
from shared.domain.errors import InvalidConfig, InvalidTable
from shared.domain.table.text import TextReader
from shared.domain.table.word_signs import WordSigns
from tests.support.staging_area import refusal, staged

WORDS = {
    "German": "Mädchen Straße Köln Müller schön größer Übung Äpfel Österreich ÜBER heiß",
    "French": "café été naïve où élève forêt cœur d’été Noël « oui » “non” à",
    "Spanish": "España niño José mañana corazón Málaga",
    "Swedish": "Malmö Göteborg Åsa räksmörgås",
    "Portuguese": "São João coração não Brasília",
    "one": "Zürich",
}
ELSEWHERE = [
    ("już się dobrą żona ósmy święta łódź", "cp1250"),
    ("žluťoučký kůň příšerně úpěl ďábelské ódy", "cp1250"),
    ("Привет мир Москва дом", "cp1251"),
    ("İstanbul şehir güneş ığdır", "cp1254"),
    ("Αθήνα Ελλάδα", "cp1253"),
    ("東京 大阪 名古屋", "cp932"),
    ("北京 上海 广州", "gbk"),
    ("“Bern” don’t – 5 € … “bern”", "cp1252"),
    ("ÄÖÜ ÉÈ", "cp1252"),
]


def signs(text: str, encoding: str) -> str:
    found = WordSigns()
    found.look(text.encode(encoding, "ignore"))
    return found.told()


@pytest.mark.parametrize("text", WORDS.values(), ids=WORDS)
@pytest.mark.parametrize(
    ("encoding", "name"), [("mac-roman", "macroman"), ("cp850", "cp850"), ("cp1252", ""), ("latin-1", "")]
)
def test_words_tell_how_they_were_written(text: str, encoding: str, name: str) -> None:
    told = signs(text, encoding)
    assert f"`encoding: {name}`" in told if name else told == ""


@pytest.mark.parametrize(("text", "encoding"), ELSEWHERE)
def test_words_of_other_places_and_plain_signs_are_not_taken_for_either(text: str, encoding: str) -> None:
    assert signs(text, encoding) == ""


def table(words: str, rows: int = 120) -> str:
    found = words.split()
    return "word,n,y\n" + "".join(
        f"{found[i % len(found)]},{i},{'no' if i % 3 else 'yes'}\n" for i in range(rows)
    )


@pytest.mark.parametrize("word", ["Zürich", "Straße", "José", "Mädchen"])
def test_what_the_warning_names_reads_the_file(word: str) -> None:
    raw = table(word).encode("mac-roman")
    [said] = [sentence for sentence in staged(raw).warnings if "Windows-1252" in sentence]
    assert "Mac Roman: with `encoding: macroman` it has" in said
    assert repr(word) in said
    done = staged(raw, DatasetConfig(encoding="macroman"))
    assert done.schema.columns[0].categories == (word,)
    assert not [sentence for sentence in done.warnings if "Windows-1252" in sentence]


@pytest.mark.parametrize(
    ("word", "codec", "name"), [("garçon è", "mac-roman", "macroman"), ("für", "cp850", "cp850")]
)
def test_bytes_that_windows_1252_has_not_are_refused_with_the_encoding_to_try(
    word: str, codec: str, name: str
) -> None:
    error = refusal(table(word).encode(codec))
    assert error.error_code == "not-utf8"
    assert f"`encoding: {name}` it holds" in error.remedy
    assert "NAME.yaml" in error.remedy
    assert staged(table(word).encode(codec), DatasetConfig(encoding=name)).rows == 120


@pytest.mark.parametrize("said", ["mac_roman", "macroman", "MacRoman", "mac-roman"])
def test_the_usual_spellings_of_it_are_taken(said: str) -> None:
    config = effective(DatasetConfig(), f"encoding: {said}\n".encode(), None, sidecar_name="a.yaml").config
    assert staged(table("Zürich").encode("mac-roman"), config).schema.columns[0].categories == ("Zürich",)


@pytest.mark.parametrize(
    ("said", "codec", "word"),
    [
        ("iso-8859-2", "iso8859-2", "Łódź"),
        ("latin-2", "iso8859-2", "Łódź"),
        ("cp1250", "cp1250", "Łódź"),
        ("windows 1252", "cp1252", "Zürich"),
        ("latin1", "latin-1", "Zürich"),
        ("latin-9", "iso8859-15", "cœur"),
        ("ISO-8859-9", "iso8859-9", "İzmir"),
        ("cp1253", "cp1253", "Αθήνα"),
        ("KOI8-R", "koi8-r", "Тверь"),
        ("GB2312", "gb2312", "北京"),
        ("gb18030", "gb18030", "北京"),
        ("cp936", "gbk", "北京"),
        ("EUC_JP", "euc-jp", "東京"),
        ("sjis", "cp932", "東京"),
        ("us-ascii", "ascii", "Bern"),
        ("utf-8-sig", "utf-8-sig", "Zürich"),
    ],
)
def test_encodings_are_taken_under_their_common_names(said: str, codec: str, word: str) -> None:
    config = effective(DatasetConfig(), f"encoding: {said}\n".encode(), None, sidecar_name="a.yaml").config
    assert staged(table(word).encode(codec), config).schema.columns[0].categories == (word,)
    assert config == effective(DatasetConfig(), f"encoding: {config.encoding}\n".encode()).config


@pytest.mark.parametrize("said", ["iso-8859-6", "ansi", "utf-7", "rot13", "éutf-8", "x" * 300])
def test_in_place_of_an_encoding_that_is_not_read_no_other_is_offered(said: str) -> None:
    """The wrong one, or a guess, reads the file wrongly, and nobody would be told."""
    with pytest.raises(InvalidConfig) as caught:
        effective(DatasetConfig(), f"encoding: {said}\n".encode(), None, sidecar_name="a.yaml")
    assert "did you mean" not in caught.value.message
    assert "save the file as UTF-8" in caught.value.remedy
    assert caught.value.example is None


def test_damaged_utf8_is_not_taken_for_another_encoding() -> None:
    raw = table("Zürich Köln").encode() + "Mädchen,1,no\n".encode("mac-roman")
    assert "encoding:" not in refusal(raw).remedy


def test_words_are_looked_at_wherever_the_file_is_cut() -> None:
    raw = ("a,y\n" + "plain,no\n" * 200 + "Zürich,no\n" * 300).encode("mac-roman")
    for size in (64, 1000, len(raw)):
        reader = TextReader(raw[at : at + size] for at in range(0, len(raw), size))
        list(reader.blocks())
        assert "macroman" in reader.warnings()[0]


def test_a_long_run_of_letters_is_no_word_and_takes_no_time() -> None:
    found = WordSigns()
    found.look(b"A" * 400_000 + b"\n" + b"a\x8e" * 200_000 + b"\n" + b"caf\x8e\n" * 5000)
    assert "'café'" in found.told()


def test_an_encoding_that_is_said_is_not_doubted() -> None:
    reader = TextReader([table("Zürich").encode("mac-roman")], "windows-1252")
    list(reader.blocks())
    assert reader.warnings() == []
    with pytest.raises(InvalidTable) as caught:
        list(TextReader([table("garçon").encode("mac-roman")], "windows-1252").blocks())
    assert "`encoding: windows-1252`" in caught.value.remedy
