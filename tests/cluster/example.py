"""What inventories/example tells the control plane of a large cluster: so it is tried wherever one is made here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

_FILE = Path(__file__).parents[2] / "inventories/example/group_vars/kubernetes.yml"


def control_plane() -> dict[str, Any]:
    """Return fields of kubeadm's ClusterConfiguration."""
    configuration: dict[str, Any] = yaml.safe_load(_FILE.read_text())["kubernetes_cluster_configuration"]
    return configuration
