# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How much a folder may hold: a quota of CephFS, which its clients keep to."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from ..errors import Conflict
from . import files

#: https://docs.ceph.com/en/latest/cephfs/quota/
_LIMIT = "ceph.quota.max_bytes"
#: What every folder of CephFS has, and none elsewhere.
_BYTES_BELOW = "ceph.dir.rbytes"


def enforced_below(path: Path) -> bool:
    """Return whether a limit holds at ``path``, which may not be there yet: by the next folder above it that is."""
    there = next(each for each in (path, *path.parents) if each.is_dir())
    return _attribute(there, _BYTES_BELOW) is not None


def read(path: Path) -> int:
    """Return how many bytes a folder may hold; 0 for no limit."""
    return _attribute(path, _LIMIT) or 0


def write(path: Path, limit: int) -> None:
    """Let a folder hold ``limit`` bytes, 0 for any number. Raises Conflict as a user who may not say so."""
    if read(path) == limit:
        return
    try:
        with files.opened(path) as folder:
            os.setxattr(folder.descriptor, _LIMIT, str(limit).encode())
    except PermissionError:
        raise Conflict(
            f"the storage limit of {path} can't be set",
            found="a user of CephFS without the right to set quotas",
            expected="one whose capability is mds 'allow rwp'",
            action="mount the file system as the user that role cephfs makes",
        ) from None


def _attribute(path: Path, name: str) -> int | None:
    """Return an attribute, or None where there is none of that name."""
    try:
        return int(os.getxattr(path, name))
    except OSError as error:
        if error.errno in {errno.ENODATA, errno.EOPNOTSUPP}:
            return None
        raise
