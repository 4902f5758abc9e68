"""What a call of the published pipeline tells the service."""

from __future__ import annotations

import uuid

from shared.adapters.pipelines import repeatability_id


def test_a_caller_s_id_counts_within_its_dataset_and_workspace() -> None:
    """The caller's own key went along as it was: two datasets with the same key shared a pipeline job."""
    ids = {
        repeatability_id(workspace, dataset, request)
        for workspace in ("/subscriptions/a", "/subscriptions/b")
        for dataset in ("bank", "wine")
        for request in ("monday", "tuesday")
    }
    assert len(ids) == 8
    assert all(str(uuid.UUID(text)) == text for text in ids)
    assert repeatability_id("/subscriptions/a", "bank", "monday") in ids
    assert repeatability_id("/Subscriptions/A", "bank", "monday") in ids
