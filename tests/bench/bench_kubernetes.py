"""The objects of 10,000 tenants in one cluster, made as in production, against bare server-side applies of the same objects.

Ours is what every verb that runs Odoo does for it in a cluster (role odoo_tenant, tasks/kubernetes/apply.yml): the role's
templates, the nouns kubernetes_objects and kubernetes_ready, as the account that playbooks have. A playbook does it for its
hosts, which are tenants. The rest of provisioning is left out: it has no object (the registry's records, which are given as
variables, a database, a folder on the shared file system) or needs an Odoo, where kwok has only pods that are said to be
ready (the wait for its first answer). Both sides do one tenant after the other, as a worker does, and wait until its
Deployment is available; ours also starts ansible-playbook. What only fills the cluster is made several at a time. The bare
side's tenants come on top of the number.

Kubernetes' controllers go through all of a namespace for each of its Deployments and Services, again and again, so what both
sides wait for takes longer the more tenants there are. What the platform adds to that is shown on its own in the end.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.kubernetes.ownership import owned, prune
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import database_name, short_id
from ansible_collections.saasodoo.platform.plugins.module_utils.waiting import Look, wait_until
from tests.bench.comparison import Comparison, seconds_of
from tests.cluster.cluster import Cluster
from tests.cluster.controllers import Manifest, Objects
from tests.fixtures.ansible import Run, run_playbook
from tests.fixtures.kubernetes_platform import NAMESPACE, Backed, as_account, claim_of_home, home_volume

_COUNTS = (100, 1_000, 10_000)
_BATCH, _RUNS = 16, 5  # tenants measured in one run, how often
_REST = 5  # seconds before each run
_FILL, _FORKS = 250, 4  # tenants of a run that only fills, how many at a time
_LIMIT = 5400  # seconds for all
_PATIENCE, _PAUSE = 120, 0.01  # seconds
_PLAYBOOK = Path(__file__).with_name("kubernetes.playbook.yml")
_HOSTS = "--inventory=inventories/local/hosts.yml"  # with its variables, without the fleet of a registry
_ODOO = "19.0"
_DIFFERS = {"without_demo": "True", "server_wide_modules": ["base", "web", "saasodoo_isolation"]}
_KINDS = (("v1", "Secret"), ("v1", "Service"), ("apps/v1", "Deployment"), ("networking.k8s.io/v1", "Ingress"))


def run(cluster: Cluster, counts: Sequence[int] = _COUNTS) -> Iterator[Comparison]:
    """Measure both sides in turn where the first, the next and the last of these numbers of tenants is reached."""
    ours, added = {}, {}
    with _fleet(cluster) as fleet:
        for count in counts:
            fleet.grow_to(count - _RUNS * _BATCH)
            pairs = [(_rested(lambda: fleet.make(_BATCH, 1)), _rested(lambda: fleet.apply_bare(_BATCH))) for _ in range(_RUNS)]
            ours[count], bare = [one for one, _ in pairs], [other for _, other in pairs]
            added[count] = [one - other for one, other in pairs]
            yield Comparison(f"a tenant's objects, {count:,} tenants there", ours[count], "bare applies and the wait", bare)
    first, last = counts[0], counts[-1]
    for what, seconds in (("a tenant's objects", ours), ("what the platform adds to bare applies and the wait", added)):
        yield Comparison(f"{what}, {last:,} tenants there", seconds[last], f"{first:,} tenants there", seconds[first])


def _rested(measure: Callable[[], float]) -> float:
    """Measure when Kubernetes has done what it was left with by the run before, which is the other side's."""
    time.sleep(_REST)
    return measure()


class _Fleet:
    """Tenants, as far as the cluster's API knows of them."""

    def __init__(self, environment: dict[str, str], account: Objects, home: Path) -> None:
        self._environment, self._account, self._home = environment, account, home
        self._end = time.monotonic() + _LIMIT
        self._count = 0
        self._model = ""  # one tenant's objects as they were given, and the id in them
        self._model_id = ""

    def grow_to(self, count: int) -> None:
        """Make tenants until there are so many."""
        while self._count < count:
            seconds = self.make(min(_FILL, count - self._count), _FORKS)
            sys.stderr.write(f"{self._count:,} tenants, the last ones {seconds * 1000:.0f} ms each\n")

    def make(self, number: int, forks: int) -> float:
        """Make so many tenants' objects as in production, ``forks`` at a time; return the seconds for each."""
        if time.monotonic() > self._end:
            raise TimeoutError(f"{self._count} tenants after {_LIMIT} s")
        hosts = {f"t{short_id(each)}": {"_odoo_tenant_found": _found(each)} for each in (uuid.uuid4() for _ in range(number))}
        inventory = self._home / "tenants.json"
        inventory.write_text(json.dumps({"tenants": {"hosts": hosts}}))
        done: list[Run] = []
        arguments = (_HOSTS, f"--inventory={inventory}", f"--forks={forks}")
        seconds = seconds_of(lambda: done.append(run_playbook(_PLAYBOOK, *arguments, environment=self._environment)))
        assert done[0].rc == 0, done[0].failure or done[0].text[-2000:]
        assert sum(bool(each.get("changed")) for each in done[0].results) == number
        self._count += number
        if not self._model:
            self._model_id = next(iter(hosts)).removeprefix("t")
            self._model = json.dumps([self._as_given(*kind) for kind in _KINDS])
        return seconds / number

    def apply_bare(self, number: int) -> float:
        """Apply the same objects for so many more tenants, each object by one request; return the seconds for each."""

        def apply() -> None:
            for _ in range(number):
                self._apply(short_id(uuid.uuid4()))

        return seconds_of(apply) / number

    def _apply(self, tenant: str) -> None:
        for manifest in json.loads(self._model.replace(self._model_id, tenant)):
            self._account.apply(manifest, "bare")

        def look() -> Look:
            found = self._account.get("apps/v1", "Deployment", f"odoo-{tenant}", NAMESPACE) or {}
            return Look(found.get("status", {}).get("availableReplicas") == 1, "it is not available")

        wait_until(f"odoo-{tenant}", look, timeout=_PATIENCE, pause=_PAUSE)

    def _as_given(self, api_version: str, kind: str) -> Manifest:
        """Return an object of the first tenant as the API server wrote down that it was given."""
        found = self._account.get(api_version, kind, f"odoo-{self._model_id}", NAMESPACE)
        assert found is not None
        given = prune(found, owned(found))
        place = {key: found["metadata"][key] for key in ("name", "namespace")}
        return {**given, "apiVersion": api_version, "kind": kind, "metadata": given["metadata"] | place}


@contextmanager
def _fleet(cluster: Cluster) -> Iterator[_Fleet]:
    """Make the namespace as an operator would, and what the role reads of a platform's home."""
    with tempfile.TemporaryDirectory(prefix="saasodoo-bench-") as folder, closing(Objects(str(cluster.kubeconfig))) as objects:
        home, backed = Path(folder), Backed(cluster.kubeconfig, objects, [])
        environment = {"KUBECONFIG": str(cluster.kubeconfig), "SAASODOO_HOME": folder}
        with home_volume(backed, NAMESPACE, home):
            variables = {"saasodoo_backend": "kubernetes", **claim_of_home(NAMESPACE)}
            made = run_playbook("playbooks/cluster.yml", _HOSTS, extra_vars=variables, environment=environment)
            assert made.rc == 0, made.failure or made.text[-2000:]
            _furnish(home)
            account = as_account(backed, home / "account.kubeconfig")
            with closing(Objects(str(account))) as client:
                yield _Fleet(environment | {"KUBECONFIG": str(account)}, client, home)


def _furnish(home: Path) -> None:
    key, release = home / "secrets/platform.key", home / f"runtime/odoo-{_ODOO}/release.json"
    for file in (key, release):
        file.parent.mkdir(parents=True)
        file.touch(mode=0o600)
    key.write_text(uuid.uuid4().hex * 2)
    addons = [str(release.with_name("addons"))]
    release.write_text(json.dumps({"version": _ODOO, "addons_path": addons, "health_path": "/web/health", **_DIFFERS}))


def _found(tenant: uuid.UUID) -> dict[str, Any]:
    """Return what the nouns about a tenant would, as far as its objects are made from it: one of plan basic-monthly."""
    name = database_name("bench", tenant)
    record = {
        "id": str(tenant),
        "short_id": short_id(tenant),
        "subdomain": f"t{short_id(tenant)}",
        "database_name": name,
        "data_directory": f"odoo_data_{name}_{short_id(tenant)}",
        "http_port": 22000,
        "odoo_version": _ODOO,
        "secret_generation": 1,
    }
    server = {"pooler_host": f"pool-1-pooler.{NAMESPACE}.svc.cluster.local", "pooler_port": 6432}
    return {"tenant": record, "entitlement": {"cpu_limit": 2.0, "memory_bytes": 4 * 2**30}, "server": server}
