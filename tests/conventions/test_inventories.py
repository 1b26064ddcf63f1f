"""The inventory to copy has all that the platform reads, and describes hosts that make a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conventions.project import ROOT

LOCAL, EXAMPLE = ROOT / "inventories/local", ROOT / "inventories/example"


def variables(inventory: Path) -> dict[str, Any]:
    """Return what an inventory says for all hosts, as Ansible reads it: file by file, the later one counts."""
    found: dict[str, Any] = {}
    for file in sorted((inventory / "group_vars/all").iterdir()):
        found |= yaml.safe_load(file.read_text())
    return found


def lacking(wanted: dict[str, Any], found: dict[str, Any], where: str = "") -> list[str]:
    """Return the names, also those inside of settings that are mappings, that are only in the first."""
    gaps = [f"{where}{name}" for name in wanted if name not in found]
    for name, value in wanted.items():
        if isinstance(value, dict) and isinstance(found.get(name), dict) and name.startswith("saasodoo_"):
            gaps += lacking(value, found[name], f"{where}{name}.")
    return gaps


@cache
def hosts() -> dict[str, Any]:
    """Return the example as Ansible sees it: groups, and all variables that hold for each host."""
    return dict(json.loads(_ansible("ansible-inventory", "-i", str(EXAMPLE / "hosts.yml"), "--list")))


def _ansible(program: str, *arguments: str) -> str:
    environment = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_INVENTORY_EXPORT": "false"}
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_has_every_setting() -> None:
    assert lacking(variables(LOCAL), variables(EXAMPLE)) == []


def test_the_cluster_can_be_made() -> None:
    known, groups = hosts()["_meta"]["hostvars"], hosts()
    planes = groups["kubernetes_control_plane"]["hosts"]
    assert len(planes) % 2 == 1
    assert all(known[name]["kubernetes_cluster_control_plane"] for name in planes)
    nodes = [name for group in groups["kubernetes"]["children"] for name in groups[group]["hosts"]]
    assert len(nodes) == len(set(nodes)) == 15
    for name in set(nodes) - set(planes):
        assert known[name]["kubernetes_cluster_purposes"], name
    assert {known[name]["kubernetes_cluster_endpoint"] for name in nodes} == {"kubernetes.example.com:6443"}


def test_pods_tolerate_the_nodes_that_are_kept_for_them() -> None:
    known = hosts()["_meta"]["hostvars"]
    reserved = {
        f"node-role.kubernetes.io/{purpose}"
        for settings in known.values()
        if settings.get("kubernetes_cluster_reserved")
        for purpose in settings["kubernetes_cluster_purposes"]
    }
    placement = variables(EXAMPLE)["saasodoo_kubernetes"]["placement"]
    storage = {"node-role.kubernetes.io/storage"}  # roles/kubernetes_addons sees to Ceph's
    assert {each["key"] for kind in placement.values() for each in kind["tolerations"]} == reserved - storage


@pytest.mark.parametrize("playbook", ["site", "teardown", "kubernetes_upgrade", "kubernetes_node_remove", "kubernetes_teardown"])
def test_playbooks_can_be_read_with_it(playbook: str) -> None:
    _ansible("ansible-playbook", "--syntax-check", "-i", str(EXAMPLE / "hosts.yml"), f"playbooks/{playbook}.yml")


def test_a_planted_gap_is_found() -> None:
    wanted = {"saasodoo_a": {"b": 1, "c": {"d": 1}}, "e": {"f": 1}}
    assert lacking(wanted, {"saasodoo_a": {"c": {}}, "e": {}}) == ["saasodoo_a.b"]
    assert lacking(wanted, {}) == ["saasodoo_a", "e"]
