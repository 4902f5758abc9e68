"""Loading a deployment's model: its compiled form if that agrees with the reference, else the reference."""

import asyncio
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from dropml.azureml.serving import flavors, origin
from dropml.azureml.serving.deployment import INLINE_SECONDS, Deployment
from dropml.azureml.serving.own_script import OwnScript, is_ours
from dropml.azureml.serving.parity_cache import ParityCache
from dropml.azureml.serving.reference_process import ReferenceProcessError
from dropml.azureml.serving.settings import ScriptSettings
from scorer import PARITY_LIMIT
from scorer import load as load_form

_WARM_UP_ROUNDS = 20


async def load(deployment: Deployment, cache: ParityCache) -> None:
    """Load the compiled form if it agrees with the reference, else the reference. Sets `status`."""
    started = time.monotonic()
    what = f"model {deployment.settings.model}"
    deployment.log.info(f"Loading {what} for deployment {deployment.settings.name}")
    for sentence in deployment.settings.notes:
        deployment.log.info(sentence)
    try:
        if deployment.settings.script is None:
            await _load(deployment, cache)
        else:
            what = f"script {deployment.settings.script.entry}"
            deployment.form = "script"
            if not await _use_own_script(deployment, deployment.settings.script, cache):
                await deployment.start_script()
    except Exception as error:  # noqa: BLE001 - any failure of a model is its deployment's failure
        deployment.status = "failed"
        deployment.error = f"{what} could not be loaded: {_sentence(error)}"
        if "ModuleNotFoundError: " in deployment.error:
            deployment.error += " ".join(("", *deployment.settings.notes))
        deployment.log.error(deployment.error)
        await deployment.end_children()
        return
    if deployment.closed:  # removed while it was loading
        await deployment.end_children()
    deployment.status = "ready"
    how = f"as its {deployment.form} form, largest difference of forms {deployment.parity}, "
    if deployment.form == "script":
        how = ""
    deployment.log.info(
        f"{what[:1].upper()}{what[1:]} is ready {how}after {time.monotonic() - started:.2f} s"
    )


async def _load(deployment: Deployment, cache: ParityCache) -> None:
    model_dir = deployment.model_dir
    if not (model_dir / "MLmodel").is_file():
        raise FileNotFoundError(f"{model_dir} holds no MLflow model (no file MLmodel)")
    origin.check(model_dir, deployment.settings.models_dir)
    # A damaged compiled form can end the process that reads it (LightGBM's library calls terminate), so
    # the child reads it first; here it is loaded once it has been found sound.
    deployment.note = await _check(deployment, cache)
    if deployment.note is None:
        try:
            loop = asyncio.get_running_loop()
            deployment.scorer = await loop.run_in_executor(deployment.pool, load_form, model_dir, "compiled")
        except Exception as error:  # noqa: BLE001 - whatever a model's own code raises is that deployment's failure
            deployment.note = f"no compiled form ({_sentence(error)}); the reference form serves"
    if deployment.note is None:
        await _use_compiled(deployment)
    else:
        deployment.log.error(deployment.note)
        await _use_reference(deployment)


async def _use_own_script(deployment: Deployment, script: ScriptSettings, cache: ParityCache) -> bool:
    """Have our own entry script answer in this process; False where it needs one of its own."""
    model_dir, loop = deployment.settings.model_dir, asyncio.get_running_loop()
    if model_dir is None or not (model_dir / "dropml" / "pipeline.json").is_file():
        return False
    if not await loop.run_in_executor(deployment.pool, is_ours, script):
        return False
    origin.check(model_dir, deployment.settings.models_dir)
    why = await _check(deployment, cache)
    await deployment.end_reference()
    if why is not None:
        deployment.log.info(why)
        return False
    make = functools.partial(OwnScript, model_dir, script.variables, deployment.settings.model)
    own = await loop.run_in_executor(deployment.pool, make)
    _, seconds = await loop.run_in_executor(deployment.pool, _warm_up, own.warm, _example(model_dir))
    deployment.inline_rows, deployment.own = int(INLINE_SECONDS / max(seconds, 1e-6)), own
    deployment.log.info("The scoring script is the emulator's own and answers in the endpoint's process")
    return True


async def _check(deployment: Deployment, cache: ParityCache) -> str | None:
    """Why the compiled form may not serve, or None."""
    if flavors.is_ordinary(deployment.model_dir):
        return "no compiled form (another tool has made the model); the reference form serves"
    deployment.parity = cache.get(deployment.model_dir)
    if deployment.parity is None:
        reference = await deployment.start_reference()
        try:
            deployment.parity = await reference.parity()
        except ReferenceProcessError as error:
            absent = str(error).startswith("CompiledFormError: ")
            what = "no compiled form" if absent else "the forms could not be compared"
            return f"{what} ({error}); the reference form serves"
        cache.put(deployment.model_dir, deployment.parity)
    if deployment.parity <= PARITY_LIMIT:  # False for NaN too
        return None
    return (
        f"the compiled form differs from the reference by {deployment.parity:.3g}, more than {PARITY_LIMIT:g}; "
        "the reference form serves"
    )


async def _use_compiled(deployment: Deployment) -> None:
    await deployment.end_reference()
    deployment.form = "compiled"
    scorer = deployment.scorer
    deployment.columns, deployment.types = list(scorer.columns), dict(scorer.types)
    deployment.labels = scorer.labels
    deployment.example = _example(deployment.model_dir)
    loop = asyncio.get_running_loop()
    deployment.example_result, seconds = await loop.run_in_executor(
        deployment.pool, _warm_up, scorer.predict, deployment.example
    )
    deployment.inline_rows = int(INLINE_SECONDS / max(seconds, 1e-6))


async def _use_reference(deployment: Deployment) -> None:
    deployment.form, deployment.scorer, deployment.inline_rows = "reference", None, 0
    reference = deployment.reference
    if reference is None or not reference.alive:
        reference = await deployment.start_reference()
    description = await reference.describe()
    deployment.columns, deployment.types = description["columns"], description["types"]
    deployment.labels = description["labels"]
    if description["said"]:
        deployment.log.info(description["said"])
    example = deployment.example = _example(deployment.model_dir)
    if example is None:
        return
    try:
        deployment.example_result = await reference.predict(example["columns"], example["data"][:1])
    except ReferenceProcessError as error:
        if not reference.alive:
            raise
        deployment.log.error(f"The model refuses its own input example: {error}")


def _warm_up(
    predict: Callable[[list[str], list[list[Any]]], list[Any]], example: dict[str, Any] | None
) -> tuple[list[Any] | None, float]:
    """The example's result and the seconds that one row takes (the best of some rounds)."""
    if example is None:
        return None, INLINE_SECONDS
    columns, rows = example["columns"], example["data"][:1]
    best = float("inf")
    result: list[Any] = []
    for _ in range(_WARM_UP_ROUNDS):
        started = time.perf_counter()
        result = list(predict(columns, rows))
        best = min(best, time.perf_counter() - started)
        if best > INLINE_SECONDS:
            break
    return result, best


def _example(model_dir: Path) -> dict[str, Any] | None:
    """The model's input example in split orientation, one row of it."""
    try:
        example = orjson.loads((model_dir / "input_example.json").read_bytes())
        return {"columns": example["columns"], "index": [0], "data": example["data"][:1]}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _sentence(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if not isinstance(error, ReferenceProcessError) else str(error)
