# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which version of Kubernetes may follow which.

The rules are Kubernetes' own: a control plane goes up one minor version at a time, a kubelet may be three minor versions older
than the API server, and nothing goes back (https://kubernetes.io/releases/version-skew-policy/).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...errors import Conflict, InvalidInput

_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
_KUBELET_LAG = 3  # minor versions

Version = tuple[int, int, int]


def parse_version(text: str) -> Version:
    """Return major, minor and patch of a version such as ``v1.36.3``; what follows those is ignored. Raises InvalidInput."""
    found = _VERSION.match(text)
    if not found:
        raise InvalidInput("no version of Kubernetes", found=text, expected="such as 1.36.3")
    major, minor, patch = map(int, found.groups())
    return major, minor, patch


def check_upgrade(wanted: str, running: str, kubelets: Mapping[str, str]) -> None:
    """See that a cluster may be upgraded. ``running`` is its control plane's version, ``kubelets`` are its nodes' by their names.

    Raises Conflict where it may not, InvalidInput for what is no version.
    """
    new, old = parse_version(wanted), parse_version(running)
    if new < old:
        raise Conflict("a cluster can't go back to an older version", found=_text(old), expected=f"{_text(new)} or older")
    if new[0] != old[0] or new[1] - old[1] > 1:
        raise Conflict(
            "a control plane goes up one minor version at a time",
            found=f"it runs {_text(old)}, wanted is {_text(new)}",
            expected=f"{old[0]}.{old[1]} or {old[0]}.{old[1] + 1}",
            action=f"upgrade to {old[0]}.{old[1] + 1} first",
        )
    for node, text in sorted(kubelets.items()):
        kubelet = parse_version(text)
        if new[1] - kubelet[1] > _KUBELET_LAG:
            raise Conflict(
                f"the kubelet of node {node} would be too old for the API server",
                found=_text(kubelet),
                expected=f"{new[0]}.{new[1] - _KUBELET_LAG} or newer",
                action=f"upgrade {node} first, or remove it",
            )


def _text(version: Version) -> str:
    return ".".join(map(str, version))
