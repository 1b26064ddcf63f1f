# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The limits of a process while it runs: what it uses, and the size of its address space (RLIMIT_AS, prlimit(2))."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ..errors import PlatformError

_NAME = "Max address space"


def address_space(pid: int) -> int | None:
    """Return the bytes of address space that the process may have; None when it has set itself no limit, or is not there."""
    try:
        lines = Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    soft = next(line for line in lines if line.startswith(_NAME)).removeprefix(_NAME).split()[0]
    return None if soft == "unlimited" else int(soft)


def set_address_space(pid: int, limit: int) -> None:
    """Let the process have ``limit`` bytes of address space from now on; one that ended meanwhile needs not be told.

    Done as the process's own user, who may: root itself may not where it lacks CAP_SYS_RESOURCE, as in most containers.
    Raises PlatformError when the system refuses.
    """
    try:
        owner = Path(f"/proc/{pid}").stat()
    except FileNotFoundError:
        return
    who = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    command = ["prlimit", f"--pid={pid}", f"--as={limit}:"]  # of util-linux; the colon leaves the hard limit as it is
    done = subprocess.run(command, capture_output=True, text=True, check=False, **who)  # type: ignore[call-overload]
    if done.returncode and Path(f"/proc/{pid}").exists():
        raise PlatformError(f"the address space of process {pid} can't be set", found=done.stderr.strip(), expected=str(limit))


def resident(pid: int) -> int:
    """Return the bytes of memory that the process uses now (proc(5), statm); 0 when it is not there."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
