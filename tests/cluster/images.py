"""Container images made from files of this machine, without a registry: an archive that containerd imports."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def archive(target: Path, *names: str, files: Mapping[str, Path], command: Sequence[str] = (), user: str = "") -> Path:
    """Write one image under all its ``names`` (with their tags) to ``target`` and return that.

    ``files`` are the paths inside and where they are here; a folder is taken with all in it. ``command`` is the entry point.
    """
    layer = io.BytesIO(_layer(files))
    return _write(target, names, layer, {"Entrypoint": list(command), "User": user, "Env": [_PATH]})


def archive_of_root(target: Path, name: str, root: Path) -> Path:
    """Write the image ``name`` (with its tag) of a whole root file system, ``root``, a plain tar file."""
    with root.open("rb") as layer:
        return _write(target, [name], layer, {"Env": [_PATH]})


def _write(target: Path, names: Sequence[str], layer: io.BufferedIOBase, settings: Mapping[str, Any]) -> Path:
    digest = hashlib.file_digest(layer, "sha256").hexdigest()
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{digest}"]}
    history = [{"created_by": names[0]}]  # one entry for each layer, or buildah miscounts what is built on what is built on it
    config = {"architecture": "amd64", "os": "linux", "config": settings, "rootfs": rootfs, "history": history}
    manifest = json.dumps([{"Config": "config.json", "RepoTags": list(names), "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(target, "w") as out:
        for member, content in (
            ("layer.tar", layer),
            ("config.json", io.BytesIO(json.dumps(config).encode())),
            ("manifest.json", io.BytesIO(manifest)),
        ):
            _add(out, member, content)
    return target


def _layer(files: Mapping[str, Path]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as out:
        for inside, here in files.items():
            out.add(here, inside.lstrip("/"), filter=_anybodys)
    return content.getvalue()


def _anybodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _add(out: tarfile.TarFile, name: str, content: io.BufferedIOBase) -> None:
    member = tarfile.TarInfo(name)
    member.size = content.seek(0, io.SEEK_END)
    content.seek(0)
    out.addfile(member, content)
