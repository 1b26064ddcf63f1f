# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Option sets that several nouns share; plugins/doc_fragments has the documentation of each, under the same name."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import env_fallback

#: How to reach the registry. The string names a password file, never a password (doc fragment: registry).
REGISTRY: dict[str, Any] = {
    "registry": {"type": "str", "required": True, "fallback": (env_fallback, ["SAASODOO_REGISTRY"])},
}

#: Where the platform key lies, from which every tenant secret is derived (doc fragment: platform_key).
PLATFORM_KEY: dict[str, Any] = {
    "platform_key_file": {"type": "path", "required": True, "fallback": (env_fallback, ["SAASODOO_PLATFORM_KEY_FILE"])},
}

#: Lets check mode foretell the very first run, when there is no registry to ask yet (doc fragment: new_registry).
NEW_REGISTRY: dict[str, Any] = {"predict_new": {"type": "bool", "default": False}}

#: How a noun runs playbooks for many tenants (doc fragment: playbook_runs).
PLAYBOOK_RUNS: dict[str, Any] = {
    "playbooks": {"type": "path", "required": True},
    "log": {"type": "path", "required": True},
    "parallel": {"type": "int", "default": 1},
}

#: One Postgres server, as other nouns return it; the superuser's password follows from the platform key (doc fragment: server).
SERVER: dict[str, Any] = {
    "server": {
        "type": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "host": {"type": "str", "default": "127.0.0.1"},
            "port": {"type": "int", "required": True},
            "pooler_host": {"type": "str"},
            "pooler_port": {"type": "int"},
            "server_type": {"type": "str"},
        },
    },
}

#: What a template database is made from, and where it is kept (doc fragment: odoo_template).
ODOO_TEMPLATE: dict[str, Any] = {
    "runtime": {"type": "path", "required": True},
    "modules": {"type": "list", "elements": "str", "default": ["base"]},
    "language": {"type": "str", "default": "en_US"},
    "country": {"type": "str", "default": ""},
    "home": {"type": "path", "required": True},
    "cache": {"type": "path", "required": True},
}

#: How to reach Kill Bill: a file, so that no secret passes through tasks. It may still be to be made (doc fragment: killbill).
KILLBILL: dict[str, Any] = {
    "killbill_file": {"type": "path", "required": True, "fallback": (env_fallback, ["SAASODOO_KILLBILL_FILE"])},
    "predict_new": {"type": "bool", "default": False},
}

#: Which cluster, and as whom (doc fragment: kubernetes).
KUBERNETES: dict[str, Any] = {
    "kubeconfig": {"type": "path", "default": "", "fallback": (env_fallback, ["KUBECONFIG"])},
    "context": {"type": "str", "default": ""},
}
