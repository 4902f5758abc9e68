"""The AutoML job as azure-ai-ml's entity: every limit of the run's configuration on the job."""

from __future__ import annotations

import math
from typing import Any

from shared.domain.metrics import primary_metric
from shared.services.run.ports import TrainingJob
from shared.settings import Settings


def automl_node(
    job: TrainingJob, settings: Settings, training_data: Any, *, whole_minutes: bool = False, **node: Any
) -> Any:
    """An AutoML job or pipeline node with everything that the configuration says.

    A pipeline's node takes its limits in whole minutes only (`whole_minutes`: rounded up).
    """
    from azure.ai.ml import automl

    config = job.config
    make = automl.classification if config.task == "classification" else automl.regression
    extra = {} if settings.azureml_compute == "" else {"compute": settings.azureml_compute}
    entity = make(
        training_data=training_data,
        target_column_name=job.label,
        primary_metric=primary_metric(config),
        n_cross_validations=config.n_cross_validations,
        validation_data_size=config.validation_size,
        weight_column_name=job.weight_column,
        enable_model_explainability=config.explain,
        **extra,
        **node,
    )
    limits = [config.timeout_minutes, min(config.trial_timeout_minutes, config.timeout_minutes)]
    if whole_minutes:
        limits = [math.ceil(minutes) for minutes in limits]
    entity.set_limits(
        timeout_minutes=limits[0],
        trial_timeout_minutes=limits[1],
        max_trials=config.max_trials,
        max_concurrent_trials=config.max_concurrent_trials,
        enable_early_termination=config.early_termination,
        exit_score=config.exit_score,
    )
    entity.set_training(
        enable_vote_ensemble=config.vote_ensemble,
        enable_stack_ensemble=config.stack_ensemble,
        blocked_training_algorithms=list(config.blocked_algorithms) or None,
        allowed_training_algorithms=list(config.allowed_algorithms) or None,
    )
    return entity


def automl_job(job: TrainingJob, settings: Settings) -> Any:
    from azure.ai.ml import Input

    data = Input(type="mltable", path=f"azureml:{job.data}:{job.data_version}")
    return automl_node(
        job,
        settings,
        data,
        name=job.name,
        experiment_name=job.experiment,
        tags=job.tags,
        display_name=job.name,
    )
