"""Every flow of azure-ai-ml that the emulator supports, once."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from tests.support.emulator_support import Emulator, eventually

ENVIRONMENT = "azureml:AzureML-sklearn-1.5:1"
IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"


class Story:
    """`data` is a datastore with an mltable at `bank/train` and an MLflow model at `model`."""

    def __init__(self, running: Emulator, scratch: Path) -> None:
        from azure.ai.ml import MLClient
        from azure.identity import DefaultAzureCredential

        self.running, self.scratch = running, scratch
        self.ml = MLClient(
            DefaultAzureCredential(), "00000000-0000-0000-0000-000000000001", "dropml", "dropml-local"
        )

    def tell(self) -> None:
        for chapter in (
            self.data,
            self.jobs,
            self.environments,
            self.models,
            self.endpoints,
            self.pipelines,
            self.schedules,
        ):
            chapter()

    def data(self) -> None:
        from azure.ai.ml.entities import Data

        ml = self.ml
        ml.workspaces.get("dropml-local")
        list(ml.workspaces.list())
        ml.datastores.get_default()
        list(ml.datastores.list())
        ml.compute.get("cpu-cluster")
        list(ml.compute.list())
        ml.compute.list_sizes()
        list(ml.compute.list_usage())
        list(ml.connections.list())
        path = "azureml://datastores/data/paths/bank/train"
        ml.data.create_or_update(
            Data(name="bank", version="1", type="mltable", path=path, skip_validation=True)
        )
        url = Data(
            name="url", version="1", type="uri_file", path="https://example.org/a.csv", description="d"
        )
        ml.data.create_or_update(url)
        ml.data.create_or_update(Data(name="folder", version="1", type="uri_folder", path=path))
        ml.data.create_or_update(Data(name="auto", type="uri_file", path="https://example.org/a.csv"))
        ml.data.get("bank", "1")
        ml.data.get("auto", label="latest")
        list(ml.data.list())
        list(ml.data.list("bank"))
        ml.data.archive("auto", version="1")
        ml.data.restore("auto", version="1")
        for other in (Data(name="url", version="1", type="uri_file", path="https://example.org/b.csv"),):
            with contextlib.suppress(HttpResponseError):
                ml.data.create_or_update(other)

    def jobs(self) -> None:
        from azure.ai.ml import Input, automl

        ml = self.ml
        table = Input(type="mltable", path="azureml:bank:1")
        job = automl.classification(
            training_data=table,
            target_column_name="y",
            primary_metric="AUC_weighted",
            compute="cpu-cluster",
            n_cross_validations=5,
            name="story-1",
            experiment_name="story",
            tags={"source": "blob"},
            enable_model_explainability=True,
        )
        job.set_limits(
            timeout_minutes=60, trial_timeout_minutes=15, max_trials=10, max_concurrent_trials=2,
            enable_early_termination=True,
        )  # fmt: skip
        job.set_training(
            blocked_training_algorithms=["logistic_regression"],
            enable_vote_ensemble=True,
            enable_stack_ensemble=False,
        )
        job.set_featurization(mode="auto", blocked_transformers=["LabelEncoder"])
        ml.jobs.create_or_update(job)
        regression = automl.regression(
            training_data=Input(type="mltable", path="azureml://datastores/data/paths/bank/train"),
            target_column_name="balance",
            validation_data_size=0.2,
            weight_column_name="age",
        )
        regression.set_limits(max_trials=1)
        other = ml.jobs.create_or_update(regression)
        self.running.wait_job("story-1")
        ml.jobs.get("story-1")
        list(ml.jobs.list(parent_job_name="story-1"))
        list(ml.jobs.list())
        ml.jobs.get("story-1_0")
        fetched = ml.jobs.get("story-1")
        fetched.tags["seen"] = "yes"
        ml.jobs.create_or_update(fetched)
        ml.jobs.archive("story-1")
        ml.jobs.restore("story-1")
        with contextlib.suppress(HttpResponseError):
            ml.jobs.begin_cancel(other.name).result()
        with contextlib.suppress(ResourceNotFoundError):
            ml.jobs.get("nope")

    def environments(self) -> None:
        from azure.ai.ml.entities import Environment

        ml = self.ml
        conda = {"dependencies": ["python=3.11", {"pip": ["numpy"]}]}
        ml.environments.create_or_update(Environment(name="own", version="1", image=IMAGE, conda_file=conda))
        ml.environments.create_or_update(Environment(name="unversioned", image=IMAGE))
        ml.environments.get("own", "1")
        ml.environments.get("own", label="latest")
        ml.environments.get("AzureML-sklearn-1.5", label="latest")
        list(ml.environments.list())
        list(ml.environments.list("own"))
        with contextlib.suppress(ResourceNotFoundError):
            ml.environments.get("nope", "1")

    def models(self) -> None:
        from azure.ai.ml.entities import Model

        ml = self.ml
        child = "azureml://jobs/story-1_0/outputs/artifacts/paths/outputs/mlflow-model/"
        ml.models.create_or_update(
            Model(name="child", version="1", type="mlflow_model", path=child, tags={"auc": "0.9"})
        )
        ml.models.create_or_update(Model(name="unversioned", type="mlflow_model", path=child))
        stored = "azureml://datastores/data/paths/model"
        ml.models.create_or_update(Model(name="served", version="1", type="mlflow_model", path=stored))
        ml.models.get("child", "1")
        ml.models.get("child", label="latest")
        ml.models.download("child", "1", str(self.scratch / "model"))
        ml.jobs.download("story-1", download_path=str(self.scratch / "job"))
        list(ml.models.list())
        list(ml.models.list("child"))
        with contextlib.suppress(ResourceNotFoundError):
            ml.models.get("nope", "1")

    def endpoints(self) -> None:
        from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint, OnlineRequestSettings

        ml = self.ml
        made = ml.online_endpoints.begin_create_or_update(
            ManagedOnlineEndpoint(name="story-ep", auth_mode="key", description="x", tags={"a": "b"})
        ).result()
        ml.online_deployments.begin_create_or_update(
            ManagedOnlineDeployment(
                name="blue",
                endpoint_name="story-ep",
                model="azureml:served:1",
                instance_type="Standard_D2as_v4",
                instance_count=1,
                app_insights_enabled=True,
                request_settings=OnlineRequestSettings(request_timeout_ms=90000),
            )
        ).result()
        self._scripted()
        made.traffic = {"blue": 100}
        ml.online_endpoints.begin_create_or_update(made).result()
        ml.online_endpoints.get_keys("story-ep")
        ml.online_endpoints.begin_regenerate_keys("story-ep", key_type="primary").result()
        ml.online_deployments.get("blue", "story-ep")
        ml.online_deployments.get_logs("blue", "story-ep", lines=20)
        list(ml.online_endpoints.list())
        list(ml.online_deployments.list("story-ep"))
        rows = {"columns": ["age", "balance", "job"], "index": [0], "data": [[65, 800, "student"]]}
        file = self.scratch / "rows.json"
        file.write_text(json.dumps({"input_data": rows}))
        ml.online_endpoints.invoke("story-ep", request_file=str(file))
        made = ml.online_endpoints.get("story-ep")
        made.traffic = {"blue": 0}
        ml.online_endpoints.begin_create_or_update(made).result()
        for name in ("blue", "green"):
            ml.online_deployments.begin_delete(name, "story-ep").result()
        token = ManagedOnlineEndpoint(name="token-ep", auth_mode="aml_token")
        ml.online_endpoints.begin_create_or_update(token).result()
        ml.online_endpoints.get_keys("token-ep")
        for name in ("story-ep", "token-ep"):
            ml.online_endpoints.begin_delete(name).result()

    def _scripted(self) -> None:
        """A deployment whose answers a script of its own gives."""
        from azure.ai.ml.entities import (
            CodeConfiguration,
            Environment,
            ManagedOnlineDeployment,
            ProbeSettings,
        )

        code = self.scratch / "scoring"
        code.mkdir(exist_ok=True)
        (code / "score.py").write_text("def init(): pass\ndef run(raw): return raw\n")
        self.ml.online_deployments.begin_create_or_update(
            ManagedOnlineDeployment(
                name="green",
                endpoint_name="story-ep",
                model="azureml:child:1",
                environment=Environment(image=IMAGE, conda_file={"dependencies": ["python=3.11"]}),
                code_configuration=CodeConfiguration(code=str(code), scoring_script="score.py"),
                environment_variables={"UNIT": "kg"},
                instance_type="Standard_D2as_v4",
                instance_count=1,
                liveness_probe=ProbeSettings(initial_delay=10, period=10),
            )
        ).result()
        self.ml.online_deployments.get_logs("green", "story-ep", lines=20, container_type="inference-server")

    def _retraining(self) -> Any:
        from azure.ai.ml import Input, automl, dsl

        def retrain(train) -> None:  # type: ignore[no-untyped-def]
            node = automl.classification(
                training_data=train,
                target_column_name="y",
                primary_metric="auc_weighted",
                compute="cpu-cluster",
            )
            node.set_limits(max_trials=2, timeout_minutes=60)
            node.name = "automl"

        retrain.__annotations__["train"] = Input(type="mltable")
        pipeline = dsl.pipeline(name="story_pipeline", version="1", description="retrain")(retrain)
        job = pipeline(train=Input(type="mltable", path="azureml:bank:1"))
        job.settings.default_compute = "cpu-cluster"
        return job

    def pipelines(self) -> None:
        from azure.ai.ml import Input, Output, command, dsl
        from azure.ai.ml.entities import BatchEndpoint, PipelineComponentBatchDeployment

        ml = self.ml
        component = ml.components.create_or_update(self._retraining().component)
        ml.components.get("story_pipeline", "1")
        ml.components.get("story_pipeline")
        endpoint = ml.batch_endpoints.begin_create_or_update(
            BatchEndpoint(name="story-batch", auth_mode="aad_token", description="retrain")
        ).result()
        ml.batch_deployments.begin_create_or_update(
            PipelineComponentBatchDeployment(
                name="retrain",
                endpoint_name="story-batch",
                component=component,
                settings={"default_compute": "cpu-cluster", "continue_on_step_failure": False},
            )
        ).result()
        endpoint.defaults.deployment_name = "retrain"
        ml.batch_endpoints.begin_create_or_update(endpoint).result()
        inputs = {"train": Input(type="mltable", path="azureml:bank:1")}
        invoked = ml.batch_endpoints.invoke("story-batch", inputs=inputs, experiment_name="story")
        ml.jobs.get(invoked.name)
        list(ml.batch_endpoints.list())
        code = self.scratch / "code"
        code.mkdir(exist_ok=True)
        (code / "main.py").write_text("import sys\nprint(sys.argv)\n")
        step = command(
            name="step",
            code=str(code),
            command="python main.py ${{inputs.data}}",
            environment=ENVIRONMENT,
            inputs={"data": Input(type="uri_folder")},
        )

        def commands(data: Any) -> None:
            step(data=data)

        # As a pipeline of the SDK, whose decorator has no types and reads the inputs' kinds from annotations.
        commands.__annotations__.clear()
        pipeline = dsl.pipeline(name="commands", default_compute="cpu-cluster")(commands)
        folder = Input(type="uri_folder", path="azureml://datastores/data/paths/bank/train")
        job = ml.jobs.create_or_update(pipeline(data=folder), experiment_name="story")
        self.running.wait_job(job.name)
        ml.jobs.create_or_update(self._retraining(), experiment_name="story")
        kept = Output(type="uri_folder", name="kept", version="1")
        alone = command(
            name="alone",
            command="echo hi > ${{outputs.kept}}/hi.txt",
            outputs={"kept": kept},
            environment=ENVIRONMENT,
            compute="cpu-cluster",
        )
        ml.jobs.stream(ml.jobs.create_or_update(alone).name)
        ml.data.get("kept", "1")
        eventually(lambda: self.running.status(invoked.name) == "Completed", what="the invoked pipeline")
        ml.batch_endpoints.begin_delete("story-batch").result()

    def schedules(self) -> None:
        from azure.ai.ml.constants import TimeZone
        from azure.ai.ml.entities import CronTrigger, JobSchedule, RecurrencePattern, RecurrenceTrigger

        ml = self.ml
        cron = CronTrigger(expression="0 3 * * *", time_zone=TimeZone.UTC)
        weekly = RecurrenceTrigger(
            frequency="Week",
            interval=1,
            schedule=RecurrencePattern(hours=[10], minutes=[0], week_days=["Monday"]),
            time_zone=TimeZone.W_EUROPE_STANDARD_TIME,
        )
        for name, trigger in (("nightly", cron), ("weekly", weekly)):
            schedule = JobSchedule(
                name=name, trigger=trigger, create_job=self._retraining(), display_name=name
            )
            ml.schedules.begin_create_or_update(schedule).result()
            ml.schedules.get(name)
        list(ml.schedules.list())
        for name in ("nightly", "weekly"):
            ml.schedules.begin_disable(name).result()
            ml.schedules.begin_delete(name).result()
