"""Every role's README has the table of its variables as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bin import role_readmes
from tests.conventions.project import load, roles

SPECS = {
    "extra": {"options": {"a_home": {"description": "Same."}, "a_port": {"description": "Port.", "required": True}}},
    "main": {
        "options": {
            "a_home": {"description": "Folder, C(caddy) below it."},
            "a_kind": {"description": ["One.", "Two."], "choices": ["x", "y"]},
            "a_list": {"description": "A | B."},
            "a_none": {"description": "Nothing."},
            "a_long": {"description": "Long."},
        }
    },
}
DEFAULTS = {"a_home": "{{ saasodoo_home }}", "a_kind": "x", "a_list": ["x", {"y": 1}], "a_none": "", "a_long": "z" * 100}
TABLES = """\
| variable | default | meaning |
|---|---|---|
| `a_home` | `saasodoo_home` | Folder, `caddy` below it. |
| `a_kind` | `x` | One. Two. One of `x`, `y`. |
| `a_list` | `[x, {y: 1}]` | A \\| B. |
| `a_none` | `""` | Nothing. |
| `a_long` | see `defaults/main.yml` | Long. |

Besides, for `tasks_from: extra`:

| variable | default | meaning |
|---|---|---|
| `a_port` | **required** | Port. |"""


@pytest.mark.parametrize("role", roles())
def test_a_readme_is_up_to_date(role: str) -> None:
    folder = role_readmes.ROOT / "roles" / role
    assert role_readmes.wanted(folder) == (folder / "README.md").read_text(encoding="utf-8"), "make docs"


@pytest.mark.parametrize("role", roles())
def test_a_readme_names_every_variable_once(role: str) -> None:
    readme = (role_readmes.ROOT / "roles" / role / "README.md").read_text(encoding="utf-8")
    table = readme.partition(role_readmes.BEGIN)[2].partition(role_readmes.END)[0]
    specs = load(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]
    names = {name for entry in specs.values() for name in entry["options"]}
    assert {name: table.count(f"| `{name}` |") for name in names} == dict.fromkeys(names, 1)


def test_tables_show_what_the_specifications_hold() -> None:
    assert role_readmes.tables(SPECS, DEFAULTS) == TABLES


def test_words_around_the_tables_stay() -> None:
    once = role_readmes.with_tables("# Role a\n\nWhat it does.\n", "one")
    assert once.startswith("# Role a\n\nWhat it does.\n\n<!-- variables")
    assert role_readmes.with_tables(once, "one") == once
    followed = role_readmes.with_tables(once + "\nMore words.\n", "two")
    assert followed.startswith("# Role a\n\nWhat it does.\n")
    assert followed.endswith(f"{role_readmes.END}\n\nMore words.\n")
    assert role_readmes.with_tables(followed, "two") == followed
    assert "two" in followed
    assert "one" not in followed


def test_a_stale_readme_is_found_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    role = tmp_path / "roles/a"
    (role / "meta").mkdir(parents=True)
    (role / "defaults").mkdir()
    (role / "defaults/main.yml").write_text(yaml.safe_dump(DEFAULTS))
    (role / "meta/argument_specs.yml").write_text(yaml.safe_dump({"argument_specs": SPECS}, sort_keys=False))
    (role / "README.md").write_text("# Role a\n")
    monkeypatch.setattr(role_readmes, "ROOT", tmp_path)
    assert role_readmes.main(["--check"]) == 1
    assert "make docs" in capsys.readouterr().out
    assert (role / "README.md").read_text() == "# Role a\n"
    assert role_readmes.main([]) == 0
    assert role_readmes.main(["--check"]) == 0
    assert "a_port" in (role / "README.md").read_text()
