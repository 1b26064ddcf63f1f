"""Stands in for an Ingress controller: a real Caddy on this machine, led by the cluster's Ingress objects, services and names."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.cluster.cell import INSIDE
from tests.cluster.controllers import Manifest, Objects

CLASS = "test"
_PATIENCE = 10  # seconds


@dataclass
class FakeIngressController:
    """Serves the class ``test`` at ``port``; ``admin`` is Caddy's own. No TLS, prefixes only."""

    port: int
    admin: int
    _loaded: str = field(default="")

    def look(self, objects: Objects) -> None:
        """Lead Caddy as the rules say."""
        services = {_key(each): each["spec"] for each in objects.all("v1", "Service")}
        rules = [
            (rule["host"], path["path"], _upstreams(services, each["metadata"]["namespace"], path["backend"]["service"]))
            for each in objects.all("networking.k8s.io/v1", "Ingress")
            if each["spec"].get("ingressClassName") == CLASS
            for rule in each["spec"]["rules"]
            for path in rule["http"]["paths"]
        ]
        wanted = json.dumps(self._configuration(rules))
        if wanted != self._loaded:
            requests.post(f"http://127.0.0.1:{self.admin}/load", data=wanted, headers=_JSON, timeout=5).raise_for_status()
            self._loaded = wanted

    @contextmanager
    def serving(self, folder: Path) -> Iterator[None]:
        """Run Caddy, with its log in ``folder``."""
        (folder / "caddy.json").write_text(json.dumps(self._configuration([])))
        command = ["caddy", "run", "--config", str(folder / "caddy.json")]
        own = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
        with (folder / "caddy.log").open("ab") as log, subprocess.Popen(command, stdout=log, stderr=log, env=own) as process:
            try:
                yield
            finally:
                process.terminate()
                process.wait(_PATIENCE)

    def _configuration(self, rules: list[tuple[str, str, Manifest]]) -> dict[str, Any]:
        longest_first = sorted(rules, key=lambda rule: (rule[0], -len(rule[1])))
        routes = [
            {
                "match": [{"host": [host], "path": ["/*"] if path == "/" else [path, f"{path}/*"]}],
                "handle": [{"handler": "reverse_proxy", "dynamic_upstreams": upstreams}],
                "terminal": True,
            }
            for host, path, upstreams in longest_first
        ]
        nobody = {"handle": [{"handler": "static_response", "status_code": 404}]}
        server = {"listen": [f":{self.port}"], "automatic_https": {"disable": True}, "routes": [*routes, nobody]}
        return {"admin": {"listen": f"127.0.0.1:{self.admin}"}, "apps": {"http": {"servers": {"ingress": server}}}}


_JSON = {"Content-Type": "application/json"}


def _key(manifest: Manifest) -> tuple[str, str]:
    return manifest["metadata"]["namespace"], manifest["metadata"]["name"]


def _upstreams(services: dict[tuple[str, str], Manifest], namespace: str, backend: Manifest) -> Manifest:
    """Return where a rule leads, by its service's name, asked for each second; one whose service is not there leads nowhere."""
    ports = services.get((namespace, backend["name"]), {}).get("ports", [])
    wanted = backend["port"]
    port = next((each["port"] for each in ports if wanted in ({"name": each.get("name")}, {"number": each["port"]})), 9)
    name = f"{backend['name']}.{namespace}.svc.cluster.local"
    return {"source": "a", "name": name, "port": str(port), "resolver": {"addresses": [f"{INSIDE}:53"]}, "refresh": "1s"}
