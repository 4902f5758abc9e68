"""The benchmark command: reads each tool's output, says what is missing, leaves JSON, plot and a comparison."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks import bench, bench_report, machine
from benchmarks.bench_tools import BenchError, Result, parse_ab, parse_oha, parse_wrk, require
from tests.support.scoring_support import Endpoint, serve

AB = """
Time taken for tests:   0.024 seconds
Complete requests:      500
Failed requests:        7
   (Connect: 1, Receive: 2, Length: 4, Exceptions: 0)
Non-2xx responses:      3
Keep-Alive requests:    500
Requests per second:    20856.80 [#/sec] (mean)
"""
AB_TABLE = "Percentage served,Time in ms\n" + "\n".join(f"{at},{at / 100:.3f}" for at in range(101))
OHA = {
    "summary": {"successRate": 1.0, "total": 2.0, "requestsPerSec": 500.0},
    "latencyPercentiles": {"p50": 0.001, "p95": 0.002, "p99": 0.003},
    "statusCodeDistribution": {"200": 990, "401": 10},
    "errorDistribution": {"aborted due to deadline": 8, "connection refused": 2},
}


def result(**changes: object) -> Result:
    values = {
        "tool": "wrk",
        "target": "proxy",
        "concurrency": 1,
        "requests": 100,
        "seconds": 1.0,
        "rate": 100.0,
        "p50_ms": 2.0,
        "p95_ms": 3.0,
        "p99_ms": 4.0,
        "errors": 0,
        "kept_alive": True,
    }
    return Result(**(values | changes))  # type: ignore[arg-type]


def test_ab_is_read() -> None:
    read = parse_ab(AB, AB_TABLE, "proxy", 4)
    assert (read.requests, read.rate, read.errors, read.kept_alive) == (500, 20856.8, 6, True)
    assert (read.p50_ms, read.p95_ms, read.p99_ms) == (0.5, 0.95, 0.99)


def test_wrk_is_read() -> None:
    text = 'x\nRESULT {"n": 2000, "us": 2000000, "p50": 121, "p95": 3978, "p99": 7208, "errors": 0}\n'
    read = parse_wrk(text, "proxy", 4)
    assert (read.rate, read.p50_ms, read.p99_ms) == (1000.0, 0.121, 7.208)
    with pytest.raises(BenchError):
        parse_wrk("nothing", "proxy", 4)


def test_oha_is_read() -> None:
    read = parse_oha(json.dumps(OHA), "proxy", 4)
    assert (read.requests, read.errors, read.p95_ms) == (1000, 12, 2.0)


def test_a_missing_tool_is_told_with_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(BenchError, match="apt-get install apache2-utils"):
        require("ab")
    assert bench.main(["--url", "http://127.0.0.1:9/"]) == 2
    assert "apt-get install wrk" in capsys.readouterr().err


def test_without_a_stack_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="make up"):
        bench.stack_targets(tmp_path, "")


def test_a_run_is_compared_with_the_baseline(tmp_path: Path) -> None:
    first = bench.save([result()], tmp_path, machine.facts(), False)
    assert first == [
        "This run is the baseline now.",
        "",
        "figure proxy_wrk_1_p50_ms 2 <=2.3 ok",
        "figure proxy_wrk_1_per_s 100 >=85 ok",
        "figure proxy_wrk_1_errors 0 <=0 ok",
    ]
    told = bench.save([result(p50_ms=3.0), result(concurrency=8)], tmp_path, machine.facts(), False)
    assert told[0] == "proxy, wrk, 1 connections: worse (p50 +50%, throughput +0%)"
    assert "figure proxy_wrk_1_p50_ms 3 <=2.3 short" in told
    assert "figure proxy_wrk_8_p50_ms 2 <=2.3 ok" in told
    assert "better" in bench_report.compare([result(rate=200.0)], {"results": [result().to_dict()]})[0]
    latest = json.loads((tmp_path / "latest.json").read_text())
    assert latest["machine"]["cores"]
    assert latest["results"][0]["p50_ms"] == 3.0
    svg = ET.fromstring((tmp_path / "latest.svg").read_text())
    assert sum(1 for part in svg if part.tag.endswith("rect")) == 5


@pytest.mark.skipif(not shutil.which("ab"), reason="ApacheBench is not installed")
@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
def test_a_real_endpoint_is_measured_and_a_refusal_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = tmp_path / "body.json"
    body.write_text('{"input_data": {"columns": ["age"], "index": [0], "data": [[57]]}}')
    with serve(Endpoint()) as endpoint:
        args = ["--url", f"{endpoint.url}/score", "--body", str(body), "--out", str(tmp_path / "out")]
        args += ["--seconds", "1", "--concurrency", "2"]
        assert bench.main([*args, "--header", "Authorization: Bearer p0"]) == 0
        out = json.loads((tmp_path / "out" / "latest.json").read_text())
        assert [(r["tool"], r["errors"]) for r in out["results"]] == [("ab", 0), ("wrk", 0)]
        assert all(r["rate"] > 10 for r in out["results"])
        assert bench.main([*args, "--header", "Authorization: Bearer wrong"]) == 1
    assert "answers 401" in capsys.readouterr().err
