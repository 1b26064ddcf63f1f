"""playbooks/registry.yml on a machine that has nothing yet: foretold, done, done again, changed by hand, killed."""

from __future__ import annotations

import getpass
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.registry.access import connect_admin
from tests.fixtures.ansible import ROOT, Run, run_playbook, run_tasks
from tests.fixtures.postgres import free_port, service_user

COMPONENTS = ("owner", "operator", "runner", "inventory")


@dataclass(frozen=True)
class Platform:
    """A platform of its own: its folder and port."""

    home: Path
    port: int

    def play(self, *, check: bool = False, **variables: object) -> Run:
        """Run the playbook as a user would, with another home, port and service user."""
        own = {
            "saasodoo_port_registry": self.port,
            "saasodoo_user": service_user() or getpass.getuser(),
            "saasodoo_process_manager": "supervisord",
        }
        environment = {"SAASODOO_HOME": str(self.home)}
        return run_playbook(ROOT / "playbooks/registry.yml", check=check, extra_vars=own | variables, environment=environment)

    def conninfo(self, component: str) -> str:
        """Return the connection string of a component, with the password file that the playbook made."""
        file = self.home / f"secrets/registry/{component}.pgpass"
        return f"host=127.0.0.1 port={self.port} dbname=saasodoo user=saasodoo_{component} passfile={file}"


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    home = Path(tempfile.mkdtemp(prefix="saasodoo-registry-"))
    home.chmod(0o755)  # the service user has to get in
    try:
        yield Platform(home / "home", free_port())
    finally:
        options = {"name": "*", "state": "absent", "manager": "supervisord", "home": str(home / "home")}
        run_tasks([{"saasodoo.platform.process": options}])
        shutil.rmtree(home)


@pytest.fixture(scope="module")
def made(platform: Platform) -> tuple[Run, Run]:
    """The playbook in check mode and for real, on nothing."""
    return platform.play(check=True), platform.play()


def changes_of(run: Run) -> list[tuple[Any, ...]]:
    return [(result["task"], result["changed"], result.get("diff")) for result in run.results if "changed" in result]


def test_check_mode_foretells_the_first_run(made: tuple[Run, Run]) -> None:
    foretold, done = made
    assert done.failure is None, done.text
    assert foretold.failure is None, foretold.text
    assert foretold.changed == done.changed > 0
    assert changes_of(foretold) == changes_of(done)


def test_a_second_run_changes_nothing(platform: Platform, made: tuple[Run, Run]) -> None:
    for check in (True, False):
        again = platform.play(check=check)
        assert again.failure is None, again.text
        assert again.changed == 0, again.text


@pytest.mark.parametrize("component", COMPONENTS)
def test_each_component_logs_in_with_its_own_password_only(platform: Platform, made: tuple[Run, Run], component: str) -> None:
    with psycopg.connect(platform.conninfo(component)) as connection:
        assert connection.execute("SELECT session_user::text").fetchone() == (f"saasodoo_{component}",)
    other = platform.conninfo("owner" if component != "owner" else "operator")
    wrong = other.replace("user=saasodoo_owner", f"user=saasodoo_{component}").replace(
        "user=saasodoo_operator", f"user=saasodoo_{component}"
    )
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(wrong)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(platform.conninfo(component), password="guessed")
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
        psycopg.connect(platform.conninfo(component), dbname="postgres")


def test_no_secret_is_told_or_logged(platform: Platform, made: tuple[Run, Run]) -> None:
    secrets = [(platform.home / "secrets/platform.key").read_text().strip()]
    for component in COMPONENTS:
        file = platform.home / f"secrets/registry/{component}.pgpass"
        assert file.stat().st_mode & 0o777 == 0o600
        secrets.append(file.read_text().strip().split(":")[4])
    assert len(set(secrets)) == 1 + len(COMPONENTS)
    texts = [run.text for run in made]
    texts += [
        file.read_text() for folder in ("log", "supervisor") for file in (platform.home / folder).rglob("*.*") if file.is_file()
    ]
    assert not [secret for secret in secrets for text in texts if secret in text]


def test_what_was_changed_by_hand_is_mended_and_the_key_is_kept(platform: Platform, made: tuple[Run, Run]) -> None:
    key = (platform.home / "secrets/platform.key").read_bytes()
    passfiles = platform.home / "secrets/registry"
    (passfiles / "inventory.pgpass").unlink()
    (passfiles / "runner.pgpass").chmod(0o644)
    (passfiles / "runner.pgpass").write_text("out of date")
    with connect_admin("127.0.0.1", platform.port, bytes.fromhex(key.decode()), "postgres") as admin:
        admin.execute("ALTER ROLE saasodoo_operator CREATEDB")
        admin.execute("ALTER ROLE saasodoo_inventory PASSWORD 'known to others'")
    with psycopg.connect(platform.conninfo("owner")) as owner:
        owner.execute("GRANT INSERT ON database.servers TO saasodoo_inventory")

    foretold, done = platform.play(check=True), platform.play()
    assert changes_of(foretold) == changes_of(done)
    assert done.changes == [
        "Give each component a login role",
        "Write each component's password",
        "Migrate the database and set privileges",
    ]
    assert platform.play().changed == 0
    assert (platform.home / "secrets/platform.key").read_bytes() == key


def test_a_user_that_is_not_there_is_told_before_a_password_is_written(platform: Platform, made: tuple[Run, Run]) -> None:
    (platform.home / "secrets/registry/runner.pgpass").unlink()
    run = platform.play(registry_components=[{"name": "runner", "user": "nobody-of-that-name"}])
    assert "nobody-of-that-name" in run.text
    assert run.failure
    assert run.failure["task"].endswith("Write each component's password")
    assert not (platform.home / "secrets/registry/runner.pgpass").exists()


def test_a_killed_registry_comes_back_with_what_was_committed(platform: Platform, made: tuple[Run, Run]) -> None:
    pid = int((platform.home / "postgres/registry/data/postmaster.pid").read_text().splitlines()[0])
    with psycopg.connect(platform.conninfo("operator")) as operator:
        operator.execute("SELECT ops.append_journal('test', 'before the fall', '{}')")
    os.kill(pid, 9)

    def journal() -> list[tuple[object, ...]] | None:
        try:
            with psycopg.connect(platform.conninfo("inventory"), connect_timeout=2) as reader:
                return reader.execute("SELECT action FROM ops.journal ORDER BY seq DESC LIMIT 1").fetchall()
        except psycopg.OperationalError:
            return None

    end = time.monotonic() + 60
    while (entries := journal()) is None and time.monotonic() < end:
        time.sleep(0.2)
    assert entries == [("before the fall",)]
