"""The host as a process: how it starts, what it refuses, how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
import requests

from tests.support.host_harness import KEYS, REPOSITORY, AppFolder, wait_for

OK = """
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="ok")
def ok(req: func.HttpRequest) -> str:
    return "ok"
"""

# Name of the case: (function_app.py, what the error must say)
REFUSED = {
    "duplicate": (
        OK
        + "\n\n@app.route(route='again')\n@app.function_name('ok')\ndef other(req: func.HttpRequest):\n    pass\n",
        "Function ok does not have a unique function name",
    ),
    "same but for case": (
        OK
        + "\n\n@app.route(route='again')\n@app.function_name('OK')\ndef other(req: func.HttpRequest):\n    pass\n",
        "functions ok and OK differ only in case",
    ),
    "bad name": (
        OK
        + "\n\n@app.route(route='x')\n@app.function_name('1st')\ndef other(req: func.HttpRequest):\n    pass\n",
        "function name '1st' is invalid",
    ),
    "reserved name": (
        OK
        + "\n\n@app.route(route='x')\n@app.function_name('Host')\ndef other(req: func.HttpRequest):\n    pass\n",
        "function name 'Host' is invalid",
    ),
    "two apps": (OK + "\n\nsecond = func.FunctionApp()\n", "more than one FunctionApp"),
    "unbound parameter": (
        OK + "\n\n@app.route(route='x')\ndef other(req: func.HttpRequest, extra):\n    pass\n",
        "function other: parameters ['extra'] have no binding",
    ),
    "missing parameter": (
        OK + "\n\n@app.timer_trigger(arg_name='timer', schedule='0 * * * * *')\ndef other():\n    pass\n",
        "binding 'timer' has no parameter of that name",
    ),
    "wrong annotation": (
        OK
        + "\n\n@app.timer_trigger(arg_name='timer', schedule='0 * * * * *')\ndef other(timer: int):\n    pass\n",
        "parameter timer is annotated int, which a timerTrigger does not give",
    ),
    "wrong context": (
        OK + "\n\n@app.route(route='x')\ndef other(req: func.HttpRequest, context: str):\n    pass\n",
        "the context parameter must be of type azure.functions.Context",
    ),
    "wrong return": (
        OK + "\n\n@app.route(route='x')\ndef other(req: func.HttpRequest) -> None:\n    pass\n",
        "its return annotation is NoneType, which an http output doesn't take",
    ),
    "unknown trigger": (
        OK
        + "\n\n@app.queue_trigger(arg_name='m', queue_name='q', connection='X')\ndef other(m):\n    pass\n",
        "function other has a queueTrigger: this host runs httpTrigger, timerTrigger and blobTrigger",
    ),
    "no trigger": (
        OK + "\n\n@app.function_name('lonely')\ndef other(m):\n    pass\n",
        "Function lonely does not have a trigger",
    ),
    "bad retry": (
        OK + "\n\n@app.timer_trigger(arg_name='t', schedule='0 * * * * *')"
        "\n@app.retry(strategy='fixed_delay', max_retry_count='many', delay_interval='00:00:01')\ndef other(t):\n    pass\n",
        "max_retry_count must be a whole number",
    ),
    "exit": ("import sys\nsys.exit(4)\n", "ended the process while being imported (sys.exit(4))"),
}
LOAD_ALL = """
import json, sys
from pathlib import Path
from dropml.functions_host.errors import AppError
from dropml.functions_host.indexing import load_app
said = {}
for folder in map(Path, sys.argv[1:]):
    sys.modules.pop("function_app", None)
    try:
        said[folder.name] = f"loaded {load_app(folder)}"
    except AppError as error:
        said[folder.name] = str(error)
    sys.path.remove(str(folder))
print(json.dumps(said))
"""


def test_what_indexing_refuses_and_how_it_says_so(tmp_path: Path) -> None:
    for case, (source, _) in REFUSED.items():
        (tmp_path / case).mkdir()
        (tmp_path / case / "function_app.py").write_text(source)
    folders = [str(tmp_path / case) for case in REFUSED]
    env = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", LOAD_ALL, *folders],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    said = json.loads(done.stdout.splitlines()[-1])
    wrong = {case: said[case] for case, (_, expected) in REFUSED.items() if expected not in said[case]}
    assert wrong == {}


def start_and_fail(app: AppFolder, *extra: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    done = subprocess.run(
        [*app.command(), *extra],
        check=False,
        cwd=REPOSITORY,
        env=os.environ | (env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
    )
    return done.returncode, done.stdout


def test_failing_import_shows_the_apps_own_traceback_and_exits_3(tmp_path: Path) -> None:
    app = AppFolder(
        tmp_path,
        "import threading, time\nimport helper\n",
        settings={"MY_TOKEN": "tok-tok-tok"},
        host_json={},
    )
    (app.app / "helper.py").write_text(
        textwrap.dedent("""
            import os
            import threading
            import time

            threading.Thread(target=time.sleep, args=(60,)).start()  # must not keep the process


            def load():
                raise KeyError("no entry for " + os.environ["MY_TOKEN"])


            load()
        """)
    )
    code, said = start_and_fail(app)
    assert code == 3
    assert "function_app.py cannot be imported, so no function of this app can run" in said
    frames = [line.split("/")[-1] for line in said.splitlines() if line.lstrip().startswith("File ")]
    assert [frame.split('"')[0] for frame in frames if "importlib" not in frame] == [
        "function_app.py",
        "helper.py",
        "helper.py",
    ]
    assert "KeyError: 'no entry for ***'" in said
    assert "ready" not in said


def test_wrong_settings_say_what_to_do_and_exit_2(tmp_path: Path) -> None:
    app = AppFolder(tmp_path, OK, settings={}, host_json={"version": 2.0})
    code, said = start_and_fail(app)
    assert (code, '"version" must be the string "2.0", not 2.0' in said) == (2, True)
    (app.app / "host.json").unlink()
    code, said = start_and_fail(app)
    assert (code, "host.json does not exist" in said) == (2, True)
    app.settings.write_text('{"Values": {"A": 1}}')
    code, said = start_and_fail(app)
    assert (code, "Values.A is 1; app settings are strings" in said) == (2, True)
    app.settings.unlink()
    code, said = start_and_fail(app)
    assert (code, "local.settings.json does not exist. Copy local.settings.json.example" in said) == (2, True)


def test_taken_port_and_missing_storage(tmp_path: Path) -> None:
    timer = OK + "\n\n@app.timer_trigger(arg_name='t', schedule='0 * * * * *')\ndef tick(t):\n    pass\n"
    app = AppFolder(tmp_path, timer, settings={}, host_json={})
    code, said = start_and_fail(app, env={"AzureWebJobsStorage": ""})
    assert code == 2
    assert "AzureWebJobsStorage is not set, and tick need it" in said
    app = AppFolder(tmp_path / "ok", OK, settings={}, host_json={})
    with app.running() as host:
        code, said = start_and_fail(app, "--port", host.url.rsplit(":", 1)[1])
        assert code == 2
        assert "cannot be used: Address already in use" in said


def test_no_functions_is_no_error_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREETING", "from the environment")
    app = AppFolder(tmp_path, "VALUE = 1\n", settings={"GREETING": "from the file"}, host_json={})
    with app.running() as host:
        assert "0 functions: none found" in host.log
        assert "Setting GREETING" in host.log
        assert "from the file" not in host.log
        assert host.get("/").status_code == 200
        assert host.get("/api/anything").status_code == 404


ENDING = """
import asyncio
import subprocess
import sys
import time
from pathlib import Path

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="sleep/{seconds}")
def sleep(req: func.HttpRequest) -> str:
    Path(f"started-{req.route_params['seconds']}").touch()
    time.sleep(float(req.route_params["seconds"]))
    return "slept"


@app.route(route="block/{seconds}")
async def block(req: func.HttpRequest) -> str:
    Path(f"started-{req.route_params['seconds']}").touch()
    time.sleep(float(req.route_params["seconds"]))  # blocks the event loop, as it would in Azure
    return "blocked"


@app.route(route="pid")
def pid(req: func.HttpRequest) -> str:
    import os
    return str(os.getpid())
"""


def in_background(url: str) -> tuple[threading.Thread, list[requests.Response | Exception]]:
    answers: list[requests.Response | Exception] = []

    def ask() -> None:
        try:
            answers.append(requests.get(url, timeout=30))
        except requests.RequestException as error:
            answers.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread, answers


def test_sigterm_lets_requests_finish_and_is_over_within_5_s(tmp_path: Path) -> None:
    app = AppFolder(tmp_path / "one", ENDING, settings={}, host_json={})
    blocked_app = AppFolder(tmp_path / "two", ENDING, settings={}, host_json={})
    with app.running() as host, blocked_app.running() as blocked:
        short, answers = in_background(host.url + "/api/sleep/1")
        endless, cut = in_background(host.url + "/api/sleep/60")
        blocking, _ = in_background(blocked.url + "/api/block/60")
        for started in (app.app / "started-1", app.app / "started-60", blocked_app.app / "started-60"):
            wait_for(started.exists)
        began = time.monotonic()
        host.process.send_signal(signal.SIGTERM)
        blocked.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        with pytest.raises(requests.ConnectionError):
            requests.get(host.url + "/api/pid", timeout=5)
        assert host.process.wait(8) == 0
        assert blocked.process.wait(8) == 0
        assert time.monotonic() - began < 5.5
        for thread in (short, endless, blocking):
            thread.join(5)
        assert isinstance(answers[0], requests.Response)
        assert (answers[0].status_code, answers[0].text) == (200, "slept")
        assert isinstance(cut[0], requests.Response)
        assert (cut[0].status_code, cut[0].headers["Retry-After"]) == (503, "5"), "its caller may ask again"
        assert "Stopped" in host.log


def test_function_over_its_time_ends_with_its_process_and_the_host_goes_on(tmp_path: Path) -> None:
    kinds = ("sleep", "block")
    apps = [
        AppFolder(tmp_path / kind, ENDING, settings={}, host_json={"functionTimeout": "00:00:01"})
        for kind in kinds
    ]
    with apps[0].running() as sleeping, apps[1].running() as blocked:
        asked = {
            kind: in_background(f"{host.url}/api/{kind}/60")
            for kind, host in zip(kinds, (sleeping, blocked), strict=True)
        }
        for kind, host in zip(kinds, (sleeping, blocked), strict=True):
            wait_for(lambda: f"Timeout value of 1 s exceeded by function 'Functions.{kind}" in host.log)  # noqa: B023 - called before the loop goes on
            wait_for(lambda: sum(line.startswith("ready ") for line in host.lines) == 2)  # noqa: B023 - called before the loop goes on
            asked[kind][0].join(5)
            assert host.get("/api/pid").text == str(
                host.process.pid
            )  # same process and port, a fresh program
            status = host.get("/admin/host/status", key=str(KEYS["master"])).json()
            assert status["processUptime"] < 20_000
        answer = asked["sleep"][1][0]
        assert isinstance(answer, requests.Response)
        assert answer.status_code == 500
