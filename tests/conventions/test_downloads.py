"""Whatever is downloaded is what was meant: each download in roles/, bin/, images/ and tests/cluster has a hash beside it.

What Debian's apt gets is signed by Debian. What a hash can't be had for is named in docs/security.md, "What is fetched".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.conventions.project import ROOT, files, load, text, tracked, walk_tasks

_SHA256 = re.compile(r"[0-9a-f]{64}")
#: Programs and functions that get what an address names, whatever it is.
_UNCHECKED = re.compile(
    r"\b(curl|wget|urlretrieve|urlopen|git clone|go install|npm install|ansible-galaxy install)\b"
    r"|\bpip install\b(?!.*--require-hashes)|\bpip sync\b(?!.*--require-hashes)"
)


def unchecked_tasks(tasks: list[dict[str, Any]]) -> list[str]:
    """Return the tasks that download by an address, or install Python packages, without a hash."""
    return [str(task.get("name")) for task in walk_tasks(tasks) if _unchecked(task)]


def _unchecked(task: Mapping[str, Any]) -> bool:
    if got := task.get("ansible.builtin.get_url"):
        return not str(got.get("checksum", "")).startswith("sha256:")
    if got := task.get("ansible.builtin.pip"):
        return "_odoo_runtime_pip" not in str(got.get("extra_args"))
    if got := task.get("ansible.builtin.unarchive"):
        return "://" in str(got.get("src"))
    words = (task.get("ansible.builtin.command") or {}).get("argv", [])
    if isinstance(words, list) and "pip" in words:
        return "--require-hashes" not in words
    return "ansible.builtin.git" in task


def unchecked_lines(content: str) -> list[str]:
    """Return the lines of a program that download without a hash; comments are none."""
    return [line.strip() for line in content.splitlines() if not line.lstrip().startswith("#") and _UNCHECKED.search(line)]


def without_hash(versions: list[dict[str, Any]]) -> Iterator[str]:
    """Give the versions of Odoo whose source is downloaded by an address or a name, without a hash."""
    for each in versions:
        if each["source"]["kind"] in ("tarball", "wheel") and not _SHA256.fullmatch(each["source"].get("sha256", "")):
            yield each["version"]


@pytest.mark.parametrize("name", files(r"roles/[^/]+/tasks/.*\.yml"))
def test_what_a_role_downloads_has_a_hash(name: str) -> None:
    assert not unchecked_tasks(load(name))


@pytest.mark.parametrize("name", [*files(r"bin/[^/]+"), *files(r"images/.*/Containerfile"), *files(r"tests/cluster/.*\.(py|sh)")])
def test_what_a_program_downloads_has_a_hash(name: str) -> None:
    assert not unchecked_lines(text(name))


def test_what_is_installed_as_pinned_packages_is_installed_by_hash() -> None:
    assert "--require-hashes" in load("roles/odoo_runtime/vars/main.yml")["_odoo_runtime_pip"]
    for name in (*files(r"requirements/.*\.txt"), *files(r"roles/.*/requirements\.txt")):
        packages = [line for line in text(name).splitlines() if re.match(r"[A-Za-z0-9]", line)]
        assert packages
        assert all(line.endswith("\\") for line in packages), name


def test_what_maven_fetches_has_a_hash() -> None:
    variables, defaults = load("roles/killbill/vars/main.yml"), load("roles/killbill/defaults/main.yml")
    for artifact in (*variables["_killbill_artifacts"], variables["_killbill_kaui"]):
        (name,) = re.findall(r"{{ (\w+) }}", artifact["sha256"])
        # Kaui's comes with its version, from the inventory.
        assert _SHA256.fullmatch(defaults[name]) or defaults[name] == "{{ saasodoo_kaui_sha256 }}", name


@pytest.mark.parametrize("name", files(r"inventories/[^/]+/group_vars/all/.*\.yml"))
def test_odoos_sources_have_a_hash(name: str) -> None:
    assert not list(without_hash((load(name) or {}).get("saasodoo_odoo_versions", [])))


def test_a_production_takes_no_other_odoo_than_the_one_sold() -> None:
    assert load("inventories/example/group_vars/all/production.yml")["saasodoo_odoo_fallback"] == ""


@pytest.mark.parametrize("name", files(r"tests/cluster/go/[^/]+/go\.mod"))
def test_modules_of_go_have_their_sums(name: str) -> None:
    sums = name.replace("go.mod", "go.sum")
    assert "-mod=readonly" in text("tests/cluster/binaries.py")
    assert "require" not in text(name) or (sums in tracked() and (ROOT / sums).stat().st_size)


@pytest.mark.parametrize(
    "planted",
    [
        {"ansible.builtin.get_url": {"url": "https://example.org/x", "checksum": "md5:0"}},
        {"ansible.builtin.get_url": {"url": "https://example.org/x"}},
        {"ansible.builtin.pip": {"name": "x"}},
        {"ansible.builtin.unarchive": {"src": "https://example.org/x", "remote_src": True}},
        {"ansible.builtin.git": {"repo": "https://example.org/x"}},
        {"ansible.builtin.command": {"argv": ["uv", "pip", "sync", "x.txt"]}},
    ],
)
def test_a_planted_task_is_found(planted: dict[str, Any]) -> None:
    assert unchecked_tasks([{"block": [planted | {"name": "x"}]}]) == ["x"]


@pytest.mark.parametrize(
    "planted", ["curl -O https://x", "  wget x", "python -m pip install x", "uv pip sync x.txt", "go install x@v1"]
)
def test_a_planted_line_is_found(planted: str) -> None:
    assert unchecked_lines(planted)
    assert not unchecked_lines(f"# {planted}")


def test_a_planted_version_is_found() -> None:
    fine = {"version": "1", "source": {"kind": "tarball", "sha256": "0" * 64}}
    tree = {"version": "2", "source": {"kind": "tree"}}
    bare = [{"version": "3", "source": {"kind": kind}} for kind in ("tarball", "wheel")]
    assert list(without_hash([fine, tree, *bare])) == ["3", "3"]
