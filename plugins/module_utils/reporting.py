# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a noun reports back: the only place that knows check mode's and diff's shape and how a failure is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import PlatformError


@dataclass(frozen=True)
class Outcome:
    """What applying a noun did, or in check mode would do.

    ``before`` and ``after`` hold only what the noun owns, never a secret; ``changed`` follows from them unless the change
    cannot be seen there (``forced``). ``facts`` are the noun's other return values.
    """

    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    forced: bool = False

    @property
    def changed(self) -> bool:
        """Whether anything differs from what was there."""
        return self.forced or self.before != self.after

    def result(self) -> dict[str, Any]:
        """Return the outcome as an Ansible task result, diff included."""
        return {"changed": self.changed, "diff": {"before": dict(self.before), "after": dict(self.after)}, **self.facts}


def failure(error: PlatformError) -> dict[str, Any]:
    """Return the result of a task that ended with ``error``."""
    return {"failed": True, **error.as_dict()}


class Host(Protocol):
    """The host a noun acts on, from inside: an AnsibleModule on a host, plugin_utils.host_noun.ThisMachine on the controller."""

    check_mode: bool

    def run_command(self, args: list[str]) -> tuple[int, str, str]:
        """Run a command; return its exit code, its output and its errors."""


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
