"""Objects to try things with."""

from __future__ import annotations

from typing import Any


def pod_template(name: str, image: str, *command: str, **container: Any) -> dict[str, Any]:
    """Return the template of pods of one container, which ends as soon as it is told to."""
    part = {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "command": ["/bin/busybox", *command]}
    spec = {"containers": [part | container], "terminationGracePeriodSeconds": 0}
    return {"metadata": {"labels": {"app": name}}, "spec": spec}


def deployment(namespace: str, name: str, template: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """Return a Deployment of pods of that template."""
    selector = {"matchLabels": {"app": name}}
    content = {"replicas": 1, "selector": selector, "template": template} | spec
    return manifest("apps/v1", "Deployment", namespace, name, spec=content)


def manifest(api_version: str, kind: str, namespace: str, name: str, **content: Any) -> dict[str, Any]:
    """Return an object."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **content}
