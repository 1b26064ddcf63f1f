# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fleet of tenants as an inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet
short_description: The fleet of tenants, from the registry
version_added: "0.1.0"
description:
  - Lists every tenant that is not terminated as a host, named by its subdomain (by its short id where it has none).
  - The groups are C(tenants) with everyone, C(plan_*), C(database_shared) and C(database_dedicated), C(server_*), C(status_*) and
    C(billing_*); characters other than letters, digits and C(_) become C(_).
  - A host's variables, C(tenant_*), are what the registry knows of the tenant. None is a secret.
  - It connects as a user that may only read, in a session that may only read.
  - The file must be named C(fleet.yml) or C(fleet.yaml).
author:
  - SaaSOdoo developers (@saasodoo)
requirements:
  - psycopg 3
options:
  plugin:
    description: This plugin.
    type: str
    required: true
    choices: [saasodoo.platform.fleet]
  registry:
    description:
      - Connection string of the registry in libpq form, with C(user) and C(passfile), never a password.
      - It may be a template of what C(group_vars/all) beside the inventory file, and extra variables, hold.
    type: str
    required: true
    env:
      - name: SAASODOO_INVENTORY_REGISTRY
  tenant:
    description:
      - Only this tenant (subdomain or id); what a run uses, since reading the whole fleet takes seconds when it is large.
      - The extra variable C(tenant), which every tenant playbook takes, is used where the option is not given.
    type: raw
    env:
      - name: SAASODOO_TENANT
    vars:
      - name: tenant
  as_of:
    description:
      - The fleet as it was at this moment, in ISO 8601; UTC where no offset is given.
      - Servers are those of that moment too.
    type: str
    env:
      - name: SAASODOO_AS_OF
    vars:
      - name: saasodoo_as_of
  strict:
    description:
      - Whether a registry that can't be read is an error. Otherwise it is a warning, and the fleet is empty, so that the
        playbook that makes the registry can use this inventory.
      - Ansible ends on such an error where C(any_unparsed_is_failed) is set, as the project's ansible.cfg does.
    type: bool
    default: false
    env:
      - name: SAASODOO_INVENTORY_STRICT
"""

EXAMPLES = r"""
# inventories/local/fleet.yml
plugin: saasodoo.platform.fleet
registry: >-
  host={{ saasodoo_registry_host }} port={{ saasodoo_port_registry }} dbname=saasodoo user=saasodoo_inventory
  passfile={{ saasodoo_home }}/secrets/registry/inventory.pgpass
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.template import Templar, trust_as_template
from ansible.vars.plugins import get_vars_from_path
from psycopg.conninfo import conninfo_to_dict

from ..module_utils.domain.tenant.subdomain import check_reference
from ..module_utils.errors import InvalidInput, PlatformError
from ..module_utils.registry import fleet
from ..module_utils.registry.connection import connect
from ..module_utils.registry.fleet import Placed
from ..plugin_utils.tenant import as_dict

_PLAIN = re.compile(r"[\w .:@+/-]*")
_FILES = ("fleet.yml", "fleet.yaml")
_VARIABLES = {
    "id": "tenant_id",
    "short_id": "tenant_short_id",
    "subdomain": "tenant_subdomain",
    "customer_id": "tenant_customer",
    "plan_name": "tenant_plan",
    "status": "tenant_status",
    "provisioning_status": "tenant_provisioning",
    "billing_status": "tenant_billing",
    "desired_state": "tenant_desired",
    "operation": "tenant_operation",
    "cancel_at": "tenant_cancel_at",
    "database_name": "tenant_database",
    "http_port": "tenant_http_port",
    "odoo_version": "tenant_odoo_version",
    "created_at": "tenant_created_at",
}


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]
    """Reads the fleet and adds it to the inventory."""

    NAME = "saasodoo.platform.fleet"

    def verify_file(self, path: str) -> bool:
        """Say whether the file is one of this plugin's, by its name."""
        return bool(super().verify_file(path)) and Path(path).name in _FILES

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Add the tenants. Raises AnsibleParserError when told to be strict, or told something that can't be."""
        super().parse(inventory, loader, path, cache)
        self._set_up = True
        self._read_config_data(path)
        try:
            registry = self._registry(path)
            self._set_up = Path(str(conninfo_to_dict(registry).get("passfile") or "/")).parent.exists()
            placed = self._read(_moment(self.get_option("as_of")), registry)
        except InvalidInput as error:
            self._complain(error, fatal=self.get_option("strict") or bool(self.get_option("as_of")))
        except (PlatformError, psycopg.Error) as error:
            self._complain(error, fatal=self.get_option("strict"))
        else:
            self.inventory.add_group("tenants")
            for tenant in placed:
                self._add(tenant)

    def _registry(self, path: str) -> str:
        """Return the connection string, rendered with the inventory's variables for all hosts and the extra variables."""
        everyone = [self.inventory.groups["all"]]
        variables = get_vars_from_path(self.loader, str(Path(path).parent), everyone, "task") | self._vars
        return str(Templar(loader=self.loader, variables=variables).template(self.get_option("registry"))).strip()

    def _read(self, moment: datetime | None, registry: str) -> list[Placed]:
        with connect(registry) as connection:
            connection.read_only = True
            asked = self.get_option("tenant")
            wanted = check_reference(asked) if asked else None
            return list(fleet.at(connection, moment, wanted) if moment else fleet.present(connection, wanted))

    def _complain(self, error: Exception, *, fatal: bool) -> None:
        message = f"the fleet can't be read: {str(error).strip()}"
        if fatal:
            raise AnsibleParserError(message) from error
        # Before the platform is set up there is nothing that could be told of.
        log = self.display.warning if self._set_up else self.display.vv
        log(f"{message}; no tenant is in the inventory")

    def _add(self, placed: Placed) -> None:
        tenant = as_dict(placed.tenant)
        host = tenant["name"]
        for group in _groups(placed):
            self.inventory.add_host(host, group=self.inventory.add_group(group))
        for name, variable in _VARIABLES.items():
            self.inventory.set_variable(host, variable, _clean(tenant[name]))
        self.inventory.set_variable(host, "tenant_server", _clean(placed.server))


def _groups(placed: Placed) -> Iterator[str]:
    yield "tenants"
    tenant = placed.tenant
    named = {"plan": tenant.plan_name, "database": placed.database_type, "server": placed.server}
    for kind, value in {**named, "status": tenant.status, "billing": tenant.billing_status}.items():
        if value:
            yield f"{kind}_{re.sub('[^A-Za-z0-9_]', '_', value)}"


def _clean(value: Any) -> Any:
    """Say of text that can't be a template that it may be handled like one; other text stays marked, and is never rendered.

    ansible-inventory writes marked text as ``{"__ansible_unsafe": ...}``, which would make every value unreadable.
    """
    return trust_as_template(value) if isinstance(value, str) and _PLAIN.fullmatch(value) else value


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput("as_of is no moment", found=text, expected="ISO 8601, such as 2026-01-31T12:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
