# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How much a folder may hold: a quota of CephFS, which its clients keep to."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict

#: https://docs.ceph.com/en/latest/cephfs/quota/
_ATTRIBUTE = "ceph.quota.max_bytes"


def enforced_below(path: Path) -> bool:
    """Return whether a limit holds at ``path``, which may not be there yet: by the next folder above it that is."""
    there = next(each for each in (path, *path.parents) if each.is_dir())
    return _attribute(there) is not None


def read(path: Path) -> int:
    """Return how many bytes a folder may hold; 0 for no limit, or where none can be."""
    return _attribute(path) or 0


def write(path: Path, limit: int) -> None:
    """Let a folder hold ``limit`` bytes, 0 for any number. Raises Conflict as a user who may not say so."""
    if read(path) == limit:
        return
    try:
        os.setxattr(path, _ATTRIBUTE, str(limit).encode())
    except PermissionError:
        raise Conflict(
            f"the storage limit of {path} can't be set",
            found="a user of CephFS without the right to set quotas",
            expected="one whose capability is mds 'allow rwp'",
            action="mount the file system as the user that role cephfs makes",
        ) from None


def _attribute(path: Path) -> int | None:
    """Return the limit, 0 for none, or None where the file system has no such thing."""
    try:
        return int(os.getxattr(path, _ATTRIBUTE))
    except OSError as error:
        if error.errno == errno.ENODATA:  # how CephFS says that there is none
            return 0
        if error.errno == errno.EOPNOTSUPP:
            return None
        raise
