"""The sample for the real service runs against the emulator with nothing but environment variables changed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.emulator_support import ROOT, emulator, table


def test_the_quickstart_sample_trains_deploys_and_scores(tmp_path: Path, azurite: str) -> None:
    data = tmp_path / "people.csv"
    data.write_text(table())
    with emulator(tmp_path / "emulator", azurite, "--operation-seconds", "0.2") as running:
        env = os.environ | {
            "AZUREML_DEV_URL_MFE": running.url,
            "REQUESTS_CA_BUNDLE": str(running.folder / "ca.pem"),
            "IDENTITY_ENDPOINT": f"{running.url}/msi/token",
            "IDENTITY_HEADER": "any",
            "AZURE_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000001",
            "AZURE_RESOURCE_GROUP": "dropml",
            "AZUREML_WORKSPACE": "dropml-local",
            "TRIALS": "1",
            "MINUTES": "1",
        }
        sample = [sys.executable, str(ROOT / "samples" / "azureml_quickstart.py"), str(data), "y"]
        done = subprocess.run(sample, env=env, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        assert "labels ['no', 'no']" in done.stdout
        assert "endpoint http://127.0.0.1:" in done.stdout
        assert not [p for p in running.processes() if "dropml.azureml.serving" in p.cmdline()]
