# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: http_ready
short_description: Wait until HTTP addresses answer
version_added: "0.1.0"
description: Asks each address, one after the other, until all of them answer with the status wanted in the same round.
author:
  - SaaSOdoo developers (@saasodoo)
attributes:
  check_mode:
    description: Does not wait, since what is waited for may not have been started.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
options:
  name:
    description: What is waited for; it is named in the error.
    type: str
    required: true
  addresses:
    description: What to ask.
    type: list
    elements: dict
    required: true
    suboptions:
      url:
        description: The address, with C(http).
        type: str
        required: true
      host:
        description: The header C(Host), where it is another than the URL's. A proxy is asked for one of its sites this way.
        type: str
        default: ""
      status:
        description: The status that counts as ready.
        type: int
        default: 200
      final:
        description: Statuses that no waiting will change; the first of them ends it with an error.
        type: list
        elements: int
        default: []
  timeout:
    description: Seconds to wait.
    type: float
    default: 60
  log:
    description: A file on the controller whose last lines the error shows, or where else to look.
    type: str
    default: ""
  log_lines:
    description: How many lines.
    type: int
    default: 15
"""

EXAMPLES = r"""
- name: Wait until Odoo answers, also through the proxy
  saasodoo.platform.http_ready:
    name: Odoo of tenant acme
    addresses:
      - url: http://127.0.0.1:22000/web/health
      - url: http://127.0.0.1:21080/web/health
        host: acme.localhost
    log: /var/lib/saasodoo/log/odoo-0f8fad5bd9cb.log
"""

RETURN = r"""
found:
  description: What answered last.
  returned: success, except in check mode
  type: str
  sample: "http://127.0.0.1:21080/web/health (Host: acme.localhost): 200"
"""
