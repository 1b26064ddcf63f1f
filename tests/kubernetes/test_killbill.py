"""Kill Bill with its MariaDB in pods, set up by the role as it sets up any, and beside them a fake of Kaui."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import PlatformError
from ansible_collections.saasodoo.platform.plugins.module_utils.killbill.api import Api
from ansible_collections.saasodoo.platform.plugins.module_utils.killbill.setup import read_callbacks, read_overdue, read_tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.platform_key import derive, read_platform_key
from demo.customer import Customer
from demo.timeline import wait_until
from tests.cluster.cluster import Cluster
from tests.cluster.controllers import Said, in_pod
from tests.fixtures.ansible import run_tasks
from tests.fixtures.images import Images
from tests.fixtures.kubernetes_operator import KAUI, Operator, empty_platform
from tests.fixtures.kubernetes_platform import UID, Backed

pytestmark = [pytest.mark.kubernetes, pytest.mark.long, pytest.mark.timeout(600)]

_PATIENCE = 180  # seconds; the machine may be busy
_POD = "mariadb-0"
_KILLBILL = ("killbill", "database", "killbill")
_KAUI_SCHEMA = ("kaui_schema", "kaui-schema", "kaui")


@pytest.fixture(scope="module")
def operator(kubernetes_node: Cluster, kubernetes_backed: Backed, kubernetes_images: Images) -> Iterator[Operator]:
    """A namespace with operators and the platform key, and nothing else."""
    for each in (kubernetes_images.platform, kubernetes_images.mariadb, kubernetes_images.killbill, kubernetes_images.kaui):
        kubernetes_node.import_archive(each.archive)
    names = kubernetes_images.names("odoo", "pgbouncer", "platform", "postgres", "mariadb", "killbill", "kaui")
    with empty_platform(kubernetes_backed, names, "saasodoo-billing") as made:
        key = made.home / "secrets/platform.key"
        key.parent.mkdir(mode=0o711)
        key.touch(mode=0o600)
        key.write_text(os.urandom(32).hex())
        for path in (key.parent, key):
            os.chown(path, int(UID), int(UID))
        yield made


@pytest.fixture(scope="module")
def foretold(operator: Operator) -> list[str]:
    """What check mode says on an empty namespace."""
    before = objects(operator)
    run = operator.play("billing", check=True)
    assert run.rc == 0, (run.failure or {}).get("msg", run.text)
    assert objects(operator) == before
    assert not (operator.home / "secrets/killbill.json").exists()
    return [each["task"] for each in run.results if each.get("changed")]


@pytest.fixture(scope="module")
def billing(operator: Operator, foretold: list[str]) -> Operator:
    """The platform with Kill Bill up."""
    run = operator.play("billing")
    assert run.rc == 0, (run.failure or {}).get("msg", run.text)
    assert [each["task"] for each in run.results if each.get("changed")] == foretold
    return operator


def objects(operator: Operator) -> list[str]:
    """Return what there is of workloads and Secrets."""
    kinds = [("v1", "Secret"), ("v1", "Service"), ("apps/v1", "Deployment"), ("apps/v1", "StatefulSet")]
    return [
        f"{kind}/{each['metadata']['name']}"
        for version, kind in kinds
        for each in operator.cluster.objects.all(version, kind)
        if each["metadata"]["namespace"] == operator.namespace
    ]


def sql(operator: Operator, login: tuple[str, str, str], statement: str) -> Said:
    """Run a statement in MariaDB's pod as one of its users: name, what its password is derived for, database."""
    user, purpose, database = login
    password = derive(read_platform_key(operator.home / "secrets/platform.key"), "killbill", purpose)
    words = ["mariadb", "--no-defaults", "--host=127.0.0.1", f"--user={user}", f"--password={password}", "--batch"]
    return in_pod(
        operator.cluster.objects, operator.namespace, _POD, *words, "--skip-column-names", f"--execute={statement}", database
    )


def ready(operator: Operator, kind: str, name: str, timeout: int = _PATIENCE) -> dict[str, Any]:
    """Wait until a workload is ready, as the role does; return what that said."""
    wanted = {"api_version": "apps/v1", "kind": kind, "name": name, "namespace": operator.namespace}
    task = {"objects": [wanted], "timeout": timeout, "kubeconfig": str(operator.cluster.kubeconfig)}
    return run_tasks([{"saasodoo.platform.kubernetes_ready": task}])[0]


def running(operator: Operator, component: str) -> list[dict[str, Any]]:
    """Return the pods of a component that are not going."""
    return [
        each
        for each in operator.cluster.objects.all("v1", "Pod")
        if each["metadata"]["namespace"] == operator.namespace
        and each["metadata"]["labels"].get("app.kubernetes.io/component") == component
        and not each["metadata"].get("deletionTimestamp")
    ]


def replace_pod(operator: Operator, component: str) -> None:
    """Kill the pod of a component and wait until another has its place."""
    (old,) = running(operator, component)
    operator.cluster.objects.kill_pod(old["metadata"]["name"], operator.namespace)
    wait_until(
        f"another {component}",
        lambda: [each for each in running(operator, component) if each["metadata"]["uid"] != old["metadata"]["uid"]] != [],
        _PATIENCE,
    )


def test_check_mode_foretells_all_of_it(foretold: list[str]) -> None:
    assert len(foretold) == 8, foretold


def test_the_role_sets_it_up_through_its_service(billing: Operator) -> None:
    api = Api(billing.killbill())
    assert read_tenant(api).id
    assert "basic-monthly" in api.get_xml("/1.0/kb/catalog/xml")
    assert len(read_overdue(api)) > 1
    (callback,) = read_callbacks(api)
    assert callback.startswith(f"http://runner.{billing.namespace}.svc.cluster.local:21090/api/billing/webhook/")


def test_playing_it_again_changes_nothing(billing: Operator) -> None:
    for check in (False, True):
        run = billing.play("billing", check=check)
        assert (run.rc, run.changed) == (0, 0), [each for each in run.results if each.get("changed")]


def test_a_customer_pays_and_a_killed_mariadb_comes_back_with_it(billing: Operator) -> None:
    customer = Customer(Api(billing.killbill()))
    name = f"kept-{uuid.uuid4().hex[:6]}"
    account = customer.create_account(name, email=f"{name}@example.com")
    customer.add_payment_method(account)
    customer.set_payments("succeed")
    customer.subscribe(account, "basic-immediate", name)

    def balance() -> Any:
        return Api(billing.killbill()).get(f"/1.0/kb/accounts/{account}", accountWithBalance="true")

    def invoices() -> Any:
        return Api(billing.killbill()).get(f"/1.0/kb/accounts/{account}/invoices")

    wait_until("it is paid", lambda: invoices() and not float(balance()["accountBalance"]), _PATIENCE)
    replace_pod(billing, "mariadb")
    assert not ready(billing, "StatefulSet", "mariadb").get("failed")

    def kept() -> None:
        assert (balance()["externalKey"], float(balance()["accountBalance"]), len(invoices())) == (name, 0.0, 1)

    # It may answer once before its Service takes note that it has no database.
    wait_until("Kill Bill has its database again", lambda: answers(kept), _PATIENCE)
    assert running(billing, "killbill")[0]["status"]["containerStatuses"][0]["restartCount"] == 0, "it waited"


def answers(ask: Any) -> bool:
    try:
        ask()
    except PlatformError:  # what Kill Bill says without its database
        return False
    return True


@pytest.mark.parametrize(
    ("login", "statement", "said"),
    [
        (_KILLBILL, "SELECT count(*) > 60 FROM information_schema.tables WHERE table_schema = 'killbill'", "1"),
        (_KILLBILL, "CREATE TABLE x (a int)", "denied"),
        (_KILLBILL, "SELECT 1 FROM kaui.kaui_users", "denied"),
        (("killbill_schema", "schema", "mysql"), "SELECT 1", "denied"),
        (("kaui", "kaui-database", "kaui"), "SHOW TABLES LIKE 'kaui%'", "kaui_tenants\nkaui_users"),
        (("kaui", "kaui-database", "killbill"), "SELECT 1", "denied"),
        (("root", "admin", "mysql"), "SELECT 1", "denied"),
    ],
)
def test_each_component_may_what_it_needs(billing: Operator, login: tuple[str, str, str], statement: str, said: str) -> None:
    done = sql(billing, login, statement)
    assert said in done.output + done.errors


def test_an_operator_backs_it_up_in_its_pod(billing: Operator) -> None:
    words = ["mariadb-dump", "--defaults-file=/etc/saasodoo/killbill.cnf", "--single-transaction", "killbill", "tenants"]
    dump = in_pod(billing.cluster.objects, billing.namespace, _POD, *words)
    assert (dump.status, "INSERT INTO `tenants`" in dump.output) == (0, True), dump.errors


def test_fake_kaui_is_reached_by_its_service_and_its_address(billing: Operator) -> None:
    page = requests.get(f"http://{billing.address('kaui')}/users/sign_in", timeout=10)
    assert (page.status_code, page.text) == (200, "the page of a fake Kaui")
    by_address = f"http://127.0.0.1:{billing.cluster.proxy}/users/sign_in"

    def look() -> bool:
        return requests.get(by_address, headers={"Host": KAUI}, timeout=10).text == page.text

    wait_until("the proxy leads there", look, _PATIENCE)


def test_a_schema_whose_load_was_killed_is_made_anew(billing: Operator) -> None:
    torn = "UPDATE saasodoo_schemas SET loaded = false; DROP TABLE kaui_tenants; CREATE INDEX torn ON kaui_users (id)"
    assert sql(billing, _KAUI_SCHEMA, torn).status == 0
    replace_pod(billing, "kaui")
    state = "SELECT loaded FROM saasodoo_schemas"
    wait_until("it is whole", lambda: sql(billing, _KAUI_SCHEMA, state).output.strip() == "1", _PATIENCE)
    assert sql(billing, _KAUI_SCHEMA, "SHOW TABLES").output.split() == ["kaui_tenants", "kaui_users", "saasodoo_schemas"]
    assert "torn" not in sql(billing, _KAUI_SCHEMA, "SHOW INDEX FROM kaui_users").output


def test_a_schema_of_another_hand_is_left_alone_and_the_operator_reads_why(billing: Operator) -> None:
    assert sql(billing, _KAUI_SCHEMA, "DELETE FROM saasodoo_schemas").status == 0
    replace_pod(billing, "kaui")
    said = ready(billing, "Deployment", "kaui", timeout=20)
    assert "2 of its tables are there, and nobody has written down that they are whole" in said["msg"]

    assert sql(billing, _KAUI_SCHEMA, "INSERT INTO saasodoo_schemas VALUES ('kaui', true)").status == 0
    assert not ready(billing, "Deployment", "kaui").get("failed")
