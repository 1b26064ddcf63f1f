# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The base of nouns that set up a Kill Bill tenant."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ..module_utils.errors import PlatformError, Unauthorized, Unavailable
from ..module_utils.killbill.api import Api, read_access
from ..module_utils.killbill.setup import SetupChange
from ..module_utils.outcome import Outcome
from .noun import NounAction


class KillBillAction(NounAction):
    """Reads what Kill Bill has, says what is wanted, and outside check mode writes it."""

    #: What a Kill Bill tenant that is not made yet has.
    EMPTY: ClassVar[Any]

    @abstractmethod
    def read(self, api: Api, options: dict[str, Any]) -> Any:
        """Return what Kill Bill has."""

    @abstractmethod
    def change(self, present: Any, options: dict[str, Any]) -> SetupChange:
        """Return what is to be done about it."""

    def facts(self, present: Any, options: dict[str, Any]) -> Mapping[str, Any]:
        """Return the noun's other return values, from what Kill Bill has in the end."""
        return {}

    def apply(self, options: dict[str, Any], *, check: bool) -> Outcome:
        """Bring Kill Bill to what is wanted, or with ``check`` only say what that would change."""
        if check and self._is_new(options):
            change = self.change(self.EMPTY, options)
            return Outcome(change.before, change.after, self.facts(self.EMPTY, options))
        api = Api(read_access(options["killbill_file"]))
        present = self.read(api, options)
        change = self.change(present, options)
        if change.write is not None and not check:
            change.write(api)
            present = self.read(api, options)
        return Outcome(change.before, change.after, self.facts(present, options))

    def _is_new(self, options: dict[str, Any]) -> bool:
        """Say whether Kill Bill or its tenant is still to be made, which only ``predict_new`` may take for granted."""
        if not options["predict_new"]:
            return False
        if not Path(options["killbill_file"]).exists():
            return True
        try:
            Api(read_access(options["killbill_file"])).get("/1.0/kb/catalog/versions")
        except (Unauthorized, Unavailable):
            return True
        except PlatformError:
            return False
        return False
