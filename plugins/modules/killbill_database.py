# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: killbill_database
short_description: The schema of Kill Bill's own database
version_added: "0.1.0"
description:
  - Makes the tables in Kill Bill's database in a PostgreSQL server, from what comes inside Kill Bill's war and plugins.
  - Role and database, both named C(killbill), are to be there.
  - A schema that is there is never changed.
options:
  war:
    description: Kill Bill's war file.
    type: path
    required: true
  plugins:
    description: Jars of plugins with a schema of their own.
    type: list
    elements: path
    default: []
  predict_new:
    description:
      - The server or the files may not be there yet. In check mode, say what the first run will make instead of failing.
      - Has no effect outside check mode.
    type: bool
    default: false
attributes:
  check_mode:
    description: Says what would change, and changes nothing.
    support: full
  diff_mode:
    description: Shows the number of tables before and after.
    support: full
extends_documentation_fragment:
  - saasodoo.platform.platform_key
  - saasodoo.platform.server
author:
  - SaaSOdoo developers (@saasodoo)
"""

EXAMPLES = r"""
- name: Make Kill Bill's tables, in its database beside the registry
  saasodoo.platform.killbill_database:
    war: /var/lib/saasodoo/killbill/lib/killbill.war
    server:
      name: registry
      port: 21032
    platform_key_file: /var/lib/saasodoo/secrets/platform.key
"""

RETURN = r"""
tables:
  description: How many tables of the schema are there now, or in check mode would be.
  type: int
  returned: success, unless check mode predicted the files themselves
  sample: 66
"""
