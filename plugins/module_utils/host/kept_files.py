# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Folders and files that a part of the platform needs: what they are, what they are to be, and the way there.

They are worked on by host.files, so nothing that somebody laid in their place is followed: it is replaced.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InvalidInput, NotFound, UnsafeFile
from . import files
from .users import ids_of, name_of

#: What is shown of a file or folder: mode, owner, and the lines of a file.
Shown = Mapping[str, Any]


@dataclass(frozen=True)
class Kept:
    """A folder, or with ``text`` a file, at an absolute ``path``.

    ``owner`` counts only for root, who else owns it himself; the group is that of the owner. The text of a ``hidden`` file is
    never shown. A file that is there ``once`` keeps its text.
    """

    path: Path
    mode: int
    owner: str = ""
    text: str | None = None
    hidden: bool = False
    once: bool = False

    def found(self) -> Shown:
        """Return what is there: nothing, what it is to be, or what tells it from that. Raises UnsafeFile (_text)."""
        try:
            with files.opened(self.path.parent) as folder:
                return self._found(folder)
        except FileNotFoundError:
            return {}

    def wanted(self, found: Shown) -> Shown:
        """Return what it is to be, where ``found`` is there now."""
        whole = {"mode": f"{self.mode:04o}", "owner": self._owner_name()}
        if self.text is None:
            return whole
        keep = self.once and "text" in found
        return whole | {"text": found["text"] if keep else self._shown(self.text)}

    def make(self) -> None:
        """Make it so. Raises NotFound for an unknown owner, UnsafeFile where somebody laid what can't be replaced."""
        owner = self._owner()
        if self.text is None:
            files.made(self.path, self.mode, owner).close()
            return
        try:
            folder = files.opened(self.path.parent)
        except FileNotFoundError:
            raise NotFound(f"there is no folder {self.path.parent}", action="name it among the folders, too") from None
        with folder, folder.held():  # who makes the same file at the same time looks after this one
            text = (self._text(folder) if self.once else None) or self.text
            folder.write(self.path.name, text, self.mode, owner)

    def _found(self, folder: files.Folder) -> Shown:
        about = folder.about(self.path.name)
        if about is None:
            return {}
        kind = stat.S_ISDIR if self.text is None else stat.S_ISREG
        if not kind(about.st_mode) and not self.once:
            return {"kind": files.words(about)}
        shown = {"mode": f"{stat.S_IMODE(about.st_mode):04o}", "owner": name_of(about.st_uid)}
        if self.text is None:
            return shown
        text = self._text(folder)
        return shown if text is None else shown | {"text": self._shown(text)}

    def _text(self, folder: files.Folder) -> str | None:
        """Return the file's text; None where it is none of the owner's, or has a second name, and so may be anybody's.

        Raises UnsafeFile for such a one that is there ``once``: what may be lost with it is for a person to decide.
        """
        about = folder.about(self.path.name)
        if about is None:
            return None
        with suppress(UnsafeFile, UnicodeDecodeError):
            if about.st_nlink == 1 and name_of(about.st_uid) == self._owner_name():
                return folder.read(self.path.name, about.st_uid)
        if self.once:
            what, expected = f"{self.path} is made once, so it is not replaced", f"a file of {self._owner_name()} with one name"
            raise UnsafeFile(what, found=files.words(about), expected=expected, action="move it, or mend its owner, by hand")
        return None

    def _shown(self, text: str) -> Any:
        if not self.hidden:
            return text.splitlines()
        return "as it is to be" if self.once or text == self.text else "another"

    def _owner_name(self) -> str:
        return self.owner if self.owner and os.geteuid() == 0 else name_of(os.geteuid())

    def _owner(self) -> files.Owner | None:
        return None if os.geteuid() else ids_of(self._owner_name())


def mode_of(text: str) -> int:
    """Return a mode given as octal digits. Raises InvalidInput."""
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o1777:
        raise InvalidInput("not the mode of a file", found=text, expected="octal digits, such as 0640")
    return mode
