# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tenant's folder and configuration, here or sent to its host. Documentation: plugins/modules/odoo_instance.py."""

from __future__ import annotations

from typing import ClassVar

from ..module_utils.ports import Noun
from ..modules import odoo_instance
from ..plugin_utils.host_noun import HostAction


class ActionModule(HostAction):
    """What the module does."""

    NOUN: ClassVar[Noun] = odoo_instance
    ARGUMENTS = odoo_instance.ARGUMENTS
    RULES = odoo_instance.RULES
