"""The host's rules on paths, routes, settings and log lines, without a host."""

from __future__ import annotations

import logging
from datetime import UTC
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropml.functions_host import config, connections
from dropml.functions_host.blob_paths import BlobPathPattern
from dropml.functions_host.errors import BindingError, ConfigError
from dropml.functions_host.keys import load_or_create
from dropml.functions_host.log import LineFormatter
from dropml.functions_host.routes import Route, RouteTable, compile_route

AZURITE = "DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net"


@pytest.mark.parametrize(
    ("pattern", "blob", "names"),
    [
        ("incoming/{name}.csv", "a.csv", {"name": "a"}),
        ("incoming/{name}.csv", "a/b.csv", {"name": "a/b"}),  # {name} takes slashes
        ("incoming/{name}.csv", "a.CSV", None),
        ("incoming/{name}.csv", "a.csv.gz", None),
        ("incoming/{name}.csv", "axcsv", None),  # the dot is a dot
        ("incoming", "anything/at.all", {}),
        ("Incoming/x-{a}/{b}", "x-1/2/3", {"a": "1/2", "b": "3"}),  # greedy; containers ignore case
        ("incoming/{{{a}}}", "{1}", {"a": "1"}),
    ],
)
def test_blob_paths(pattern: str, blob: str, names: dict[str, str] | None) -> None:
    assert BlobPathPattern.parse(pattern).match("incoming", blob) == names
    assert BlobPathPattern.parse(pattern).match("elsewhere", blob) is None


@pytest.mark.parametrize("pattern", ["{container}/x", "", "a/{b.c}", "a/{b}{b}", "a/{", "a/b}"])
def test_blob_paths_that_the_real_host_refuses(pattern: str) -> None:
    with pytest.raises(BindingError, match="blob path"):
        BlobPathPattern.parse(pattern)


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_every_blob_matches_its_own_literal_path(name: str) -> None:
    literal = "c/" + name.replace("{", "{{").replace("}", "}}")
    if name.strip("/"):
        assert BlobPathPattern.parse("c/x" + literal[2:] + "x").match("c", f"x{name}x") == {}


def route(template: str, methods: tuple[str, ...] = (), prefix: str = "api") -> Route:
    return compile_route(prefix, template, cast("Any", template), methods)


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("items/{id:int}", "api/items/-5", {"id": "-5"}),
        ("items/{id:int}", "api/items/5.0", None),
        ("items/{id:int}", "api/items/99999999999", None),
        ("items/{id:long}", "api/items/99999999999", {"id": "99999999999"}),
        ("items/{id?}", "api/items", {}),
        ("items/{id=7}", "api/items", {"id": "7"}),
        (
            "items/{id:guid}",
            "api/items/6f9619ff-8b86-d011-b42d-00cf4fc964ff",
            {"id": "6f9619ff-8b86-d011-b42d-00cf4fc964ff"},
        ),
        ("items/{id:alpha:minlength(2)}", "api/items/a", None),
        ("items/{id:range(3,5)}", "api/items/6", None),
        ("items/{id:regex(^\\d{{2}}$)}", "api/items/12", {"id": "12"}),
        ("items/{id:bool}", "api/items/True", {"id": "True"}),
        ("items/{when:datetime}", "api/items/2024-05-06", {"when": "2024-05-06"}),
        ("{name}.{ext}", "api/a.b.c", {"name": "a.b", "ext": "c"}),
        ("{*rest}", "api", {}),
        ("{*rest}", "api/a/b/", {"rest": "a/b/"}),
        ("a/{b}", "api/a", None),
        ("a/{b}", "api/a/b/c", None),
    ],
)
def test_route_templates(template: str, path: str, values: dict[str, str] | None) -> None:
    assert route(template).match(path) == values


def test_the_most_specific_route_wins() -> None:
    templates = [
        "{*all}",
        "{a}/{b}",
        "{a:int}/{b}",
        "runs/{id}",
        "runs/latest",
        "runs/{id}/{*rest}",
        "x-{a}/b",
    ]
    table = RouteTable(route(template, prefix="") for template in templates)

    def chosen(path: str) -> Any:
        found = table.find("GET", path)
        assert found is not None
        return found[0].function

    assert chosen("/runs/latest") == "runs/latest"
    assert chosen("/runs/7") == "runs/{id}"
    assert chosen("/runs/7/a/b") == "runs/{id}/{*rest}"
    assert chosen("/7/b") == "{a:int}/{b}"
    assert chosen("/x-1/b") == "x-{a}/b"
    assert chosen("/y/b") == "{a}/{b}"
    assert chosen("/") == "{*all}"


def test_methods_choose_between_functions_on_one_route() -> None:
    table = RouteTable([compile_route("", "x", cast("Any", m), (m,)) for m in ("GET", "POST")])
    assert [table.find(m, "/x")[0].function for m in ("GET", "POST")] == ["GET", "POST"]  # type: ignore[index]
    assert table.find("PUT", "/x") is None


@pytest.mark.parametrize("template", ["a/{b", "a/{b:nonsense}", "{a}/{a}", "a/}b"])
def test_wrong_routes(template: str) -> None:
    with pytest.raises(BindingError, match="route"):
        route(template)


def test_connections_are_found_as_the_real_host_finds_them() -> None:
    assert connections.resolve("Data", {"Data": AZURITE}).name == "acc"
    assert connections.resolve("Data", {"AzureWebJobsData": AZURITE}).connection == "Data"
    assert connections.resolve("", {"AzureWebJobsStorage": AZURITE}).connection == "AzureWebJobsStorage"
    both = {"Data__blobServiceUri": "https://b.example/", "Data__queueServiceUri": "https://q.example/"}
    assert connections.resolve("Data", both).queues.url.startswith("https://q.example")
    with pytest.raises(BindingError, match=r"Data__accountName is set, .* set Data__blobServiceUri"):
        connections.resolve("Data", {"Data__accountName": "abc"})
    assert connections.resolve("Data", both | {"Data__accountName": "abc"}).blobs.url == "https://b.example/"
    with pytest.raises(BindingError, match="need both"):
        connections.resolve("Data", {"Data__blobServiceUri": "https://b.example/"})
    with pytest.raises(BindingError, match='connection "Data" is not set: add app setting Data'):
        connections.resolve("Data", {})
    with pytest.raises(BindingError, match="no storage connection string"):
        connections.resolve("Data", {"Data": "nonsense"})


def test_host_json(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text(
        '{"version": "2.0", "functionTimeout": "00:10:00", "extensions": {"http": {"routePrefix": "", '
        '"maxOutstandingRequests": 200}, "blobs": {"poisonBlobThreshold": 2, "maxDegreeOfParallelism": 4}}}'
    )
    read = config.read_host_json(tmp_path)
    assert (read.route_prefix, read.function_timeout_s, read.max_outstanding_requests) == ("", 600.0, 200)
    assert (read.poison_blob_threshold, read.max_degree_of_parallelism) == (2, 4)
    (tmp_path / "host.json").write_text('{"version": "2.0", "functionTimeout": "-1"}')
    read = config.read_host_json(tmp_path)
    assert (read.route_prefix, read.function_timeout_s, read.max_outstanding_requests) == ("api", None, None)
    assert read.poison_blob_threshold == 5
    for wrong in ('"functionTimeout": "soon"', '"extensions": {"blobs": {"poisonBlobThreshold": 0}}'):
        (tmp_path / "host.json").write_text('{"version": "2.0", ' + wrong + "}")
        with pytest.raises(ConfigError, match=r"functionTimeout|poisonBlobThreshold"):
            config.read_host_json(tmp_path)


def test_host_id_time_zone_and_disabled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AzureFunctionsWebHost__hostid", raising=False)
    made = config.host_id(tmp_path / "My App! that has quite a long name")
    assert made == config.host_id(tmp_path / "My App! that has quite a long name")
    assert made.startswith("my-app-that-has-quit")
    assert len(made) <= 32
    monkeypatch.setenv("AzureFunctionsWebHost__hostid", "Not_OK")
    with pytest.raises(ConfigError, match="Not_OK"):
        config.host_id(tmp_path)
    monkeypatch.delenv("TZ", raising=False)
    monkeypatch.delenv("WEBSITE_TIME_ZONE", raising=False)
    assert config.time_zone() is UTC
    monkeypatch.setenv("WEBSITE_TIME_ZONE", "Europe/Berlin")
    assert str(config.time_zone()) == "Europe/Berlin"
    monkeypatch.setenv("WEBSITE_TIME_ZONE", "W. Europe Standard Time")
    with pytest.raises(ConfigError, match="such as Europe/Berlin"):
        config.time_zone()
    assert not config.is_disabled("retrain")
    monkeypatch.setenv("AzureWebJobs.Retrain.Disabled", "True")
    assert config.is_disabled("retrain")


def line(formatter: LineFormatter, message: str) -> str:
    return formatter.format(logging.LogRecord("x", logging.INFO, "f", 1, message, (), None))


@pytest.mark.parametrize(
    "message",
    [
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=SECRETSECRET==;Suffix=x",
        "GET http://h/api/x?code=SECRETSECRET&a=1",
        "https://a.blob/c/b?sv=2024&sig=SECRETSECRET%3D",
        "headers {'x-functions-key': 'SECRETSECRET'}",
        "the key SECRETSECRET itself",
    ],
)
def test_secrets_are_masked(message: str) -> None:
    formatter = LineFormatter()
    formatter.hide(["SECRETSECRET"] if "itself" in message else [])
    shown = line(formatter, message)
    assert "SECRETSECRET" not in shown
    assert "***" in shown


def test_a_record_is_one_line() -> None:
    assert "\n" not in line(LineFormatter(), "two\nlines\r\nand more")
    assert line(LineFormatter(), "a=1 code=7 plain text").endswith("a=1 code=7 plain text")


def test_key_file_keeps_what_it_has_and_refuses_what_it_cannot_read(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text('{"master": "m-key", "functions": {"Score": {"default": "s-key"}}, "note": "kept"}')
    ring = load_or_create(path, ["score", "other"])
    assert ring.master == "m-key"
    assert ring.opens("function", "SCORE", "s-key")
    assert not ring.opens("admin", "score", "s-key")
    again = load_or_create(path, ["score", "other"])
    assert again == ring
    assert "kept" in path.read_text()
    for wrong in ("[]", "{", '{"functions": {"a": "text"}}', '{"functions": {"a": {"default": ""}}}'):
        path.write_text(wrong)
        with pytest.raises(ConfigError, match=r"keys\.json"):
            load_or_create(path, [])
