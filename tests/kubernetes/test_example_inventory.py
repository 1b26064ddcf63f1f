"""inventories/example, as its first lines say to copy it: check mode foretells a platform in a cluster that has none yet."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.binaries import cache, helm
from tests.fixtures.ansible import ROOT, Run, run_playbook
from tests.fixtures.charts import chart
from tests.fixtures.kubernetes_platform import Backed

pytestmark = pytest.mark.kubernetes

#: Those of playbooks/site.yml, but for what hosts, Helm and a Kill Bill elsewhere have to be there for.
PARTS = ("cluster", "registry", "postgres_pools", "odoo_runtime", "odoo_templates", "ingress", "runner")
_ADDONS = ROOT / "roles/kubernetes_addons/defaults/main.yml"


@dataclass(frozen=True)
class Production:
    """A copy of the example, for the tests' cluster and a home that is not there."""

    folder: Path
    backed: Backed
    kubernetes: dict[str, Any]

    @property
    def home(self) -> Path:
        return self.folder.with_name("home")

    def say(self, **variables: Any) -> None:
        """Set what is different here."""
        reached = {"saasodoo_kubernetes": self.kubernetes | {"kubeconfig": str(self.backed.kubeconfig)}}
        text = yaml.safe_dump({"saasodoo_home": str(self.home), **reached, **variables})
        (self.folder / "group_vars/all/zz_here.yml").write_text(text)

    def foretell(self, playbook: str) -> Run:
        """Play it in check mode; only the machine that Ansible runs on is there."""
        run = run_playbook(f"playbooks/{playbook}.yml", f"--inventory={self.folder}", "--limit=platform", check=True)
        assert run.rc == 0, (playbook, run.failure or run.text)
        return run

    def is_untouched(self) -> bool:
        """Whether there is still nothing of it."""
        registry = ("postgresql.cnpg.io/v1", "Cluster", "registry", self.kubernetes["namespace"])
        return not self.home.exists() and self.backed.objects.get(*registry) is None


@pytest.fixture
def production(kubernetes_backed: Backed, tmp_path: Path) -> Production:
    folder = tmp_path / "production"
    shutil.copytree(ROOT / "inventories/example", folder)
    known = yaml.safe_load((folder / "group_vars/all/kubernetes.yml").read_text())["saasodoo_kubernetes"]
    made = Production(folder, kubernetes_backed, known)
    made.say()
    return made


@pytest.mark.usefixtures("rook")
def test_a_production_is_foretold_before_there_is_anything_of_it(production: Production) -> None:
    for part in PARTS:
        run = production.foretell(part)
        assert run.changed > 0 or part in ("odoo_templates",), part
    assert production.is_untouched()


@pytest.mark.long  # Helm is built for it
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("rook")
def test_all_of_it_is_foretold_at_once(production: Production, killbill_access: Path, tmp_path: Path) -> None:
    mirror = tmp_path / "charts"
    mirror.mkdir()
    for each in yaml.safe_load(_ADDONS.read_text())["kubernetes_addons_charts"]:
        chart(mirror, each["name"], each["version"])
    production.say(
        kubernetes_addons_helm=str(helm(cache())),
        kubernetes_addons_mirror=str(mirror),
        saasodoo_killbill_file=str(killbill_access),
    )
    foretold = production.foretell("site")
    for what in ("Install traefik", "Install rook-ceph-cluster"):
        assert what in foretold.changes, foretold.changes
    assert production.is_untouched()
