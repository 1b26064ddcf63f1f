"""``python -m demo``: sets the platform up on this machine and takes a customer through a whole life, checking every claim."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import PlatformError
from demo.platform import Platform
from demo.settings import PROJECT
from demo.timeline import DemoFailed, Timeline, wait_until

_OK, _SUSPENDED = 200, 503
_TRIAL_DAYS, _TERM_DAYS = 1, 31


def set_up(timeline: Timeline) -> None:
    """Run the site playbook; its own output shows each step."""
    start = time.monotonic()
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "playbooks/site.yml"]
    done = subprocess.run(command, cwd=PROJECT, env={**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg")}, check=False)
    if done.returncode:
        raise DemoFailed(
            f"playbooks/site.yml ended with exit code {done.returncode}; its last lines say why; run make demo again"
        )
    timeline.rows.append(("platform set up", time.monotonic() - start))


def live(timeline: Timeline, platform: Platform, name: str) -> None:
    """Take a new customer, and their tenant ``name``, from a trial to the end of the subscription."""

    def until_status(status: int) -> None:
        wait_until(f"{platform.address(name)} answers {status}", lambda: platform.status_of(name) == status)

    customer, account = platform.customer, platform.open_account(name)
    with timeline.step("subscribe to a plan with a trial, until the first page of Odoo", measured=True):
        subscription = customer.subscribe(account, "basic-test-trial", name)
        until_status(_OK)
    with timeline.step("log in and write a record"):
        note = f"written before the suspension of {name}"
        record = platform.log_in(name).create("res.partner", {"name": note})
    with timeline.step("the trial ends and the card fails, until the suspended page", measured=True):
        customer.set_payments("fail")
        platform.pass_days(_TRIAL_DAYS)
        until_status(_SUSPENDED)
    with timeline.step("the customer pays, until Odoo is back", measured=True):
        customer.set_payments("succeed")
        customer.pay(account)
        until_status(_OK)
    with timeline.step("log in and read the record again"):
        read = platform.log_in(name).read("res.partner", record, ["name"])["name"]
        if read != note:
            raise DemoFailed(f"the record reads '{read}', not '{note}'")
    with timeline.step("cancel at the end of the term: it keeps running"):
        customer.cancel(subscription)
        wait_until("the end of the term is noted", lambda: platform.tenant(name).cancel_at is not None)
        if platform.status_of(name) != _OK:
            raise DemoFailed(f"{name} answers {platform.status_of(name)} although its term has not ended")
    with timeline.step("the term ends, until the tenant is terminated", measured=True):
        platform.pass_days(_TERM_DAYS)
        wait_until(f"{name} is terminated", lambda: platform.tenant(name).status == "terminated")
        wait_until(f"{name} has no address any more", lambda: platform.status_of(name) not in (_OK, _SUSPENDED))


def what_next(platform: Platform, name: str, environ: Mapping[str, str]) -> str:
    """Return how the tenant is reached from another machine, and what to try."""
    here = (environ.get("SSH_CONNECTION", "").split() or [""])[2:3] or [socket.gethostname()]
    port = platform.proxy_port
    tunnel = f"ssh -L {port}:localhost:{port} {getpass.getuser()}@{here[0]}"
    own = f"""\
  From another machine: {tunnel}
  there, and while it lasts the same address leads here; or have names of your own lead here (README.md)."""
    return f"""\
{own if platform.base_domain == "localhost" else ""}
  Everything keeps running. What to try next:
    export PATH=$PWD/.venv/bin:$PATH
    ansible-inventory --graph                                                # the fleet
    ansible-playbook playbooks/tenant_suspend.yml -e tenant={name}       # as an operator does; resume brings it back
    ansible-playbook playbooks/tenant_resume.yml -e tenant={name}
    make down                                                                # stops and removes all of it"""


def main() -> int:
    """Run the demo and leave everything running."""
    timeline = Timeline()
    run = f"{int(time.time()) % 100_000:05d}"
    try:
        set_up(timeline)
        timeline.show("\nA customer's life, driven by the real Kill Bill and its clock:")
        platform = Platform.here()
        live(timeline, platform, f"acme-{run}")
        timeline.show("\nA tenant for you:")
        name = f"try-{run}"
        account = platform.open_account(name)
        with timeline.step("subscribe and pay, until the first page of Odoo", measured=True):
            platform.customer.subscribe(account, "basic-immediate", name)
            wait_until(f"{platform.address(name)} answers", lambda: platform.status_of(name) == _OK)
        with timeline.step("log in"):
            platform.log_in(name)
    except (DemoFailed, PlatformError) as error:
        timeline.show(f"\nThe demo failed: {error}")
        return 1
    timeline.table()
    timeline.show(f"\n  {platform.address(name)}  log in as admin, password {platform.password(name)}")
    timeline.show(what_next(platform, name, os.environ))
    return 0


if __name__ == "__main__":
    sys.exit(main())
