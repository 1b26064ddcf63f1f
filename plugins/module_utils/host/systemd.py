# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Processes as systemd units: of the system when run by root, else of the user's own manager."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from ..domain.process import LAYERS, Found, Process
from ..errors import PlatformError
from . import files

RunCommand = Callable[[list[str]], tuple[int, str, str]]

_POINTS = LAYERS[:-1]  # what another layer comes after
_LIMITS = {"MemoryMax": "memory_limit", "CPUQuota": "cpu_limit"}
#: What systemd goes by when it starts, watches or stops a process: no restart is needed to change it.
_SYSTEMDS_OWN = {
    "Description", "After", "Before", "StartLimitIntervalSec", "Restart", "RestartSec", "KillMode", "KillSignal",
    "TimeoutStopSec", "SuccessExitStatus",
}  # fmt: skip
_SHOWN = "--property=ActiveState,UnitFileState,NeedDaemonReload,MainPID"
_UNIT = """\
[Unit]
Description=SaaSOdoo {instance}: {name}
After={after}
{before}StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={command}
WorkingDirectory={directory}
{environment}Restart=always
RestartSec=1
KillMode=mixed
KillSignal=SIG{stop_signal}
TimeoutStopSec={stop_timeout}
SuccessExitStatus={stop_status} SIG{stop_signal}
NoNewPrivileges=true
UMask=0027
LimitNOFILE=65536
{limits}
[Install]
WantedBy={target}
"""
#: What filters of system calls do, which a user's own manager can, too (systemd.exec, "Sandboxing" and "System Call Filtering").
_SANDBOX = """\
RestrictNamespaces=true
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictRealtime=true
RestrictSUIDSGID=true
LockPersonality=true
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""
#: What else root's manager does: another view of files and processes, and no capability.
_SANDBOX_OF_ROOTS = """\
ProtectSystem=strict
PrivateDevices=true
ProtectProc=invisible
ProtectControlGroups=true
ProtectKernelTunables=true
ProtectKernelModules=true
ProtectKernelLogs=true
ProtectClock=true
ProtectHostname=true
CapabilityBoundingSet=
"""
_TEMPORARY = ("/tmp", "/var/tmp")
#: A point that units start before or after: passed when the layer of this name is up.
_TARGET = """\
[Unit]
Description=SaaSOdoo {instance}: {layer}

[Install]
WantedBy={target}
"""


def _quoted(word: str, *, dollar: str = "$$") -> str:
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", dollar)
    return f'"{text}"'


class Systemd:
    """The units ``saasodoo-<instance>-<name>.service``.

    A user's own manager needs ``loginctl enable-linger`` to outlive the log-in (role host sees to it).
    """

    def __init__(self, instance: str, run: RunCommand, *, root: bool | None = None, folder: Path | None = None) -> None:
        self._prefix, self._run = f"saasodoo-{instance}-", run
        self._instance = instance
        self._root = os.geteuid() == 0 if root is None else root
        if not self._root:  # a shell that was not logged in to, such as sudo's, does not say where the user's manager is
            os.environ.setdefault("XDG_RUNTIME_DIR", f"/run/user/{os.geteuid()}")
        self._whose = () if self._root else ("--user",)
        self._boot = "multi-user.target" if self._root else "default.target"
        own = Path.home() / ".config/systemd/user"
        self._folder = folder or (Path("/etc/systemd/system") if self._root else own)

    def read(self, name: str) -> Found:
        """Return the process as it is; unclear when it runs but would not after a boot, or the other way round."""
        try:
            definition = self._file(name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return Found("absent")
        shown = self._systemctl("show", _SHOWN, self._unit(name))
        properties = dict(line.partition("=")[::2] for line in shown.splitlines())
        active = properties.get("ActiveState") in ("active", "activating", "reloading")
        enabled = properties.get("UnitFileState") == "enabled"
        if active != enabled or (active and properties.get("NeedDaemonReload") == "yes"):
            return Found("unclear", definition)
        return Found("started" if active else "stopped", definition, int(properties.get("MainPID", 0)))

    def render(self, process: Process) -> str:
        """Return the unit of ``process``."""
        limits = [f"User={process.user}"] if process.user and self._root else []
        limits += [f"MemoryMax={process.memory_limit}"] if process.memory_limit else []
        limits += [f"CPUQuota={round(process.cpu_limit * 100)}%"] if process.cpu_limit else []
        variables = (_quoted(f"{name}={value}", dollar="$") for name, value in sorted(process.environment.items()))
        number = LAYERS.index(process.layer)
        after = [self._target(LAYERS[number - 1])] if number else []
        return _UNIT.format(
            after=" ".join(["network.target", *after]),
            before=f"Before={self._target(process.layer)}\n" if process.layer in _POINTS else "",
            stop_status=128 + signal.Signals[f"SIG{process.stop_signal}"],
            instance=self._instance,
            name=process.name,
            command=" ".join(_quoted(word) for word in process.command),
            directory=process.directory.replace("%", "%%"),
            environment="".join(f"Environment={variable}\n" for variable in variables),
            stop_signal=process.stop_signal,
            stop_timeout=process.stop_timeout,
            limits="".join(f"{line}\n" for line in limits) + self._sandbox(process),
            target=self._boot,
        )

    def _sandbox(self, process: Process) -> str:
        if process.writes is None:
            return ""
        if not self._root:
            return _SANDBOX
        uses = (*process.command, process.directory, *process.writes)
        hides = not any(Path(word).is_relative_to(folder) for word in uses for folder in _TEMPORARY)
        own = [f"ReadWritePaths={_quoted(path)}\n" for path in process.writes] + ["PrivateTmp=true\n"] * hides
        return _SANDBOX + _SANDBOX_OF_ROOTS + "".join(own)

    def stopped(self, definition: str) -> str:
        """Return ``definition``: whether a unit starts at boot is kept outside of it."""
        return definition

    def changed_limits(self, found: str, wanted: str) -> tuple[str, ...] | None:
        """Return which of memory_limit and cpu_limit differ, or None when anything else does that the process itself has."""
        (rest, limits), (other_rest, other_limits) = _split(found), _split(wanted)
        if rest != other_rest:
            return None
        return tuple(name for setting, name in _LIMITS.items() if limits.get(setting) != other_limits.get(setting))

    def set_limits(self, name: str, definition: str) -> None:
        """Write the unit and have systemd read it, which puts its limits in force for a service that runs, too, and all else
        that is systemd's own business.

        Not by set-property: what that writes (a drop-in below /run) would from then on hide what the unit says.
        """
        files.write(self._file(name), definition)
        points = self._write_points()
        self._systemctl("daemon-reload")
        self._systemctl("enable", "--now", *points)

    def log(self, name: str) -> str:
        """Return the command that shows the output; the journal bounds it."""
        return f"journalctl {'' if self._root else '--user '}--unit={self._unit(name)}"

    def names(self) -> list[str]:
        """Return the processes with a unit."""
        return sorted(file.stem.removeprefix(self._prefix) for file in self._folder.glob(f"{self._prefix}*.service"))

    def apply(self, name: str, wanted: Found) -> None:
        """Stop the unit, then write and start the new one."""
        if self._file(name).exists():
            self._systemctl("disable", "--now", self._unit(name))
        self._folder.mkdir(parents=True, exist_ok=True)
        if wanted.state == "absent":
            self._file(name).unlink(missing_ok=True)
        else:
            files.write(self._file(name), wanted.definition)
        points = self._write_points()
        self._systemctl("daemon-reload")
        self._forget_failure(name)
        if wanted.state == "started":
            self._systemctl("enable", "--now", *points, self._unit(name))

    def remove_all(self) -> None:
        """Remove every unit of this instance, those that are stopped first as the machine goes down first."""
        names = self.names()
        if there := [unit for unit in self._last_first(names) if (self._folder / unit).exists()]:
            self._systemctl("disable", "--now", *there)
        for unit in there:
            (self._folder / unit).unlink()
        self._systemctl("daemon-reload")
        for name in names:
            self._forget_failure(name)

    def _last_first(self, names: list[str]) -> list[str]:
        """Return units and points in the order they stop in: systemctl asks for one after the other."""
        order = []
        for layer in reversed(LAYERS):
            order += [self._target(layer)] if layer in _POINTS else []
            order += [self._unit(name) for name in names if self._layer(name) == layer]
        return order

    def _layer(self, name: str) -> str:
        lines = self._file(name).read_text(encoding="utf-8").splitlines()
        return next((layer for layer in _POINTS if f"Before={self._target(layer)}" in lines), LAYERS[-1])

    def _write_points(self) -> list[str]:
        """Write the units between layers where they are missing, and return their names."""
        for layer in _POINTS:
            if not (file := self._folder / self._target(layer)).exists():
                files.write(file, _TARGET.format(instance=self._instance, layer=layer, target=self._boot))
        return [self._target(layer) for layer in _POINTS]

    def _forget_failure(self, name: str) -> None:
        """Have a unit that had to be killed, and does not run, leave no trace; one that systemd does not know has none."""
        self._run(["systemctl", *self._whose, "reset-failed", self._unit(name)])

    def _unit(self, name: str) -> str:
        return f"{self._prefix}{name}.service"

    def _target(self, layer: str) -> str:
        return f"{self._prefix}{layer}.target"

    def _file(self, name: str) -> Path:
        return self._folder / self._unit(name)

    def _systemctl(self, *arguments: str) -> str:
        status, output, error = self._run(["systemctl", *self._whose, *arguments])
        if status:
            raise PlatformError(f"systemctl {' '.join(arguments)} failed", found=(error or output).strip()[-500:])
        return output


def _split(definition: str) -> tuple[list[str], dict[str, str]]:
    """Return the lines of a unit that say what its process has from its start, and its limits."""
    parts = [line.partition("=") for line in definition.splitlines()]
    limits = {setting: value for setting, _sign, value in parts if setting in _LIMITS}
    return ["".join(part) for part in parts if part[0] not in _LIMITS and part[0] not in _SYSTEMDS_OWN], limits
