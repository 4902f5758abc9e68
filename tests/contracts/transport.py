"""What every transport to endpoints must do (`shared.services.scoring.calling.Transport`)."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.domain.problems import DeadlineExceeded
from shared.services.scoring.calling import ConnectionLostError, Transport
from tests.support.scripted_http import Reply, Service


class TransportContract:
    """A subclass gives `transport` and a `service` at the other end."""

    @pytest.fixture
    def transport(self) -> Transport:
        raise NotImplementedError

    @pytest.fixture
    def service(self) -> Service:
        raise NotImplementedError

    def test_an_answer_comes_as_it_was_given(self, transport: Transport, service: Service) -> None:
        service.script = [Reply(200, b'["yes"]', {"azureml-model-deployment": "m1-a1"})]
        answer = transport.send("POST", f"{service.url}/score?x=1", b'{"a": 1}', {"X-Own": "v"}, 5)
        assert (answer.status, answer.body) == (200, b'["yes"]')
        assert answer.headers["Azureml-Model-Deployment"] == "m1-a1"
        assert service.seen == ["POST /score?x=1"]
        assert service.bodies == [b'{"a": 1}']
        assert service.headers[0]["x-own"] == "v"

    def test_a_body_may_be_large_and_may_be_absent(self, transport: Transport, service: Service) -> None:
        transport.send("POST", service.url, b"x" * 3_000_000, {}, 5)
        assert transport.send("GET", f"{service.url}/swagger.json", None, {}, 5).status == 200
        assert [len(body) for body in service.bodies] == [3_000_000, 0]

    @pytest.mark.parametrize("status", [400, 401, 404, 424, 429, 500, 503])
    def test_no_status_is_an_error_and_none_is_tried_again(
        self, transport: Transport, service: Service, status: int
    ) -> None:
        service.usual = Reply(status, b"no", {"Retry-After": "0"})
        assert transport.send("POST", service.url, b"", {}, 5).status == status
        assert len(service.seen) == 1

    def test_a_redirect_is_not_followed(self, transport: Transport, service: Service) -> None:
        """The key would go along."""
        service.script = [Reply(307, headers={"Location": f"{service.url}/elsewhere"})]
        assert transport.send("POST", service.url, b"", {"Authorization": "Bearer k"}, 5).status == 307
        assert len(service.seen) == 1

    def test_the_time_that_is_left_is_kept(self, transport: Transport, service: Service) -> None:
        service.usual = Reply(seconds=2)
        with pytest.raises(DeadlineExceeded):
            transport.send("POST", service.url, b"", {}, 0.1)

    def test_a_connection_lost_before_the_answer_may_have_been_sent(
        self, transport: Transport, service: Service
    ) -> None:
        service.script = [Reply(hang_up=True)]
        with pytest.raises(ConnectionLostError) as caught:
            transport.send("POST", service.url, b"", {}, 5)
        assert caught.value.sent
        assert transport.send("POST", service.url, b"", {}, 5).status == 200

    def test_nobody_there_means_that_nothing_was_sent(self, transport: Transport, service: Service) -> None:
        scheme = service.url.partition(":")[0]
        with socket.socket() as taken:  # bound, but nobody listens
            taken.bind(("127.0.0.1", 0))
            with pytest.raises(ConnectionLostError) as caught:
                transport.send("POST", f"{scheme}://127.0.0.1:{taken.getsockname()[1]}", b"", {}, 5)
        assert not caught.value.sent

    def test_many_callers_at_once_get_their_own_answers(self, transport: Transport, service: Service) -> None:
        with ThreadPoolExecutor(8) as pool:
            bodies = [str(n).encode() for n in range(40)]
            sent = [pool.submit(transport.send, "POST", service.url, body, {}, 20.0) for body in bodies]
            assert all(answer.result().status == 200 for answer in sent)
        assert sorted(service.bodies) == sorted(bodies)
