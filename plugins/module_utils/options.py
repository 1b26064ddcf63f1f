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
