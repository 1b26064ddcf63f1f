"""How this machine reaches the registries of packages, handed to a fresh one as it is: none is named here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

#: Variables by which programs find a proxy, an index or the authorities they trust.
_VARIABLE = re.compile(
    r"(https?|ftp|all|no)_proxy|(PIP|UV)_.*|MAVEN_(ARGS|OPTS)|JAVA_TOOL_OPTIONS"
    r"|SSL_CERT_(FILE|DIR)|(REQUESTS|CURL)_CA_BUNDLE|GIT_SSL_CAINFO",
    re.IGNORECASE,
)
#: What of apt's configuration is about the way to a registry.
_APT = re.compile(r"Acquire::(https?|ftp|Check-|Retries|ForceIPv)", re.IGNORECASE)
_FILES = ("/etc/pip.conf", "/etc/maven/settings.xml", "/etc/apt/auth.conf", "/etc/apt/auth.conf.d")
#: Of whoever runs the tests, below the home; each user of a machine gets a copy.
_OF_USERS = (".config/pip/pip.conf", ".pip/pip.conf", ".config/uv/uv.toml", ".m2/settings.xml", ".netrc")
#: Suites of Ubuntu; all others are Debian's.
UBUNTU = ("noble",)
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.DOTALL)


def hand_over(upper: Path, suite: str, homes: tuple[str, ...]) -> None:
    """Write into ``upper``, a machine's root, what leads this machine to the registries."""
    mirror = {"SAASODOO_DEBIAN_MIRROR": _debian()} if suite in UBUNTU else {}
    _write(upper / "etc/environment", "".join(f'{name}="{value}"\n' for name, value in (variables() | mirror).items()))
    _write(upper / "etc/apt/sources.list", "".join(f"{line}\n" for line in _sources(suite)))
    _write(upper / "etc/apt/apt.conf.d/99registries", _apt())
    for number, certificate in enumerate(own_authorities()):
        _write(upper / f"usr/local/share/ca-certificates/own-{number}.crt", certificate)
    for file in (Path(each) for each in _FILES):
        _copy(file, upper / file.relative_to("/"))
    for home in homes:
        for name in _OF_USERS:
            _copy(Path.home() / name, upper / home.lstrip("/") / name)


def variables() -> dict[str, str]:
    """Return the variables of this process that lead to registries."""
    return {name: value for name, value in sorted(os.environ.items()) if _VARIABLE.fullmatch(name)}


def folders() -> list[str]:
    """Return the folders that these variables name, other than those that any machine has."""
    named = (Path(value) for name, value in variables().items() if not name.endswith("_CERT_DIR") and value.startswith("/"))
    return [str(path) for path in named if path.is_dir()]


def own_authorities() -> list[str]:
    """Return the certificates that this machine trusts and a Debian as such does not: those of a company's proxy, say."""
    trusted = Path("/etc/ssl/certs/ca-certificates.crt").read_text()
    known = {
        each for file in Path("/usr/share/ca-certificates").rglob("*.crt") for each in _CERTIFICATE.findall(file.read_text())
    }
    bare = {each.strip() for each in known}
    return [each for each in _CERTIFICATE.findall(trusted) if each.strip() not in bare]


def base_sources(suite: str) -> list[str]:
    """Return the sources to make a machine's root of, or none for this machine's own mirror.

    Debian has no keys of Ubuntu's to check them by; the machine itself, which has its own, checks all that comes after.
    """
    return [line.replace("deb ", "deb [trusted=yes] ") for line in _sources(suite)] if suite in UBUNTU else []


def _sources(suite: str) -> list[str]:
    """Return apt's sources of ``suite``: where this machine has its own Debian from, updates and security too.

    Ubuntu's are those beside it on the same mirror.
    """
    debian = _debian()
    if suite in UBUNTU:
        ubuntu = f"{debian.removesuffix('/debian')}/ubuntu"
        return [f"deb {ubuntu} {suite}{part} main universe" for part in ("", "-updates", "-security")]
    security = next((each for each in _mirrors() if each.endswith("/debian-security")), None)
    lines = [f"deb {debian} {suite} main", f"deb {debian} {suite}-updates main"]
    return lines + ([f"deb {security} {suite}-security main"] if security else [])


def _debian() -> str:
    """Return this machine's mirror of Debian. Raises RuntimeError where it has none."""
    addresses = _mirrors()
    debian = next((each for each in addresses if each.endswith("/debian")), None)
    if not debian:
        raise RuntimeError(f"apt on this machine knows no Debian to make others of; found: {', '.join(addresses) or 'none'}")
    return debian


def _mirrors() -> list[str]:
    words = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(SUITE)", "Created-By: Packages"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split("\n")
    return list(dict.fromkeys(line.split()[0].rstrip("/") for line in said if line))


def _apt() -> str:
    said = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    return "".join(f"{line}\n" for line in said.splitlines() if _APT.match(line))


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
