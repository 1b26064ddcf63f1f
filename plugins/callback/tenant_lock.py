# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Holds a tenant's lock while ansible-playbook lives."""

from __future__ import annotations

DOCUMENTATION = r"""
name: tenant_lock
type: aggregate
short_description: Holds the lock of a tenant while ansible-playbook lives
version_added: "0.1.0"
description:
  - When a playbook is run with the extra variable C(tenant), takes that tenant's lock in the registry before the first task, so
    that one run at a time acts on a tenant. The lock is freed when the ansible-playbook process ends, however it ends.
  - When another run holds the lock, no task runs; ansible-playbook says who holds it and since when, and ends with exit code 75,
    as it does when the registry does not answer.
  - A restart of the registry frees the lock. It is taken again before the next task; when another run has it by then, or the
    registry does not come back in half a minute, the playbook ends with exit code 75.
  - In check mode nothing is locked.
  - The registry is that of the host's variable C(saasodoo_registry), else of the environment variable E(SAASODOO_REGISTRY).
    Without either nothing is locked, and M(saasodoo.platform.tenant_operation) refuses to act. So it is in a play that sets
    C(saasodoo_registry) to nothing, as one that takes the registry itself down must.
  - On Linux it also makes the task workers of every playbook end when ansible-playbook does, so that none works on without lock.
author:
  - SaaSOdoo developers (@saasodoo)
requirements:
  - enabled in C(callbacks_enabled), as the project's ansible.cfg does
  - psycopg 3
options:
  wait:
    description: How many seconds to wait for a lock that another run holds. C(0) is not to wait.
    type: float
    default: 0
    env:
      - name: SAASODOO_LOCK_WAIT
    ini:
      - section: callback_tenant_lock
        key: wait
"""

import ctypes
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from ansible import context
from ansible.plugins.callback import CallbackBase
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ..module_utils.domain.tenant.subdomain import check_reference
from ..module_utils.errors import Conflict, PlatformError, Unavailable
from ..module_utils.postgres.connection import Connection
from ..module_utils.registry import connection as registry
from ..module_utils.registry import tenant_lock

_EXIT_CODE = 2  # what ansible-playbook ends with when hosts failed
_PATIENCE = 30  # seconds for the registry to come back
_PAUSE = 0.5  # seconds between two looks
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Takes the lock when the first play starts; the process's end gives it back."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "saasodoo.platform.tenant_lock"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._locks = ExitStack()
        self._held: dict[str, tuple[str, Connection]] = {}

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Let no task worker outlive ansible-playbook, whose own handler of SIGTERM misses a worker that is just being born."""
        if sys.platform == "linux":
            libc = ctypes.CDLL(None)
            os.register_at_fork(after_in_child=partial(_end_with_parent, libc.prctl, os.getpid()))

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Take the lock of the tenant the run is about. Ansible turns a callback's errors into warnings, hence the exit."""
        manager = play.get_variable_manager()
        if "tenant" in manager.extra_vars:
            self._or_end(partial(check_reference, manager.extra_vars["tenant"]))
        variables = _variables(play)
        if not variables or context.CLIARGS.get("check"):
            return
        self._or_end(partial(self._lock, *variables))

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Take again what a restart of the registry has freed. This is the process whose parenthood tasks prove the lock by."""
        for reference, (conninfo, connection) in list(self._held.items()):
            if _is_lost(connection):
                del self._held[reference]
                self._or_end(partial(self._lock, reference, conninfo, patience=_PATIENCE))

    def _or_end(self, take: Callable[[], object]) -> None:
        try:
            take()
        except PlatformError as error:
            self._display.error(str(error))
            raise SystemExit(os.EX_TEMPFAIL if isinstance(error, Conflict | Unavailable) else _EXIT_CODE) from None

    def _lock(self, reference: str, conninfo: str, *, patience: float = 0) -> None:
        passfile = conninfo_to_dict(conninfo).get("passfile")
        if reference in self._held or (passfile and not Path(str(passfile)).exists()):
            return  # without a registry there is no tenant yet; a later play may make it, and the next one then takes the lock
        named = make_conninfo(conninfo, application_name=tenant_lock.application_name(os.getpid()))
        connection = self._connect(named, time.monotonic() + patience)
        tenant_lock.take(connection, tenant_lock.lock_name(connection, reference), float(self.get_option("wait")))
        self._held[reference] = (conninfo, connection)

    def _connect(self, conninfo: str, end: float) -> Connection:
        while True:
            try:
                return self._locks.enter_context(registry.connect(conninfo, autocommit=True))
            except Unavailable:
                if time.monotonic() > end:
                    raise
            time.sleep(_PAUSE)


def _is_lost(connection: Connection) -> bool:
    """Say whether the registry has ended the session. Asks it only where it has said something, which it does not of itself."""
    if connection.closed:
        return True
    if select.select([connection.fileno()], [], [], 0)[0]:
        with suppress(psycopg.Error):
            connection.execute("SELECT 1")
    return bool(connection.closed)


def _variables(play: Any) -> tuple[str, str] | None:
    """Return the tenant the run is about and the registry it is recorded in, or None when there is nothing to lock."""
    manager = play.get_variable_manager()
    if "tenant" not in manager.extra_vars or play.get_vars().get("saasodoo_registry") == "":
        return None
    known = manager.get_vars(play=play)
    hosts = known.get("ansible_play_hosts_all") or known.get("ansible_play_hosts") or []
    variables = known["hostvars"][hosts[0]] if hosts else {}
    conninfo = variables.get("saasodoo_registry") or os.environ.get("SAASODOO_REGISTRY", "")
    return (str(variables["tenant"]), str(conninfo)) if variables and conninfo else None


def _end_with_parent(prctl: Any, parent: int) -> None:
    """In a new task worker: have the kernel end it, and with it its module, when ansible-playbook ends."""
    prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died in between
        os.kill(os.getpid(), signal.SIGKILL)
