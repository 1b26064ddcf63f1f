"""What every backend does with a tenant: each verb's playbook on a real platform, what it does, that it does it once."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Status
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.platform_key import derive, read_platform_key
from tests.fixtures.tenants import Tenants

ALL_THERE = {"databases": 1, "roles": 1, "processes": 1, "routes": 1, "pooler": 2, "folders": 1, "places": 1}
NOTHING = dict.fromkeys(ALL_THERE, 0)


def changes_of(results: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(result["task"], result["changed"]) for result in results if "changed" in result and not result.get("skipped")]


@pytest.mark.timeout(900)  # many playbooks, perhaps on a busy machine
class TenantVerbs:
    """The fixture ``tenants`` says on which backend."""

    @pytest.fixture(scope="class")
    @classmethod
    def tenant(cls, tenants: Tenants) -> str:
        """A tenant that tests may stop and start, and leave running."""
        return tenants.made()

    def test_check_mode_foretells_a_new_tenant_and_makes_nothing(self, tenants: Tenants) -> None:
        name = tenants.name()
        foretold = tenants.run("provision", name, check=True, customer="c1", plan="basic-monthly")
        assert foretold.failure is None, foretold.text
        assert tenants.find(name) is None
        assert not [entry for entry in tenants.evidence().routes if entry.startswith(name)]
        done = tenants.do("provision", name, customer="c1", plan="basic-monthly")
        assert changes_of(foretold.results) == changes_of(done.results)
        assert foretold.changed == done.changed > 0
        assert tenants.traces(tenants.record(name)) == ALL_THERE

    def test_no_secret_is_told(self, tenants: Tenants) -> None:
        name = tenants.name()
        run = tenants.do("provision", name, customer="c1", plan="basic-monthly")
        record, key = tenants.record(name), read_platform_key(tenants.platform_key_file)
        for purpose in ("database", "odoo-master", "odoo-admin"):
            assert derive(key, str(record.id), purpose, record.secret_generation) not in run.text

    def test_every_verb_does_its_work_and_a_second_time_nothing(self, tenants: Tenants) -> None:
        name = tenants.made()
        assert tenants.do("provision", name).changed == 0
        note = tenants.log_in(name).create("res.partner", {"name": "written before"})
        for verb, status, answer in (
            ("suspend", Status.PAUSED, 503),
            ("resume", Status.RUNNING, 200),
            ("stop", Status.STOPPED, 503),
            ("start", Status.RUNNING, 200),
            ("terminate", Status.TERMINATED, 404),
        ):
            record = tenants.record(name)
            if verb == "terminate":
                assert tenants.log_in(name).read("res.partner", note, ["name"])["name"] == "written before"
            foretold = tenants.run(verb, name, check=True)
            assert tenants.record(name) == record, f"{verb}: check mode changes nothing"
            done = tenants.do(verb, name)
            assert (done.changed, changes_of(done.results)) == (foretold.changed, changes_of(foretold.results))
            assert done.changed > 0
            assert tenants.ask(name).status_code == answer
            assert tenants.record(str(record.id)).status is status
            assert tenants.do(verb, str(record.id)).changed == 0, f"{verb}, a second time"

    def test_restart_is_a_new_process_with_the_same_data(self, tenants: Tenants, tenant: str) -> None:
        before = tenants.process(tenants.record(tenant))
        tenants.do("restart", tenant)
        assert tenants.process(tenants.record(tenant)) != before
        assert tenants.ask(tenant).status_code == 200

    def test_the_suspended_page(self, tenants: Tenants, tenant: str) -> None:
        other = tenants.made()
        tenants.do("suspend", tenant)
        for method, path in (("GET", "/"), ("GET", "/web/login"), ("POST", "/jsonrpc"), ("GET", "/web/database/manager")):
            answer = tenants.ask(tenant, path, method)
            assert (answer.status_code, answer.headers["Cache-Control"]) == (503, "no-store")
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
            assert "This site is suspended" in answer.text
        assert tenants.ask(other).status_code == 200, "the others go on"
        tenants.do("resume", tenant)
        assert tenants.ask(tenant).status_code == 200

    @pytest.mark.parametrize(
        ("verb", "more", "words"),
        [
            ("provision", {}, ["there is no tenant", "customer="]),
            ("suspend", {}, ["there is no tenant"]),
            ("terminate", {}, ["there is no tenant"]),
            ("provision", {"customer": "c1", "plan": "no-such-plan"}, ["unknown plan 'no-such-plan'", "basic-monthly"]),
        ],
    )
    def test_what_is_unknown_is_named(self, tenants: Tenants, verb: str, more: dict[str, Any], words: list[str]) -> None:
        name = tenants.name()
        run = tenants.run(verb, name, **more)
        assert run.failure is not None
        assert all(word in run.failure["msg"] for word in [*words]), run.failure["msg"]
        assert tenants.find(name) is None

    def test_a_subdomain_is_held_to_the_rules(self, tenants: Tenants, tenant: str) -> None:
        illegal = tenants.run("provision", "not_a_label", customer="c1", plan="basic-monthly")
        taken = tenants.run("provision", tenant, customer="somebody else", plan="basic-monthly")
        assert illegal.failure is not None
        assert "illegal subdomain" in illegal.failure["msg"]
        assert taken.failure is not None
        assert taken.changed == illegal.changed == 0
        assert tenants.ask(tenant).status_code == 200

    def test_an_illegal_transition_is_refused_and_harms_nothing(self, tenants: Tenants, tenant: str) -> None:
        for verb in ("resume", "start"):
            assert tenants.do(verb, tenant).changed == 0, f"{verb} of what runs has nothing to do"
        tenants.do("suspend", tenant)
        run = tenants.run("stop", tenant)
        assert run.failure is not None
        assert "cannot stop a tenant that is paused" in run.failure["msg"]
        assert tenants.record(tenant).status is Status.PAUSED
        tenants.do("resume", tenant)

    def test_terminated_data_is_kept_without_a_way_in_and_the_name_is_free(self, tenants: Tenants) -> None:
        name = tenants.made()
        old = tenants.record(name)
        tenants.do("terminate", name)
        assert tenants.traces(old) == ALL_THERE | {"processes": 0, "routes": 0, "pooler": 0}
        folder = next(tenants.local.home.glob(f"odoo_instances/*{old.short_id}"))
        assert not (folder / "odoo.conf").exists()
        assert list((folder / "filestore").iterdir())
        tenants.do("provision", name, customer="another customer", plan="basic-monthly")
        new = tenants.record(name)
        assert new.id != old.id
        assert tenants.do("terminate", str(old.id)).changed == 0, "the old one's end leaves its successor alone"
        assert tenants.ask(name).status_code == 200
        assert tenants.traces(new) == ALL_THERE

    def test_terminated_data_can_be_dropped_at_once(self, tenants: Tenants) -> None:
        name = tenants.made()
        record = tenants.record(name)
        tenants.do("terminate", name, odoo_tenant_keep_data=False)
        assert tenants.traces(record) == NOTHING
