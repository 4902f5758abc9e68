"""Azure's rules about names, assets, tokens and paths: the emulator is no kinder than the service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from tests.support.emulator_support import WS, Emulator, emulator, upload_table

DATA = {"dataType": "uri_folder", "dataUri": "azureml://datastores/workspaceblobstore/paths/some/folder"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, azurite: str) -> Iterator[Emulator]:
    upload_table(azurite, "emulator-rules", "bank/train")
    folder = tmp_path_factory.mktemp("emulator")
    with emulator(
        folder, azurite, "--datastore", "data=emulator-rules", "--operation-seconds", "0.1"
    ) as found:
        yield found


def inner_codes(answer: requests.Response) -> list[str]:
    info = {i["type"]: i["info"]["value"] for i in answer.json()["error"]["additionalInfo"]}
    codes, node = [], info.get("InnerError")
    while node:
        codes.append(node["code"])
        node = node["innerError"]
    return codes


def put_data(running: Emulator, name: str, version: str, **values: Any) -> requests.Response:
    return running.arm("PUT", f"/data/{name}/versions/{version}", {"properties": DATA | values})


def test_every_error_of_the_service_names_component_correlation_place_and_time(running: Emulator) -> None:
    answer = running.arm("GET", "/data/absent/versions/1")
    assert answer.status_code == 404
    assert answer.headers["x-ms-response-type"] == "error"
    assert [i["type"] for i in answer.json()["error"]["additionalInfo"]][:5] == [
        "ComponentName",
        "Correlation",
        "Environment",
        "Location",
        "Time",
    ]
    assert inner_codes(answer)[0] == "NotFound"


def test_unknown_places_answer_as_the_resource_manager_does(running: Emulator) -> None:
    other = WS.replace("dropml-local", "nobody")
    answer = running.call("GET", other, params={"api-version": "2024-10-01-preview"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "ResourceNotFound")
    assert "additionalInfo" not in answer.json()["error"]
    for path, code in (
        (WS.replace("resourceGroups/dropml", "resourceGroups/other"), "ResourceGroupNotFound"),
        (WS.replace("00001", "00009"), "SubscriptionNotFound"),
        (f"{WS}/nothing", "InvalidResourceType"),
    ):
        answer = running.call("GET", path, params={"api-version": "1"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, code)
    missing = running.call("GET", WS)
    assert (missing.status_code, missing.json()["error"]["code"]) == (400, "MissingApiVersionParameter")
    compute = running.arm("GET", "/computes/absent")
    assert (compute.status_code, compute.text) == (404, "")


def test_paths_are_compared_without_case_and_any_api_version_is_taken_and_counted(running: Emulator) -> None:
    path = WS.replace("resourceGroups", "RESOURCEGROUPS").replace("workspaces", "WorkSpaces")
    answer = running.call("GET", f"{path}/COMPUTES/cpu-cluster", params={"api-version": "1999-01-01"})
    assert answer.status_code == 200
    counts = running.call("GET", "/_emulator/api-versions").json()["value"]
    assert {"method": "GET", "route": "/ws/computes/*", "apiVersion": "1999-01-01", "count": 1} in counts


@pytest.mark.parametrize("name", ["-dash-first", "white space", "a" * 256, "umläut"])
def test_asset_names_follow_the_specs_pattern(running: Emulator, name: str) -> None:
    answer = put_data(running, name, "1")
    assert answer.status_code == 400
    assert "must match the regular expression" in answer.json()["error"]["message"]


@pytest.mark.parametrize("name", ["ab", "1abc", "abc-", "under_score", "a" * 33])
def test_endpoint_names_are_3_to_32_characters_with_a_letter_first(running: Emulator, name: str) -> None:
    body = {"location": "westeurope", "properties": {"authMode": "Key"}}
    for collection in ("onlineEndpoints", "batchEndpoints"):
        assert running.arm("PUT", f"/{collection}/{name}", body).status_code == 400
        assert running.arm("GET", f"/{collection}/{name}").status_code == 404


def test_a_data_version_keeps_its_path_and_its_container_counts_versions(running: Emulator) -> None:
    assert put_data(running, "steps", "1").status_code == 201
    first = running.properties("/data/steps/versions/1")
    assert first["dataUri"] == (
        f"azureml://subscriptions/{WS.split('/')[2]}/resourcegroups/dropml/workspaces/dropml-local"
        "/datastores/workspaceblobstore/paths/some/folder/"
    )
    again = put_data(running, "steps", "1", tags={"seen": "twice"})
    assert (again.status_code, again.json()["properties"]["tags"]) == (200, {"seen": "twice"})
    moved = put_data(running, "steps", "1", dataUri=DATA["dataUri"] + "/other")
    assert moved.status_code == 400
    assert moved.json()["error"]["code"] == "UserError"
    assert moved.json()["error"]["message"] == "Asset paths cannot be updated."
    assert put_data(running, "steps", "foo").status_code == 201
    container = running.properties("/data/steps")
    assert (container["latestVersion"], container["nextVersion"]) == ("foo", "2")
    listed = running.arm("GET", "/data/steps/versions", params={"$top": "1"}).json()
    assert [v["name"] for v in listed["value"]] == ["foo"]
    assert "$skipToken=" in listed["nextLink"]
    assert [v["name"] for v in running.call("GET", listed["nextLink"]).json()["value"]] == ["1"]


@pytest.fixture(scope="module")
def versions(running: Emulator) -> Emulator:
    """1 to 4; the second has a tag of another value, the third is changed last."""
    for version, tag, said in (
        ("1", "a", "x"),
        ("2", "b", "y"),
        ("3", "a", "y"),
        ("4", "a", "y"),
        ("3", "a", "z"),
    ):
        own = {"dataType": "uri_file", "dataUri": "https://x/y", "description": said, "tags": {"team": tag}}
        properties = {"properties": own | {"properties": {"n": int(version)}}}
        assert running.arm("PUT", f"/data/many/versions/{version}", properties).status_code < 300
    return running


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ["4", "3", "2", "1"]),
        ({"$orderBy": "createdtime asc"}, ["1", "2", "3", "4"]),
        ({"$orderBy": "modifiedtime desc"}, ["3", "4", "2", "1"]),
        ({"tags": "team=a"}, ["4", "3", "1"]),
        ({"$tags": "team"}, ["4", "3", "2", "1"]),
        ({"$tags": "team,other"}, []),
        ({"properties": "n=2"}, ["2"]),
        ({"version": "2"}, ["2"]),
        ({"description": "y"}, ["4", "2"]),
        ({"stage": "Production"}, []),
        ({"offset": "1"}, ["3", "2", "1"]),
        ({"offset": "1", "tags": "team=a", "$orderBy": "createdtime asc"}, ["3", "4"]),
    ],
)
@pytest.mark.parametrize("top", ["1", "2", "100"])
def test_a_list_holds_what_its_query_asks_for_in_that_order_page_by_page(
    versions: Emulator, asked: dict[str, str], expected: list[str], top: str
) -> None:
    found: list[str] = []
    answer = versions.arm("GET", "/data/many/versions", params={**asked, "$top": top}).json()
    while True:
        assert len(answer["value"]) <= int(top)
        found += [each["name"] for each in answer["value"]]
        if "nextLink" not in answer:
            break
        answer = versions.call("GET", answer["nextLink"]).json()
    assert found == expected


@pytest.mark.parametrize("asked", [{"$orderBy": "name"}, {"$top": "0"}, {"offset": "-1"}, {"count": "few"}])
def test_a_query_that_no_list_can_answer_is_refused(running: Emulator, asked: dict[str, str]) -> None:
    assert running.arm("GET", "/models", params=asked).status_code == 400


def test_archived_versions_leave_the_active_view(running: Emulator) -> None:
    put_data(running, "shelf", "1")
    put_data(running, "shelf", "2")
    put_data(running, "shelf", "1", isArchived=True)

    def names(view: str) -> list[str]:
        answer = running.arm("GET", "/data/shelf/versions", params={"listViewType": view})
        return [v["name"] for v in answer.json()["value"]]

    assert names("ActiveOnly") == ["2"]
    assert names("ArchivedOnly") == ["1"]
    assert names("All") == ["2", "1"]


def test_data_of_unknown_datastores_and_types_is_refused(running: Emulator) -> None:
    answer = put_data(running, "lost", "1", dataUri="azureml://datastores/nostore/paths/x")
    assert answer.status_code == 404
    assert "Could not find datastore: nostore" in answer.json()["error"]["message"]
    assert put_data(running, "lost", "1", dataType="parquet").status_code == 400
    assert running.arm("PUT", "/data/lost/versions/1", {}).status_code == 400
    broken = running.session.put(
        f"{running.url}{WS}/data/lost/versions/1", data=b"{", params={"api-version": "1"}, timeout=10
    )
    assert (broken.status_code, broken.json()["error"]["code"]) == (400, "InvalidRequestContent")


def test_versions_of_an_unknown_model_are_404_with_the_code_in_details(running: Emulator) -> None:
    answer = running.arm("GET", "/models/absent/versions", params={"$top": "1"})
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "UserError"
    assert answer.json()["error"]["details"][0]["code"] == "ModelNotFound"
    one = running.arm("GET", "/models/absent/versions/3")
    assert one.json()["error"]["details"][0]["code"] == "NoSuchModelRegistered"


def test_a_model_is_copied_from_where_it_lies_or_refused_with_a_reason(running: Emulator) -> None:
    body = {
        "properties": {"modelType": "custom_model", "modelUri": "azureml://datastores/data/paths/bank/train"}
    }
    assert running.arm("PUT", "/models/plain/versions/1", body).status_code == 201
    assert (running.folder / "models" / "plain" / "1" / "data.csv").is_file()
    assert "/resourceGroups/" in running.properties("/models/plain/versions/1")["modelUri"]
    moved = {"properties": body["properties"] | {"modelUri": "azureml://datastores/data/paths/bank"}}
    assert running.arm("PUT", "/models/plain/versions/1", moved).json()["error"]["message"] == (
        "Asset paths cannot be updated."
    )
    no_mlflow = {"properties": body["properties"] | {"modelType": "mlflow_model"}}
    refused = running.arm("PUT", "/models/other/versions/1", no_mlflow)
    assert refused.status_code == 400
    assert "no file named MLmodel" in refused.json()["error"]["message"]
    for uri in (
        "azureml://jobs/absent/outputs/artifacts/paths/outputs/",
        "azureml://datastores/data/paths/nothing",
    ):
        answer = running.arm("PUT", "/models/other/versions/1", {"properties": {"modelUri": uri}})
        assert answer.status_code == 400
    assert running.arm("GET", "/models/other/versions/1").status_code == 404


def test_requests_without_a_good_token_get_401_with_the_reason(running: Emulator) -> None:
    def code(token: str | None, path: str = WS) -> tuple[int, str]:
        headers = {"Authorization": token}
        answer = running.call("GET", path, params={"api-version": "2024-10-01-preview"}, headers=headers)
        assert "WWW-Authenticate" in answer.headers
        return answer.status_code, answer.json()["error"]["code"]

    assert code(None) == (401, "AuthenticationFailed")
    assert code("Basic abc") == (401, "AuthenticationFailedInvalidHeader")
    assert code("Bearer abc") == (401, "InvalidAuthenticationToken")
    forged = jwt.encode(
        {"aud": "https://management.azure.com", "exp": 4102444800}, "x" * 32, algorithm="HS256"
    )
    assert code(f"Bearer {forged}") == (401, "InvalidAuthenticationToken")
    storage = running.token("https://storage.azure.com")
    assert code(f"Bearer {storage}") == (401, "InvalidAuthenticationTokenAudience")
    assert code(f"Bearer {storage}", f"/history/v1.0{WS}/runs/x") == (
        401,
        "InvalidAuthenticationTokenAudience",
    )


def test_the_identity_endpoint_gives_decodable_tokens_and_wants_its_header(running: Emulator) -> None:
    url = f"{running.url}/msi/token"
    params = {"api-version": "2019-08-01", "resource": "https://ml.azure.com"}
    assert running.session.get(url, params=params, timeout=10).status_code == 401
    answer = running.session.get(url, params=params, headers={"X-IDENTITY-HEADER": "x"}, timeout=10).json()
    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert claims["aud"] == "https://ml.azure.com"
    assert str(claims["exp"]) == answer["expires_on"]
    assert claims["tid"] == running.arm("GET", "", api="2024-10-01-preview").json()["properties"]["tenantId"]


def test_the_clouds_metadata_name_the_emulator_and_tokens_for_that_address_are_taken(
    running: Emulator,
) -> None:
    cloud = running.session.get(f"{running.url}/metadata/endpoints", timeout=10).json()[0]
    assert cloud["resourceManager"] == f"{running.url}/"
    headers = {"Authorization": f"Bearer {running.token(cloud['resourceManager'])}"}
    assert running.arm("GET", "/computes/cpu-cluster", headers=headers).status_code == 200


def test_a_token_ends_when_the_stepped_clock_passes_it(tmp_path: Path) -> None:
    with emulator(tmp_path) as own:
        assert own.arm("GET", "/computes/cpu-cluster").status_code == 200
        own.call("POST", "/_emulator/clock", {"step": 25 * 3600})
        expired = own.arm("GET", "/computes/cpu-cluster")
        assert (expired.status_code, expired.json()["error"]["code"]) == (401, "ExpiredAuthenticationToken")
        own.session.headers["Authorization"] = f"Bearer {own.token()}"
        assert own.arm("GET", "/computes/cpu-cluster").status_code == 200


def test_datastores_tell_their_containers_and_give_secrets(running: Emulator) -> None:
    names = {d["name"] for d in running.arm("GET", "/datastores").json()["value"]}
    assert names == {"workspaceblobstore", "workspaceartifactstore", "data"}
    assert running.properties("/datastores/data")["containerName"] == "emulator-rules"
    key = running.arm("POST", "/datastores/data/listSecrets").json()
    assert key["secretsType"] == "AccountKey"
    sas = running.arm("POST", "/datastores/data/listSecrets", {"expirableSecret": True}).json()
    assert sas["secretsType"] == "Sas"
    assert sas["sasToken"].startswith("?")
    absent = running.arm("GET", "/datastores/absent")
    assert absent.status_code == 404


def test_a_cluster_is_made_and_removed_by_a_long_running_operation(running: Emulator) -> None:
    body = {
        "location": "westeurope",
        "properties": {
            "computeType": "AmlCompute",
            "properties": {"vmSize": "STANDARD_DS3_V2", "scaleSettings": {"maxNodeCount": 3}},
        },
    }
    answer = running.arm("PUT", "/computes/bigger", body)
    assert (answer.status_code, answer.json()["properties"]["provisioningState"]) == (201, "Creating")
    assert "computeOperationsStatus" in answer.headers["Azure-AsyncOperation"]
    running.wait_state("/computes/bigger")
    unknown = {"properties": {"computeType": "AmlCompute", "properties": {"vmSize": "STANDARD_NV999"}}}
    assert running.arm("PUT", "/computes/odd", unknown).status_code == 400
    assert running.arm("DELETE", "/computes/bigger").status_code == 202
