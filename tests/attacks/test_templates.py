"""Texts that are Jinja templates: where a name is asked for, and where a customer's texts go."""

from __future__ import annotations

import json
import tempfile
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing.subscription import Account, Phase, Subscription
from ansible_collections.saasodoo.platform.plugins.module_utils.host.playbook_runs import Job, PlaybookRuns
from tests.fixtures.ansible import ROOT, run_playbook, run_tasks
from tests.fixtures.fleet import copy_inventory
from tests.fixtures.registry import Registry
from tests.fixtures.runner import FakeKillBill, rows
from webhook_runner.execution import Request, execute
from webhook_runner.services import Services
from webhook_runner.sync import sync

#: The host of a cluster that is not there: what is asked for is looked at on the controller, before anything is done.
_CLUSTER = "[kubernetes]\nnobody.invalid ansible_connection=local ansible_become=false\n"


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder of a short name: pytest's own is too long for Unix sockets."""
    with tempfile.TemporaryDirectory(prefix="saasodoo-text-") as folder:
        yield Path(folder)


@pytest.mark.parametrize("template", ["{{ saasodoo_instance }}", "{% if true %}spare{% endif %}", "{{ 'spare' }}", "{# #}spare"])
def test_a_copys_name_is_typed_and_not_evaluated(tmp_path: Path, template: str) -> None:
    home = tmp_path / "home"
    (home / "secrets/registry").mkdir(parents=True)
    names = {"SAASODOO_HOME": str(home), "SAASODOO_INSTANCE": "spare"}
    done = run_playbook("playbooks/teardown.yml", "-e", f"teardown_confirm={template!r}", environment=names, check=True)
    assert f"Nothing was removed. Found: {template}; expected: spare" in str((done.failure or {}).get("msg"))


def test_a_clusters_name_is_typed_and_not_evaluated(tmp_path: Path) -> None:
    inventory = tmp_path / "hosts"
    inventory.write_text(_CLUSTER)
    done = run_playbook(
        "playbooks/kubernetes_teardown.yml",
        f"--inventory={inventory}",
        "--limit=nobody.invalid",
        extra_vars={"teardown_confirm": "{{ 'saasodoo' }}"},
        check=True,
    )
    assert "Nothing was removed. Found: {{ 'saasodoo' }};" in str((done.failure or {}).get("msg"))


def test_a_shared_file_systems_name_is_typed_and_not_evaluated(tmp_path: Path) -> None:
    names = {"SAASODOO_HOME": str(tmp_path), "SAASODOO_INSTANCE": "spare"}
    asked = {"cephfs_confirm": "{{ saasodoo_instance }}", "saasodoo_backend": "kubernetes"}
    done = run_playbook("playbooks/cephfs_remove.yml", extra_vars=asked, environment=names, check=True)
    assert "Nothing was removed. Found: {{ saasodoo_instance }}; expected: spare" in str((done.failure or {}).get("msg"))


def test_as_written_tells_what_stands_there() -> None:
    look = "{{ lookup('saasodoo.platform.as_written', 'number', 'text') }}"
    tasks = [{"ansible.builtin.set_fact": {"found": look}}, {"ansible.builtin.debug": {"var": "found"}}]
    told = run_tasks(tasks, extra_vars={"number": 1, "text": "{{ number }}"})
    assert told[-1]["found"] == "1,{{ number }}"
    lost = run_tasks([{"ansible.builtin.debug": {"msg": "{{ lookup('saasodoo.platform.as_written', 'nothing') }}"}}])
    assert "no variable nothing" in lost[-1]["msg"]


def test_other_playbooks_get_texts_and_no_templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_CONFIG", str(ROOT / "ansible.cfg"))
    tell = {"ansible.builtin.debug": {"msg": "it is {{ tenant }}"}, "name": "Tell"}
    (tmp_path / "tell.yml").write_text(
        json.dumps([{"name": "Play", "hosts": "localhost", "gather_facts": False, "tasks": [tell]}])
    )
    runs = PlaybookRuns(parallel=1, log=tmp_path, options=["--inventory=localhost,", "--connection=local"])
    runs.run([Job("acme", ((tmp_path / "tell.yml", {"tenant": "{{ 6 * 7 }} b=c"}),))], lambda line: None, lambda: False)
    assert "it is {{ 6 * 7 }} b=c" in (tmp_path / "acme.log").read_text()


def test_what_kill_bill_says_is_text_in_every_playbook(
    registry_roles: Registry, services: Services, killbill: FakeKillBill, home: Path
) -> None:
    left = home / "evaluated"
    template = f"{{{{ lookup('ansible.builtin.pipe', 'touch {left}') }}}}"
    start = datetime(2026, 1, 1, tzinfo=UTC)
    asked = [(name, plan) for name in ("acme", template) for plan in ("basic-monthly", template)]
    texts = [Subscription(uuid.uuid4(), name, plan, Phase.TRIAL, start, None) for name, plan in asked]
    account = Account(uuid.uuid4(), template, "USD", "", tuple(texts), ())
    killbill.known[account.id] = account
    sync(services, account.id, cause="event:1", correlation_id="")
    tenants = rows(services.settings, "SELECT * FROM tenant.tenants WHERE account_id = %s", account.id)
    assert {each["customer_id"] for each in tenants} == {template}
    assert any(template in each["status_message"] for each in tenants)

    inventory = copy_inventory(registry_roles, home)
    parts = {"saasodoo_registry": registry_roles.operator, "saasodoo_process_manager": "supervisord"}
    (inventory / "group_vars/all/zzz_operator.yml").write_text(json.dumps(parts))
    settings = replace(services.settings, playbooks=ROOT / "playbooks", inventory=inventory)
    ends = []
    for tenant in tenants:
        request = Request(uuid.uuid4(), "tenant_terminate.yml", tenant["id"], "event:1", "")
        ends.append(execute(settings, request, lambda event: None, threading.Event()))
    assert not left.exists()
    # Each went on through all that uses its texts: to end a tenant no plan needs to be known.
    assert [each.message for each in ends if each.status != "succeeded"] == []
    ended = rows(services.settings, "SELECT * FROM tenant.tenants WHERE account_id = %s", account.id)
    assert {each["provisioning_status"] for each in ended} == {"terminated"}
