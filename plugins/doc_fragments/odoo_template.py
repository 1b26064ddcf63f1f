# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the options in module_utils.options.ODOO_TEMPLATE."""

from __future__ import annotations


class ModuleDocFragment:
    """What a template is made from and where it is kept."""

    DOCUMENTATION = r"""
options:
  runtime:
    description: The installed Odoo, as role odoo_runtime left it.
    type: path
    required: true
  modules:
    description: Odoo modules to install; those they depend on come with them.
    type: list
    elements: str
    default: [base]
  language:
    description: Language as Odoo names it. Its translations must have been installed with Odoo.
    type: str
    default: en_US
  country:
    description: ISO code of the company's country, which also sets its currency. Empty leaves both as Odoo has them.
    type: str
    default: ""
  home:
    description: Folder where filestores are installed, one folder for each template.
    type: path
    required: true
  cache:
    description: Folder where dump and filestore are kept once made.
    type: path
    required: true
"""
