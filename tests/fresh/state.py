"""What is on a machine, to be compared with what was there before."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.fixtures.ansible import ROOT
from tests.fresh.machine import Machine

#: What whoever looks has running, and what systemd has for whoever is or stays logged in.
_OURS = re.compile(
    r"sshd|ps -eo|/systemd --user|/systemd-executor|\(sd-pam\)|dbus-daemon --session|^\S+ +(ba)?sh -c |agetty|/usr/libexec/"
)
#: Elsewhere packages write much of their own, so there only what bears the platform's name counts.
_FILES = (
    "find /home /root /tmp /var/tmp /srv /opt -xdev; ls -d /var/lib/systemd/linger/*;"
    " find / -xdev -name '*saasodoo*' -not -path '/proc/*' -not -path '/srv/*'"
)
_UNITS = (
    "systemctl list-units --all --plain --no-legend --no-pager 'saasodoo*';"
    " systemctl list-unit-files --no-legend --no-pager 'saasodoo*'"
)
_LEFT = re.compile(r"## What `make down` leaves\n(.*?)\n## ", re.DOTALL)


@dataclass(frozen=True)
class State:
    """What runs and lies on a machine."""

    processes: frozenset[str]
    units: frozenset[str]
    failed: frozenset[str]
    mounts: frozenset[str]
    ports: frozenset[str]
    files: frozenset[str]


def read(machine: Machine, user: str) -> State:
    """Return what is on a machine now."""
    lines = partial(_lines, machine)
    return State(
        processes=frozenset(line for line in lines("ps -eo user:32=,args=") if not _OURS.search(line) and not _kernel(line)),
        units=units(machine, user),
        failed=failed(machine, user),
        mounts=frozenset(line for line in lines("findmnt -rno TARGET") if not line.startswith("/run/")),
        ports=lines("ss -Htuln | awk '{print $1, $5}'"),
        files=lines(_FILES),
    )


def units(machine: Machine, user: str) -> frozenset[str]:
    """Return the platform's units and how each is, those of the user's own manager, too."""
    return _lines(machine, _UNITS) | _lines(machine, _UNITS.replace("systemctl", _manager(user)))


def failed(machine: Machine, user: str) -> frozenset[str]:
    """Return the units that have failed, whosever they are."""
    words = "list-units --failed --plain --no-legend --no-pager"
    return _lines(machine, f"systemctl {words}") | _lines(machine, f"{_manager(user)} {words}")


def _manager(user: str) -> str:
    return f"systemctl --user --machine={user}@" if user != "root" else "systemctl"


def _lines(machine: Machine, command: str) -> frozenset[str]:
    return frozenset(line.strip() for line in machine.run(f"{command} 2> /dev/null; true").splitlines() if line.strip())


def _kernel(line: str) -> bool:
    return line.split(maxsplit=1)[1].startswith("[")


def said_to_be_left(user: str) -> list[str]:
    """Return the paths, patterns of a shell, that the README says ``make down`` leaves."""
    section = _LEFT.search((ROOT / "README.md").read_text())
    assert section, "the README has no section on what `make down` leaves"
    home = "/root" if user == "root" else f"/home/{user}"
    cells = [line.split("|")[1] for line in section[1].splitlines() if line.startswith("| `")]
    paths = [path for cell in cells for path in re.findall(r"`([^`]+)`", cell)]
    return [path.replace("~", home).replace("USER", user) for path in paths]


def unsaid(new: frozenset[str], left: list[str]) -> list[str]:
    """Return which of the ``new`` files the README does not name, nor a folder that they are in, nor something in them.

    What systemd makes for its own services has another name after each boot; Ubuntu marks that its legal notice was shown.
    """
    found, decided = list[str](), "/"
    for path in sorted(new, key=lambda each: each.split("/")):  # what is in a folder follows it
        if path.startswith(f"{decided}/"):
            continue
        if "systemd-private-" in path or path.endswith("/.cache/motd.legal-displayed") or _matches(path, left):
            decided = path
        elif not any(Path(path) in Path(pattern).parents for pattern in left):
            found.append(path)
            decided = path
    return found


def _matches(path: str, left: list[str]) -> bool:
    return any(each.match(pattern) for each in (Path(path), *Path(path).parents) for pattern in left)
