# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Processes under supervisord: one supervisord per platform home, started when first needed."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import resource
import shlex
import signal
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ..domain.process import LAYERS, Found, Process
from ..errors import InvalidInput, PlatformError, TimedOut, Unavailable
from . import files

_LONGEST_SOCKET = 92  # of the 107 characters a Unix socket's path may have; supervisord first binds a longer name
_ON = ("STARTING", "RUNNING", "BACKOFF")  # BACKOFF: died, about to be started again
_BAD_NAME = 10  # fault codes of supervisor.xmlrpc.Faults
_NOT_RUNNING = 70
_ALREADY_STARTED = 60
_ALREADY_ADDED = 90
_STILL_RUNNING = 91
_SHUTDOWN_STATE = 6
_SILENT = (OSError, http.client.HTTPException)  # it died, also in the middle of an answer, or is very slow
_FILES = 65536  # that a process may have open: PgBouncer has one for each client
_START_SECONDS = 10.0
_STOP_SECONDS = 150.0

_CONFIGURATION = """\
[unix_http_server]
file={socket}
chmod=0700

[supervisord]
logfile={log}/supervisord.log
logfile_maxbytes=5MB
logfile_backups=1
pidfile={folder}/supervisord.pid
childlogdir={log}
umask=027
minfds={files}
nocleanup=true
{user}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[include]
files={folder}/conf.d/*.conf
"""

# A process that keeps dying is retried for ever, each time one second later, and one that ran for a second starts afresh.
_PROGRAM = """\
[program:{name}]
command={command}
directory={directory}
environment={environment}
autostart=true
autorestart=true
priority={priority}
startsecs=1
startretries=100000
stopsignal={stop_signal}
stopwaitsecs={stop_timeout}
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile={log}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=2
"""


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_STOP_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _SocketTransport(xmlrpc.client.Transport):
    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = _SocketConnection(self._path)
        self._connection = host, connection
        return connection

    def parse_response(self, response: http.client.HTTPResponse) -> Any:
        try:
            return super().parse_response(response)
        finally:
            self.close()


def _words(text: str, *, what: str) -> str:
    if re.search(r"\s[;#]", text):
        raise InvalidInput(f"supervisord takes the rest of {what} for a comment", found=text, expected="no blank before ; or #")
    return text.replace("%", "%%")


def _environment(variables: dict[str, str]) -> str:
    for name, value in variables.items():
        if '"' in value or value.strip("'") != value:  # supervisor.datatypes has no escape for them
            raise InvalidInput(
                f"supervisord can't pass the variable {name}", found=value, expected="no quote at its ends, no double one"
            )
    return ",".join(f'{name}="{value}"' for name, value in sorted(variables.items()))


class Supervisord:
    """The supervisord of the platform below ``home``; its configuration is in ``home``/supervisor."""

    def __init__(self, home: Path) -> None:
        self._folder, self._logs = home / "supervisor", home / "log"
        self._socket = self._folder / "supervisor.sock"
        if len(str(self._socket)) > _LONGEST_SOCKET:
            raise InvalidInput(
                "the platform's home has too long a path for Unix sockets", found=str(home), expected="70 characters"
            )
        transport = _SocketTransport(str(self._socket))
        self._rpc: Any = xmlrpc.client.ServerProxy("http://localhost", transport=transport).supervisor

    def read(self, name: str) -> Found:
        """Return the process as it is; one round trip."""
        try:
            definition = self._file(name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return Found("absent")
        try:
            info = self._rpc.getProcessInfo(name)
        except (ConnectionError, FileNotFoundError):
            return Found("unclear", definition)
        except xmlrpc.client.Fault as fault:
            _allow(fault, _BAD_NAME)
            return Found("stopped", definition)
        except _SILENT as error:
            raise self._unavailable(error) from None
        return Found("started" if info["statename"] in _ON else "stopped", definition, int(info["pid"]))

    def render(self, process: Process) -> str:
        """Return the program section of ``process``; memory and CPU limits are systemd's, supervisord has none."""
        text = _PROGRAM.format(
            name=process.name,
            command=_words(shlex.join(process.command), what="a command"),
            directory=_words(process.directory, what="a directory"),
            environment=_words(_environment(dict(process.environment)), what="an environment"),
            stop_signal=process.stop_signal,
            stop_timeout=process.stop_timeout,
            priority=LAYERS.index(process.layer),
            log=_words(self.log(process.name), what="a log's path"),
        )
        return text + (f"user={process.user}\n" if process.user and os.geteuid() == 0 else "")

    def stopped(self, definition: str) -> str:
        """Return ``definition`` without being started when supervisord starts."""
        return definition.replace("\nautostart=true\n", "\nautostart=false\n")

    def changed_limits(self, found: str, wanted: str) -> tuple[str, ...] | None:
        """Return () for equal definitions, else None: no limit is in them."""
        return () if found == wanted else None

    def set_limits(self, name: str, definition: str) -> None:
        """Do nothing, see changed_limits."""

    def log(self, name: str) -> str:
        """Return the file with the output of the process."""
        return str(self._logs / f"{name}.log")

    def names(self) -> list[str]:
        """Return the processes with a definition."""
        return sorted(file.stem for file in self._folder.glob("conf.d/*.conf"))

    def apply(self, name: str, wanted: Found) -> None:
        """Stop and forget the process, then write and start the new definition: what runs is always what is written."""
        if self._ensure_running() and self.read(name) == wanted:
            return
        self._forget(name)
        if wanted.state == "absent":
            self._file(name).unlink(missing_ok=True)
            return
        files.write(self._file(name), wanted.definition)
        try:
            self._call("reloadConfig")
        except PlatformError:  # left there, it would keep every other process from being changed
            self._file(name).unlink()
            raise
        self._call("addProcessGroup", name, allow=(_ALREADY_ADDED,))
        if wanted.state == "started":
            self._call("startProcess", name, False, allow=(_ALREADY_STARTED,))

    def remove_all(self) -> None:
        """Stop supervisord with all it runs, then what a supervisord that was killed left running, then the folder."""
        with contextlib.suppress(ConnectionError, FileNotFoundError, xmlrpc.client.Fault):
            pid = int(self._rpc.getPID())
            self._stop_all()  # shutting down, supervisord would stop one after the other
            self._rpc.shutdown()
            _wait(lambda: not _alive(pid), _STOP_SECONDS, f"supervisord (process {pid}) does not stop")
        self._end_orphans()
        files.remove(self._folder)

    def _stop_all(self) -> None:
        """Stop a layer at a time, the last one first, all processes of a layer at once."""
        layers = {each["name"]: each["process_prio"] for each in self._rpc.getAllConfigInfo()}
        for layer in sorted(set(layers.values()), reverse=True):
            names = {name for name, own in layers.items() if own == layer}
            for name in names:
                self._call("stopProcess", name, False, allow=(_BAD_NAME, _NOT_RUNNING))
            _wait(partial(self._stopped, names), _STOP_SECONDS, f"{', '.join(sorted(names))} do not stop")

    def _stopped(self, names: set[str]) -> bool:
        return not any(each["name"] in names and each["pid"] for each in self._rpc.getAllProcessInfo())

    def _file(self, name: str) -> Path:
        return self._folder / "conf.d" / f"{name}.conf"

    def _call(self, method: str, *arguments: Any, allow: tuple[int, ...] = ()) -> int:
        """Call a method; return the fault that was allowed, or 0."""
        try:
            getattr(self._rpc, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            _allow(fault, *allow)
            return fault.faultCode
        except _SILENT as error:
            raise self._unavailable(error) from None
        return 0

    def _unavailable(self, error: Exception) -> Unavailable:
        return Unavailable(f"supervisord at {self._socket} does not answer", found=str(error) or type(error).__name__)

    def _forget(self, name: str) -> None:
        """Stop the process and forget it. One that had just died may be started again in between, and is then stopped again."""
        while True:
            self._call("stopProcess", name, allow=(_BAD_NAME, _NOT_RUNNING))
            if self._call("removeProcessGroup", name, allow=(_BAD_NAME, _STILL_RUNNING)) != _STILL_RUNNING:
                return

    def _answers(self) -> bool:
        try:
            self._rpc.getPID()
        except (ConnectionError, FileNotFoundError):
            return False
        except _SILENT as error:
            raise self._unavailable(error) from None
        return True

    def _ensure_running(self) -> bool:
        """Start supervisord where it does not run; return whether it was started now."""
        if self._answers():
            return False
        (self._folder / "conf.d").mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        with files.opened(self._folder) as folder, folder.locked("lock"):
            if self._answers():
                return False
            self._end_orphans()
            self._start()
        return True

    def _start(self) -> None:
        configuration = self._folder / "supervisord.conf"
        user = "user=root\n" if os.geteuid() == 0 else ""
        places = {"socket": self._socket, "folder": self._folder, "log": self._logs}
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        most = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
        files.write(configuration, _CONFIGURATION.format(**places, user=user, files=most))
        # Services must not inherit what the operator's shell or a run happens to have in its environment.
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        done = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_STOP_SECONDS,
            check=False,
        )
        if done.returncode:
            raise Unavailable("supervisord does not start", found=(done.stderr or done.stdout).strip()[-500:])
        _wait(self._answers, _START_SECONDS, f"supervisord does not answer at {self._socket}")

    def _end_orphans(self) -> None:
        """End what a supervisord of this home started and left behind when it was killed."""
        if not (orphans := list(self._orphans())):
            return
        for pid in orphans:
            _signal(pid, signal.SIGINT)
        with contextlib.suppress(TimedOut):
            _wait(lambda: not list(self._orphans()), _START_SECONDS, "orphans")
        for pid in self._orphans():
            _signal(pid, signal.SIGKILL)
        _wait(lambda: not list(self._orphans()), _START_SECONDS, "processes of a killed supervisord do not end")

    def _orphans(self) -> Iterator[int]:
        """Yield the processes that have this supervisord's mark in their environment, save this one and its parents."""
        mark = f"SUPERVISOR_SERVER_URL=unix://{self._socket}".encode()
        own = set(_ancestors(os.getpid()))
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if int(folder.name) not in own and mark in (folder / "environ").read_bytes().split(b"\0"):
                    yield int(folder.name)


def _allow(fault: xmlrpc.client.Fault, *codes: int) -> None:
    if fault.faultCode == _SHUTDOWN_STATE:
        raise Unavailable("supervisord is shutting down", found=fault.faultString) from None
    if fault.faultCode not in codes:
        raise PlatformError("supervisord refuses", found=fault.faultString) from None


def _status(pid: int) -> tuple[str, int]:
    """Return the state letter of a process and its parent's id (proc(5)); X and 0 when there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return "X", 0
    return fields[0], int(fields[1])


def _alive(pid: int) -> bool:
    return _status(pid)[0] not in "XZ"


def _ancestors(pid: int) -> Iterator[int]:
    while pid > 0:
        yield pid
        pid = _status(pid)[1]


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)


def _wait(ready: Callable[[], bool], seconds: float, otherwise: str) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimedOut(otherwise, expected=f"within {seconds:.0f} s")
        time.sleep(0.05)
