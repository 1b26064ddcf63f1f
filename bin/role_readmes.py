#!/usr/bin/env python3
"""Writes the table of variables into each role's README.md; `make docs` runs it.

What they mean is said in the role's meta/argument_specs.yml, what they are by default in its defaults/main.yml and nowhere else.

What stands between the two markers is made here; everything around them is written by hand. Without markers they are
put at the end. ``--check`` writes nothing and ends with 1 when a README is not up to date.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
BEGIN = "<!-- variables: made by `make docs` -->"
END = "<!-- end of variables -->"
_LONGEST = 70  # characters of a default; a longer one is looked up
_ALONE = re.compile(r"\{\{ *([a-z_]+) *\}\}")  # a default that is another variable
_MARKUP = re.compile(r"\b[A-Z]\(([^()]*)\)")  # C(...), M(...) and such of Ansible's documentation


def main(arguments: list[str] | None = None) -> int:
    """Bring every README up to date, or say which are not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args(arguments).check
    stale = [role for role in roles() if wanted(role) != (role / "README.md").read_text(encoding="utf-8")]
    for role in stale:
        sys.stdout.write(f"{role.name}/README.md {'is not up to date: make docs' if check else 'written'}\n")
        if not check:
            (role / "README.md").write_text(wanted(role), encoding="utf-8")
    return int(check and bool(stale))


def roles() -> list[Path]:
    """Return the folders of all roles."""
    return sorted(file.parents[1] for file in (ROOT / "roles").glob("*/meta/argument_specs.yml"))


def wanted(role: Path) -> str:
    """Return the README of ``role`` as it is to be."""
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    file = role / "defaults/main.yml"
    defaults = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else {}
    return with_tables((role / "README.md").read_text(encoding="utf-8"), tables(specs, defaults))


def with_tables(readme: str, text: str) -> str:
    """Return ``readme`` with ``text`` between its markers, or after all where it has none."""
    head, begin, rest = readme.partition(BEGIN)
    tail = rest.partition(END)[2].strip() if begin else ""
    return f"{head.rstrip()}\n\n{BEGIN}\n{text}\n{END}\n" + (f"\n{tail}\n" if tail else "")


def tables(specs: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """Return one table of what all entries take, each variable at the first entry that has it; `main` is first."""
    parts, seen = [], set[str]()
    for entry in sorted(specs, key=lambda name: name != "main"):
        new = {name: option for name, option in specs[entry]["options"].items() if name not in seen}
        seen |= set(new)
        if new:
            title = [] if entry == "main" else [f"\nBesides, for `tasks_from: {entry}`:\n"]
            parts += [*title, "| variable | default | meaning |", "|---|---|---|", *_rows(new, defaults)]
    return "\n".join(parts)


def _rows(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterable[str]:
    for name, option in options.items():
        default = _default(defaults[name]) if name in defaults else "**required**"
        cells = (f"`{name}`", default, _meaning(option))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(value: Any) -> str:
    if isinstance(value, str):
        text = " ".join(value.split())
        found = _ALONE.fullmatch(text)
        text = found.group(1) if found else text or '""'
    else:
        text = yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("\n...\n").strip()
    return f"`{text}`" if len(text) <= _LONGEST else "see `defaults/main.yml`"


def _meaning(option: Mapping[str, Any]) -> str:
    description = option["description"]
    text = _MARKUP.sub(r"`\1`", description if isinstance(description, str) else " ".join(description))
    if choices := option.get("choices"):
        text += f" One of {', '.join(f'`{choice}`' for choice in choices)}."
    return text


if __name__ == "__main__":
    sys.exit(main())
