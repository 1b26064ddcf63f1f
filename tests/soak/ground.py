"""What is soaked: three pools and 20 tenants on a platform that also sells, and the ways to all of it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from uuid import UUID

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.server.allocation_settings import AllocationSettings
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.server.database_server import Server
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.operation import Stage
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Billing, Status
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.verb import Verb
from ansible_collections.saasodoo.platform.plugins.module_utils.odoo import database as odoo_database
from ansible_collections.saasodoo.platform.plugins.module_utils.odoo import instance as odoo_instance
from ansible_collections.saasodoo.platform.plugins.module_utils.odoo.database import TenantDatabase
from ansible_collections.saasodoo.platform.plugins.module_utils.odoo.instance import Instance
from ansible_collections.saasodoo.platform.plugins.module_utils.pgbouncer.databases import Entry, PgBouncer
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import Address
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import allocations, servers, tenants
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import connection as registry
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.platform_key import read_platform_key
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.tenant import tenant_secrets
from demo.platform import Platform
from demo.timeline import wait_until
from tests.fixtures import customers
from tests.fixtures.platform import LocalPlatform
from tests.fixtures.tenants import Tenants
from tests.soak import plan

_SIZES = {"max_instances": 50, "cpu_limit": 1, "memory_limit": "1GB"}
_POOLS = [{"name": name, **_SIZES} for name in ("pool-1", *plan.POOLS)]
#: A lost event is found, and a server's health looked at, within a minute instead of five.
_OFTEN = {"saasodoo_runner_sweep": "* * * * *", "saasodoo_runner_health": "* * * * *"}
_PATIENCE = 300  # seconds
_TEMPLATE = "SELECT datname AS name FROM pg_database WHERE datistemplate AND datname LIKE 'odoo_template_%'"


@dataclass
class Ground:
    """One platform with its 20 tenants; ``mark`` begins their names."""

    local: LocalPlatform
    mark: str
    subscriptions: dict[int, tuple[UUID, UUID]] = field(default_factory=dict)

    @cached_property
    def tenants(self) -> Tenants:
        """The platform's playbooks and visitors."""
        return Tenants(self.local)

    @cached_property
    def shop(self) -> Platform:
        """The platform as customers meet it."""
        return Platform.here(self.local.environment)

    @cached_property
    def key(self) -> bytes:
        """Where all secrets come from."""
        return read_platform_key(self.tenants.platform_key_file)

    @property
    def home(self) -> Path:
        """The platform's folder."""
        return self.local.home

    def fleet(self) -> dict[str, Server]:
        """Return the servers by name."""
        with registry.connect(self.tenants.registry) as connection:
            return {each.name: each for each in servers.fleet(connection)}

    def address(self, server: Server) -> Address:
        """Return the platform's own way to a server."""
        return Address(server.host, server.port, server.name, self.key)

    def home_of(self, name: str) -> Server:
        """Return the server that the tenant lives on."""
        with registry.connect(self.tenants.registry) as connection:
            found = servers.of_tenant(connection, tenants.find(connection, name).id)
        assert found is not None, f"{name} has no server"
        return self.fleet()[found.name]

    def supervise(self, what: str, process: str) -> str:
        """Have the process manager do something with a process, and return what it says."""
        program, socket = Path(sys.executable).with_name("supervisorctl"), self.home / "supervisor/supervisor.sock"
        command = [str(program), "-s", f"unix://{socket}", what, process]
        return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False).stdout.strip()

    def prepare(self) -> None:
        """Make pools and tenants: the customers' for real, an operator's as their provisioning and a stop leave them."""
        for playbook, variables in (
            ("postgres_pools", {"saasodoo_postgres_pools": _POOLS}),
            ("odoo_templates", {}),
            ("runner", _OFTEN),
        ):
            done = self.local.play(playbook, **variables)
            assert done.rc == 0, (done.failure or {}).get("msg", done.text[-2000:])
        self.shop.customer.set_payments("succeed")
        customers = [tenant for tenant in plan.first() if tenant.is_customer]
        for tenant in customers:
            self.subscribe(tenant)
        for tenant in plan.first():  # one after the other: who reloads a PgBouncer is another user meanwhile, the whole process
            if not tenant.is_customer:
                self._made_by_hand(tenant)
        for tenant in customers:
            wait_until(f"{tenant.name(self.mark)} is there", partial(self._is_there, tenant.name(self.mark)), _PATIENCE)

    def subscribe(self, tenant: plan.Tenant) -> None:
        """Let a customer subscribe."""
        name = tenant.name(self.mark)
        self.subscriptions[tenant.number] = customers.subscribe(self.shop.customer, tenant.plan, name)

    def _is_there(self, name: str) -> bool:
        found = self.tenants.find(name)
        return found is not None and found.status is Status.RUNNING and found.operation is None

    def _made_by_hand(self, tenant: plan.Tenant) -> None:
        pool = plan.SMALL if tenant.number % 8 == 0 else plan.POOLS[tenant.number % 2]
        server = self.fleet()[pool]
        with registry.connect(self.tenants.registry, autocommit=True) as connection:
            ports = range(self.tenants.port_base + 1000, self.tenants.port_base + 3999)
            made = tenants.create(
                connection,
                subdomain=tenant.name(self.mark),
                customer_id=f"customer of {tenant.number}",
                plan_name=tenant.plan,
                odoo_version="19.0",
                ports=ports,
                billing_status=Billing.PAID,
            )
            tenants.operate(connection, made.id, Verb.PROVISION, Stage.BEGUN)
            request = allocations.request_of(connection, str(made.id), only=pool)
            allocations.allocate(connection, request, AllocationSettings(ports[0], ports[-1]), in_use=True)
            tenants.operate(connection, made.id, Verb.PROVISION, Stage.STARTING)
            self._equip(made, server)
            tenants.operate(connection, made.id, Verb.PROVISION, Stage.FINISHED)
            tenants.operate(connection, made.id, Verb.STOP, Stage.BEGUN)
            tenants.operate(connection, made.id, Verb.STOP, Stage.FINISHED)

    def _equip(self, made: Tenant, server: Server) -> None:
        """Make database, way through PgBouncer and files."""
        address, name = self.address(server), made.database_name
        secrets = tenant_secrets(self.key, str(made.id), made.secret_generation)
        with address.connect() as connection:
            row = connection.execute(_TEMPLATE).fetchone()
        assert row is not None, f"{server.name} has no template"
        url = f"http://{made.subdomain}.localhost:{self.tenants.proxy_port}"
        parameters = {"web.base.url": url, "web.base.url.freeze": "True", "report.url": f"http://127.0.0.1:{made.http_port}"}
        odoo_database.converge(address, TenantDatabase(name, row["name"], parameters, 20), secrets, check=False)
        entry = Entry(name, name, secrets.role_verifier, port=server.port)
        PgBouncer(self.home / "pgbouncer" / server.name).ensure(entry, present=True, must_run=True, check=False)
        (filestore,) = self.home.glob(f"odoo_templates/{row['name'].removeprefix('odoo_template_')}/filestore")
        folder = self.home / "odoo_instances" / made.data_directory
        user = next(self.home.glob("pgbouncer/*")).owner()
        odoo_instance.ensure(Instance(folder, user, name, {}, {}, template_filestore=filestore))
