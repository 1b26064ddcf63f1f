"""Role killbill: what check mode predicts comes true, a second run changes nothing, and what Kill Bill knows survives."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import psutil
import pytest
import requests

from ansible_collections.saasodoo.platform.plugins.module_utils.killbill.api import Api
from ansible_collections.saasodoo.platform.plugins.module_utils.killbill.setup import read_callbacks, read_catalog
from demo.customer import Customer
from tests.conventions.project import load
from tests.fixtures.killbill import PLANS, KillBillServer, play_role, role_variables
from tests.fixtures.postgres import Cluster
from tests.fixtures.processes import seconds_to_stop

JETTY = load("roles/killbill/defaults/main.yml")["killbill_jetty_sha256"]


def test_a_second_run_changes_nothing(killbill_server: KillBillServer) -> None:
    run = killbill_server.play()
    assert (run.rc, run.changed) == (0, 0), run.text


def test_check_mode_of_a_second_run_predicts_nothing(killbill_server: KillBillServer) -> None:
    run = killbill_server.play(check=True)
    assert (run.rc, run.changed) == (0, 0), run.text


def test_check_mode_before_the_first_run_predicts_each_noun_and_makes_nothing(postgres: Cluster) -> None:
    home = Path(tempfile.mkdtemp(prefix="saasodoo-killbill-check-"))
    try:
        run = play_role(role_variables(home, postgres) | {"saasodoo_home": str(home / "new")}, check=True)
        assert run.rc == 0, run.text
        assert {
            "Configure Kill Bill",
            "Start Kill Bill",
            "Make the Kill Bill tenant",
            "Bring the catalog to the plans",
            "Set the overdue states",
            "Have events sent to the webhook runner",
        } <= set(run.changes)
        assert not (home / "new").exists()
    finally:
        shutil.rmtree(home)


def test_a_version_that_is_nowhere_is_told_with_what_and_from_where(tmp_path: Path, postgres: Cluster) -> None:
    run = play_role(role_variables(tmp_path, postgres) | {"killbill_version": "0.0.1", "saasodoo_cache": str(tmp_path / "cache")})
    said = run.results[-1]["msg"]
    assert run.rc != 0
    assert "Kill Bill (org.kill-bill.billing:killbill-profiles-killbill:0.0.1:war) could not be fetched from the Maven" in said
    assert "killbill-profiles-killbill:war:0.0.1" in said.partition("mvn said: ")[2]


def test_a_file_that_is_another_than_was_meant_is_refused(tmp_path: Path, postgres: Cluster) -> None:
    run = play_role(role_variables(tmp_path, postgres) | {"killbill_jetty_sha256": "0" * 64})
    assert "jetty-runner (org.eclipse.jetty:jetty-runner:" in str(run.failure)
    assert f"is not what it is meant to be; found: sha256 {JETTY}; expected: {'0' * 64}" in str(run.failure)
    assert not (tmp_path / "killbill").exists()


def test_a_crowd_of_customers_waits_for_its_turn(killbill_server: KillBillServer) -> None:
    """Each request takes several connections to the database, and those that had one each used to wait for the others'."""

    def come(name: str) -> UUID:
        customer = Customer(Api(killbill_server.access))
        account = customer.create_account(name)
        customer.add_payment_method(account)
        return customer.subscribe(account, "basic-monthly", name)

    names = [f"crowd-{uuid4().hex[:8]}" for _ in range(40)]
    with ThreadPoolExecutor(len(names)) as crowd:
        assert len({*crowd.map(come, names)}) == len(names)
    # They have waited for connections, which is no illness: a cluster would send it no more customers.
    assert requests.get(f"{killbill_server.access.url}/1.0/healthcheck", timeout=10).status_code == 200


def test_no_secret_is_in_the_output_or_in_a_file_others_can_read(killbill_server: KillBillServer) -> None:
    api = Api(killbill_server.access)
    callback_secret = read_callbacks(api)[0].rpartition("/")[2]
    run = killbill_server.play(saasodoo_killbill_callback_generation=2)
    assert run.changed == 1
    secrets = [killbill_server.access.password, killbill_server.access.api_secret, callback_secret]
    secrets.append(read_callbacks(api)[0].rpartition("/")[2])
    assert not [secret for secret in secrets if secret in run.text]
    commands = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert not [secret for secret in secrets if secret in commands]
    for file in killbill_server.home.rglob("*"):
        if file.is_file() and file.stat().st_mode & 0o077 and file.suffix not in (".war", ".jar"):
            content = file.read_bytes()
            assert not [secret for secret in secrets if secret.encode() in content], file
    assert killbill_server.play().changed == 1  # back to generation 1


def test_the_password_everyone_knows_does_not_work(killbill_server: KillBillServer) -> None:
    answer = requests.get(f"{killbill_server.access.url}/1.0/kb/nodesInfo", auth=("admin", "password"), timeout=10)
    assert answer.status_code == 401


def test_it_listens_at_its_port_on_loopback_and_nowhere_else(killbill_server: KillBillServer) -> None:
    connections = psutil.Process(_pid(killbill_server)).net_connections("inet")
    listening = {(each.laddr.ip.removeprefix("::ffff:"), each.laddr.port) for each in connections if each.status == "LISTEN"}
    assert listening == {("127.0.0.1", killbill_server.variables["saasodoo_port_killbill"])}


def test_what_kill_bill_knows_survives_a_kill(killbill_server: KillBillServer) -> None:
    api = Api(killbill_server.access)
    before = read_catalog(api)[0]
    pid = _pid(killbill_server)
    os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 90
    while time.monotonic() < end and not _healthy(killbill_server):
        time.sleep(0.2)
    assert _pid(killbill_server) != pid
    assert read_catalog(api)[0] == before
    assert killbill_server.play().changed == 0


def test_it_ends_in_time_although_its_database_is_frozen(killbill_server: KillBillServer, postgres: Cluster) -> None:
    postgres.freeze()
    try:
        assert seconds_to_stop(killbill_server.home, "killbill") < 10
    finally:
        postgres.kill()
        postgres.start()
    mended = killbill_server.play()
    assert (mended.rc, mended.changed) == (0, 1), mended.text


def test_unfit_plans_are_told_before_kill_bill_sees_them(killbill_server: KillBillServer) -> None:
    run = killbill_server.play(saasodoo_plans=[{**PLANS["saasodoo_plans"][0], "price": -1}])
    assert run.failure is not None
    assert "illegal price of plan 'basic-monthly'" in run.failure["msg"]


def test_a_kill_bill_that_does_not_come_up_is_told_and_mended_by_the_next_run(killbill_server: KillBillServer) -> None:
    run = killbill_server.play(killbill_memory="16m", killbill_start_timeout=5)
    assert run.rc != 0
    assert "did not come up within 5 s" in run.results[-1]["msg"]
    assert str(killbill_server.home / "log/killbill.log") in run.results[-1]["msg"]
    mended = killbill_server.play()
    assert mended.rc == 0, mended.text
    assert mended.changed == 1


def _healthy(server: KillBillServer) -> bool:
    try:
        return requests.get(f"{server.access.url}/1.0/healthcheck", timeout=5).status_code == 200
    except requests.RequestException:
        return False


def _pid(server: KillBillServer) -> int:
    found = subprocess.run(
        ["pgrep", "-f", f"server.properties=file://{server.home}/"], capture_output=True, text=True, check=False
    )
    if not found.stdout:
        pytest.fail("Kill Bill does not run")
    return int(found.stdout.split()[0])
