# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Modules that act on a host: run there by Ansible, or in this process (plugin_utils.host_noun)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .errors import PlatformError
from .outcome import Outcome
from .ports import Host


def share_files() -> None:
    """Let the service user reach the files made from here on, whoever runs this; what is private is made so explicitly."""
    os.umask(0o022)


def run_module(argument_spec: Mapping[str, Any], apply: Callable[[dict[str, Any], Host], Outcome], **spec: Any) -> None:
    """Run a module that acts on a host: ``apply(options, host)`` honours ``host.check_mode`` and returns its Outcome."""
    share_files()
    module = AnsibleModule(argument_spec=dict(argument_spec), supports_check_mode=True, **spec)
    try:
        outcome = apply(module.params, module)
    except PlatformError as error:
        module.fail_json(**error.as_dict())
    module.exit_json(**outcome.result())
