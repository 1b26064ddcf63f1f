# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: odoo_template_info
short_description: Whether a template database is on a Postgres server
version_added: "0.1.0"
description: Names the template of a combination of version, modules, language and country, and says whether it is ready.
attributes:
  check_mode:
    description: Only reads.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
options:
  timeout:
    description:
      - Seconds to wait for a server that does not answer, which recovers after a crash, say.
      - Check mode does not wait.
    type: int
    default: 60
extends_documentation_fragment:
  - saasodoo.platform.odoo_template
  - saasodoo.platform.server
  - saasodoo.platform.platform_key
author:
  - SaaSOdoo developers (@saasodoo)
"""

EXAMPLES = r"""
- name: Look whether the template for new tenants is there
  saasodoo.platform.odoo_template_info:
    runtime: /var/lib/saasodoo/runtime/odoo-19.0
    modules: [base]
    home: /var/lib/saasodoo/odoo_templates
    cache: /root/.cache/saasodoo/odoo_templates
    server: {name: pool-1, host: 127.0.0.1, port: 21200}
    platform_key_file: /var/lib/saasodoo/secrets/platform.key
  register: found
"""

RETURN = r"""
template:
  description: The template. C(ready) says whether both its database on this server and its filestore are there.
  returned: success
  type: dict
  sample:
    name: odoo_template_6f1ed002ab559585
    hash: 6f1ed002ab559585
    version: "19.0"
    server: pool-1
    filestore: /var/lib/saasodoo/odoo_templates/6f1ed002ab559585/filestore
    ready: false
"""
