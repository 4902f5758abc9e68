"""What every data account must do for intake (`shared.services.intake.ports.Files`)."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from shared.domain.errors import Conflict, DropMLError, NotFound
from shared.services.intake.ports import CHUNK, Files
from shared.services.intake.staging import Area

Put = Callable[[str, bytes, dict[str, str]], None]


def break_off(area: Area) -> None:
    with area.writer("data.csv") as out:
        out.write(b"n" * (CHUNK + 5))
        raise ValueError("half way")


class FilesContract:
    """A subclass gives `files`, the name of an empty `container`, and `put`, which uploads a file as people do."""

    @pytest.fixture
    def files(self) -> Files:
        raise NotImplementedError

    @pytest.fixture
    def container(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def put(self) -> Put:
        raise NotImplementedError

    # -- one version of one file

    def test_a_file_is_known_by_its_version(self, files: Files, container: str, put: Put) -> None:
        put("a/b.csv", b"x,y\n1,2\n", {"dropml_label": "y"})
        first = files.properties(container, "a/b.csv")
        assert (first.name, first.size, first.metadata) == ("a/b.csv", 8, {"dropml_label": "y"})
        assert first.etag.startswith('"')
        put("a/b.csv", b"x,y\n1,2\n", {})
        assert files.properties(container, "a/b.csv").etag != first.etag

    def test_what_is_absent_is_told(self, files: Files, container: str) -> None:
        for read in (
            lambda: files.properties(container, "none.csv"),
            lambda: list(files.stream(container, "none.csv")),
            lambda: files.properties("no-such-container", "a.csv"),
            lambda: list(files.list("no-such-container")),
        ):
            with pytest.raises(NotFound):
                read()

    def test_a_file_comes_whole_and_in_bounded_pieces(self, files: Files, container: str, put: Put) -> None:
        data = bytes(range(256)) * 4096 * 5 + b"tail"
        put("a.csv", data, {})
        etag = files.properties(container, "a.csv").etag
        pieces = list(files.stream(container, "a.csv", etag, 1 << 20))
        assert b"".join(pieces) == data
        assert max(map(len, pieces)) <= 1 << 20
        assert b"".join(files.stream(container, "a.csv")) == data

    def test_an_empty_file_has_no_pieces(self, files: Files, container: str, put: Put) -> None:
        put("a.csv", b"", {})
        assert list(files.stream(container, "a.csv")) == []
        assert files.properties(container, "a.csv").size == 0

    def test_another_version_is_never_read_in_the_place_of_one(
        self, files: Files, container: str, put: Put
    ) -> None:
        put("a.csv", b"x" * (CHUNK * 4), {})
        old = files.properties(container, "a.csv").etag
        reading = files.stream(container, "a.csv", old)
        next(reading)
        put("a.csv", b"y" * (CHUNK * 4), {})
        for read in (reading, files.stream(container, "a.csv", old)):
            with pytest.raises(Conflict) as caught:
                list(read)
            assert caught.value.error_code == "source-changed"

    # -- many

    def test_files_are_listed_by_prefix_in_order_with_their_versions(
        self, files: Files, container: str, put: Put
    ) -> None:
        for name in ("b.csv", "a/2.csv", "a/1.csv", "ab.csv"):
            put(name, b"x", {})
        assert [info.name for info in files.list(container)] == ["a/1.csv", "a/2.csv", "ab.csv", "b.csv"]
        (first, _) = files.list(container, "a/")
        assert first.etag == files.properties(container, "a/1.csv").etag

    def test_files_are_listed_since_a_time(self, files: Files, container: str, put: Put) -> None:
        put("old.csv", b"1", {})
        time.sleep(2.1)  # storage keeps whole seconds
        since = time.time() - 1
        put("new.csv", b"2", {})
        assert [info.name for info in files.list(container, since=since)] == ["new.csv"]

    def test_a_folder_is_deleted_and_nothing_beside_it(self, files: Files, container: str, put: Put) -> None:
        for name in ("a/1", "a/b/2", "ab"):
            put(name, b"x", {})
        files.delete_prefix(container, "a/")
        files.delete_prefix(container, "a/")
        assert [info.name for info in files.list(container)] == ["ab"]
        with pytest.raises(DropMLError):
            files.delete_prefix(container, "")

    # -- staging

    def test_what_is_staged_appears_whole(self, files: Files, container: str) -> None:
        area = files.area(container, "bank/1/")
        with area.writer("train/data.csv") as out:
            out.write(b"x" * (CHUNK + 5))
            out.write(b"tail")
            assert list(files.list(container)) == []
        assert b"".join(area.reader("train/data.csv")) == b"x" * (CHUNK + 5) + b"tail"
        assert [info.name for info in files.list(container)] == ["bank/1/train/data.csv"]

    def test_what_breaks_off_leaves_what_was_there(self, files: Files, container: str) -> None:
        area = files.area(container, "bank/1")
        with area.writer("data.csv") as out:
            out.write(b"old")
        with pytest.raises(ValueError, match="half way"):
            break_off(area)
        assert b"".join(area.reader("data.csv")) == b"old"

    def test_staging_is_tidied_up_more_than_once(self, files: Files, container: str) -> None:
        area = files.area(container, "bank/1")
        with area.writer("data.csv") as out:
            out.write(b"x")
        area.delete("data.csv")
        area.delete("data.csv")
        assert list(files.list(container)) == []
