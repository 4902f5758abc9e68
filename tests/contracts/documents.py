"""What every store of documents must do (`shared.services.documents.Documents`)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.domain.errors import Conflict
from shared.services import conditional
from shared.services.documents import Documents


class DocumentsContract:
    """A subclass gives the fixture `documents`: an empty store."""

    @pytest.fixture
    def documents(self) -> Documents:
        raise NotImplementedError

    def test_a_document_comes_back_with_its_etag(self, documents: Documents) -> None:
        doc = {"state": "dropped", "naïve": [1, None, 0.5]}
        etag = documents.create("runs/a.json", doc)
        assert documents.get("runs/a.json") == (doc, etag)

    def test_of_two_creators_one_wins(self, documents: Documents) -> None:
        documents.create("runs/a.json", {"n": 1})
        with pytest.raises(Conflict):
            documents.create("runs/a.json", {"n": 2})
        found = documents.get("runs/a.json")
        assert found is not None
        assert found[0] == {"n": 1}

    def test_of_two_writers_who_read_the_same_version_one_wins(self, documents: Documents) -> None:
        first = documents.create("runs/a.json", {"n": 1})
        second = documents.replace("runs/a.json", {"n": 2}, first)
        assert second != first
        with pytest.raises(Conflict):
            documents.replace("runs/a.json", {"n": 3}, first)
        assert documents.get("runs/a.json") == ({"n": 2}, second)

    def test_a_listing_tells_what_a_documents_last_writer_told_of_it(self, documents: Documents) -> None:
        etag = documents.create(
            "serving/a.json", {"n": 1}, {"traffic": '{"m1-a1": 100}', "endpoint": "größe"}
        )
        (seen,), _ = documents.page("serving/", 10)
        assert seen.metadata == {"traffic": '{"m1-a1": 100}', "endpoint": "größe"}
        etag = documents.replace("serving/a.json", {"n": 2}, etag, {"traffic": "{}"})
        (seen,), _ = documents.page("serving/", 10)
        assert (seen.etag, seen.metadata) == (etag, {"traffic": "{}"})
        documents.replace("serving/a.json", {"n": 3}, etag)
        (seen,), _ = documents.page("serving/", 10)
        assert seen.metadata == {}

    def test_an_etag_without_quotes_is_the_same_etag(self, documents: Documents) -> None:
        etag = documents.create("runs/a.json", {"n": 1})
        documents.replace("runs/a.json", {"n": 2}, etag.strip('"'))

    def test_writing_the_same_content_is_a_new_version(self, documents: Documents) -> None:
        first = documents.create("runs/a.json", {"n": 1})
        assert documents.replace("runs/a.json", {"n": 1}, first) != first

    def test_what_only_spares_work_is_written_over_whatever_is_there(self, documents: Documents) -> None:
        documents.put("first.json", {"n": 1})
        seen = documents.get("first.json")
        documents.put("first.json", {})
        assert seen is not None
        with pytest.raises(Conflict):
            documents.replace("first.json", {"n": 2}, seen[1])
        documents.mark("first.json", {"x": "1"})
        documents.put("first.json", {"n": 3})
        now = documents.get("first.json")
        assert now is not None
        assert now[0] == {"n": 3}

    def test_what_is_absent_is_none_and_cannot_be_replaced(self, documents: Documents) -> None:
        assert documents.get("runs/none.json") is None
        with pytest.raises(Conflict):
            documents.replace("runs/none.json", {}, '"0x1"')

    def test_only_the_version_that_was_seen_is_deleted(self, documents: Documents) -> None:
        documents.mark("open/a", {"x": "1"})
        (seen,), _ = documents.page("open/", 10)
        documents.mark("open/a", {"x": "2"})
        with pytest.raises(Conflict):
            documents.delete("open/a", seen.etag)
        (newer,), _ = documents.page("open/", 10)
        documents.delete("open/a", newer.etag)
        with pytest.raises(Conflict):
            documents.delete("open/a", newer.etag)
        assert documents.page("open/", 10) == ([], "")

    def test_deleting_twice_is_deleting_once(self, documents: Documents) -> None:
        etag = documents.create("runs/a.json", {})
        documents.delete("runs/a.json")
        documents.delete("runs/a.json")
        assert documents.get("runs/a.json") is None
        with pytest.raises(Conflict):
            documents.replace("runs/a.json", {}, etag)
        documents.create("runs/a.json", {})

    def test_what_is_no_json_is_refused(self, documents: Documents) -> None:
        with pytest.raises(ValueError, match="JSON"):
            documents.create("runs/a.json", {"score": float("nan")})
        assert documents.get("runs/a.json") is None

    def test_a_document_handed_out_is_the_reader_s_own(self, documents: Documents) -> None:
        documents.create("runs/a.json", {"open": ["x"]})
        found = documents.get("runs/a.json")
        assert found is not None
        found[0]["open"].append("y")
        again = documents.get("runs/a.json")
        assert again is not None
        assert again[0] == {"open": ["x"]}

    def test_listing_is_by_prefix_and_in_order(self, documents: Documents) -> None:
        for name in ("runs/b.json", "runs/a-2.json", "datasets/a.json", "runs/a.json", "runs/B.json"):
            documents.create(name, {})
        assert list(documents.list("runs/")) == ["runs/B.json", "runs/a-2.json", "runs/a.json", "runs/b.json"]
        assert list(documents.list("runs/a")) == ["runs/a-2.json", "runs/a.json"]
        documents.delete("runs/a.json")
        assert list(documents.list("runs/a")) == ["runs/a-2.json"]
        assert list(documents.list("nothing/")) == []

    # -- several writers at once

    def test_of_many_creators_at_once_one_wins(self, documents: Documents) -> None:
        def create(n: int) -> bool:
            try:
                documents.create("runs/a.json", {"n": n})
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(create, range(8)))
        assert won.count(True) == 1
        found = documents.get("runs/a.json")
        assert found is not None
        assert found[0] == {"n": won.index(True)}

    def test_of_many_increments_at_once_none_is_lost(self, documents: Documents) -> None:
        documents.create("runs/a.json", {"n": 0})

        def increment() -> None:
            found = documents.get("runs/a.json")
            assert found is not None
            documents.replace("runs/a.json", {"n": found[0]["n"] + 1}, found[1])

        def work(_: int) -> None:
            for _ in range(4):
                conditional.write(increment, "runs/a.json", tries=50)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        found = documents.get("runs/a.json")
        assert found is not None
        assert found[0] == {"n": 16}

    # -- marks and pages

    def test_pages_hold_every_name_once_and_in_order(self, documents: Documents) -> None:
        names = [f"index/{n:03d}" for n in range(7)]
        for name in (*reversed(names), "index.json", "indexes/1"):
            documents.mark(name, {})
        seen, after, pages = [], "", 0
        while True:
            page, after = documents.page("index/", 3, after)
            seen += [entry.path for entry in page]
            pages += 1
            if not after:
                break
        assert (seen, pages) == (names, 3)

    def test_a_page_that_holds_all_is_the_last(self, documents: Documents) -> None:
        assert documents.page("index/", 3) == ([], "")
        for n in range(3):
            documents.mark(f"index/{n}", {})
        page, after = documents.page("index/", 3)
        assert (len(page), after) == (3, "")

    def test_names_that_come_and_go_between_pages_disturb_no_other(self, documents: Documents) -> None:
        for n in ("b", "c", "d", "e"):
            documents.mark(f"index/{n}", {})
        page, after = documents.page("index/", 2)
        documents.mark("index/a", {})
        documents.delete("index/b")
        documents.delete("index/c")
        documents.delete("index/d")
        rest, last = documents.page("index/", 2, after)
        assert [entry.path for entry in page + rest] == ["index/b", "index/c", "index/e"]
        assert last == ""

    def test_a_mark_carries_any_text(self, documents: Documents) -> None:
        metadata = {"dataset": "Größe 100% (öffentlich)", "state": " live ", "lines": "a\r\nb: c"}
        documents.mark("index/1", {**metadata, "left_out_where_empty": ""})
        (entry,), _ = documents.page("index/", 10)
        assert entry.metadata == metadata

    def test_a_mark_is_written_over_and_has_a_new_etag(self, documents: Documents) -> None:
        documents.mark("index/1", {"state": "canary"})
        (before,), _ = documents.page("index/", 10)
        documents.mark("index/1", {"state": "live"})
        (after,), _ = documents.page("index/", 10)
        assert after.metadata == {"state": "live"}
        assert after.etag != before.etag

    def test_what_does_not_fit_into_a_mark_is_cut_between_characters(self, documents: Documents) -> None:
        documents.mark("index/1", {"state": "failed", "message": "Größe " * 4000, "more": "x"})
        (entry,), _ = documents.page("index/", 10)
        assert entry.metadata["state"] == "failed"
        assert len(entry.metadata["message"]) > 2000
        assert ("Größe " * 4000).startswith(entry.metadata["message"])

    def test_documents_are_in_pages_too(self, documents: Documents) -> None:
        etag = documents.create("runs/a.json", {})
        (entry,), _ = documents.page("runs/", 10)
        assert (entry.path, entry.etag, entry.metadata) == ("runs/a.json", etag, {})
