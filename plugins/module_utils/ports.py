# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The boundaries: what the platform asks of what is not its own, and who answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol
from uuid import UUID

from .domain.billing.subscription import Account
from .domain.process import Found, Process
from .outcome import Outcome


class BillingSystem(Protocol):
    """Who knows what customers have and owe: Kill Bill (killbill.account)."""

    def read_account(self, account_id: UUID) -> Account:
        """Return the account with all subscriptions and invoices. Raises NotFound or Unavailable."""

    def accounts(self) -> Iterator[UUID]:
        """Yield every account's id. Raises Unavailable."""


class Host(Protocol):
    """The host a noun acts on, from inside: an AnsibleModule, or on the controller plugin_utils.host_noun.ThisMachine."""

    check_mode: bool

    def run_command(self, args: list[str]) -> tuple[int, str, str]:
        """Run a command; return its exit code, its output and its errors."""


class ProcessManager(Protocol):
    """What starts processes, restarts the dead and keeps their logs bounded: systemd, or supervisord (host)."""

    def read(self, name: str) -> Found:
        """Return the process as it is."""

    def render(self, process: Process) -> str:
        """Return the definition of the process when it is to be started."""

    def stopped(self, definition: str) -> str:
        """Return the definition of a process that stays stopped when the manager itself starts."""

    def changed_limits(self, found: str, wanted: str) -> tuple[str, ...] | None:
        """Return which limits differ between two definitions (as Process names them), or None when anything else does."""

    def set_limits(self, name: str, definition: str) -> None:
        """Give a running process a definition of which changed_limits says what differs, without restarting it."""

    def apply(self, name: str, wanted: Found) -> None:
        """Stop what runs, then bring the process to ``wanted``. Killed half way, ``read`` shows it and it can be repeated."""

    def names(self) -> list[str]:
        """Return the processes this manager has a definition of."""

    def remove_all(self) -> None:
        """Stop and remove every process, those of a manager that died, and the manager's own traces."""

    def log(self, name: str) -> str:
        """Say where the output of the process can be read."""


class Noun(Protocol):
    """A noun of a host: a file of plugins/modules."""

    def apply(self, options: dict[str, Any], host: Host) -> Outcome:
        """Bring the noun to its state, or in check mode only say what that would change."""
