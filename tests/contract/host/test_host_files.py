"""The noun host_files: folders and files made, changed, foretold, shown; and whatever somebody laid in their place."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.ansible import run_tasks

_AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
_OTHER = "nobody"


def play(*tasks: dict[str, Any], check: bool = False, **keywords: Any) -> list[dict[str, Any]]:
    return run_tasks([{"saasodoo.platform.host_files": task, **keywords} for task in tasks], check=check)


def state(path: Path) -> tuple[str, str]:
    found = path.lstat()
    return f"{stat.S_IMODE(found.st_mode):04o}", pwd.getpwuid(found.st_uid).pw_name


def test_every_change_is_foretold_made_once_and_shown(tmp_path: Path) -> None:
    folder, file = tmp_path / "a" / "b", tmp_path / "a" / "b" / "conf"
    me = pwd.getpwuid(os.geteuid()).pw_name
    for text, mode in (("one\ntwo\n", "0640"), ("one\nthree\n", "0640"), ("one\nthree\n", "0600")):
        wanted = {
            "folders": [{"path": str(folder), "mode": "0750"}],
            "files": [{"path": str(file), "text": text, "mode": mode}],
        }
        before = file.read_text() if file.exists() else None
        (foretold,) = play(wanted, check=True)
        assert (file.read_text() if file.exists() else None) == before
        done, again = play(wanted, wanted)
        assert (foretold["changed"], done["changed"], again["changed"], again["paths"]) == (True, True, False, [])
        assert (foretold["diff"], foretold["paths"]) == (done["diff"], done["paths"])
        assert done["diff"]["after"][str(file)] == {"mode": mode, "owner": me, "text": text.splitlines()}
        assert (file.read_text(), state(file), state(folder)) == (text, (mode, me), ("0750", me))
    assert sorted(each.name for each in folder.iterdir()) == ["conf"], "nothing is left besides"


@_AS_ROOT
def test_what_is_somebodys_is_given_to_him_and_back(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    mine = {"folders": [{"path": str(tmp_path / "f")}], "files": [{"path": str(tmp_path / "f/x"), "text": "x"}]}
    his = {name: [{**each, "owner": _OTHER} for each in entries] for name, entries in mine.items()}
    given, back = play(his, mine)
    assert given["diff"]["after"][str(tmp_path / "f/x")]["owner"] == _OTHER
    assert back["diff"]["before"][str(tmp_path / "f/x")] == {"mode": "0644", "owner": _OTHER}, "his own text is not read"
    assert (state(tmp_path / "f")[1], state(tmp_path / "f/x")[1]) == ("root", "root")
    unknown = play({"folders": [{"path": str(tmp_path / "g"), "owner": "nobody-here"}]})[-1]
    assert "there is no user nobody-here" in unknown["msg"]
    assert play({"folders": [{"path": str(tmp_path / "g"), "owner": "nobody-here"}]}, check=True)[-1]["changed"]


def test_a_secret_is_shown_nowhere_and_once_keeps_its_text(tmp_path: Path) -> None:
    file = tmp_path / "key"
    first, second = ({"path": str(file), "text": text, "mode": "0600", "hidden": True} for text in ("hunter2\n", "hunter3\n"))
    results = play({"files": [first]}, {"files": [second]}, {"files": [{**first, "once": True}]})
    assert [each["changed"] for each in results] == [True, True, False]
    assert file.read_text() == "hunter3\n"
    assert "hunter" not in str([each["diff"] for each in results])
    assert results[1]["diff"]["before"][str(file)]["text"] != results[1]["diff"]["after"][str(file)]["text"]
    file.chmod(0o644)
    assert play({"files": [{**first, "once": True}]})[-1]["changed"], "its mode is looked after"
    assert (file.read_text(), state(file)[0]) == ("hunter3\n", "0600")


@pytest.mark.parametrize("laid", ["a second name", "a link", "a pipe", "no text"])
@pytest.mark.parametrize("check", [True, False])
def test_what_is_made_once_is_never_replaced(tmp_path: Path, laid: str, *, check: bool) -> None:
    """The platform key, say: all other secrets are derived from it."""
    kept, file = tmp_path / "kept", tmp_path / "key"
    kept.write_bytes(b"\xff" if laid == "no text" else b"hunter2")
    match laid:
        case "a second name":
            os.link(kept, file)
        case "a link":
            file.symlink_to(kept)
        case "a pipe":
            os.mkfifo(file)
        case _:
            kept.rename(file)
    before = file.lstat()
    wanted = {"path": str(file), "text": "another", "once": True, "hidden": True}
    assert "is made once, so it is not replaced" in play({"files": [wanted]}, check=check)[-1]["msg"]
    assert file.lstat().st_ino == before.st_ino


@pytest.mark.parametrize("mode", ["0899", "rw", "-1", "77777", ""])
def test_what_is_no_mode_is_refused_before_anything_is_made(tmp_path: Path, mode: str) -> None:
    refused = play({"folders": [{"path": str(tmp_path / "one")}, {"path": str(tmp_path / "two"), "mode": mode}]})[-1]
    assert "not the mode of a file" in refused["msg"]
    assert list(tmp_path.iterdir()) == []


def test_what_can_not_be_made_says_why(tmp_path: Path) -> None:
    assert "not an absolute path" in play({"files": [{"path": "conf", "text": ""}]})[-1]["msg"]
    assert f"no folder {tmp_path}/none" in play({"files": [{"path": f"{tmp_path}/none/conf", "text": ""}]})[-1]["msg"]
    assert play({"files": [{"path": f"{tmp_path}/none/conf", "text": ""}]}, check=True)[-1]["changed"]
    (tmp_path / "conf").mkdir()
    assert "a folder of uid" in play({"files": [{"path": f"{tmp_path}/conf", "text": ""}]})[-1]["msg"]


@pytest.mark.parametrize("laid", ["a link", "a hard link", "a pipe", "a link to nothing"])
def test_what_is_laid_in_the_place_of_a_file_is_replaced_and_nothing_behind_it_is_touched_or_shown(
    tmp_path: Path, laid: str
) -> None:
    victim, file = tmp_path / "victim", tmp_path / "conf"
    victim.write_text("hunter2\n")
    victim.chmod(0o600)
    match laid:
        case "a link":
            file.symlink_to(victim)
        case "a link to nothing":
            file.symlink_to(tmp_path / "made")
        case "a hard link":
            os.link(victim, file)
        case _:
            os.mkfifo(file)
    (done,) = play({"files": [{"path": str(file), "text": "mine\n"}]})
    assert done["changed"]
    assert "hunter2" not in str(done)
    assert (victim.read_text(), state(victim)[0], (tmp_path / "made").exists()) == ("hunter2\n", "0600", False)
    assert (file.read_text(), file.is_symlink(), file.stat().st_nlink) == ("mine\n", False, 1)


@_AS_ROOT
def test_a_folder_of_somebody_elses_is_not_passed_through_by_his_link(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "victim").mkdir(mode=0o700)
    (tmp_path / "his").mkdir()
    (tmp_path / "his" / "log").symlink_to(tmp_path / "victim")
    os.chown(tmp_path / "his", 65534, 65534)
    for task in (
        {"folders": [{"path": f"{tmp_path}/his/log", "owner": _OTHER, "mode": "0777"}]},
        {"files": [{"path": f"{tmp_path}/his/log/conf", "text": "x"}]},
    ):
        assert "is not to be followed" in play(task)[-1]["msg"]
    assert (state(tmp_path / "victim"), list((tmp_path / "victim").iterdir())) == (("0700", "root"), [])
