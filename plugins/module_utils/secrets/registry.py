# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets of the registry's login roles; apart from registry.access, so that using them needs no psycopg."""

from __future__ import annotations

from .platform_key import derive, derive_verifier
from .server import subject

#: The registry's server, among the Postgres servers.
SERVER = "registry"
#: The components of the platform that log in, each as the role saasodoo_COMPONENT. Beside them there is the superuser, ``admin``.
COMPONENTS = ("owner", "operator", "runner", "inventory")


def password(key: bytes, component: str) -> str:
    """Return the password of the component's role."""
    return derive(key, *_secret(component))


def verifier(key: bytes, component: str) -> str:
    """Return the SCRAM verifier that the server keeps of it."""
    return derive_verifier(key, *_secret(component))


def _secret(component: str) -> tuple[str, str]:
    match component:
        case "admin":
            return subject(SERVER), "admin"
        case "killbill":  # whose database is beside the registry
            return "killbill", "database"
        case _:
            return f"registry:saasodoo_{component}", "login"
