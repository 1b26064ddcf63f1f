# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The machine's users, by name and by number."""

from __future__ import annotations

import pwd

from ..errors import NotFound
from .files import Owner


def ids_of(user: str) -> Owner:
    """Return uid and gid of a user, who may be a number that only a container knows. Raises NotFound."""
    if user.isdecimal():
        return int(user), int(user)
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise NotFound(f"there is no user {user}", action="run playbooks/host.yml") from None
    return entry.pw_uid, entry.pw_gid


def name_of(uid: int) -> str:
    """Return the name of a user, or the number where it has none here."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
