"""What the lifecycle needs of what jobs leave behind (`shared.services.run.ports.RunFiles`)."""

from __future__ import annotations

import pytest

from shared.services.run.ports import RunFiles


class RunFilesContract:
    """A subclass gives `files`, the name of a `run` that has left nothing yet, and `leave`."""

    @pytest.fixture
    def files(self) -> RunFiles:
        raise NotImplementedError

    @pytest.fixture
    def run(self) -> str:
        raise NotImplementedError

    def leave(self, files: RunFiles, run: str, path: str, text: str) -> None:
        """The run writes an artifact."""
        raise NotImplementedError

    def test_artifacts_are_listed_by_the_beginning_of_their_path(self, files: RunFiles, run: str) -> None:
        assert files.names(run, "") == []
        for path in ("explanation/a/meta.json", "explanation/b.json", "model/MLmodel"):
            self.leave(files, run, path, "{}")
        assert sorted(files.names(run, "explanation/")) == ["explanation/a/meta.json", "explanation/b.json"]
        assert files.names(run, "explanation/a") == ["explanation/a/meta.json"]
        assert len(files.names(run, "")) == 3

    def test_a_text_comes_as_it_was_written(self, files: RunFiles, run: str) -> None:
        self.leave(files, run, "confusion_matrix", '{"Größe": "✓"}\n')
        assert files.text(run, "confusion_matrix", 1000) == '{"Größe": "✓"}\n'

    def test_a_text_comes_whole_or_not_at_all(self, files: RunFiles, run: str) -> None:
        """Bytes are counted, and the last one that is allowed is still read."""
        self.leave(files, run, "large.json", "ö" * 50)
        assert files.text(run, "large.json", 100) == "ö" * 50
        assert files.text(run, "large.json", 99) is None

    def test_what_is_absent_or_empty_is_none(self, files: RunFiles, run: str) -> None:
        self.leave(files, run, "empty.json", "")
        self.leave(files, run, "outputs/there.json", "{}")
        for path in ("empty.json", "outputs/none.json", "outputs"):
            assert files.text(run, path, 1000) is None
        assert files.names(run, "none/") == []
