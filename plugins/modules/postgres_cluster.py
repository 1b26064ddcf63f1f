#!/usr/bin/python
# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make a PostgreSQL cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_cluster
short_description: Make the files of a PostgreSQL cluster
version_added: "0.1.0"
description:
  - Makes a cluster with checksums, whose superuser C(saasodoo_admin) has a SCRAM password and whose databases C(postgres) and
    C(template1) are closed to everybody else. It appears complete or not at all.
  - A cluster that is there is left as it is. Starting it is M(saasodoo.platform.process)'s work.
author:
  - SaaSOdoo developers (@saasodoo)
attributes:
  check_mode:
    description: Says whether a cluster would be made.
    support: full
  diff_mode:
    description: Shows the place and version of the cluster made.
    support: full
options:
  folder:
    description: Folder of the server; the cluster lies in its subfolder C(data).
    type: path
    required: true
  user:
    description: Who owns and runs it. Used only by root; anybody else owns what they make.
    type: str
    required: true
  verifier:
    description: SCRAM verifier of the superuser, see P(saasodoo.platform.server_verifier#lookup).
    type: str
    required: true
  version:
    description: Major version of a new cluster, V(15) to V(18). Without it, that of the cluster O(like), or the distribution's.
    type: int
  like:
    description: Folder of a server whose version a new cluster has, if there is one.
    type: path
"""

EXAMPLES = r"""
- name: Make a cluster
  saasodoo.platform.postgres_cluster:
    folder: /var/lib/saasodoo/postgres/pool-1
    user: saasodoo
    verifier: "{{ lookup('saasodoo.platform.server_verifier', 'pool-1') }}"
"""

RETURN = r"""
bin_dir:
  description: Where the programs of the cluster's version are.
  returned: success
  type: str
  sample: /usr/lib/postgresql/15/bin
data_dir:
  description: The data directory.
  returned: success
  type: str
  sample: /var/lib/saasodoo/postgres/pool-1/data
version:
  description: Major version of the cluster.
  returned: success
  type: int
  sample: 15
"""

from pathlib import Path
from typing import Any

from ..module_utils.host_module import run_module
from ..module_utils.outcome import Outcome
from ..module_utils.ports import Host
from ..module_utils.postgres.cluster import Cluster

ARGUMENTS: dict[str, Any] = {
    "folder": {"type": "path", "required": True},
    "user": {"type": "str", "required": True},
    "verifier": {"type": "str", "required": True, "no_log": True},
    "version": {"type": "int"},
    "like": {"type": "path"},
}


def apply(options: dict[str, Any], host: Host) -> Outcome:
    """Make the cluster where there is none."""
    like = Path(options["like"]) if options["like"] else None
    cluster = Cluster(Path(options["folder"]), options["user"])
    return cluster.ensure(options["verifier"], version=options["version"], like=like, check=host.check_mode)


if __name__ == "__main__":
    run_module(ARGUMENTS, apply)
