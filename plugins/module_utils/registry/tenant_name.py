# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What people call a tenant, in SQL."""

from __future__ import annotations

#: Tenant.name of a row of tenant.tenants that a query calls t.
NAME = "coalesce(t.subdomain, t.short_id)"
#: Tenant.reference of such a row.
REFERENCE = "coalesce(t.subdomain, t.id::text)"
