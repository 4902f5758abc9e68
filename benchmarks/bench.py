"""`python -m benchmarks.bench`: how fast a live model answers, through the proxy and behind it.

Without options it measures the stack that `make up` started: the proxy (with the function key), and the endpoint itself
(with its own key, fetched as the app fetches it). Anything else: --url, with --header for its key.
Results go to `.dropml/bench/`: latest.json, latest.svg, baseline.json (the first run, or --save-baseline).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import requests

from benchmarks import bench_report, machine
from benchmarks.bench_tools import TOOLS, BenchError, Request, Result, require

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT = 20


def stack_targets(home: Path, dataset: str) -> dict[str, Request]:
    """The proxy and the endpoint of the running stack, asked with the dataset's own example rows."""
    path = home / "stack.json"
    if not path.is_file():
        raise BenchError("No stack is running here: `make up`, drop a CSV, wait for `live`; or use --url.")
    stack = json.loads(path.read_text())
    key = json.loads((home / "keys.json").read_text())["default"]
    api = f"{stack['host_url']}/api"
    headers = {"x-functions-key": key}
    try:
        swagger = requests.get(f"{api}/swagger.json", headers=headers, timeout=TIMEOUT).json()
    except requests.RequestException as error:
        raise BenchError(f"The app at {api} does not answer ({type(error).__name__}): `make up`.") from None
    slugs = [p.split("/")[3] for p in swagger["paths"] if p.startswith("/api/score/") and p.count("/") == 3]
    slug = dataset or (slugs[0] if slugs else "")
    if slug not in slugs:
        raise BenchError(f"In service: {', '.join(slugs) or 'nothing yet'}; not {slug or 'any dataset'}.")
    body = swagger["paths"][f"/api/score/{slug}"]["post"]["requestBody"]["content"]["application/json"]
    examples = {name: json.dumps(e["value"]).encode() for name, e in body["examples"].items()}
    url, endpoint_key = _endpoint(home, stack, slug)
    return {
        "proxy": Request(f"{api}/score/{slug}", examples["data"], headers),
        "endpoint": Request(url, examples["input_data"], {"Authorization": f"Bearer {endpoint_key}"}),
    }


def _endpoint(home: Path, stack: dict[str, Any], slug: str) -> tuple[str, str]:
    """Scoring URI and key of the endpoint, as the app itself learns them."""
    from azure.storage.blob import BlobServiceClient

    with BlobServiceClient.from_connection_string(stack["storage"]) as service:
        blob = service.get_blob_client("dropml-state", f"serving/{slug}.json")
        serving = json.loads(blob.download_blob(timeout=TIMEOUT).readall())
    arm = f"https://localhost:{stack['emulator_port']}"
    settings = json.loads((home / "local.settings.json").read_text())["Values"]
    token = requests.get(
        f"{arm}/msi/token",
        params={"api-version": "2019-08-01", "resource": "https://management.azure.com"},
        headers={"X-IDENTITY-HEADER": stack["identity_header"]},
        verify=stack["ca"],
        timeout=TIMEOUT,
    ).json()["access_token"]
    workspace = (
        f"/subscriptions/{settings['AZURE_SUBSCRIPTION_ID']}/resourceGroups/{settings['AZURE_RESOURCE_GROUP']}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{settings['AZUREML_WORKSPACE']}"
    )
    keys = requests.post(
        f"{arm}{workspace}/onlineEndpoints/{serving['endpoint']}/listKeys",
        params={"api-version": "2023-10-01"},
        headers={"Authorization": f"Bearer {token}"},
        verify=stack["ca"],
        timeout=TIMEOUT,
    ).json()
    return str(serving["scoring_uri"]), str(keys["primaryKey"])


def url_target(options: argparse.Namespace) -> dict[str, Request]:
    """A target given by hand."""
    body = Path(options.body).read_bytes() if options.body else b""
    if not body:
        raise BenchError("--url needs --body FILE with the JSON to send.")
    headers = dict(header.split(":", 1) for header in options.header)
    return {"url": Request(options.url, body, {k.strip(): v.strip() for k, v in headers.items()})}


def probe(target: str, request: Request) -> None:
    """One request first: a benchmark of refusals would look splendid."""
    headers = {"Content-Type": request.content_type, **request.headers}
    try:
        answer = requests.post(request.url, data=request.body, headers=headers, timeout=TIMEOUT)
    except requests.RequestException as error:
        raise BenchError(f"{target} ({request.url}) does not answer: {type(error).__name__}.") from None
    if answer.status_code != 200:
        raise BenchError(f"{target} ({request.url}) answers {answer.status_code}: {answer.text[:200]}")


def measure(
    targets: dict[str, Request], tools: list[str], concurrencies: list[int], seconds: float
) -> list[Result]:
    """Every tool on every target at every concurrency; targets take turns, so that a busy moment hits all."""
    results = []
    for concurrency in concurrencies:
        for tool in tools:
            for target, request in targets.items():
                print(f"  {target}, {tool}, {concurrency} connections ...", file=sys.stderr, flush=True)
                TOOLS[tool](request, target, concurrency, 1)  # warm-up
                results.append(TOOLS[tool](request, target, concurrency, seconds))
    return results


def save(results: list[Result], folder: Path, facts: dict[str, Any], new_baseline: bool) -> list[str]:
    """Write JSON and plot; the comparison with the baseline, which the first run becomes, and the figures."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "baseline.json"
    first = new_baseline or not path.is_file()
    baseline = {} if first else json.loads(path.read_text())
    figures = bench_report.figures(results, baseline)
    doc = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": facts,
        "results": [result.to_dict() for result in results],
        "figures": [figure.to_dict() for figure in figures],
    }
    text = json.dumps(doc, indent=2) + "\n"
    (folder / "latest.json").write_text(text)
    (folder / "latest.svg").write_text(bench_report.plot(results))
    if first:
        path.write_text(text)
    told = ["This run is the baseline now."] if first else bench_report.compare(results, baseline)
    return [*told, "", *(figure.line() for figure in figures)]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.bench", description=__doc__)
    parser.add_argument("--home", type=Path, default=ROOT / ".dropml", help="where the stack lives")
    parser.add_argument("--dataset", default="", help="slug; default: the first in service")
    parser.add_argument("--url", help="measure this URL instead")
    parser.add_argument("--body", help="file with the request's JSON, for --url")
    parser.add_argument("--header", action="append", default=[], help="'name: value', for --url")
    parser.add_argument("--seconds", type=float, default=5.0, help="per measurement")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--out", type=Path, help="default: HOME/bench")
    parser.add_argument("--save-baseline", action="store_true")
    options = parser.parse_args(argv)
    facts = machine.facts()
    tools, missing = [], []
    for choice in (("ab",), ("wrk", "oha")):
        try:
            tools.append(require(*choice))
        except BenchError as error:
            missing.append(str(error))
    print("\n".join(missing), end="\n" if missing else "", file=sys.stderr)
    if not tools:
        return 2
    try:
        targets = url_target(options) if options.url else stack_targets(options.home, options.dataset)
        for target, request in targets.items():
            probe(target, request)
        results = measure(targets, tools, options.concurrency, options.seconds)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    folder = options.out or options.home / "bench"
    comparison = save(results, folder, facts, options.save_baseline)
    print(bench_report.table(results))
    print("\n".join(["", *comparison, "", f"JSON and plot: {folder}/latest.json, {folder}/latest.svg"]))
    if any(result.tool == "ab" and not result.kept_alive for result in results):
        print("ab got no keep-alive: it speaks HTTP/1.0, so each of its requests paid for a new connection.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
