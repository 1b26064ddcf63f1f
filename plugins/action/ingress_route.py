# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An address at the proxy, here or sent to its host. Documentation: plugins/modules/ingress_route.py."""

from __future__ import annotations

from typing import ClassVar

from ..module_utils.ports import Noun
from ..modules import ingress_route
from ..plugin_utils.host_noun import HostAction


class ActionModule(HostAction):
    """What the module does."""

    NOUN: ClassVar[Noun] = ingress_route
    ARGUMENTS = ingress_route.ARGUMENTS
    RULES = ingress_route.RULES
