#!/usr/bin/python
# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keep a process running under the machine's process manager."""

from __future__ import annotations

DOCUMENTATION = r"""
module: process
short_description: Keep a process running under systemd or supervisord
version_added: "0.1.0"
description:
  - Defines, starts, stops and removes processes that outlive the playbook and are started again when they die.
  - With O(manager=supervisord), one supervisord per O(home) is started when it is first needed.
  - A running process is restarted only when its definition changed. Where only limits did, it is told of them and runs on.
author:
  - SaaSOdoo developers (@saasodoo)
attributes:
  check_mode:
    description: Says what would change, and changes nothing.
    support: full
  diff_mode:
    description: Shows the definition and the state before and after.
    support: full
options:
  name:
    description:
      - Name of the process, such as V(odoo-1f2e3d4c5b6a).
      - V(*) with O(state=absent) removes all processes of O(home) (or O(instance)), and supervisord itself.
    type: str
    required: true
  state:
    description:
      - V(started) and V(restarted) need O(command).
      - V(stopped) keeps the definition there is; a process that is not defined stays absent.
    type: str
    choices: [started, stopped, restarted, absent]
    default: started
  command:
    description: Program (absolute path) and its arguments. No shell, and no secret, since every user can see it.
    type: list
    elements: str
  user:
    description: User to run it as. Used only when the manager runs as root.
    type: str
    default: ""
  directory:
    description: Working directory.
    type: path
    default: /
  environment:
    description: Variables besides V(PATH) and V(LANG). Not for secrets, it is shown in diffs.
    type: dict
    default: {}
  writes:
    description:
      - Folders that it may write to. With these, be they none, it is in a sandbox under systemd. It writes nowhere else, has
        temporary files and devices of its own, sees no process of other users, and gains no rights.
      - A user's own systemd only filters its system calls. Under supervisord there is no sandbox.
    type: list
    elements: path
  stop_signal:
    description: Signal that asks the process to end, without V(SIG).
    type: str
    default: TERM
  stop_timeout:
    description: Seconds to wait before it is killed.
    type: int
    default: 10
  layer:
    description:
      - When it is started as the machine boots, and stopped as it goes down. V(databases) are started first, V(workers) last and
        stopped first.
    type: str
    choices: [databases, poolers, services, workers]
    default: services
  memory_limit:
    description: Memory it may use, such as V(4GB). Enforced by systemd only.
    type: str
  cpu_limit:
    description: CPU cores it may use. Enforced by systemd only.
    type: float
  address_space_limit:
    description:
      - The limit of its address space (RLIMIT_AS), such as V(4GB), that the program sets itself when it starts, as Odoo does.
      - One that runs with less is given this while it runs. One that has set itself none is left alone.
    type: str
  manager:
    description: The process manager, V(systemd) where it is process 1.
    type: str
    choices: [systemd, supervisord]
    required: true
  home:
    description: Folder of the platform; supervisord's configuration, socket and the logs lie below it.
    type: path
    required: true
  instance:
    description: Makes names of systemd units unique on the machine.
    type: str
    default: local
"""

EXAMPLES = r"""
- name: Keep Caddy running
  saasodoo.platform.process:
    name: caddy
    command: [/usr/bin/caddy, run, --config, /var/lib/saasodoo/caddy/caddy.json]
    user: saasodoo
    writes: [/var/lib/saasodoo/caddy/data, /var/lib/saasodoo/caddy/log]
    manager: supervisord
    home: /var/lib/saasodoo

- name: Stop everything
  saasodoo.platform.process:
    name: "*"
    state: absent
    manager: supervisord
    home: /var/lib/saasodoo
"""

RETURN = r"""
process:
  description: The process as it is now, or in check mode would be.
  returned: success, except with O(name=*)
  type: dict
  contains:
    name:
      description: Its name.
      type: str
      sample: odoo-1f2e3d4c5b6a
    state:
      description: Its state.
      type: str
      sample: started
    log:
      description: Where its output can be read.
      type: str
      sample: /var/lib/saasodoo/log/odoo-1f2e3d4c5b6a.log
    live:
      description: The limits that were changed while it ran, or in check mode would be.
      type: list
      elements: str
      sample: [address_space_limit]
    pending:
      description:
        - The limits that it takes only when it is restarted (O(state=restarted)).
        - That is so for less memory than it uses now, and for a smaller address space.
      type: list
      elements: str
      sample: []
"""

from typing import Any

from ..module_utils.domain.billing.plan import parse_size
from ..module_utils.domain.process import Process
from ..module_utils.host import processes
from ..module_utils.host_module import run_module
from ..module_utils.outcome import Outcome
from ..module_utils.ports import Host

ARGUMENTS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["started", "stopped", "restarted", "absent"], "default": "started"},
    "command": {"type": "list", "elements": "str"},
    "user": {"type": "str", "default": ""},
    "directory": {"type": "path", "default": "/"},
    "environment": {"type": "dict", "default": {}},
    "writes": {"type": "list", "elements": "path"},
    "stop_signal": {"type": "str", "default": "TERM"},
    "stop_timeout": {"type": "int", "default": 10},
    "layer": {"type": "str", "choices": ["databases", "poolers", "services", "workers"], "default": "services"},
    "memory_limit": {"type": "str"},
    "cpu_limit": {"type": "float"},
    "address_space_limit": {"type": "str"},
    "manager": {"type": "str", "choices": ["systemd", "supervisord"], "required": True},
    "home": {"type": "path", "required": True},
    "instance": {"type": "str", "default": "local"},
}
RULES: dict[str, Any] = {"required_if": [("state", "started", ["command"]), ("state", "restarted", ["command"])]}


def apply(options: dict[str, Any], host: Host) -> Outcome:
    """Bring the process named to its state."""
    manager = processes.pick_manager(options["manager"], options["home"], options["instance"], host.run_command)
    if options["name"] == "*" and options["state"] == "absent":
        return processes.remove_all(manager, check=host.check_mode)
    keys = ("name", "user", "directory", "stop_signal", "stop_timeout", "cpu_limit", "layer")
    process = Process(
        **{key: options[key] for key in keys},
        command=tuple(options["command"] or ()),
        environment={name: str(value) for name, value in options["environment"].items()},
        memory_limit=_bytes(options["memory_limit"]),
        address_space_limit=_bytes(options["address_space_limit"]),
        writes=None if options["writes"] is None else tuple(options["writes"]),
    )
    return processes.converge(manager, process, options["state"], check=host.check_mode)


def _bytes(size: str | None) -> int | None:
    return parse_size(size) if size else None


if __name__ == "__main__":
    run_module(ARGUMENTS, apply, **RULES)
