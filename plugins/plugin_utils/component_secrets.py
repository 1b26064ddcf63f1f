# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The base of lookups that derive the secrets of one component of the platform, such as its Kill Bill."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ..module_utils.errors import PlatformError
from ..module_utils.secrets.platform_key import derive, read_platform_key

_PLACEHOLDER = "x" * 32


class ComponentSecrets(LookupBase):  # type: ignore[misc]
    """Derives secrets of ``SUBJECT``. Subclasses give it, their own NAME, and the PURPOSES there are."""

    NAME: ClassVar[str]
    SUBJECT: ClassVar[str]
    PURPOSES: ClassVar[tuple[str, ...]]

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return one secret for each purpose."""
        self.set_options(var_options=variables, direct=kwargs)
        if unknown := [str(term) for term in terms if term not in self.PURPOSES]:
            known = ", ".join(self.PURPOSES)
            raise AnsibleError(f"{self.NAME}: unknown purpose {', '.join(unknown)}; expected: one of {known}")
        file = Path(str(self._templar.template(self.get_option("platform_key_file"))))  # a variable may be a template itself
        if (variables or {}).get("ansible_check_mode") and not file.exists():
            return [_PLACEHOLDER] * len(terms)
        try:
            key = read_platform_key(file)
        except PlatformError as error:
            raise AnsibleError(str(error)) from None
        return [self.secret(key, str(term)) for term in terms]

    def secret(self, key: bytes, purpose: str) -> str:
        """Return the secret for ``purpose``."""
        return derive(key, self.SUBJECT, purpose, self.get_option("generation"))
