"""One playbook run by ansible-runner: a folder, an environment and an inventory of its own, bounded in time.

The only file that imports ansible_runner. Facts this stands on: a reused ident overwrites artifacts; extra vars given twice
land on the command line; the `command` artifact holds the environment; so each run has a new folder, gets the tenant's id and
nothing else, and inherits nothing but what settings.INHERITED names.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import ansible_runner
from ansible_runner.exceptions import AnsibleRunnerException
from pexpect.exceptions import ExceptionPexpect  # type: ignore[import-untyped]

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.playbook_output import complaint
from webhook_runner import run_processes
from webhook_runner.ending import Result, Seen, judge
from webhook_runner.run_events import PROGRESS, RunEvent, read
from webhook_runner.run_folders import prune, run_folder
from webhook_runner.settings import INHERITED, Settings

#: The folder, in the run's own, where its modules unpack themselves. One that is killed leaves that.
_TEMPORARY = "tmp"
#: What ansible-runner itself sets for its callback, and all that is taken from it.
_RUNNERS_OWN = (
    "ANSIBLE_CALLBACK_PLUGINS",
    "ANSIBLE_RETRY_FILES_ENABLED",
    "ANSIBLE_STDOUT_CALLBACK",
    "AWX_ISOLATED_DATA_DIR",
    "RUNNER_OMIT_EVENTS",
    "RUNNER_ONLY_FAILED_EVENTS",
)
_STATIC = (
    "ANSIBLE_CONFIG",
    "ANSIBLE_HOST_KEY_CHECKING",
    "ANSIBLE_INVENTORY_IGNORE_REGEX",
    "HOME",
    "KUBERNETES_SERVICE_HOST",
    "LANG",
    "PATH",
)
_FLEET = r"^fleet\.ya?ml$"  # for people: a run gets its tenant's id, and asks the registry about it alone
#: Takes an event of the run, or None when there is none for a second.
Record = Callable[[RunEvent | None], None]

_log = logging.getLogger(__name__)
_TICK = 1  # seconds between looks at the clock
_LOCK_WAIT = 60  # seconds a run waits for one by hand on the same tenant
_MESSAGE_LIMIT = 2000  # characters
_PROGRESS_LIMIT = 2000  # lines of progress kept of a run: one a second for as long as it may take


@dataclass(frozen=True)
class Request:
    """What to run: ``playbook`` is a file of the playbooks folder, ``tenant`` an id or None for a run of the platform's own."""

    run_id: UUID
    playbook: str
    tenant: UUID | None
    cause: str
    correlation_id: str


class _Watch:
    """Looks after one run while it goes: passes on what it tells, warns, and ends it when its time is over."""

    def __init__(self, settings: Settings, request: Request, record: Record, stop: threading.Event) -> None:
        self._settings, self._request, self._record, self._stop = settings, request, record, stop
        self._started, self._warned = time.monotonic(), False
        self._ending: threading.Thread | None = None
        self.failure, self.code, self.complaint, self.task, self.ended = "", "", "", "", ""
        self.tasks, self._progressed, self.whole = 0, 0, False

    def event(self, raw: dict[str, Any]) -> bool:
        """Take one event; False keeps ansible-runner from writing it, with all the result's values, to disk."""
        if self.tasks == 0:
            self.complaint = _complaint(str(raw.get("stdout", ""))) or self.complaint
        if event := read(raw):
            if event.failure and not (event.repeats and self.failure):
                self.failure, self.code = event.failure, event.code
            if event.event == "playbook_on_task_start":
                self.tasks, self.task = self.tasks + 1, event.task
            self.whole |= event.event == "playbook_on_stats"
            self._progressed += event.event == PROGRESS
            if event.event != PROGRESS or self._progressed <= _PROGRESS_LIMIT:
                self._record(event)
        return False

    def tick(self) -> bool:
        """Look at the clock; always False, since ansible-runner's own way of cancelling leaves orphans."""
        self._record(None)
        elapsed = time.monotonic() - self._started
        if elapsed > self._settings.run_warning and not self._warned:
            self._warned = True
            _log.warning("run %s has taken %d s of its %d", self._request.run_id, elapsed, self._settings.run_limit)
        if self._ending is None and (elapsed > self._settings.run_limit or self._stop.is_set()):
            self.ended = "stopped" if self._stop.is_set() else "timed_out"
            self._ending = threading.Thread(target=self._end, name=f"end-{self._request.run_id}")
            self._ending.start()
        return False

    def close(self) -> None:
        """Wait until what ends the run has done so."""
        if self._ending:
            self._ending.join()

    def _end(self) -> None:
        run_processes.end(self._request.run_id, grace=self._settings.run_grace)


def execute(settings: Settings, request: Request, record: Record, stop: threading.Event) -> Result:
    """Run the playbook and return how it ended. Blocks; call it in a thread.

    ``record`` gets every event worth keeping, and None each second in between, and must not raise. Setting ``stop`` ends the run.
    """
    folder = run_folder(settings, request.run_id)
    folder.mkdir(mode=0o700, parents=True)  # a run id is used once: FileExistsError otherwise
    (folder / _TEMPORARY).mkdir(mode=0o700)
    watch = _Watch(settings, request, record, stop)
    config = _configure(settings, request, folder)
    runner = ansible_runner.Runner(config, event_handler=watch.event, cancel_callback=watch.tick)
    trouble = ""
    try:
        runner.run()
    except (AnsibleRunnerException, ExceptionPexpect, OSError) as error:
        # On a busy machine, or when ansible-playbook was killed before what it started: the pseudo terminal is not let go.
        trouble = f"ansible-runner lost it ({type(error).__name__})"
        _log.warning("run %s: %s: %s", request.run_id, trouble, str(error).partition("\n")[0])
        run_processes.end(request.run_id, grace=settings.run_grace)
    finally:
        watch.close()
        shutil.rmtree(folder / _TEMPORARY, ignore_errors=True)
    prune(settings)
    return _result(watch, runner.rc, trouble, settings)


def _result(watch: _Watch, exit_code: int | None, trouble: str, settings: Settings) -> Result:
    code = -1 if exit_code is None else exit_code
    if watch.ended == "timed_out":
        return Result("timed_out", code, f"ended after {settings.run_limit:.0f} s, the limit of a run")
    if watch.ended == "stopped":
        return Result("lost", code, "ended because the worker was stopped")
    if trouble and watch.whole:  # it had told how it ended
        exit_code = 2 if watch.failure else 0
    return judge(
        Seen(exit_code, watch.tasks, watch.whole, watch.task, watch.failure, watch.code, watch.complaint, trouble=trouble)
    )


def _complaint(output: str) -> str:
    """Return what ansible-playbook itself complains of first, or ''."""
    return next((found[:_MESSAGE_LIMIT] for line in output.splitlines() if (found := complaint(line))), "")


def _configure(settings: Settings, request: Request, folder: Path) -> Any:
    files = folder / "env"
    files.mkdir(mode=0o700)
    # No file of the output: ansible-core prints failures there that no_log censors in the events.
    (files / "settings").write_text(json.dumps({"pexpect_timeout": _TICK, "suppress_output_file": True}))
    if request.tenant:
        (files / "extravars").write_text(json.dumps({"tenant": str(request.tenant)}))
    config = ansible_runner.RunnerConfig(
        private_data_dir=str(folder),
        project_dir=str(settings.project),
        playbook=str(settings.playbooks / request.playbook),
        inventory=str(settings.inventory),
        ident=str(request.run_id),
        quiet=True,
        fact_cache_type="",
    )
    config.prepare()
    config.env = {name: config.env[name] for name in _RUNNERS_OWN} | environment(settings, request)
    return config


def environment(settings: Settings, request: Request) -> dict[str, str]:
    """Return the whole environment of a run: no secret, and nothing of the runner's own that a playbook has no use for."""
    here = str(Path(sys.executable).parent)
    path = [settings.execution_path, here, os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin")]
    own = {
        "PATH": ":".join(part for part in path if part),
        "ANSIBLE_CONFIG": str(settings.project / "ansible.cfg"),
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_INVENTORY_IGNORE_REGEX": _FLEET,
        run_processes.MARK: str(request.run_id),
        "SAASODOO_CAUSE": request.cause,
        "SAASODOO_CORRELATION_ID": request.correlation_id,
        "SAASODOO_LOCK_WAIT": str(_LOCK_WAIT),
        "TMPDIR": str(run_folder(settings, request.run_id) / _TEMPORARY),
    }
    if settings.fork_socket:
        own["SAASODOO_FORK_SOCKET"] = settings.fork_socket
    if request.tenant:
        own["SAASODOO_TENANT"] = str(request.tenant)
    return {name: os.environ[name] for name in INHERITED if name in os.environ} | own


def become_fork_server(settings: Settings) -> None:
    """Replace this process by webhook_runner.fork_server, with what ansible reads from its environment when it is loaded."""
    callbacks = Path(ansible_runner.__file__).parent / "display_callback" / "callback"
    static = {
        "ANSIBLE_CALLBACK_PLUGINS": str(callbacks),
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "ANSIBLE_STDOUT_CALLBACK": "awx_display",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }
    none = Request(UUID(int=0), "", None, "", "")
    own = {name: value for name, value in environment(settings, none).items() if name in _STATIC} | static
    os.execve(sys.executable, [sys.executable, "-m", "webhook_runner.fork_server", settings.fork_socket], own)
