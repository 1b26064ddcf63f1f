"""Work that survives the absence of what it needs: no job is dropped because the registry was away."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Unavailable

T = TypeVar("T")

_log = logging.getLogger(__name__)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0  # seconds


def survive(stopping: threading.Event, work: Callable[[], T]) -> T:
    """Do ``work``, which may be repeated, again and again until all it needs is there, or the process stops (Unavailable)."""
    pause = _FIRST_PAUSE
    while True:
        try:
            return work()
        except Unavailable as error:
            if stopping.wait(pause):
                raise
            _log.warning("%s; tried again after %.1f s", error, pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
