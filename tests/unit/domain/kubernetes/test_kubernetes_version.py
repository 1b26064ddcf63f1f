"""Which version of Kubernetes may follow which."""

from __future__ import annotations

import pytest

from ansible_collections.saasodoo.platform.plugins.filter.kubernetes_upgrade_refusal import FilterModule
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.kubernetes.version import check_upgrade, parse_version
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict, InvalidInput

refusal = FilterModule().filters()["kubernetes_upgrade_refusal"]


@pytest.mark.parametrize(("text", "version"), [("1.34.4", (1, 34, 4)), ("v1.34.4", (1, 34, 4)), ("v1.35.0-rc.1+k3s", (1, 35, 0))])
def test_versions_are_read(text: str, version: tuple[int, int, int]) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize("text", ["", "latest", "1.34", "v.1.2"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"such as 1\.36\.3"):
        parse_version(text)


@pytest.mark.parametrize(("wanted", "running"), [("1.34.4", "v1.34.4"), ("1.34.5", "v1.34.4"), ("1.35.0", "v1.34.9")])
def test_a_step_up_is_allowed(wanted: str, running: str) -> None:
    check_upgrade(wanted, running, {"node-1": running})


@pytest.mark.parametrize(
    ("wanted", "running", "reason"),
    [
        ("1.34.3", "v1.34.4", "can't go back"),
        ("1.33.9", "v1.34.0", "can't go back"),
        ("1.36.0", "v1.34.4", "upgrade to 1.35 first"),
        ("2.0.0", "v1.34.4", "one minor version at a time"),
    ],
)
def test_other_steps_are_not(wanted: str, running: str, reason: str) -> None:
    with pytest.raises(Conflict, match=reason):
        check_upgrade(wanted, running, {})


def test_a_kubelet_may_be_three_minor_versions_older_and_no_more() -> None:
    check_upgrade("1.35.0", "v1.34.4", {"old": "v1.32.1"})
    with pytest.raises(Conflict, match=r"node old .*found: 1\.31\.1; expected: 1\.32 or newer"):
        check_upgrade("1.35.0", "v1.34.4", {"new": "v1.34.4", "old": "v1.31.1"})


def test_the_filter_says_why_or_nothing() -> None:
    assert refusal("1.34.5", "v1.34.4", {"node-1": "v1.34.4"}) == ""
    assert "upgrade to 1.35 first" in refusal("1.36.0", "v1.34.4", {})
    assert "no version" in refusal("newest", "v1.34.4", {})
