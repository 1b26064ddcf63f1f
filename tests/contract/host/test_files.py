"""Files in folders where somebody else may write: made, read, copied, locked and removed without following anything."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput, UnsafeFile
from ansible_collections.saasodoo.platform.plugins.module_utils.host import files
from tests.fixtures.postgres import service_user

_DEPTH = 1500  # deeper than Python recurses, and than a path may be long


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ours").mkdir()
    return tmp_path / "ours"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/file").write_text("not to be touched")
    return tmp_path / "elsewhere"


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def other_user() -> int:
    if service_user() is None:
        pytest.skip("only root can make a file somebody else's")
    return 12345


def test_a_file_is_replaced_in_one_step_with_its_mode_whatever_the_umask(folder: Path) -> None:
    before = os.umask(0o077)
    try:
        files.write(folder / "file", "one", 0o644)
    finally:
        os.umask(before)
    first = (folder / "file").stat()
    files.write(folder / "file", "two\u00e9", 0o600)
    assert ((folder / "file").read_text(encoding="utf-8"), mode(folder / "file")) == ("two\u00e9", 0o600)
    assert (first.st_mode & 0o777, first.st_ino) != (0o644, (folder / "file").stat().st_ino)
    assert [each.name for each in folder.iterdir()] == ["file"]


def test_what_is_made_belongs_to_its_owner(folder: Path) -> None:
    uid = other_user()
    files.write(folder / "file", "", owner=(uid, uid))
    files.made(folder / "a/b", 0o750, (uid, uid)).close()
    assert [(each.stat().st_uid, each.stat().st_gid) for each in (folder / "file", folder / "a/b")] == [(uid, uid)] * 2
    assert ((folder / "a").stat().st_uid, mode(folder / "a/b")) == (0, 0o750)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write(folder / "file", "old")

    def full(_descriptor: int) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        files.write(folder / "file", "new")
    assert [(each.name, each.read_text()) for each in folder.iterdir()] == [("file", "old")]


def test_a_link_is_replaced_and_not_written_through(folder: Path, elsewhere: Path) -> None:
    (folder / "file").symlink_to(elsewhere / "file")
    files.write(folder / "file", "ours")
    assert not (folder / "file").is_symlink()
    assert (elsewhere / "file").read_text() == "not to be touched"


@pytest.mark.parametrize(
    ("lay", "kind"),
    [
        (lambda path: path.symlink_to("/etc/passwd"), "a symbolic link"),
        (lambda path: path.symlink_to("/nowhere"), "a symbolic link"),
        (os.mkfifo, "a pipe"),
        (a_socket, "a socket"),
        (Path.mkdir, "a folder"),
    ],
)
def test_what_is_no_file_is_neither_read_nor_locked_nor_written_to(folder: Path, lay: Callable[[Path], None], kind: str) -> None:
    lay(folder / "file")
    with files.opened(folder) as ours:
        for act in (ours.read, ours.append, ours.make_file):
            with pytest.raises(UnsafeFile, match=rf"ours/file is not what it is .* found: {kind}.* expected: a file.*find out"):
                act("file")
        with pytest.raises(UnsafeFile, match=kind), ours.locked("file"):
            raise AssertionError("it was locked")


def test_a_file_of_somebody_elses_is_not_read(folder: Path) -> None:
    uid = other_user()
    (folder / "file").write_text("a secret")
    os.chown(folder, uid, uid)
    with files.opened(folder) as ours, pytest.raises(UnsafeFile, match=f"a file of uid 0; expected: a file of uid {uid}"):
        ours.read("file")


def test_what_is_missing_is_the_systems_error_with_the_whole_path(folder: Path) -> None:
    with files.opened(folder) as ours:
        for act in (ours.read, ours.folder):
            with pytest.raises(FileNotFoundError, match=str(folder / "none")):
                act("none")
    with pytest.raises(FileNotFoundError, match=str(folder / "none")):
        files.opened(folder / "none/at/all")
    files.remove(folder / "none/at/all")
    files.remove(folder / "none")


@pytest.mark.parametrize("name", ["", ".", "..", "../up", "a/b", "/etc/passwd", "a\0b"])
def test_a_name_leads_nowhere_else(folder: Path, name: str) -> None:
    with files.opened(folder) as ours:
        for act in (ours.read, ours.remove, ours.folder, ours.about, ours.make_anew):
            with pytest.raises(InvalidInput, match="not the name of a file"):
                act(name)


def test_a_link_of_ours_on_the_way_is_followed(tmp_path: Path, folder: Path) -> None:
    """A home on another disk, by a link that its owner made."""
    (tmp_path / "link").symlink_to("./ours/../ours")
    (tmp_path / "other").symlink_to(tmp_path / "link")
    files.write(tmp_path / "other/file", "text")
    assert (folder / "file").read_text() == "text"


@pytest.mark.parametrize(("bits", "followed"), [(0o777, False), (0o1777, True)])
def test_a_link_where_others_write_is_followed_only_with_the_sticky_bit(
    tmp_path: Path, folder: Path, bits: int, followed: bool
) -> None:
    (tmp_path / "public").mkdir()
    (tmp_path / "public/link").symlink_to(folder)
    (tmp_path / "public").chmod(bits)
    if followed:
        files.write(tmp_path / "public/link/file", "text")
        return
    with pytest.raises(UnsafeFile, match="public/link is not to be followed; found: a symbolic link"):
        files.write(tmp_path / "public/link/file", "text")
    with pytest.raises(UnsafeFile):
        files.made(tmp_path / "public/link/new", 0o755)
    assert not list(folder.iterdir())


def test_links_that_lead_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(UnsafeFile, match="is not to be followed"):
        files.opened(tmp_path / "a")


def test_below_an_open_folder_no_link_is_followed(folder: Path, elsewhere: Path) -> None:
    before = mode(elsewhere)
    (folder / "link").symlink_to(elsewhere)
    with files.opened(folder) as ours:
        for act in (ours.folder, partial(ours.make, mode=0o700)):
            with pytest.raises(UnsafeFile, match=r"link is not what it is to be; found: a symbolic link.*expected: a folder"):
                act("link")
    assert mode(elsewhere) == before


def test_a_folder_that_is_exchanged_stays_the_one_that_was_opened(folder: Path, elsewhere: Path) -> None:
    with files.opened(folder) as ours:
        folder.rename(folder.with_name("moved"))
        folder.symlink_to(elsewhere)
        ours.write("file", "ours")
        ours.remove("none")
    assert (folder.with_name("moved") / "file").read_text() == "ours"
    assert (elsewhere / "file").read_text() == "not to be touched"


def test_removed_with_all_that_is_in_it_but_not_what_it_leads_to(folder: Path, elsewhere: Path) -> None:
    tree = folder / "tree"
    (tree / "a/b").mkdir(parents=True)
    (tree / "empty").mkdir(mode=0o500)
    (tree / "a/b/.hidden").touch()
    (tree / "a/link").symlink_to(elsewhere)
    os.mkfifo(tree / "a/pipe")
    (folder / "top").symlink_to(elsewhere)
    for name in ("tree", "top"):
        files.remove(folder / name)
    assert not list(folder.iterdir())
    assert (elsewhere / "file").read_text() == "not to be touched"


def test_a_tree_of_any_depth_is_removed(folder: Path) -> None:
    here = os.open(folder, os.O_RDONLY)
    for _level in range(_DEPTH):
        os.mkdir("x" * 100, dir_fd=here)
        below = os.open("x" * 100, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    with files.opened(folder) as ours:
        ours.empty()
    assert not list(folder.iterdir())


def test_a_lock_keeps_the_content_and_excludes_others(folder: Path) -> None:
    (folder / ".lock").write_text("somebody's notes")
    order = []

    def second() -> None:
        with files.opened(folder) as ours, ours.locked():
            order.append("second")

    with files.opened(folder) as ours, ours.locked():
        other = threading.Thread(target=second)
        other.start()
        time.sleep(0.2)
        order.append("first")
    other.join()
    assert order == ["first", "second"]
    assert (folder / ".lock").read_text() == "somebody's notes"


def test_a_second_name_of_a_file_is_no_lock(folder: Path, elsewhere: Path) -> None:
    (folder / ".lock").hardlink_to(elsewhere / "file")
    with files.opened(folder) as ours, pytest.raises(UnsafeFile, match="with 2 names"), ours.locked():
        raise AssertionError("it was locked")


def test_a_copy_has_the_modes_and_times_asked_for(folder: Path, elsewhere: Path) -> None:
    (elsewhere / "below").mkdir(mode=0o750)
    (elsewhere / "below/run").touch(mode=0o755)
    os.utime(elsewhere / "file", (1000, 2000))
    wanted = files.Copying(folder_mode=0o711, file_mode=0o640)
    with (
        files.opened(elsewhere) as source,
        files.made(folder / "same", 0o700) as same,
        files.made(folder / "set", 0o700) as given,
    ):
        same.fill(source)
        given.fill(source, wanted)
        given.fill(source, wanted)
    same_modes = [mode(folder / "same" / name) for name in ("", "below", "below/run")]
    assert same_modes == [mode(elsewhere), 0o750, 0o755]
    assert [mode(folder / "set" / name) for name in ("", "below", "below/run", "file")] == [0o711, 0o711, 0o640, 0o640]
    assert (folder / "same/file").stat().st_mtime == 2000
    assert (folder / "set/file").read_text() == "not to be touched"


@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize("lay", [lambda path: path.symlink_to("/etc/passwd"), os.mkfifo])
def test_what_is_neither_file_nor_folder_is_not_copied(
    folder: Path, elsewhere: Path, lay: Callable[[Path], None], link: bool
) -> None:
    lay(elsewhere / "laid")
    with files.opened(elsewhere) as source, files.opened(folder) as ours, pytest.raises(UnsafeFile, match="elsewhere/laid"):
        ours.fill(source, files.Copying(link=link))
    assert not [each for each in folder.iterdir() if each.name == "laid"]


def test_folders_nested_too_deeply_are_not_copied(folder: Path, elsewhere: Path) -> None:
    (elsewhere / "/".join(["x"] * 40)).mkdir(parents=True)
    with files.opened(elsewhere) as source, files.opened(folder) as ours, pytest.raises(UnsafeFile, match="nested too deeply"):
        ours.fill(source)


def test_linked_files_are_the_same_files(folder: Path, elsewhere: Path) -> None:
    with files.opened(elsewhere) as source, files.opened(folder) as ours:
        ours.fill(source, files.Copying(link=True))
    assert (folder / "file").samefile(elsewhere / "file")


def test_a_folder_in_place_of_a_file_is_told(folder: Path) -> None:
    (folder / "file").mkdir()
    with pytest.raises(UnsafeFile, match="found: a folder"):
        files.write(folder / "file", "text")
    assert [each.name for each in folder.iterdir()] == ["file"]


def test_nothing_stays_open(folder: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _round in range(20):
        files.write(folder / "file", "text")
        files.made(folder / "a/b", 0o755).close()
        with files.opened(folder) as ours, ours.locked():
            ours.read("file")
        with pytest.raises(FileNotFoundError):
            files.opened(folder / "none/x")
        files.remove(folder / "a")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
