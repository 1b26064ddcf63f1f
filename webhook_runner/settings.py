"""What the runner is told by its environment, typed and checked: it refuses to start with anything missing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput
from ansible_collections.saasodoo.platform.plugins.module_utils.killbill.api import Access, read_access
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.connection import check_conninfo
from webhook_runner.ending import Tries

_PREFIX = "SAASODOO_RUNNER_"
_MINIMUM_SECRET = 24  # characters
_SHORTEST_LIFE = 7  # days; the registry removes nothing younger
#: What a run inherits from the runner besides its own variables; never a secret.
INHERITED = ("HOME", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME", "SAASODOO_HOME", "SAASODOO_CACHE", "SAASODOO_INSTANCE",
             "SAASODOO_PORT_BASE", "SAASODOO_BASE_DOMAIN", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """Everything the runner needs. Times are in seconds, sizes in bytes."""

    registry: str
    secret_file: Path
    token_file: Path
    killbill_file: Path
    home: Path  # run folders
    project: Path  # the platform's folder, with ansible.cfg
    playbooks: Path
    inventory: Path
    host: str = "127.0.0.1"
    port: int = 21090
    threads: int = 16
    connections: int = 2000  # of clients, however slow
    request_time: float = 30  # for a request to come whole
    syncs: int = 4  # accounts read at a time; Kill Bill answers each in some hundredths of a second
    provisioning: int = 3  # runs at a time, of each queue
    operations: int = 2
    maintenance: int = 1
    most_tries: int = 8  # of what is interrupted again and again
    first_pause: float = 5  # before its second try; later ones double
    body_limit: int = 64 * 1024
    execution_path: str = ""  # folders put before PATH of a run, for a faster ansible-playbook
    fork_socket: str = ""  # where webhook_runner.fork_server listens
    run_warning: float = 25 * 60
    run_limit: float = 30 * 60
    run_grace: float = 5  # between SIGTERM and SIGKILL; ansible-playbook takes a tenth of a second
    stop_grace: float = 2  # how long a stopping worker lets runs finish
    recovery_interval: float = 2
    stalled_after: float = 15  # without a heartbeat
    sweep_cron: str = "*/5 * * * *"
    health_cron: str = "*/5 * * * *"
    spare_cron: str = "*/5 * * * *"
    migrations_cron: str = "* * * * *"
    life_times_cron: str = "17 * * * *"
    keep_runs: int = 100  # run folders kept
    event_days: int = 90  # Kill Bill's events, once handled
    detail_days: int = 30  # what happened in runs, rounds of the platform, failed jobs, run folders, logs of dead tenants
    run_days: int = 365  # tenants' runs
    logs: str = ""  # the folder of tenants' logs, where they are files
    trial_days: int = 14
    odoo_version: str = "19.0"
    tenant_ports: int = 22000  # the first port for tenants ...
    tenant_ports_end: int = 24999  # ... and the last
    tenant_host: str = "127.0.0.1"  # where a tenant's Odoo listens; {short_id} stands for the tenant's

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read and check the settings. Raises InvalidInput that names the variable or file, never what is in it."""
        values: dict[str, object] = {"registry": _required(environ, "SAASODOO_REGISTRY")}
        for name, kind in _kinds().items():
            variable = _PREFIX + name.upper()
            if variable in environ:
                values[name] = _convert(variable, environ[variable], kind)
        project = cast("Path", values.setdefault("project", Path.cwd()))
        values.setdefault("playbooks", project / "playbooks")
        values.setdefault("inventory", project / "inventories/local")
        for name in ("secret_file", "token_file", "killbill_file", "home"):
            if name not in values:
                raise InvalidInput(f"{_PREFIX}{name.upper()} is not set", expected="a path")
        settings = cls(**values)  # type: ignore[arg-type]
        settings.check()
        return settings

    def check(self) -> None:
        """Raise InvalidInput unless the component has its own registry user and all its secrets."""
        check_conninfo(self.registry)
        for name in ("event_days", "detail_days", "run_days"):
            if getattr(self, name) < _SHORTEST_LIFE:
                found, expected = f"{getattr(self, name)} days", f"{_SHORTEST_LIFE} days or more"
                raise InvalidInput(f"{_PREFIX}{name.upper()} is too short", found=found, expected=expected)
        self.callback_secrets()
        self.api_token()
        self.killbill()

    def killbill(self) -> Access:
        """Return how to reach Kill Bill. Raises InvalidInput."""
        return read_access(self.killbill_file)

    def tries(self) -> Tries:
        """Return how often what is interrupted is tried."""
        return Tries(self.most_tries, self.first_pause)

    def callback_secrets(self) -> tuple[str, ...]:
        """Return the valid secrets of the callback path: one, or while one is being replaced, two."""
        secrets = tuple(line for line in read_private(self.secret_file).splitlines() if line)
        if not 1 <= len(secrets) <= 2 or any(len(secret) < _MINIMUM_SECRET for secret in secrets):
            raise InvalidInput(
                f"{self.secret_file} is not fit",
                found=f"{len(secrets)} lines",
                expected="1 or 2 secrets of 24 characters or more",
            )
        return secrets

    def api_token(self) -> str:
        """Return the token of the administration API."""
        token = read_private(self.token_file).strip()
        if len(token) < _MINIMUM_SECRET:
            raise InvalidInput(f"{self.token_file} is not fit", expected="a token of 24 characters or more")
        return token


def read_private(path: Path) -> str:
    """Return the text of a file only its owner may read; raises InvalidInput when it is missing or open to others."""
    try:
        mode, text = path.stat().st_mode & 0o777, path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} can't be read", found=type(error).__name__, action="run playbooks/runner.yml") from None
    if mode & 0o077:
        raise InvalidInput(f"{path} is open to others", found=f"mode {mode:04o}", expected="mode 0600")
    return text


def _required(environ: Mapping[str, str], name: str) -> str:
    if not environ.get(name):
        raise InvalidInput(f"{name} is not set", action="run playbooks/runner.yml, which writes it")
    return environ[name]


def _kinds() -> dict[str, type]:
    kinds = {"Path": Path, "int": int, "float": float, "str": str}
    return {name: kinds[str(field.type)] for name, field in Settings.__dataclass_fields__.items() if name != "registry"}


def _convert(variable: str, text: str, kind: type) -> object:
    try:
        return kind(text)
    except ValueError:
        raise InvalidInput(f"{variable} can't be read", found=text, expected=kind.__name__) from None
