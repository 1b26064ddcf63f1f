#!/usr/bin/python
# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Folders and files of a part of the platform."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_files
short_description: Folders and files of a part of the platform
version_added: "0.1.0"
description:
  - Makes folders and files with their text, mode and owner, all of one task in one go.
  - Nothing is followed that somebody else may have laid on the way or in their place.
  - A file is exchanged whole, and never has another mode or owner than the one asked for, not for a moment either.
author:
  - SaaSOdoo developers (@saasodoo)
attributes:
  check_mode:
    description: Says what would change, and changes nothing.
    support: full
  diff_mode:
    description: Shows modes, owners and the text of files that are not hidden.
    support: full
options:
  folders:
    description: Folders to make, each after those it lies in. Those above the first are made with mode C(0755).
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      owner:
        description: User that owns it, with its group. Used only by root; by default whoever runs this.
        type: str
        default: ""
      mode:
        description: Mode, in octal digits.
        type: str
        default: "0755"
  files:
    description: Files to write, in folders that are there or among O(folders).
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      text:
        description: All that is in it.
        type: str
        required: true
      owner:
        description: User that owns it, with its group. Used only by root; by default whoever runs this.
        type: str
        default: ""
      mode:
        description: Mode, in octal digits.
        type: str
        default: "0644"
      hidden:
        description: Whether the text is not to be shown.
        type: bool
        default: false
      once:
        description: Whether a file that is there keeps its text. One that is not the owner's, or no file, is an error then.
        type: bool
        default: false
"""

EXAMPLES = r"""
- name: Make a folder that others may pass through, and a file of one of them
  saasodoo.platform.host_files:
    folders:
      - {path: /var/lib/saasodoo/secrets, mode: "0711"}
    files:
      - path: /var/lib/saasodoo/secrets/runner.pgpass
        text: "127.0.0.1:21032:*:saasodoo_runner:{{ password }}\n"
        owner: saasodoo
        mode: "0600"
        hidden: true
  no_log: true
"""

RETURN = r"""
paths:
  description: What was changed, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: [/var/lib/saasodoo/secrets/runner.pgpass]
"""

from pathlib import Path
from typing import Any

from ..module_utils.errors import InvalidInput
from ..module_utils.host.kept_files import Kept, mode_of
from ..module_utils.host_module import run_module
from ..module_utils.outcome import Outcome
from ..module_utils.ports import Host


def _each(mode: str, **more: Any) -> dict[str, Any]:
    common = {"path": {"type": "path", "required": True}, "owner": {"type": "str", "default": ""}}
    options = {**common, "mode": {"type": "str", "default": mode}, **more}
    return {"type": "list", "elements": "dict", "default": [], "options": options}


_TEXT = {"type": "str", "required": True}
_FLAG = {"type": "bool", "default": False}
ARGUMENTS: dict[str, Any] = {"folders": _each("0755"), "files": _each("0644", text=_TEXT, hidden=_FLAG, once=_FLAG)}
RULES: dict[str, Any] = {}


def apply(options: dict[str, Any], host: Host) -> Outcome:
    """Make all of it, in the order in which it is given, folders first. What is as it is to be is left alone."""
    before, after = {}, {}
    for each in [_kept(given) for given in (*options["folders"], *options["files"])]:
        name, found = str(each.path), each.found()
        before[name], after[name] = found, each.wanted(found)
        if before[name] != after[name] and not host.check_mode:
            each.make()
    changed = [name for name, found in before.items() if found != after[name]]
    return Outcome({name: found for name, found in before.items() if found}, after, {"paths": changed})


def _kept(given: dict[str, Any]) -> Kept:
    path = Path(given["path"])
    if not path.is_absolute():
        raise InvalidInput("not an absolute path", found=str(path))
    return Kept(**{**given, "path": path, "mode": mode_of(given["mode"])})


if __name__ == "__main__":
    run_module(ARGUMENTS, apply, **RULES)
