"""The end of a worker: in its own time as long as all goes well, and in bounded time whatever it waits for."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading

from webhook_runner import run_processes
from webhook_runner.settings import Settings

_log = logging.getLogger(__name__)
_LAST_WORD = 0.5  # seconds for what it started to end when asked
_KILL = 1.5  # seconds more for what did not to be found and killed, on a machine however busy


def on_signals(settings: Settings) -> asyncio.Event:
    """Return what is set by SIGTERM or SIGINT; some seconds later the process has ended, even if a registry does not answer.

    What it then could not write down is found by the next worker, like what one leaves that is killed.
    """
    asked = asyncio.Event()

    def ask() -> None:
        if not asked.is_set():
            _log.info("asked to stop")
            end = threading.Timer(settings.stop_grace + settings.run_grace, _end)
            end.daemon = True
            end.start()
        asked.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ask)
    return asked


def _end() -> None:
    _log.warning("ended with its work undone: what it waits for does not answer")
    threads = [
        threading.Thread(target=run_processes.end, args=(run_id,), kwargs={"grace": _LAST_WORD}, daemon=True)
        for run_id in run_processes.of_this_process()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_LAST_WORD + _KILL)
    os._exit(0)
