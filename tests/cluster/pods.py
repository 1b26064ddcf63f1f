"""What a cluster's pods went through, for whoever asks why a test failed."""

from __future__ import annotations

from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from tests.cluster.controllers import Objects

_LINES = 30  # of a log
_EVENTS = 40


def ailing(objects: Objects) -> str:
    """Return what there is to know of pods that have restarted, ended or are not ready, and the cluster's last warnings."""
    core = client.CoreV1Api(objects.client)
    try:
        pods = [_described(core, pod) for pod in core.list_pod_for_all_namespaces().items if not _well(pod)]
        events = core.list_event_for_all_namespaces(field_selector="type=Warning").items
    except (ApiException, HTTPError) as error:
        return f"the cluster does not say: {error}"
    warnings = [f"{_when(each)} {each.involved_object.name}: {each.reason}: {each.message}" for each in sorted(events, key=_when)]
    return "\n".join([*pods, *warnings[-_EVENTS:]])


def _well(pod: Any) -> bool:
    statuses = pod.status.container_statuses or []
    return pod.status.phase == "Succeeded" or bool(statuses and all(each.ready and not each.restart_count for each in statuses))


def _described(core: client.CoreV1Api, pod: Any) -> str:
    place = (pod.metadata.name, pod.metadata.namespace)
    shown = [f"{place[1]}/{place[0]}: {pod.status.phase} {pod.status.reason or ''} {pod.status.message or ''}".rstrip()]
    for each in pod.status.container_statuses or []:
        shown.append(
            f"  {each.name}: ready {each.ready}, {each.restart_count} restarts, {_ended(each.state)} {_ended(each.last_state)}"
        )
        try:
            text = core.read_namespaced_pod_log(*place, container=each.name, tail_lines=_LINES, previous=each.restart_count > 0)
        except ApiException as error:
            text = str(error.reason)
        shown += [f"    {line}" for line in text.splitlines()]
    return "\n".join(shown)


def _ended(state: Any) -> str:
    over = state.terminated if state else None
    return f"ended {over.finished_at} by {over.reason}, exit code {over.exit_code}" if over else ""


def _when(event: Any) -> str:
    return str(event.last_timestamp or event.event_time or event.metadata.creation_timestamp)
