# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The statuses of a tenant: what it is, and what it should be (mission: tenant lifecycle)."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """tenant.tenants.status."""

    CREATING = "creating"
    WAITING_FOR_DATABASE = "waiting_for_database"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    PAUSED = "paused"
    MIGRATING = "migrating"
    TERMINATED = "terminated"
    ERROR = "error"


class Provisioning(StrEnum):
    """tenant.tenants.provisioning_status."""

    PENDING = "pending"
    PROVISIONING = "provisioning"
    READY = "ready"
    TERMINATED = "terminated"


class Billing(StrEnum):
    """tenant.tenants.billing_status."""

    TRIAL = "trial"
    PAYMENT_REQUIRED = "payment_required"
    PAID = "paid"
    OVERDUE = "overdue"
    SUSPENDED = "suspended"


class Desired(StrEnum):
    """tenant.tenants.desired_state: what Kill Bill says the tenant should be, or that it has no say (`manual`).

    Only the sync with Kill Bill writes it, never a verb. A verb by hand on a tenant that Kill Bill speaks for is
    therefore carried out, and holds until the next sync of the account: what Kill Bill says wins in the end. To keep a
    paying customer's tenant suspended, suspend the subscription in Kill Bill.
    """

    WAITING = "waiting"
    RUNNING = "running"
    SUSPENDED = "suspended"
    TERMINATED = "terminated"
    MANUAL = "manual"
