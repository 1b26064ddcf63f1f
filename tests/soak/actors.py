"""Who does a round's steps: operators at their keyboards, customers at Kill Bill, tenants in their databases, and chance."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration import journal
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Status
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import PlatformError, Unavailable
from ansible_collections.saasodoo.platform.plugins.module_utils.registry import connection as registry
from tests.faults import victims
from tests.fixtures.customers import bundle_of, insist
from tests.fixtures.processes import family, kill
from tests.soak import content
from tests.soak.ground import Ground
from tests.soak.plan import Round, Step
from tests.soak.writers import Book

_LONGEST = 400  # seconds that one command may take on a busy machine
_TRIES = 12  # of a command that was told "not now", or was killed
_PAUSE = 3.0  # seconds before it is typed again
#: What may end otherwise than asked for: the database's content, or another's DDL, refuses a move, which leaves all as it was.
_MAY_BE_REFUSED = {"tenant_migrate", "tenant_migrate_back", "tenant_settle", "postgres_pool_drain"}


@dataclass
class Course:
    """One round as it goes: what was seen is in ``said``, what is wrong in ``problems``."""

    ground: Ground
    round: Round
    books: dict[int, Book]
    log: Path
    report: Callable[[str], None]
    problems: list[str] = field(default_factory=list)
    playbooks: dict[str, int] = field(default_factory=dict)
    begin: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Do all steps: those of a hand, and the customers', one after the other; all others when their time has come."""
        series = [self.round.of(by) for by in ("hand 0", "hand 1", "billing")]
        series += [[step] for step in self.round.steps if step.by in ("reboot", "content")]
        with ThreadPoolExecutor(len(series)) as actors:
            done = [actors.submit(self._do_all, steps) for steps in series]
        errors = [each.exception() for each in done]
        self.problems += [f"{type(error).__name__}: {error}" for error in errors if error]

    def _do_all(self, steps: list[Step]) -> None:
        acts: dict[str, Callable[[Step], str]] = {"billing": self._at_billing, "reboot": self._reboot, "content": self._content}
        for step in steps:
            time.sleep(max(0.0, self.begin + step.at - time.monotonic()))
            start = time.monotonic()
            outcome = acts.get(step.by, self._by_hand)(step)
            self.report(f"  {start - self.begin:5.1f} to {time.monotonic() - self.begin:5.1f} s {step}: {outcome[:300]}")

    def _name(self, step: Step) -> str:
        return self.round.before[int(step.whom)].name(self.ground.mark)

    def _at_billing(self, step: Step) -> str:
        """Do what a customer does at Kill Bill; the platform is to find out."""
        number, customer = int(step.whom), self.ground.shop.customer
        account, subscription = self.ground.subscriptions[number]
        if step.what in ("pause", "unpause"):
            act = customer.pause if step.what == "pause" else customer.resume
            insist(lambda: act(bundle_of(customer, account)))
        elif step.what == "change":
            insist(lambda: customer.change_plan(subscription, step.how))
        else:
            insist(lambda: customer.cancel(subscription, "IMMEDIATE"))
            self.ground.subscribe(self.round.after[number])
        return "asked for"

    def _content(self, step: Step) -> str:
        work = content.work(step.how, self.round.number * 100 + self.round.steps.index(step))
        return self.books[int(step.whom)].work(work)

    def _by_hand(self, step: Step) -> str:
        if step.what == "drain":
            pool = {"postgres_pool_name": step.whom}
            said = self._type(step.by, "postgres_pool_drain", **pool, **({step.how: "true"} if step.how else {}))
            return f"{said}; again in use: {self._type(step.by, 'postgres_pool_drain', **pool, postgres_pool_state='active')}"
        name, number = self._name(step), int(step.whom)
        match step.what:
            case "migrate" | "offline" | "back":
                back = step.what == "back" and self._has_way_back(name)
                more = {"strategy": "offline"} if step.what == "offline" else {}
                return self._type(step.by, "tenant_migrate_back" if back else "tenant_migrate", tenant=name, **more)
            case "let go":
                return self._type(step.by, "tenant_settle", tenant=name, let_go="true")
            case "resize":
                return self._type(step.by, "tenant_resize", tenant=name, plan=step.how)
            case "replace":
                new = self.round.after[number]
                gone = self._type(step.by, "tenant_terminate", tenant=name)
                who = {"tenant": new.name(self.ground.mark), "customer": f"customer-{number}", "plan": new.plan}
                return f"{gone}; {self._type(step.by, 'tenant_provision', **who)}"
        return self._type(step.by, f"tenant_{step.what}", tenant=name)

    def _has_way_back(self, name: str) -> bool:
        def ask() -> bool:
            with registry.connect(self.ground.tenants.registry, autocommit=True) as connection:
                kept = journal.open_of(connection, self.ground.tenants.record(name).id)
            return kept is not None and kept.way_back_until is not None

        return bool(insist(ask))

    def _type(self, hand: str, playbook: str, **variables: str) -> str:
        """Run a playbook; type it again where it was told "not now", was killed, or left a verb under way."""
        said = []
        for _ in range(_TRIES):
            code, end = self._play(hand, playbook, variables)
            said.append(str(code))
            if code == 0:
                return f"{playbook} {' '.join(said)}"
            found = self._record(variables.get("tenant"))
            error = found is not None and found.status is Status.ERROR and found.operation is None
            if error and found is not None:
                self.problems.append(f"{playbook} {variables} ended in error: {found.status_message}")
            died = code == os.EX_TEMPFAIL or code < 0 or (found is not None and found.operation is not None)
            if playbook in _MAY_BE_REFUSED and not died:
                return f"{playbook} {' '.join(said)}, refused: {end}"
            time.sleep(_PAUSE)
        self.problems.append(f"{playbook} {variables} never succeeded: {' '.join(said)}; {end}")
        return f"{playbook} {' '.join(said)}, given up: {end}"

    def _play(self, hand: str, playbook: str, variables: dict[str, str]) -> tuple[int, str]:
        """Return the exit status, and the last error that was said."""
        log = self.log / f"{self.round.number}-{hand.replace(' ', '-')}.log"
        with log.open("ab") as out:
            begin = out.tell()
            run = self.ground.tenants.started(playbook, stdout=out.fileno(), **variables)
            self.playbooks[hand] = run.pid
            try:
                code = run.wait(_LONGEST)
            except subprocess.TimeoutExpired:
                self.problems.append(f"{playbook} {variables} did not end in {_LONGEST} s")
                kill(family(run.pid))
                code = run.wait()
            finally:
                del self.playbooks[hand]
        lines = log.read_bytes()[begin:].decode(errors="replace").splitlines()
        errors = [line.strip() for line in lines if "fatal:" in line or "[ERROR]" in line or "ERROR" in line]
        return code, errors[-1][:250] if errors else ""

    def _record(self, name: str | None) -> Tenant | None:
        """Return the tenant's record as soon as the registry answers."""
        end = time.monotonic() + 60
        while name:
            try:
                return self.ground.tenants.find(name)
            except Unavailable:
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)
        return None

    def _reboot(self, step: Step) -> str:
        if step.whom == "a playbook":
            return self._kill_a_playbook(step)
        process = step.whom if step.whom != "an Odoo" else self._an_odoo(step)
        if process is None:
            return "none runs"
        if step.what == "restart":
            return self.ground.supervise("restart", process).replace("\n", ", ")
        pid = self.ground.supervise("pid", process)
        if not pid.isdecimal() or pid == "0":
            return f"it does not run: {pid}"
        is_postgres = process.startswith(("postgres-", "registry"))
        dead = victims.postgres(self.ground.home, process.removeprefix("postgres-")) if is_postgres else [int(pid)]
        kill(dead)
        return f"killed {process}, {len(dead)} processes"

    def _kill_a_playbook(self, step: Step) -> str:
        """Kill one that an operator runs, or the webhook runner for a customer."""
        runs = {f"of {hand}": victims.playbook(pid) for hand, pid in sorted(self.playbooks.items())}
        for number, _ in sorted(self.ground.subscriptions.items()):
            try:
                found = self.ground.tenants.find(self.round.after[number].name(self.ground.mark))
            except PlatformError:
                continue
            if found and found.operation:
                runs[f"of {found.name}, {found.operation}"] = victims.playbook_of(self.ground.home, str(found.id))
        going = [which for which, pids in runs.items() if pids]
        if not going:
            return "none runs"
        which = Random(f"{step}").choice(going)
        kill(runs[which])
        return f"killed one {which}"

    def _an_odoo(self, step: Step) -> str | None:
        running = [tenant for tenant in self.round.before if tenant.status is Status.RUNNING]
        chosen = Random(f"{step}").choice(running) if running else None
        found = self._record(chosen.name(self.ground.mark)) if chosen else None
        return f"odoo-{found.short_id}" if found else None
