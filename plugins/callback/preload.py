# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Loads what the nouns need once, before task workers fork."""

from __future__ import annotations

DOCUMENTATION = r"""
name: preload
type: aggregate
short_description: Loads what the nouns need before task workers fork
version_added: "0.1.0"
description:
  - Imports psycopg and the code that nearly every noun uses in the ansible-playbook process, so that the task workers it forks
    have them and a noun costs milliseconds. Without it everything works the same, slower.
author:
  - SaaSOdoo developers (@saasodoo)
requirements:
  - enabled in C(callbacks_enabled), as the project's ansible.cfg does
"""

from contextlib import suppress
from importlib import import_module

from ansible.plugins.callback import CallbackBase

_COLLECTION = "ansible_collections.saasodoo.platform.plugins"
_USED_BY_MOST = (
    "psycopg",
    f"{_COLLECTION}.plugin_utils.noun",
    f"{_COLLECTION}.module_utils.options",
    f"{_COLLECTION}.module_utils.adapters.registry",
    f"{_COLLECTION}.module_utils.adapters.secrets",
    f"{_COLLECTION}.module_utils.adapters.tenant_lock",
    f"{_COLLECTION}.module_utils.adapters.tenants",
)


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Does its work when Ansible makes it, which is before the first play."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "saasodoo.platform.preload"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        for module in _USED_BY_MOST:
            with suppress(ImportError):  # the noun that needs it will say what is missing
                import_module(module)
