"""Versions of Odoo as the inventory lists them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.odoo.version import find_version
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput, NotFound
from tests.conventions.project import ROOT

TREE: dict[str, Any] = {
    "version": "18.0",
    "source": {"kind": "tree", "path": "/srv/odoo"},
    "python": ["3.12"],
    "lock": "/srv/odoo.txt",
    "health_path": "/web/health",
}
SHIPPED = yaml.safe_load((ROOT / "inventories/local/group_vars/all/odoo.yml").read_text())["saasodoo_odoo_versions"]


def test_what_is_left_out_is_what_newer_versions_have() -> None:
    found = find_version([TREE], "18.0")
    assert (found["without_demo"], found["server_wide_modules"], found["addons"]) == ("True", ["base", "web"], ["addons"])
    assert (found["source_only"], found["launcher"], found["source"]["beside"]) == ([], "", [])


def test_what_is_said_counts() -> None:
    assert find_version([{**TREE, "without_demo": "all", "addons": ["a"]}], "18.0")["without_demo"] == "all"
    assert find_version([{**TREE, "addons": ["a"]}], "18.0")["addons"] == ["a"]


@pytest.mark.parametrize("version", [each["version"] for each in SHIPPED])
def test_the_shipped_ones_are_complete(version: str) -> None:
    found = find_version(SHIPPED, version)
    files = ROOT / "roles/odoo_runtime/files"
    assert (files / found["lock"]).is_file()
    assert (files / found["launcher"]).exists()


def test_one_that_is_not_known_is_named_with_those_that_are() -> None:
    with pytest.raises(
        NotFound, match=r"Odoo 17.0 is not known; expected: one of saasodoo_odoo_versions: 18.0; see .*Add a version"
    ):
        find_version([TREE], "17.0")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"source": {"kind": "disk"}}, "unknown kind of source; found: 'disk'; expected: one of debian_package, tarball"),
        ({"source": "tree"}, "unknown kind of source"),
        ({"source": {"kind": "tarball", "url": "https://example.org/x.tar.gz"}}, "source.sha256 missing"),
        ({"python": []}, "python missing"),
        ({"lock": "", "lcok": "x"}, "lock missing; lcok unknown"),
    ],
)
def test_what_is_wrong_is_told(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        find_version([{**TREE, **change}], "18.0")
    assert reason in str(raised.value)
    assert "Odoo 18.0" in str(raised.value)


@pytest.mark.parametrize("name", ["../../etc", "19.0/..", ".", "", " 19.0", "19..0", "19.0\n"])
def test_a_name_that_leads_elsewhere_is_none(name: str) -> None:
    with pytest.raises(InvalidInput, match="that is no version"):
        find_version([{**TREE, "version": name}], name)


def test_two_of_a_name_are_one_too_many() -> None:
    with pytest.raises(InvalidInput, match="more than once"):
        find_version([TREE, TREE], "18.0")
