"""Starts playbooks fast: a parent that has Ansible imported forks once per run (docs/decisions.md has the figures).

``python -m webhook_runner.fork_server SOCKET`` serves; the client is ``bin/ansible-playbook``, which an ansible-runner finds
first on its PATH and which runs the real ansible-playbook instead whenever the server cannot help. A request hands over
the client's arguments, environment, working directory and its three standard streams; what runs is a fresh process of
its own session with exactly those, so runs share nothing but read-only memory.
"""

from __future__ import annotations

import array
import gc
import json
import os
import select
import signal
import socket
import struct
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

from webhook_runner import compiled_templates

_PROJECT = Path(__file__).resolve().parents[1]
_PLUGINS = _PROJECT / "plugins"
_REQUEST_LIMIT = 1 << 20  # bytes; arguments and environment of one run
_GRACE = 10  # seconds between SIGTERM and SIGKILL once the client is gone
_COLLECTION = "saasodoo.platform"


def fingerprint() -> tuple[int, int]:
    """Return what changes when a plugin file does: the number of files and their newest modification time."""
    times = [file.stat().st_mtime_ns for file in _PLUGINS.rglob("*.py")]
    return len(times), max(times)


def preload() -> None:
    """Import what every playbook of ours needs, so that children find it in memory."""
    from ansible.cli.playbook import PlaybookCLI  # noqa: F401
    from ansible.executor import module_common, playbook_executor, task_executor  # noqa: F401
    from ansible.plugins import loader
    from ansible.utils.collection_loader._collection_finder import _get_collection_metadata

    loader.init_plugin_loader([str(_PROJECT / "collections")])
    _get_collection_metadata(_COLLECTION)
    loader.strategy_loader.get("linear", class_only=True)
    for name in ("host_list", "ini", "yaml", "auto", f"{_COLLECTION}.fleet"):
        loader.inventory_loader.get(name, class_only=True)
    for name in ("env", "file", "vars"):
        loader.lookup_loader.get(name, class_only=True)
    ours = [file.stem for file in (_PLUGINS / "action").glob("*.py") if not file.stem.startswith(_unused())]
    for name in ("normal", "copy", "template", "debug", "set_fact", "include_role", *(f"{_COLLECTION}.{noun}" for noun in ours)):
        loader.action_loader.get(name, class_only=True)
    # Ansible looks at all of these before a play, for the variables they know. Not at ansible-runner's callback: that reads
    # the run's environment when it is loaded.
    for name in ("default", "junit", "minimal", "oneline", "tree"):
        loader.callback_loader.get(name, class_only=True)
    for kind in ("become", "connection", "filter", "shell", "test"):
        list(getattr(loader, f"{kind}_loader").all(class_only=True))
    compiled_templates.keep(_PROJECT)
    gc.collect()
    gc.freeze()


def _unused() -> tuple[str, ...]:
    """Return how the names of those nouns begin that runs have no use for: each fork of a smaller process costs less."""
    set_up_once = ("killbill_", "registry_")
    return set_up_once if "KUBERNETES_SERVICE_HOST" in os.environ else (*set_up_once, "kubernetes_")


def serve(address: Path) -> None:
    """Answer requests on the unix socket ``address`` until SIGTERM; only this user may connect."""
    loaded = fingerprint()
    preload()
    address.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(address))
        address.chmod(0o600)
        listener.listen(16)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            connection, _ = listener.accept()
            if fingerprint() != loaded:  # stale code: this client falls back, the next finds a fresh server
                connection.close()
                listener.close()
                os.execv(sys.executable, [sys.executable, "-m", "webhook_runner.fork_server", str(address)])
            if os.fork() == 0:
                listener.close()
                _attend(connection)
            connection.close()


def _attend(connection: socket.socket) -> None:
    """Run one request in a child of this process and tell the client its exit status; never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        request, streams = _receive(connection)
        connection.sendall(b"+")  # from here on the client must not fall back
        child = os.fork()
        if child == 0:
            connection.close()
            _run(request, streams)
        for stream in streams:
            os.close(stream)
        connection.sendall(struct.pack("i", _wait(child, connection)))
    except OSError:
        os._exit(1)
    os._exit(0)


def _receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    streams = array.array("i")
    data, ancillary, _, _ = connection.recvmsg(_REQUEST_LIMIT, socket.CMSG_SPACE(3 * streams.itemsize))
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            streams.frombytes(payload)
    while not data.endswith(b"\n"):
        more = connection.recv(_REQUEST_LIMIT)
        if not more:
            raise ConnectionError("the client went away before its request was whole")
        data += more
    request: dict[str, Any] = json.loads(data)
    return request, list(streams)


def _run(request: dict[str, Any], streams: list[int]) -> None:
    """Become ansible-playbook with the client's arguments, environment, folder and streams; never returns."""
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv = ["ansible-playbook", *request["arguments"]]
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - the client's stream, not a file of ours
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    warnings.filterwarnings("ignore", "AnsibleCollectionFinder has already been configured")  # by preload, on purpose
    status = 250  # what ansible-playbook itself returns for an unexpected exception
    try:
        from ansible.cli.playbook import PlaybookCLI

        PlaybookCLI.cli_executor(sys.argv)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - the edge of a process: whatever it is, show it and end
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _wait(child: int, connection: socket.socket) -> int:
    """Return the child's exit status; a signal the client forwards, or its death, ends the child."""
    exited = os.pidfd_open(child)
    patience: float | None = None
    try:
        while True:
            waited: list[int] = [exited] if patience else [exited, connection.fileno()]
            readable, _, _ = select.select(waited, [], [], patience)
            if exited in readable:
                return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if connection.fileno() in readable and (forwarded := connection.recv(1)):
                os.kill(child, forwarded[0])
            elif patience is None:
                os.kill(child, signal.SIGTERM)
                patience = _GRACE
            else:
                os.kill(child, signal.SIGKILL)
    finally:
        os.close(exited)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
