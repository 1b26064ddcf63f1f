"""The noun postgres_cluster: a cluster is there whole and closed, or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict, InvalidInput, NotFound, PlatformError
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.cluster import Cluster
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.scram import make_verifier
from tests.fixtures.ansible import run_tasks
from tests.fixtures.postgres import service_user

_VERIFIER = make_verifier("secret", b"0123456789abcdef")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    base = Path(tempfile.mkdtemp(prefix="saasodoo-cluster-"))
    base.chmod(0o755)
    try:
        yield Cluster(base / "postgres/pool-1", service_user() or "")
    finally:
        shutil.rmtree(base)


def test_made_once_predicted_before_and_left_alone_afterwards(cluster: Cluster) -> None:
    options = {"folder": str(cluster.folder), "user": cluster.user, "verifier": _VERIFIER}
    task = {"saasodoo.platform.postgres_cluster": options}
    (check,) = run_tasks([task], check=True)
    assert check["changed"]
    assert not cluster.folder.exists()
    made, again = run_tasks([task, task])
    assert (made["changed"], again["changed"]) == (True, False)
    assert made["diff"] == check["diff"]
    assert (Path(made["bin_dir"]) / "postgres").exists()
    assert _VERIFIER not in str([check, made, again])


def test_what_a_killed_run_left_is_made_anew(cluster: Cluster) -> None:
    half = cluster.folder / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("15")
    assert cluster.version() is None
    assert cluster.ensure(_VERIFIER, check=False).changed
    assert not half.exists()
    assert cluster.version() is not None


def test_several_that_make_it_at_once_make_one(cluster: Cluster) -> None:
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: cluster.ensure(_VERIFIER, check=False), range(3)))
    assert cluster.version() is not None
    assert sorted(path.name for path in cluster.folder.iterdir()) == [".lock", "data"]


def test_a_verifier_that_is_none_leaves_no_cluster(cluster: Cluster) -> None:
    with pytest.raises(PlatformError):
        cluster.ensure("it's broken", check=False)
    assert cluster.version() is None


def test_a_cluster_of_a_version_not_installed_is_refused(cluster: Cluster) -> None:
    cluster.data.mkdir(parents=True)
    (cluster.data / "PG_VERSION").write_text("9")
    with pytest.raises(Conflict, match="no program"):
        cluster.ensure(_VERIFIER, check=False)


def test_without_postgresql_it_says_what_to_do_and_check_mode_goes_on(cluster: Cluster) -> None:
    nothing = Cluster(cluster.folder, cluster.user, packages=cluster.folder)
    with pytest.raises(NotFound, match=r"playbooks/host.yml"):
        nothing.ensure(_VERIFIER, check=False)
    assert nothing.ensure(_VERIFIER, check=True).changed


@pytest.mark.parametrize(
    ("installed", "named", "chosen"),
    [
        ([15, 17], (None, None, 15), 15),  # never the newest because it is the newest
        ([15, 17], (None, None, 17), 17),
        ([15, 17], (None, 15, 17), 15),  # the machine was upgraded, the platform stays
        ([15, 17], (17, 15, 15), 17),
        ([16], (None, None, None), 16),
        ([15, 17], (None, None, None), None),
        ([17], (None, 15, 17), None),
        ([15, 17], (16, None, 15), None),
        ([14], (None, None, 14), None),
    ],
)
def test_a_new_cluster_is_of_the_version_named_else_of_the_platforms_else_of_the_distributions(
    cluster: Cluster, installed: list[int], named: tuple[int | None, int | None, int | None], chosen: int | None
) -> None:
    version, platforms, distributions = named
    machine = cluster.folder.parents[1]
    for major in installed:
        (machine / f"programs/{major}/bin").mkdir(parents=True)
        (machine / f"programs/{major}/bin/postgres").touch()
    if distributions:
        (machine / "says").write_text(f"#!/bin/sh\nprintf '9\\n{distributions}\\n'\n")
        (machine / "says").chmod(0o755)
    if platforms:
        (machine / "postgres/registry/data").mkdir(parents=True)
        (machine / "postgres/registry/data/PG_VERSION").write_text(f"{platforms}\n")
    new = Cluster(cluster.folder, cluster.user, packages=machine / "programs", distribution=machine / "says")
    if chosen:
        made = new.ensure(_VERIFIER, version=version, like=machine / "postgres/registry", check=True)
        assert made.after["version"] == chosen
    else:
        with pytest.raises((NotFound, InvalidInput), match="saasodoo_postgres_version"):
            new.ensure(
                _VERIFIER, version=version, like=machine / "postgres/registry", check=not set(installed) & {15, 16, 17, 18}
            )


def test_the_distribution_of_this_machine_says_its_version(cluster: Cluster) -> None:
    major = cluster.ensure(_VERIFIER, check=False).after["version"]
    said = subprocess.run(["/usr/share/postgresql-common/supported-versions"], capture_output=True, text=True, check=True).stdout
    assert major == int(said.split()[-1])


@pytest.mark.parametrize("user", ["root", "no-such-user"])
def test_root_makes_it_for_an_unprivileged_user_only(cluster: Cluster, user: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("a user counts only when root")
    with pytest.raises(InvalidInput):
        Cluster(cluster.folder, user).ensure(_VERIFIER, check=False)


def test_a_folder_its_user_can_not_reach_is_told_before_anything_is_made(cluster: Cluster) -> None:
    if os.geteuid() != 0:
        pytest.skip("a user counts only when root")
    base = cluster.folder.parents[1]
    base.chmod(0o700)
    with pytest.raises(InvalidInput, match=f"can't get to {cluster.folder}; found: {base} is drwx------"):
        cluster.ensure(_VERIFIER, check=False)
    assert not list(base.iterdir())
