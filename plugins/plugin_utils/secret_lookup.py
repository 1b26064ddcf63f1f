# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The base of lookups that derive secrets, or verifiers of them, from the platform key."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ..module_utils.errors import InvalidInput, PlatformError
from ..module_utils.secrets.platform_key import derive, read_platform_key


class SecretLookup(LookupBase):  # type: ignore[misc]
    """Reads the platform key; subclasses check the terms and derive. Before there is a key, check mode gets PLACEHOLDER."""

    PLACEHOLDER: ClassVar[str] = "x" * 32

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return what is derived. Raises AnsibleError when that can't be."""
        self.set_options(var_options=variables, direct=kwargs)
        words = [str(term) for term in terms]
        try:
            self.check(words)
            file = Path(str(self._templar.template(self.get_option("platform_key_file"))))  # a variable may be a template itself
            if (variables or {}).get("ansible_check_mode") and not file.exists():
                return [self.PLACEHOLDER] * len(words)
            return self.derive(read_platform_key(file), words)
        except PlatformError as error:
            raise AnsibleError(str(error)) from None

    def check(self, terms: list[str]) -> None:
        """Raise InvalidInput where the terms can't be right: a mistyped one would give a secret that fits nothing."""

    def derive(self, key: bytes, terms: list[str]) -> list[str]:
        """Return the lookup's answer."""
        raise NotImplementedError


class ComponentLookup(SecretLookup):
    """What SUBJECT, a component of the platform, has for each of its PURPOSES."""

    NAME: ClassVar[str]
    SUBJECT: ClassVar[str]
    PURPOSES: ClassVar[tuple[str, ...]]

    def check(self, terms: list[str]) -> None:
        """Raise InvalidInput where a purpose is none of the component's."""
        if unknown := [term for term in terms if term not in self.PURPOSES]:
            raise InvalidInput(
                f"{self.NAME}: unknown purpose", found=", ".join(unknown), expected=f"one of {', '.join(self.PURPOSES)}"
            )

    def derive(self, key: bytes, terms: list[str]) -> list[str]:
        """Return one secret for each purpose."""
        return [derive(key, self.SUBJECT, term, self.get_option("generation")) for term in terms]
