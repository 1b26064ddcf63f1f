"""Bare hosts become a cluster, which grows, is upgraded, loses a host, and is taken down; whatever is killed on the way."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic.exceptions import DynamicApiError
from urllib3.exceptions import HTTPError

from tests.cluster.controllers import Manifest, Objects, in_pod
from tests.cluster.lab import CONTROL_PLANES, NEXT, VERSION, WORKERS, Lab, lab
from tests.cluster.offline import BUSYBOX
from tests.fixtures.ansible import PLAIN, ROOT, Run, run_playbook

pytestmark = [pytest.mark.kubernetes, pytest.mark.long, pytest.mark.timeout(1500)]

BEGUN = "/etc/kubernetes/kubeadm-begun.yaml"
_PATIENCE = 120  # seconds
_SECRETS = re.compile(r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b|(?<!sha256:)\b[0-9a-f]{64}\b")


class Site:
    """The lab and what is done there."""

    def __init__(self, lab: Lab, inventory: Path) -> None:
        self.lab, self.inventory = lab, inventory
        self.output = ""
        self.checksums = set[str]()  # of files that are in no list

    def play(self, playbook: str | Path, *arguments: str, check: Any = False, **variables: Any) -> Run:
        file = playbook if isinstance(playbook, Path) else f"playbooks/{playbook}.yml"
        done = run_playbook(file, *self._inventories(), *arguments, check=check, extra_vars=variables)
        self.output += done.text
        return done

    def killed(self, playbook: str, host: str, file: str, **variables: str) -> None:
        """Run a playbook, and kill it and kubeadm when a file is on a host."""
        given = [f"--extra-vars={name}={value}" for name, value in variables.items()]
        command = [*PLAIN, f"playbooks/{playbook}.yml", *self._inventories(), *given]
        environment = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
        log = self.inventory.with_name("killed.log")
        with (
            log.open("w") as out,
            subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            ) as process,  # a killed ssh leaves the input that it shares as Ansible refuses it
        ):
            end = time.monotonic() + 600
            while not self.there(host, file):
                assert process.poll() is None, f"it ended before it could be killed:\n{log.read_text()[-4000:]}"
                assert time.monotonic() < end, f"it did not come so far in time:\n{log.read_text()[-4000:]}"
            self.run(host, "pkill -KILL kubeadm || true")
            os.killpg(process.pid, signal.SIGKILL)
        self.output += log.read_text()

    def run(self, host: str, command: str) -> str:
        return self.lab.hosts.run(self.lab.host(host), command)

    def there(self, host: str, file: str) -> bool:
        return self.run(host, f"test -e {file} && echo yes || true") == "yes\n"

    def _inventories(self) -> tuple[str, ...]:
        return ("--inventory=inventories/local", f"--inventory={self.inventory}")


@pytest.fixture(scope="module")
def site(kubernetes_programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with lab(kubernetes_programs) as running:
        inventory = tmp_path_factory.mktemp("inventory") / "hosts.yml"
        inventory.write_text(yaml.safe_dump(running.inventory()))
        yield Site(running, inventory)


@pytest.fixture
def objects(site: Site) -> Iterator[Objects]:
    with closing(Objects(str(site.lab.kubeconfig))) as found:
        yield found


def failed(run: Run) -> str:
    """Return what the failed task said."""
    assert run.rc != 0, run.text
    assert run.failure
    return str(run.failure["msg"]) + str(run.failure.get("results", ""))


def failed_somewhere(run: Run) -> str:
    """Return all that a failed run printed."""
    assert run.rc != 0, run.text
    return run.text


def passed(run: Run) -> Run:
    """Return a run that did not fail."""
    assert run.rc == 0, str(run.failure or run.text)[-4000:]
    return run


def until_ready(objects: Objects, names: set[str]) -> Mapping[str, Manifest]:
    """Return the nodes once those of the names, and no others, are ready."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        nodes = {each["metadata"]["name"]: each for each in objects.all("v1", "Node")}
        if set(nodes) == names and all(_ready(each) for each in nodes.values()):
            return nodes
        time.sleep(1)
    raise AssertionError(f"not ready: {nodes}")


def _ready(node: Manifest) -> bool:
    """Whether it says so, and the controller that keeps pods from others has seen it, a moment later."""
    kept_free = any(each["key"] == "node.kubernetes.io/not-ready" for each in node["spec"].get("taints") or [])
    return not kept_free and any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"]["conditions"])


class TestLife:
    """In this order."""

    @pytest.mark.parametrize(
        ("variables", "said"),
        [
            ({"kubernetes_cluster_version": "1.36"}, "found: 1.36; expected: a version such as 1.36.3"),
            ({"kubernetes_cluster_endpoint": "control"}, "kubernetes_cluster_endpoint"),
            ({"kubernetes_cluster_kubeconfig": ""}, "a file for the administrator's access"),
            ({"kubernetes_cluster_purposes": ["Data base"]}, "found: Data base"),
            ({"kubernetes_cluster_node_name": "same"}, "a name of its own"),
            ({"kubernetes_cluster_control_plane": False}, "of the control plane: none"),
        ],
    )
    def test_bad_settings_are_refused(self, site: Site, variables: dict[str, Any], said: str) -> None:
        assert said in failed(site.play("kubernetes_cluster", **variables))

    def test_a_part_of_the_hosts_is_no_cluster(self, site: Site) -> None:
        assert "without --limit" in failed(site.play("kubernetes_cluster", "--limit=control-1,worker-1"))

    def test_a_damaged_folder_is_refused(self, site: Site) -> None:
        folder = site.lab.folder(VERSION)
        good = (folder / "cni/portmap").read_bytes()
        damaged = good + b"x"
        (folder / "cni/portmap").write_bytes(damaged)
        site.checksums.add(sha256(damaged).hexdigest())
        assert "portmap is damaged or another file" in failed(site.play("kubernetes_cluster"))
        (folder / "cni/portmap").write_bytes(good)
        (folder / "bin/more").write_text("")
        assert "not listed: bin/more" in failed(site.play("kubernetes_cluster"))
        (folder / "bin/more").unlink()

    def test_check_mode_says_what_would_be_and_does_nothing(self, site: Site) -> None:
        run = passed(site.play("kubernetes_cluster", check=True))
        assert "would begin on control-1" in run.text
        assert "worker-1 would join" in run.text
        assert not site.there("control-1", "/usr/local/bin/kubeadm")
        assert not site.lab.kubeconfig.exists()

    def test_it_is_killed_while_the_cluster_begins(self, site: Site) -> None:
        site.killed("kubernetes_cluster", "control-1", "/etc/kubernetes/manifests/kube-apiserver.yaml")
        assert site.there("control-1", BEGUN)

    def test_it_is_killed_while_another_control_plane_joins(self, site: Site) -> None:
        site.killed("kubernetes_cluster", "control-2", "/etc/kubernetes/manifests/kube-apiserver.yaml")
        assert not site.there("control-1", BEGUN)
        assert site.there("control-2", BEGUN)

    def test_it_is_brought_to_its_end(self, site: Site, objects: Objects) -> None:
        passed(site.play("kubernetes_cluster"))
        nodes = until_ready(objects, {*CONTROL_PLANES, *WORKERS})
        worker, plane = nodes["worker-1"], nodes["control-2"]
        assert worker["metadata"]["labels"].items() >= {"node-role.kubernetes.io/tenant": "", "example.com/rack": "a"}.items()
        assert not worker["spec"].get("taints")
        assert plane["spec"]["taints"] == [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]
        assert "node-role.kubernetes.io/control-plane" in plane["metadata"]["labels"]

    def test_again_nothing_changes(self, site: Site) -> None:
        assert passed(site.play("kubernetes_cluster")).changes == []
        assert passed(site.play("kubernetes_cluster", check=True)).changes == []

    def test_no_secret_is_left_or_was_shown(self, site: Site, objects: Objects) -> None:
        assert not [_around(found) for found in _SECRETS.finditer(site.output) if not _is_checksum(site, found[0])]
        assert objects.get("v1", "Secret", "kubeadm-certs", "kube-system") is None
        # Of the two runs that were killed; they end after an hour. What kubeadm keeps the certificates' time with lets nobody in.
        assert sum("usage-bootstrap-authentication" in (each.get("data") or {}) for each in objects.all("v1", "Secret")) <= 2
        for host in (*CONTROL_PLANES, *WORKERS):
            assert site.run(host, "ls /etc/kubernetes | grep -E 'begun|discovery|upload' || true") == ""
        assert site.lab.kubeconfig.stat().st_mode & 0o777 == 0o600

    def test_pods_run_and_find_one_another(self, objects: Objects) -> None:
        objects.apply(_web(), "test")
        objects.apply(_service(), "test")
        pod = _until_a_pod_runs(objects)
        # Without -T: a static busybox crashes of it.
        words = ("/bin/busybox", "wget", "-qO-", "http://web.default.svc.cluster.local/hello")
        assert _eventually(lambda: in_pod(objects, "default", pod, *words).output) == "hello"

    def test_another_purpose_is_another_label_and_taint(self, site: Site, objects: Objects) -> None:
        limit, given = "--limit=worker-1", {"kubernetes_cluster_purposes": ["database"], "kubernetes_cluster_labels": {}}
        foretold = passed(site.play("kubernetes_cluster", limit, check=True, kubernetes_cluster_reserved=True, **given)).changes
        assert passed(site.play("kubernetes_cluster", limit, kubernetes_cluster_reserved=True, **given)).changes == foretold
        assert foretold == ["Set the labels of all nodes", "Reserve the node"]
        node = until_ready(objects, {*CONTROL_PLANES, *WORKERS})["worker-1"]
        assert {name for name in node["metadata"]["labels"] if "kubernetes.io" not in name or "role" in name} == {
            "node-role.kubernetes.io/database"
        }
        assert node["spec"]["taints"] == [{"key": "node-role.kubernetes.io/database", "effect": "NoSchedule"}]
        back = passed(site.play("kubernetes_cluster")).changes
        assert back == ["Set the labels of all nodes", "Open the node to other pods"]

    def test_another_version_is_left_to_the_upgrade(self, site: Site) -> None:
        said = failed(site.play("kubernetes_cluster", **_next(site)))
        assert f"found: v{VERSION}; expected: v{NEXT}" in said
        assert "kubernetes_upgrade.yml" in said

    @pytest.mark.parametrize(("version", "said"), [("1.38.0", "upgrade to 1.37 first"), ("1.36.2", "can't go back")])
    def test_an_upgrade_too_far_is_refused(self, site: Site, version: str, said: str) -> None:
        assert said in failed(site.play("kubernetes_upgrade", kubernetes_cluster_version=version))

    def test_a_worker_does_not_go_first(self, site: Site) -> None:
        assert "upgrade the control plane first" in failed(site.play("kubernetes_upgrade", "--limit=worker-1", **_next(site)))

    def test_check_mode_says_what_would_be_upgraded(self, site: Site) -> None:
        run = passed(site.play("kubernetes_upgrade", check=True, **_next(site)))
        assert run.text.count(f"would be upgraded from v{VERSION} to v{NEXT}") >= len(CONTROL_PLANES) + len(WORKERS)

    def test_it_is_killed_while_it_upgrades(self, site: Site) -> None:
        site.killed("kubernetes_upgrade", "control-1", "/etc/kubernetes/tmp/kubeadm-upgraded-manifests*", **_next(site))

    def test_it_is_upgraded_one_by_one(self, site: Site, objects: Objects) -> None:
        passed(site.play("kubernetes_upgrade", **_next(site)))
        for name, node in until_ready(objects, {*CONTROL_PLANES, *WORKERS}).items():
            assert node["status"]["nodeInfo"]["kubeletVersion"] == f"v{NEXT}", name
            assert not node["spec"].get("unschedulable"), name
            assert "saasodoo.platform/upgrading" not in node["metadata"]["annotations"]
        for each in objects.all("v1", "Pod"):
            if each["metadata"]["name"].startswith(("kube-apiserver-", "kube-scheduler-", "kube-proxy-")):
                assert each["spec"]["containers"][0]["image"].endswith(f":v{NEXT}")
        assert passed(site.play("kubernetes_upgrade", **_next(site))).changes == []
        assert passed(site.play("kubernetes_cluster", **_next(site))).changes == []
        _until_a_pod_runs(objects)

    def test_a_host_that_is_gone_ends_the_connection_that_was_kept(self, site: Site) -> None:
        passed(site.play("kubernetes_cluster", check=True, **_next(site)))  # which leaves connections to all of them
        site.lab.hosts.unplug(site.lab.host("control-1"))
        run = site.play("kubernetes_cluster", **_next(site))
        assert "read from master failed" in failed(run)
        assert run.changes == []

    def test_it_leaves_the_cluster_working(self, objects: Objects) -> None:
        _eventually(lambda: "missed" if (node := objects.get("v1", "Node", "control-1", "")) and not _ready(node) else "")
        _eventually(lambda: _applied(objects, _web("after")))
        _until_a_pod_runs(objects, "after")

    def test_without_it_nobody_begins_a_second_cluster(self, site: Site, tmp_path: Path) -> None:
        run = site.play("kubernetes_cluster", **_next(site))
        assert f"connect to host {site.lab.host('control-1').address}" in failed(run)
        assert run.changes == []
        goes_on = tmp_path / "without_any_errors_fatal.yml"
        goes_on.write_text(yaml.safe_dump([{"hosts": "kubernetes", "roles": ["saasodoo.platform.kubernetes_cluster"]}]))
        run = site.play(goes_on, **_next(site))
        assert run.changes == []
        assert "could not be looked at: control-1" in failed_somewhere(run)

    def test_a_worker_is_taken_out_and_comes_back(self, site: Site, objects: Objects) -> None:
        assert "expected: those to remove" in failed(site.play("kubernetes_node_remove"))
        passed(site.play("kubernetes_node_remove", "--limit=worker-1", **_next(site)))
        assert objects.get("v1", "Node", "worker-1", "") is None
        assert not site.there("worker-1", "/etc/kubernetes/kubelet.conf")
        assert passed(site.play("kubernetes_node_remove", "--limit=worker-1", **_next(site))).changes == []
        passed(site.play("kubernetes_cluster", "--limit=worker-1", **_next(site)))
        assert objects.get("v1", "Node", "worker-1", "") is not None

    def test_it_is_taken_down_by_its_name_only(self, site: Site) -> None:
        others = "--limit=control-2,control-3,worker-1"
        assert "Nothing was removed. Found: saasodoo" in failed(
            site.play("kubernetes_teardown", others, teardown_confirm="saasodoo")
        )
        passed(site.play("kubernetes_teardown", others, teardown_confirm="lab"))
        for host in ("control-2", "control-3", "worker-1"):
            assert not site.there(host, "/etc/kubernetes/kubelet.conf")
            assert not site.there(host, "/var/lib/etcd")
        assert not site.lab.kubeconfig.exists()
        assert passed(site.play("kubernetes_teardown", others, teardown_confirm="lab")).changes == []


def _next(site: Site) -> dict[str, str]:
    return {"kubernetes_cluster_version": NEXT, "kubernetes_cluster_folder": str(site.lab.folder(NEXT))}


def _around(found: re.Match[str]) -> str:
    """Return where something stands, without it."""
    return f"{found.string[: found.start()][-100:]}***{found.string[found.end() :][:50]}"


def _is_checksum(site: Site, text: str) -> bool:
    lists = [(site.lab.folder(version) / "SHA256SUMS").read_text() for version in (VERSION, NEXT)]
    return text in site.checksums or any(text in each for each in lists)


def _web(name: str = "web") -> Manifest:
    """Return a Deployment that answers with hello."""
    command = ["/bin/sh", "-c", "/bin/busybox mkdir /www; echo -n hello > /www/hello; exec /bin/busybox httpd -f -p 80 -h /www"]
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "web", "image": BUSYBOX, "command": command}], "terminationGracePeriodSeconds": 0},
    }
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"}, "spec": spec}


def _service() -> Manifest:
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"}, "spec": spec}


def _applied(objects: Objects, manifest: Manifest) -> str:
    objects.apply(manifest, "test")
    return "applied"


def _until_a_pod_runs(objects: Objects, app: str = "web") -> str:
    def running() -> str:
        pods = [each for each in objects.all("v1", "Pod") if each["metadata"].get("labels", {}).get("app") == app]
        return next(str(each["metadata"]["name"]) for each in pods if each["status"]["phase"] == "Running")

    return _eventually(running)


def _eventually(ask: Callable[[], str]) -> str:
    """Return the first answer that is not empty."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            if answer := ask():
                return answer
        except (ApiException, DynamicApiError, HTTPError, OSError, LookupError, StopIteration):
            if time.monotonic() > end:
                raise
        assert time.monotonic() < end
        time.sleep(1)
