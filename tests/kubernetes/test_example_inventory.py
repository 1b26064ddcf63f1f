"""inventories/example, as its first lines say to copy it: check mode foretells a platform in a cluster that has none yet."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from tests.fixtures.ansible import ROOT, run_playbook
from tests.fixtures.kubernetes_platform import Backed

pytestmark = pytest.mark.kubernetes

#: Those of playbooks/site.yml, but for what hosts, Helm and a Kill Bill elsewhere have to be there for.
PARTS = ("cluster", "registry", "postgres_pools", "odoo_runtime", "odoo_templates", "ingress", "runner")


@pytest.mark.usefixtures("rook")
def test_a_production_is_foretold_before_there_is_anything_of_it(kubernetes_backed: Backed, tmp_path: Path) -> None:
    production, home = tmp_path / "production", tmp_path / "home"
    shutil.copytree(ROOT / "inventories/example", production)
    known = yaml.safe_load((production / "group_vars/all/kubernetes.yml").read_text())["saasodoo_kubernetes"]
    here = {"saasodoo_home": str(home), "saasodoo_kubernetes": known | {"kubeconfig": str(kubernetes_backed.kubeconfig)}}
    (production / "group_vars/all/zz_here.yml").write_text(yaml.safe_dump(here))
    for part in PARTS:
        run = run_playbook(f"playbooks/{part}.yml", f"--inventory={production}", "--limit=platform", check=True)
        assert run.rc == 0, (part, run.failure or run.text)
        assert run.changed > 0 or part in ("odoo_templates",), part
    assert not home.exists()
    assert kubernetes_backed.objects.get("postgresql.cnpg.io/v1", "Cluster", "registry", known["namespace"]) is None
