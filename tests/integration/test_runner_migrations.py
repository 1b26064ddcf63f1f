"""The round that looks for moves of databases with something left to do: a run where there is, and only a look where not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.adapters import tenant_lock, tenants
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.migration_journal import MigrationJournal
from ansible_collections.saasodoo.platform.plugins.module_utils.adapters.registry import connect
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.lifecycle import Status
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration_record import Strategy
from tests.fixtures.registry import Registry
from tests.fixtures.runner import process, rows, wait_for
from webhook_runner.settings import Settings

_DEFERRED = "SELECT defer_timestamp FROM procrastinate_periodic_defers WHERE task_name = 'migrations'"
_RUNS = "SELECT verb, playbook, tenant_id, status FROM ops.runs"


@pytest.fixture
def settings(runner_settings: Settings) -> Settings:
    """A round every second, and a playbook for what it finds."""
    playbook = "- name: Migrations\n  hosts: platform\n  gather_facts: false\n  tasks:\n    - ansible.builtin.debug:\n"
    (runner_settings.playbooks / "tenant_migrations.yml").write_text(playbook)
    return replace(runner_settings, migrations_cron="* * * * * *")  # the seconds are last


def rounds(settings: Settings) -> int:
    (row,) = rows(settings, _DEFERRED) or [{"defer_timestamp": 0}]
    return int(row["defer_timestamp"])


def test_nothing_due_is_no_run_and_what_is_due_is_one(settings: Settings, registry_roles: Registry, tmp_path: Path) -> None:
    with (
        connect(registry_roles.operator, autocommit=True) as operator,
        connect(registry_roles.operator, autocommit=True) as by_hand,
        process(settings, "worker", tmp_path / "worker.log"),
    ):
        first = wait_for(lambda: rounds(settings))
        tenant = tenants.create(
            operator,
            subdomain="acme",
            customer_id="c1",
            plan_name="basic-monthly",
            odoo_version="19.0",
            ports=range(22000, 22001),
        )
        tenant_lock.take(by_hand, "acme", 0)  # somebody works on it: nothing is due
        MigrationJournal(operator).start(
            tenant_id=tenant.id, database_name=tenant.database_name, strategy=Strategy.ONLINE, source="pool-1", target="pool-2",
            tenant_status=Status.RUNNING,
        )  # fmt: skip
        seen = rounds(settings)
        wait_for(lambda: rounds(settings) > seen + 2)
        assert rounds(settings) > first
        assert rows(settings, _RUNS) == []
        by_hand.close()
        wait_for(lambda: rows(settings, f"{_RUNS} WHERE status = 'succeeded'"))
        run = rows(settings, _RUNS)[0]
        assert (run["verb"], run["playbook"], run["tenant_id"]) == ("migrations", "tenant_migrations.yml", None)
    log = (tmp_path / "worker.log").read_text()
    assert "Traceback" not in log
