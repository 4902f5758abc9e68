"""What notifications need of every poison queue (`shared.services.notify.ports.PoisonQueue`)."""

from __future__ import annotations

import pytest

from shared.services.notify.ports import PoisonQueue


class PoisonQueueContract:
    """A subclass gives `queue`, into which nothing was ever put, and `fail`."""

    @pytest.fixture
    def queue(self) -> PoisonQueue:
        raise NotImplementedError

    def fail(self, queue: PoisonQueue, container: str, blob: str) -> None:
        """The function of this file has failed at every try."""
        raise NotImplementedError

    def test_where_nothing_has_failed_there_is_nothing(self, queue: PoisonQueue) -> None:
        assert queue.look() == []

    def test_a_message_names_the_file_and_its_time(self, queue: PoisonQueue) -> None:
        self.fail(queue, "incoming", "a folder/Größe.csv")
        (found,) = queue.look()
        assert (found.container, found.blob) == ("incoming", "a folder/Größe.csv")
        assert found.at > 0
        assert found.id

    def test_looking_takes_nothing_away_and_ids_tell_messages_apart(self, queue: PoisonQueue) -> None:
        """Each is told once by its id, also where one file has failed twice."""
        for _ in range(2):
            self.fail(queue, "incoming", "bank.csv")
        first = queue.look()
        assert queue.look() == first
        assert len({message.id for message in first}) == 2

    def test_the_oldest_are_shown_and_no_more_than_one_call_has(self, queue: PoisonQueue) -> None:
        for number in range(34):
            self.fail(queue, "incoming", f"{number}.csv")
        assert [message.blob for message in queue.look()] == [f"{number}.csv" for number in range(32)]
