"""What a caller of a managed online endpoint meets: keys, routing, the no-code contract, swagger."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
import requests

from tests.support.serving_support import (
    PRIMARY,
    SECONDARY,
    Endpoint,
    deployment,
    payload,
    running,
    settings,
    tiny_model,
)

SCRIPT_FAILED = "An unexpected error occurred in scoring script. Check the logs for more info."


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    folder = tmp_path_factory.mktemp("contract")
    model = tiny_model(folder / "models", "young")
    other = tiny_model(folder / "models", "old", threshold=60, suffix="-m2")
    deployments = {
        "m1": deployment(model, folder / "m1.log", app_insights=False),
        "m2": deployment(other, folder / "m2.log"),
    }
    with running(folder, settings(deployments, {"m1": 100, "m2": 0})) as endpoint:
        yield endpoint


def test_two_records_come_back_as_a_list_of_labels_with_the_headers_of_the_service(
    endpoint: Endpoint,
) -> None:
    answer = endpoint.score(payload(30, 50))
    assert answer.status_code == 200
    assert answer.json() == ["no", "yes"]
    headers = answer.headers
    assert headers["Content-Type"] == "application/json"
    assert headers["Server"] == "azureml-frontdoor"
    assert headers["azureml-model-deployment"] == headers["azureml-model-session"] == "m1"
    assert headers["x-ms-run-function-failed"] == "False"
    assert float(headers["x-ms-run-fn-exec-ms"]) >= 0
    assert "Date" in headers


def test_params_index_and_column_order_are_as_mlflow_reads_them(endpoint: Endpoint) -> None:
    swapped = {"input_data": {"columns": ["job", "age"], "data": [["x", 50]]}, "params": {"a": 1}}
    assert endpoint.score(swapped).json() == ["yes"]
    assert endpoint.score({**payload(50), "more": "ignored"}).json() == ["yes"]


@pytest.mark.parametrize("key", [PRIMARY, SECONDARY])
def test_both_keys_are_good(endpoint: Endpoint, key: str) -> None:
    assert endpoint.score(payload(50), key=key).status_code == 200


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (None, "key_auth_bad_header_forbidden"),
        ("Bearer wrong", "key_auth_access_denied"),
        (f"Bearer {PRIMARY}x", "key_auth_access_denied"),
        (f"Basic {PRIMARY}", "key_auth_bad_header_forbidden"),
        (PRIMARY, "key_auth_bad_header_forbidden"),
        ("Bearer", "key_auth_bad_header_forbidden"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/score", "/swagger.json", "/nowhere"])
def test_without_a_key_every_route_answers_401(
    endpoint: Endpoint, path: str, header: str | None, text: str
) -> None:
    headers = {} if header is None else {"Authorization": header}
    method = "POST" if path == "/score" else "GET"
    answer = requests.request(method, endpoint.url + path, headers=headers, timeout=5)
    assert (answer.status_code, answer.text) == (401, text)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "azureml-model-deployment" not in answer.headers


def test_the_deployment_header_wins_over_traffic(endpoint: Endpoint) -> None:
    answer = endpoint.score(payload(50), azureml_model_deployment="m2")
    assert answer.json() == ["no-m2"]
    assert answer.headers["azureml-model-deployment"] == "m2"


def test_an_unknown_deployment_is_a_404(endpoint: Endpoint) -> None:
    answer = endpoint.score(payload(50), azureml_model_deployment="m9")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "Specified deployment could not be found"


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, "POST body is empty. Expecting a JSON dictionary."),
        (b"{", 400, "POST body could not be decoded as JSON: Expecting property name enclosed in double"),
        (b"[1]", 400, "POST body should be a JSON dictionary."),
        (b'{"data": []}', 400, "A value is not provided for the 'input_data' parameter."),
        (b'{"input_data": [[1]]}', 500, SCRIPT_FAILED),
        (b'{"input_data": {"columns": ["age"], "data": [[1]]}}', 500, SCRIPT_FAILED),
        (b'{"input_data": {"columns": ["age", "job"], "data": [[1]]}}', 500, SCRIPT_FAILED),
        (
            b'{"input_data": {"columns": ["age", "job"], "index": [0, 1], "data": [[1, "x"]]}}',
            500,
            SCRIPT_FAILED,
        ),
        (b'{"input_data": {"columns": ["age", "job"], "rows": [[1, "x"]]}}', 500, SCRIPT_FAILED),
        (b'{"input_data": {"columns": ["age", "job"], "data": []}}', 500, SCRIPT_FAILED),
        (b'{"input_data": {"columns": ["age", "job"], "data": [["old", "x"]]}}', 500, SCRIPT_FAILED),
        (b"\xff\xfe{\x00}", 500, "An unexpected internal error occurred. Check the logs for more info."),
        (b"[" * 100_000, 500, "An unexpected internal error occurred. Check the logs for more info."),
    ],
)
def test_what_the_container_refuses_is_a_424_that_names_its_status(
    endpoint: Endpoint, body: bytes, status: int, message: str
) -> None:
    headers = {"Authorization": f"Bearer {PRIMARY}", "Content-Type": "application/json"}
    answer = requests.post(f"{endpoint.url}/score", data=body, headers=headers, timeout=5)
    assert answer.status_code == 424
    assert answer.headers["ms-azureml-model-error-statuscode"] == str(status)
    assert answer.headers["ms-azureml-model-error-reason"] == "model_error"
    assert answer.headers["azureml-model-deployment"] == "m1"
    assert answer.headers["x-ms-run-function-failed"] == str(message == SCRIPT_FAILED)
    assert answer.json()["message"].startswith(message)


def test_the_walkthroughs_payload_is_not_taken_by_a_no_code_deployment(endpoint: Endpoint) -> None:
    answer = endpoint.score({"data": [{"age": 24, "job": "technician"}]})
    assert answer.status_code == 424
    assert "input_data" in answer.json()["message"]


def test_mlflows_sentence_stands_in_the_log_and_rows_do_not(endpoint: Endpoint) -> None:
    body = {"input_data": {"columns": ["job"], "data": [["a-very-private-job"]]}}
    assert endpoint.score(body).json()["message"] == SCRIPT_FAILED
    endpoint.admin("GET", "status")
    assert "Model is missing inputs ['age']." in endpoint.log
    assert "a-very-private-job" not in endpoint.log


def test_python_json_is_taken_where_it_is_wider_than_the_standard(endpoint: Endpoint) -> None:
    text = json.dumps(payload(50)).replace("50", "NaN")
    for body in (text.encode(), json.dumps(payload(50)).encode("utf-16")):
        headers = {"Authorization": f"Bearer {PRIMARY}", "Content-Type": "application/json; charset=utf-8"}
        answer = requests.post(f"{endpoint.url}/score", data=body, headers=headers, timeout=5)
        assert answer.status_code == 200, answer.text


def test_other_content_types_methods_and_paths(endpoint: Endpoint) -> None:
    headers = {"Authorization": f"Bearer {PRIMARY}"}
    seen = {}
    for method, path, kind in (
        ("POST", "/score", "text/csv"),
        ("DELETE", "/score", "application/json"),
        ("POST", "/", "application/json"),
        ("GET", "/nowhere", "application/json"),
    ):
        answer = requests.request(
            method, endpoint.url + path, data=b"{}", headers={**headers, "Content-Type": kind}, timeout=5
        )
        assert answer.status_code == 424
        seen[method, path] = answer.headers["ms-azureml-model-error-statuscode"]
    assert seen == {
        ("POST", "/score"): "415",
        ("DELETE", "/score"): "405",
        ("POST", "/"): "405",
        ("GET", "/nowhere"): "404",
    }


def test_get_takes_input_data_from_the_query(endpoint: Endpoint) -> None:
    answer = requests.get(
        f"{endpoint.url}/score",
        params={"input_data": json.dumps(payload(50)["input_data"])},
        headers={"Authorization": f"Bearer {PRIMARY}"},
        timeout=5,
    )
    assert answer.json() == ["yes"]


def test_health_is_one_word(endpoint: Endpoint) -> None:
    headers = {"Authorization": f"Bearer {PRIMARY}"}
    assert requests.get(endpoint.url, headers=headers, timeout=5).text == "Healthy"
    head = requests.head(endpoint.url, headers=headers, timeout=5)
    assert (head.text, head.headers["Content-Length"]) == ("", "7")


def test_request_ids_are_passed_through_or_made(endpoint: Endpoint) -> None:
    made = endpoint.score(payload(50)).headers
    assert len(made["x-request-id"]) == 36
    assert made["x-ms-request-id"] == made["x-request-id"]
    guid = "0a1b2c3d-1111-4222-8333-444455556666"
    given = endpoint.score(
        payload(50), x_request_id=guid, x_ms_client_request_id="run-7 <b>" + 50 * "z"
    ).headers
    assert given["x-request-id"] == guid
    assert given["x-ms-client-request-id"] == given["x-ms-request-id"] == "run-7b" + 34 * "z"
    own = endpoint.score(payload(50), x_request_id="not-a-guid", x_ms_request_id="mine").headers
    assert own["x-request-id"] != "not-a-guid"
    assert own["x-ms-request-id"] == "mine"


def test_swagger_has_the_services_shape_and_the_models_input(endpoint: Endpoint, reference: Path) -> None:
    headers = {"Authorization": f"Bearer {PRIMARY}"}
    ours = requests.get(f"{endpoint.url}/swagger.json", headers=headers, timeout=5).json()
    theirs = json.loads((reference / "data" / "azure_endpoint_swagger.json").read_text())
    assert ours.keys() == theirs.keys()
    assert ours["info"].keys() == theirs["info"].keys()
    assert ours["info"]["title"] == "bank-1a2b3c"
    assert ours["securityDefinitions"] == theirs["securityDefinitions"]
    assert ours["paths"] == theirs["paths"]
    assert ours["definitions"].keys() == theirs["definitions"].keys()
    assert ours["definitions"]["ServiceOutput"] == {
        "type": "array",
        "items": {"type": "string"},
        "example": ["no"],
    }


@pytest.mark.parametrize("version", [None, "2", "2.0", "3", "3.0", "3.1"])
def test_the_example_of_every_swagger_can_be_sent_as_it_stands(
    endpoint: Endpoint, version: str | None
) -> None:
    headers = {"Authorization": f"Bearer {PRIMARY}"}
    query = {"version": version} if version else {}
    document = requests.get(f"{endpoint.url}/swagger.json", headers=headers, params=query, timeout=5).json()
    schemas = document["components"]["schemas"] if "openapi" in document else document["definitions"]
    schema = schemas["ServiceInput"]
    assert schema["properties"]["input_data"]["x-columns"][0] == {
        "name": "age",
        "type": "integer",
        "format": "int64",
    }
    assert endpoint.score(schema["example"]).json() == schemas["ServiceOutput"]["example"]


@pytest.mark.parametrize("mode", ["AMLToken", "AADToken"])
def test_tokens_are_checked_by_signature_claim_and_time(tmp_path: Path, mode: str) -> None:
    model = tiny_model(tmp_path, "young")
    document = settings({"m1": deployment(model, tmp_path / "m1.log")}, {"m1": 100}, auth_mode=mode)
    secret, now = document["token_secret"], int(time.time())
    good = {"AMLToken": {"sub": "bank-1a2b3c"}, "AADToken": {"aud": "https://ml.azure.com"}}[mode]
    bad = {"AMLToken": {"sub": "another"}, "AADToken": {"aud": "https://management.azure.com"}}[mode]
    with running(tmp_path, document) as endpoint:
        token = jwt.encode({**good, "exp": now + 60}, secret, "HS256")
        assert endpoint.score(payload(50), key=token).status_code == 200
        end = int(time.time()) + 4
        soon = jwt.encode({**good, "exp": end}, secret, "HS256")
        assert endpoint.score(payload(50), key=soon).status_code == 200
        for claims, signed_with, algorithm in (
            ({**bad, "exp": now + 60}, secret, "HS256"),
            ({**good, "exp": now - 60}, secret, "HS256"),
            (good, secret, "HS256"),
            ({**good, "exp": now + 60}, "b-token-secret-of-32-characters-!", "HS256"),
            ({**good, "exp": now + 60}, "", "none"),
        ):
            forged = jwt.encode(claims, signed_with, algorithm)
            answer = endpoint.score(payload(50), key=forged)
            assert (answer.status_code, answer.text) == (401, "token_auth_access_denied")
        assert endpoint.score(payload(50), key=PRIMARY).status_code == 401  # keys don't open it
        if mode == "AMLToken":
            time.sleep(max(0.0, end + 0.1 - time.time()))
            assert endpoint.score(payload(50), key=soon).status_code == 401  # a verified token ends too
