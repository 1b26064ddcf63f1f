# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Folders and files, here or sent to their host. Documentation: plugins/modules/host_files.py."""

from __future__ import annotations

from typing import ClassVar

from ..module_utils.ports import Noun
from ..modules import host_files
from ..plugin_utils.host_noun import HostAction


class ActionModule(HostAction):
    """What the module does."""

    NOUN: ClassVar[Noun] = host_files
    ARGUMENTS = host_files.ARGUMENTS
    RULES = host_files.RULES
