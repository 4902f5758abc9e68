"""What batches need of every data account (`shared.services.batches.ports.BatchFiles`)."""

from __future__ import annotations

import pytest

from shared.domain.batches import Source
from shared.domain.errors import Conflict, NotFound
from shared.services.batches.ports import BatchFiles


class BatchFilesContract:
    """A subclass gives `files`, and two empty containers, `incoming` and `batches`."""

    @pytest.fixture
    def files(self) -> BatchFiles:
        raise NotImplementedError

    @pytest.fixture
    def incoming(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def batches(self) -> str:
        raise NotImplementedError

    def whole(self, files: BatchFiles, container: str, path: str) -> bytes:
        found = files.stat(container, path)
        return files.read(container, path, found.etag, 0, found.size)

    def source(self, files: BatchFiles, container: str, data: bytes) -> Source:
        found = files.put(container, "bank.score.csv", data)
        return Source(container, "bank.score.csv", found.etag, found.size)

    def test_a_version_is_known_and_read_in_ranges(self, files: BatchFiles, incoming: str) -> None:
        put = files.put(incoming, "a/b.csv", b"0123456789")
        assert files.stat(incoming, "a/b.csv") == put
        assert (put.size, put.encoding) == (10, "")
        assert files.read(incoming, "a/b.csv", put.etag, 3, 4) == b"3456"
        assert files.read(incoming, "a/b.csv", put.etag, 8, 100) == b"89"

    def test_another_version_is_never_read_in_the_place_of_one(
        self, files: BatchFiles, incoming: str
    ) -> None:
        old = files.put(incoming, "a.csv", b"old")
        new = files.put(incoming, "a.csv", b"new")
        assert new.etag != old.etag
        with pytest.raises(Conflict):
            files.read(incoming, "a.csv", old.etag, 0, 3)
        assert files.read(incoming, "a.csv", new.etag, 0, 3) == b"new"

    def test_what_is_absent_is_told(self, files: BatchFiles, incoming: str, batches: str) -> None:
        with pytest.raises(NotFound):
            files.stat(incoming, "none.csv")
        with pytest.raises((NotFound, Conflict)):  # no version of it is the one that is asked for
            files.read(incoming, "none.csv", '"1"', 0, 1)
        with pytest.raises(NotFound):
            files.copy(Source(incoming, "none.csv", '"1"', 1), batches, "none.csv")

    def test_a_version_is_copied_once(self, files: BatchFiles, incoming: str, batches: str) -> None:
        """However often it is asked for, and whatever has become of the source meanwhile."""
        source = self.source(files, incoming, b"x\n1\n")
        copied = files.copy(source, batches, "bank/1/input.csv")
        assert copied.size == 4
        assert files.copy(source, batches, "bank/1/input.csv") == copied
        files.put(incoming, source.blob, b"x\n2\n")
        assert files.copy(source, batches, "bank/1/input.csv") == copied
        assert self.whole(files, batches, "bank/1/input.csv") == b"x\n1\n"

    def test_another_version_is_not_copied_in_the_place_of_one(
        self, files: BatchFiles, incoming: str, batches: str
    ) -> None:
        source = self.source(files, incoming, b"x\n1\n")
        files.put(incoming, source.blob, b"x\n2\n")
        with pytest.raises(Conflict):
            files.copy(source, batches, "bank/1/input.csv")
        with pytest.raises(NotFound):
            files.stat(batches, "bank/1/input.csv")

    def test_blocks_become_a_blob_when_they_are_committed(self, files: BatchFiles, batches: str) -> None:
        """In the order of their numbers; one that is staged again replaces what it was."""
        for index, data in ((1, b"two,"), (0, b"none,"), (2, b"three"), (0, b"one,")):
            files.stage(batches, "out.csv", index, data)
        with pytest.raises(NotFound):
            files.stat(batches, "out.csv")
        files.commit(batches, "out.csv", 3)
        assert self.whole(files, batches, "out.csv") == b"one,two,three"

    def test_a_commit_may_be_repeated(self, files: BatchFiles, batches: str) -> None:
        files.stage(batches, "out.csv", 0, b"one")
        for _ in range(2):
            files.commit(batches, "out.csv", 1)
            assert self.whole(files, batches, "out.csv") == b"one"

    def test_what_is_deleted_is_gone_and_may_be_deleted_again(self, files: BatchFiles, batches: str) -> None:
        files.put(batches, "out.csv", b"x")
        files.put(batches, "out.csv.more", b"y")
        for _ in range(2):
            files.delete(batches, "out.csv")
        with pytest.raises(NotFound):
            files.stat(batches, "out.csv")
        assert self.whole(files, batches, "out.csv.more") == b"y"
