"""Who gets which call: weights, and mirrors that nobody sees."""

from collections import Counter
from pathlib import Path

from tests.support.serving_support import (
    deployment,
    payload,
    running,
    settings,
    tiny_model,
    wait_until,
)


def test_traffic_is_drawn_by_weights_and_none_at_all_is_a_404(tmp_path: Path) -> None:
    model = tiny_model(tmp_path, "young")
    deployments = {name: deployment(model, tmp_path / f"{name}.log") for name in ("m1", "m2", "m3")}
    with running(tmp_path, settings(deployments, {"m1": 80, "m2": 20, "m3": 0})) as endpoint:
        seen = Counter(endpoint.score(payload(50)).headers["azureml-model-deployment"] for _ in range(600))
        assert seen.keys() == {"m1", "m2"}
        assert 0.12 < seen["m2"] / 600 < 0.28
        endpoint.settings["traffic"] = {"m1": 0}
        endpoint.reload()
        answer = endpoint.score(payload(50))
        assert answer.status_code == 404
        assert "positive weight" in answer.json()["error"]["message"]
        assert endpoint.score(payload(50), azureml_model_deployment="m3").status_code == 200


def test_mirror_traffic_scores_copies_that_no_caller_sees(tmp_path: Path) -> None:
    model = tiny_model(tmp_path, "young")
    slow = tiny_model(tmp_path, "slow", delay=1.0, suffix="-m2")
    deployments = {"m1": deployment(model, tmp_path / "m1.log"), "m2": deployment(slow, tmp_path / "m2.log")}
    document = settings(deployments, {"m1": 100}, mirror_traffic={"m2": 50})
    with running(tmp_path, document) as endpoint:
        answers = [endpoint.score(payload(50)) for _ in range(40)]
        assert {answer.text for answer in answers} == {'["yes"]'}

        def mirrored(words: str) -> int:
            endpoint.admin("GET", "status")
            return (tmp_path / "m2.log").read_text().count(words)

        wait_until(lambda: mirrored("POST /score 200") > 0)
        assert mirrored("POST /score 200") < 15  # callers that wait for a mirror would have made twenty
        assert mirrored("POST /score") < 40
