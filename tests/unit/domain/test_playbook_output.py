"""What a line of ansible-playbook's output says."""

from __future__ import annotations

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.playbook_output import complaint, plain


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("\x1b[0;31m[ERROR]: x.yml could not be found\x1b[0m\r\n", "[ERROR]: x.yml could not be found"),
        ("ERROR! no hosts", "ERROR! no hosts"),
        ('\x1b[0;31mfatal: [acme]: FAILED! => {"msg": "no"}\x1b[0m', 'fatal: [acme]: FAILED! => {"msg": "no"}'),
        ("TASK [Report an ERROR!] ****", ""),
        ("[WARNING]: something", ""),
        ("", ""),
    ],
)
def test_a_complaint_is_known_by_how_it_begins(line: str, expected: str) -> None:
    assert complaint(line) == expected


def test_colours_and_what_surrounds_a_line_are_no_part_of_it() -> None:
    assert plain("  \x1b[0;32mok: [acme]\x1b[0m\x1b[K\r\n") == "ok: [acme]"
