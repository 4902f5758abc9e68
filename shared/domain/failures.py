"""What Azure ML's errors mean: the texts and codes that it is known to use, each with a sentence and a remedy of ours. Pure.

The first that fits explains; what none fits is told in the service's own words, for a wrong guess costs more than none.
Sources: https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints (OutOfQuota, OutOfCapacity,
ImageBuildFailure), https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas, and the messages that people quote in
MicrosoftDocs/azure-docs#121466, MicrosoftLearning/mslearn-dp100#35, Azure/mlops-v2#81, Azure/azureml-examples#1635,
Azure/MachineLearningNotebooks#613, Azure/azureml-assets#3920, MG-Cafe/MLOps_Workshop#8.
"""

from __future__ import annotations

import re
from dataclasses import replace

from shared.domain.run.parts import RunProblem

RETRY = "then POST /api/runs/{id}/retry."
#: In this order: a quota that keeps an image from being built is a quota.
_KNOWN: tuple[tuple[tuple[str, ...], RunProblem], ...] = (
    (
        (
            r"OutOfQuota",
            r"Exceeds?CoreQuota",
            r"QuotaExceeded",
            r"exceed\w* (?:the )?(?:approved )?quota",
            r"quota limits",
            r"vCPU quota",
            r"not enough .{0,40}quota",
            r"Quota reached",
        ),
        RunProblem(
            code="quota-exceeded",
            message="The subscription's quota is used up.",
            remedy=f"Free cores (old deployments, other clusters), take a smaller VM size, or ask for more quota; {RETRY}",
        ),
    ),
    (
        (
            r"OutOfCapacity",
            r"(?:Zonal|Overconstrained)?AllocationFailed",
            r"SkuNotAvailable",
            r"(?:insufficient|not (?:have )?(?:enough|sufficient)) capacity",
        ),
        RunProblem(
            code="no-capacity",
            message="Azure has no machines of this size left in the region.",
            remedy=f"Wait an hour, or take another VM size (INSTANCE_TYPE, or another cluster); {RETRY}",
        ),
    ),
    (
        (
            r"(?:Compute(?:Target)?|AmlCompute)NotFound",
            r"unknown compute target",
            r"compute(?: target)? .{0,300}?(?:was |is )?not (?:be )?found",
            r"compute .{0,200}?does not exist",
        ),
        RunProblem(
            code="compute-missing",
            message="The training cluster does not exist in the workspace.",
            remedy=f"Create it, name another in AZUREML_COMPUTE, or leave that empty for serverless compute; {RETRY}",
        ),
    ),
    (
        (
            r"ImageBuild(?:Failure|Failed)",
            r"image build",
            r"environment image",
            r"20_image_build_log",
        ),
        RunProblem(
            code="image-build-failed",
            message="Azure could not build the image.",
            remedy=(
                "Read the build log where the message says it is; set INFERENCE_IMAGE to another image or DEPLOYMENT_MODE to "
                f"no_code where a deployment's failed, {RETRY}"
            ),
        ),
    ),
    (
        (
            r"(?:has|have|contains?|with|only) (?:only )?(?:one|1|a single)(?: unique| distinct)? (?:class|label|value)\b",
            r"one class only",
            r"single class\b",
            r"at least (?:two|2) (?:unique |distinct |different )?(?:class|label|value)",
            r"least populated class",
            r"number of classes .{0,60}(?:greater than|at least|more than)",
        ),
        RunProblem(
            code="single-class",
            message="One class alone was left to train on, or one has too few rows to be split.",
            remedy="Add rows of the rare class and drop the file again.",
        ),
    ),
    (
        (
            r"OutOfMemory",
            r"out of memory",
            r"MemoryError",
            r"OOM ?Kill",
            r"MiB of memory",
            r"not fit into .{0,40}memory",
            r"(?:exceed\w*|insufficient|not enough) .{0,40}memory",
        ),
        RunProblem(
            code="out-of-memory",
            message="The training needed more memory than its machine has.",
            remedy=f"Take a cluster of larger machines, fewer concurrent trials (max_concurrent_trials) or less data; {RETRY}",
        ),
    ),
    (
        (
            r"No space left on device",
            r"disk (?:is )?full",
            r"disk (?:space|usage)",
            r"DiskFull",
        ),
        RunProblem(
            code="disk-full",
            message="The machine's disk was full.",
            remedy=f"Take a VM size with a larger disk, or less data; {RETRY}",
        ),
    ),
    (
        (
            r"AuthorizationPermissionMismatch",
            r"AuthorizationFailure",
            r"not authorized to perform",
            r"StreamAccess\S*\.?Authenti",
            r"StreamAccess\S*Permission",
            r"AuthenticationFailed",
        ),
        RunProblem(
            code="storage-forbidden",
            message="Azure ML may not read the data in storage.",
            remedy=f"Give the workspace's or cluster's identity Storage Blob Data Reader on the data account; {RETRY}",
        ),
    ),
    (
        (
            r"training data can.t be read",
            r"StreamAccess\S*NotFound",
            r"StreamError\S*NotFound",
            r"no file named MLTable",
            r"MLTable (?:is invalid|lists no)",
        ),
        RunProblem(
            code="data-unreadable",
            message="Azure ML could not read the training data.",
            remedy="See that DATASTORE is the data container's and that its files were not deleted, then drop the file again.",
        ),
    ),
    (
        (
            r"ExperimentTimedOut",
            r"experiment.{0,20}time(?:d ?out|out)",
            r"did not end at the job.s timeout",
            r"exceeded .{0,40}time ?out",
            r"time ?out .{0,40}(?:reached|exceeded|expired)",
            r"wall ?clock",
            r"time limit .{0,20}(?:reached|exceeded)",
        ),
        RunProblem(
            code="training-timeout",
            message="The training's time was over before a model was there.",
            remedy=f"Raise timeout_minutes or trial_timeout_minutes of the dataset, or give less data; {RETRY}",
        ),
    ),
    (
        (
            r"no trial completed",
            r"(?:all|every) .{0,20}(?:child |)(?:runs?|iterations?|trials?|pipelines?) .{0,10}failed",
            r"no (?:successful|completed|scored) (?:child|run|iteration|trial|pipeline|model)",
        ),
        RunProblem(
            code="no-trial-completed",
            message="Every trial failed, so that there is no model.",
            remedy=f"Read what the trial says; correct the data or the limits, {RETRY}",
        ),
    ),
)
_READY = tuple((re.compile("|".join(patterns), re.IGNORECASE), problem) for patterns, problem in _KNOWN)
#: Characters of a message that are searched: explanations stand at its beginning.
SEARCHED = 4000


def explained(*texts: str) -> RunProblem | None:
    """The explanation of the first text that any is known for; None where none is."""
    for text in texts:
        for pattern, problem in _READY:
            if pattern.search(text[:SEARCHED]):
                return problem
    return None


def instead_of(problem: RunProblem) -> RunProblem:
    """The problem with what is known of its message: the sentence before, the service's words after."""
    known = explained(problem.message)
    if known is None:
        return problem
    return replace(
        problem, code=known.code, message=f"{known.message} {problem.message}", remedy=known.remedy
    )
