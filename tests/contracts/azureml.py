"""What every workspace must do for the lifecycle (`shared.services.run.ports.AzureML`).

Operations take their time; `settled` waits for them as ticks do, by reading again.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from typing import TypeVar

import pytest

from shared.domain.config import DatasetConfig
from shared.domain.errors import Conflict, DropMLError, NotFound, Upstream
from shared.services.run.ports import AzureML, DeploymentSpec, Endpoint, TrainingJob

T = TypeVar("T")
SECONDS = 90.0


def until(read: Callable[[], T], wanted: Callable[[T], bool]) -> T:
    """What `read` gives once it is as wanted."""
    deadline = time.monotonic() + SECONDS
    while not wanted(found := read()):
        assert time.monotonic() < deadline, f"it stayed {found}"
        time.sleep(0.02)
    return found


class AzureMLContract:
    """A subclass gives `azureml`, `folders` (two staged `mltable` folders), `model` (the id of one that can be
    deployed), and a way to hold operations up.
    """

    @pytest.fixture
    def azureml(self) -> AzureML:
        raise NotImplementedError

    @pytest.fixture
    def folders(self) -> tuple[str, str]:
        raise NotImplementedError

    @pytest.fixture
    def model(self) -> str:
        raise NotImplementedError

    def held_up(self, azureml: AzureML) -> AbstractContextManager[None]:
        """No operation that is begun inside comes to its end before the exit."""
        raise NotImplementedError

    @pytest.fixture
    def slug(self) -> str:
        """A name that no other test uses: a workspace may be shared."""
        return f"b{uuid.uuid4().hex[:7]}"

    @pytest.fixture
    def endpoint(self, azureml: AzureML, slug: str) -> str:
        azureml.begin_endpoint(slug, "a test's", {})
        self.ready(azureml, slug)
        return slug

    def ready(self, azureml: AzureML, name: str) -> Endpoint:
        found = until(lambda: azureml.endpoint(name), lambda e: e is not None and e.state == "Succeeded")
        assert found is not None
        return found

    def spec(self, endpoint: str, name: str, model: str) -> DeploymentSpec:
        return DeploymentSpec(endpoint, name, model, "small:1", tags={"dropml_run": "x"})

    def deploy(self, azureml: AzureML, endpoint: str, name: str, model: str) -> None:
        azureml.begin_deployment(self.spec(endpoint, name, model))
        self.deployed(azureml, endpoint, name)

    def deployed(self, azureml: AzureML, endpoint: str, name: str) -> None:
        until(lambda: azureml.deployment(endpoint, name), lambda d: d is not None and d.state == "Succeeded")

    def move(self, azureml: AzureML, endpoint: str, traffic: dict[str, int]) -> None:
        azureml.begin_traffic(endpoint, traffic)
        until(lambda: self.ready(azureml, endpoint).traffic, lambda found: found == traffic)

    @pytest.fixture
    def trained(self, azureml: AzureML, folders: tuple[str, str], slug: str) -> str:
        """The name of a job that has ended well."""
        azureml.register_data(slug, "1", folders[0], {}, {})
        azureml.submit(self.job(slug))
        until(lambda: azureml.job(f"{slug}-1-a1"), lambda j: j is not None and j.status == "Completed")
        return f"{slug}-1-a1"

    def job(self, slug: str) -> TrainingJob:
        return TrainingJob(
            name=f"{slug}-1-a1",
            experiment=slug,
            data=slug,
            data_version="1",
            label="y",
            config=DatasetConfig(label="y", max_concurrent_trials=1),
            weight_column=None,
            tags={"dropml_run": f"{slug}-1-a1"},
        )

    # -- data

    def test_a_data_asset_is_registered_once_and_found_from_then_on(
        self, azureml: AzureML, folders: tuple[str, str], slug: str
    ) -> None:
        first = azureml.register_data(slug, "1", folders[0], {"hash": "x"}, {})
        assert azureml.register_data(slug, "1", folders[0], {"hash": "x"}, {}) == first
        assert azureml.register_data(slug, "2", folders[1], {}, {}) != first

    def test_a_version_that_points_elsewhere_is_a_conflict(
        self, azureml: AzureML, folders: tuple[str, str], slug: str
    ) -> None:
        azureml.register_data(slug, "1", folders[0], {}, {})
        with pytest.raises(Conflict):
            azureml.register_data(slug, "1", folders[1], {}, {})

    # -- jobs

    def test_a_job_that_was_never_submitted_is_none(self, azureml: AzureML, slug: str) -> None:
        assert azureml.job(f"{slug}-1-a1") is None

    def test_a_job_is_found_by_its_name_and_names_its_best_child(
        self, azureml: AzureML, trained: str
    ) -> None:
        job = azureml.job(trained)
        assert job is not None
        assert (job.name, job.status, job.error) == (trained, "Completed", None)
        assert job.best_child is not None
        trials = azureml.trials(trained, metrics=True)
        assert job.best_child in [trial.name for trial in trials]
        assert [trial.name for trial in trials] == sorted(trial.name for trial in trials)
        assert all((trial.metrics["AUC_weighted"] or 0) > 0.5 for trial in trials)

    def test_without_metrics_the_leaderboard_is_the_same(self, azureml: AzureML, trained: str) -> None:
        full, short = azureml.trials(trained, metrics=True), azureml.trials(trained, metrics=False)
        assert [trial.name for trial in full] == [trial.name for trial in short]
        assert all(trial.metrics == {} for trial in short)

    def test_a_name_is_used_once_whatever_is_submitted_again(
        self, azureml: AzureML, trained: str, slug: str
    ) -> None:
        before = azureml.trials(trained, metrics=False)
        with suppress(DropMLError):
            azureml.submit(self.job(slug))
        job = azureml.job(trained)
        assert job is not None
        assert job.status == "Completed"
        assert azureml.trials(trained, metrics=False) == before

    def test_a_job_that_has_ended_stays_as_it_ended(self, azureml: AzureML, trained: str) -> None:
        with suppress(DropMLError):
            azureml.cancel(trained)
        job = azureml.job(trained)
        assert job is not None
        assert job.status == "Completed"

    # -- models

    def test_a_model_version_is_one_child_s_for_ever(self, azureml: AzureML, trained: str, slug: str) -> None:
        first, second = (trial.name for trial in azureml.trials(trained, metrics=False)[:2])
        model = azureml.register_model(slug, "1", first, {"t": "1"}, {"p": "1"})
        assert azureml.register_model(slug, "1", first, {"t": "1"}, {"p": "1"}) == model
        with pytest.raises(Conflict):
            azureml.register_model(slug, "1", second, {}, {})
        assert azureml.register_model(slug, "2", second, {}, {}) != model

    # -- endpoints

    def test_what_is_absent_is_none(self, azureml: AzureML, slug: str) -> None:
        assert azureml.endpoint(slug) is None
        assert azureml.deployment(slug, "m1-a1") is None
        assert azureml.deployments(slug) == []

    def test_an_endpoint_is_found_by_its_name(self, azureml: AzureML, endpoint: str) -> None:
        found = self.ready(azureml, endpoint)
        assert (found.name, found.traffic, found.auth_mode) == (endpoint, {}, "key")
        assert found.scoring_uri.endswith("/score")
        assert azureml.deployments(endpoint) == []
        assert azureml.deployment(endpoint, "m1-a1") is None

    def test_a_listing_has_every_endpoint_as_it_is(self, azureml: AzureML, endpoint: str, slug: str) -> None:
        other = f"{slug}b"
        azureml.begin_endpoint(other, "a test's", {})
        self.ready(azureml, other)
        listed = {found.name: found for found in azureml.all_endpoints()}
        assert {endpoint, other} <= listed.keys()
        assert listed[endpoint] == azureml.endpoint(endpoint)

    def test_beginning_an_endpoint_again_leaves_one(self, azureml: AzureML, endpoint: str) -> None:
        uri = self.ready(azureml, endpoint).scoring_uri
        azureml.begin_endpoint(endpoint, "a test's", {})
        assert self.ready(azureml, endpoint).scoring_uri == uri

    def test_an_endpoint_takes_one_operation_at_a_time(
        self, azureml: AzureML, endpoint: str, model: str
    ) -> None:
        self.deploy(azureml, endpoint, "m1-a1", model)
        with self.held_up(azureml):
            azureml.begin_traffic(endpoint, {"m1-a1": 100})
            with pytest.raises(Conflict):
                azureml.begin_traffic(endpoint, {"m1-a1": 0})
            with pytest.raises(Conflict):
                azureml.begin_deployment(self.spec(endpoint, "m2-a1", model))
        until(lambda: self.ready(azureml, endpoint).traffic, lambda found: found == {"m1-a1": 100})

    # -- deployments

    def test_a_deployment_is_found_by_its_name_however_often_it_is_begun(
        self, azureml: AzureML, endpoint: str, model: str
    ) -> None:
        self.deploy(azureml, endpoint, "m1-a1", model)
        self.deploy(azureml, endpoint, "m1-a1", model)
        (found,) = azureml.deployments(endpoint)
        assert (found.name, found.state, found.app_insights_enabled) == ("m1-a1", "Succeeded", True)
        assert found.model.endswith(model)
        assert isinstance(azureml.logs(endpoint, "m1-a1", 10), str)

    def test_a_script_deployment_is_made_of_code_and_packages_that_are_there_once(
        self, azureml: AzureML, endpoint: str, model: str, trained: str
    ) -> None:
        code, best = azureml.register_code(), azureml.job(trained)
        assert best is not None
        assert best.best_child is not None
        environment = azureml.register_environment(best.best_child)
        assert azureml.register_code() == code
        assert azureml.register_environment(best.best_child) == environment
        spec = DeploymentSpec(
            endpoint, "m1-a1", model, "small:1", mode="script", code=code, environment=environment
        )
        for threshold in (None, 0.25, 0.5):  # another threshold updates it
            azureml.begin_deployment(replace(spec, threshold=threshold))
            self.deployed(azureml, endpoint, "m1-a1")
        (found,) = azureml.deployments(endpoint)
        assert (found.name, found.state, found.error) == ("m1-a1", "Succeeded", "")
        self.answers(azureml, endpoint)

    def answers(self, azureml: AzureML, endpoint: str) -> None:
        """What the deployment m1-a1 answers, where something serves."""

    def test_nothing_is_deployed_to_an_absent_endpoint(self, azureml: AzureML, slug: str, model: str) -> None:
        with pytest.raises(NotFound):
            azureml.begin_deployment(self.spec(slug, "m1-a1", model))
        with pytest.raises(NotFound):
            azureml.begin_traffic(slug, {})
        assert azureml.endpoint(slug) is None

    def test_a_deployment_that_is_deleted_goes_and_stays_gone(
        self, azureml: AzureML, endpoint: str, model: str
    ) -> None:
        self.deploy(azureml, endpoint, "m1-a1", model)
        azureml.begin_delete_deployment(endpoint, "m1-a1")
        until(lambda: azureml.deployment(endpoint, "m1-a1"), lambda found: found is None)
        azureml.begin_delete_deployment(endpoint, "m1-a1")
        assert azureml.deployments(endpoint) == []

    # -- traffic

    def test_traffic_moves_between_deployments(self, azureml: AzureML, endpoint: str, model: str) -> None:
        for name in ("m1-a1", "m2-a1"):
            self.deploy(azureml, endpoint, name, model)
        self.move(azureml, endpoint, {"m1-a1": 100})
        self.move(azureml, endpoint, {"m1-a1": 90, "m2-a1": 10})
        self.move(azureml, endpoint, {"m2-a1": 100})
        assert {d.name for d in azureml.deployments(endpoint)} == {"m1-a1", "m2-a1"}

    def test_traffic_that_cannot_be_is_refused_and_changes_nothing(
        self, azureml: AzureML, endpoint: str, model: str
    ) -> None:
        self.deploy(azureml, endpoint, "m1-a1", model)
        self.move(azureml, endpoint, {"m1-a1": 100})
        for wrong in ({"m9-a1": 100}, {"m1-a1": 90}, {"m1-a1": 90, "m9-a1": 10}, {"m1-a1": 120}):
            with pytest.raises(Upstream):
                azureml.begin_traffic(endpoint, wrong)
        assert self.ready(azureml, endpoint).traffic == {"m1-a1": 100}

    def test_a_deployment_with_traffic_is_not_deleted(
        self, azureml: AzureML, endpoint: str, model: str
    ) -> None:
        for name in ("m1-a1", "m2-a1"):
            self.deploy(azureml, endpoint, name, model)
        self.move(azureml, endpoint, {"m1-a1": 90, "m2-a1": 10})
        with pytest.raises(Upstream):
            azureml.begin_delete_deployment(endpoint, "m2-a1")
        assert azureml.deployment(endpoint, "m2-a1") is not None
        self.move(azureml, endpoint, {"m1-a1": 100})
        azureml.begin_delete_deployment(endpoint, "m2-a1")
        until(lambda: azureml.deployment(endpoint, "m2-a1"), lambda found: found is None)
