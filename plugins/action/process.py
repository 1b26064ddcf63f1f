# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A process that outlives the run, here or sent to its host. Documentation: plugins/modules/process.py."""

from __future__ import annotations

from typing import ClassVar

from ..module_utils.ports import Noun
from ..modules import process
from ..plugin_utils.host_noun import HostAction


class ActionModule(HostAction):
    """What the module does."""

    NOUN: ClassVar[Noun] = process
    ARGUMENTS = process.ARGUMENTS
    RULES = process.RULES
