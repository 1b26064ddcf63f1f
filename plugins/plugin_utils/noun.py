# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The base of nouns that act on the controller (registry, Postgres, Kill Bill, proxy APIs) as action plugins.

An action plugin costs a tenth of a module here (docs/decisions.md), so what talks to an API is one. Its documentation is
the module file of the same name, whose options tests/conventions holds against ARGUMENTS.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.plugins.action import ActionBase

from ..module_utils.errors import PlatformError
from ..module_utils.outcome import Outcome, failure


class NounAction(ActionBase):  # type: ignore[misc]
    """One noun. Subclasses give ARGUMENTS and ``apply``."""

    ARGUMENTS: ClassVar[Mapping[str, Any]]
    #: Keyword arguments of the argument validator, such as required_if.
    RULES: ClassVar[Mapping[str, Any]] = {}
    _supports_check_mode = True
    _requires_connection = False

    @abstractmethod
    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Bring the noun to its state, or with ``check`` only say what that would change. Raises PlatformError."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Validate the arguments, apply, and turn the outcome or the error into a task result."""
        result: dict[str, Any] = super().run(tmp, task_vars or {})
        _result, options = self.validate_argument_spec(argument_spec=dict(self.ARGUMENTS), **self.RULES)
        try:
            return result | self.apply(options, check=self._task.check_mode).result()
        except PlatformError as error:
            return result | failure(error)
