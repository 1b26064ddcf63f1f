"""Quantities of Kubernetes, and how far the resizing of a running pod has come."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.kubernetes.pod_resources import (
    Progress,
    amount,
    progress,
    resources,
    same,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput

WANTED = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}}


def pod(found: dict[str, Any] = WANTED, *conditions: dict[str, str], asked: dict[str, Any] = WANTED) -> dict[str, Any]:
    status = {"containerStatuses": [{"name": "main", "resources": found}], "conditions": list(conditions)}
    return {"kind": "Pod", "spec": {"containers": [{"name": "main", "resources": asked}]}, "status": status}


@pytest.mark.parametrize(
    ("quantity", "expected"), [("500m", "0.5"), ("2", "2"), (3, "3"), ("1.5", "1.5"), ("1Ki", "1024"), ("2G", "2000000000")]
)
def test_a_quantity_is_an_amount(quantity: object, expected: str) -> None:
    assert amount(quantity) == Decimal(expected)


@pytest.mark.parametrize("wrong", ["", "Mi", "many", "1X", "4GB", "1 Gi"])
def test_what_is_no_quantity_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidInput, match="not a quantity"):
        amount(wrong)


@given(st.integers(min_value=1, max_value=10**6))
def test_however_it_is_written_it_is_the_same(cores: int) -> None:
    assert same({"limits": {"cpu": str(cores)}}, {"limits": {"cpu": f"{cores * 1000}m"}})
    assert same({"limits": {"memory": f"{cores}Ki"}}, {"limits": {"memory": str(cores * 1024)}})
    assert not same({"limits": {"cpu": str(cores)}}, {"requests": {"cpu": str(cores)}})


def test_what_a_workload_and_a_pod_ask_for() -> None:
    deployment = {"kind": "Deployment", "spec": {"template": {"spec": pod()["spec"]}}}
    assert resources(deployment, "main") == resources(pod(), "main") == WANTED
    with pytest.raises(InvalidInput, match="no container other; found: main"):
        resources(pod(), "other")


def test_progress() -> None:
    less = {"requests": WANTED["requests"], "limits": {"cpu": "500m", "memory": "128Mi"}}
    assert progress(pod(), "main", WANTED) == (Progress.DONE, "")
    assert progress(pod(less), "main", WANTED) == (Progress.UNDER_WAY, "")
    assert progress(pod(asked=less), "main", WANTED) == (Progress.UNDER_WAY, "")
    busy = {"type": "PodResizeInProgress", "status": "True"}
    assert progress(pod(WANTED, busy), "main", WANTED) == (Progress.UNDER_WAY, "")
    in_vain = {"type": "PodResizePending", "status": "True", "reason": "Infeasible", "message": "not enough cpu"}
    assert progress(pod(less, in_vain), "main", WANTED) == (Progress.WAITS, "Infeasible: not enough cpu")
    too_little = busy | {"reason": "Error", "message": "below current usage"}
    assert progress(pod(less, too_little), "main", WANTED) == (Progress.WAITS, "below current usage")
    assert progress(pod(WANTED, in_vain | {"status": "False"}), "main", WANTED) == (Progress.DONE, "")
