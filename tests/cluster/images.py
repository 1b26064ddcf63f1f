"""Container images made from files of this machine, without a registry: an archive that containerd imports."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path


def archive(target: Path, name: str, files: Mapping[str, Path], *, command: Sequence[str], user: str = "") -> Path:
    """Write the image ``name`` (with its tag) to ``target`` and return that.

    ``files`` are the paths inside and where they are here; a folder is taken with all in it. ``command`` is the entry point.
    """
    layer = _layer(files)
    config = json.dumps({
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": list(command), "User": user, "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }).encode()  # fmt: skip
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(target, "w") as out:
        for member, content in (("layer.tar", layer), ("config.json", config), ("manifest.json", manifest)):
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


def _add(out: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    out.addfile(member, io.BytesIO(content))
