"""The lifecycle: no sequence of verbs, interruptions and failures leaves the table, and none is a dead end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.lifecycle import (
    COURSES,
    Admission,
    Billing,
    Desired,
    Provisioning,
    Status,
    Verb,
    admit,
    check_step,
    transitions,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.operation import (
    Stage,
    advanced,
    begun,
    failed,
    finished,
    lost,
    predicted,
    reached,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict

NOW = datetime(2026, 1, 31, tzinfo=UTC)
NEW = Tenant(
    id=UUID("0f8fad5b-d9cb-469f-a165-70867728950e"),
    subdomain="acme",
    customer_id="c1",
    account_id=None,
    subscription_id=None,
    plan_name="basic-monthly",
    status=Status.CREATING,
    provisioning_status=Provisioning.PENDING,
    billing_status=Billing.TRIAL,
    operation=None,
    status_message="",
    desired_state=Desired.RUNNING,
    database_name="odoo_c1_0f8fad5bd9cb",
    http_port=22000,
    odoo_version="19.0",
    secret_generation=1,
    created_at=NOW,
    updated_at=NOW,
)
RUNNING = replace(NEW, status=Status.RUNNING, provisioning_status=Provisioning.READY)
_VERBS_OF_READY = (Verb.START, Verb.STOP, Verb.RESTART, Verb.SUSPEND, Verb.RESUME)
_verbs = st.sampled_from(Verb)


def carry_out(tenant: Tenant, verb: Verb) -> Tenant:
    """Take the verb through its whole path, as its playbook does."""
    stages = (Stage.BEGUN, *map(Stage, COURSES[verb].path), Stage.FINISHED)
    for stage in stages:
        versions = reached(tenant, verb, stage, NOW)
        tenant = versions[-1] if versions else tenant
    return tenant


class Life(RuleBasedStateMachine):
    """One tenant, whose runs begin, take steps, die, fail, or end, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.tenant = NEW
        self.seen: list[Tenant] = [NEW]

    def record(self, versions: tuple[Tenant, ...]) -> None:
        self.seen += versions
        self.tenant = self.seen[-1]

    @rule(verb=_verbs)
    def begin(self, verb: Verb) -> None:
        """A new run begins; whatever run was under way is dead, since it does not hold the lock any more."""
        try:
            self.record(begun(self.tenant, verb))
        except Conflict:
            assert verb is not self.tenant.operation, "a verb that was interrupted may always go on"

    @rule(verb=_verbs, to=st.sampled_from(Status))
    def step(self, verb: Verb, to: Status) -> None:
        try:
            self.record(advanced(self.tenant, verb, to))
        except Conflict:
            assert self.tenant.operation is not verb or to not in COURSES[verb].path

    @rule(verb=_verbs)
    def finish(self, verb: Verb) -> None:
        try:
            self.record(finished(self.tenant, verb, NOW))
        except Conflict:
            assert self.tenant.operation is not verb

    @rule(verb=_verbs)
    def fail(self, verb: Verb) -> None:
        before = self.tenant
        try:
            self.record(failed(self.tenant, verb, "no disk"))
        except Conflict:
            assert before.operation is not verb
        else:
            assert self.tenant.operation is None
            assert self.tenant.status_message == "no disk"

    @rule()
    def lose(self) -> None:
        """Somebody finds that the run is dead; nothing is under way any more."""
        self.record(lost(self.tenant, "killed"))
        assert self.tenant.operation is None
        assert self.tenant.status in {Status.ERROR, Status.TERMINATED}
        assert lost(self.tenant, "killed again") == ()

    @precondition(lambda self: self.tenant.operation is not None)
    @rule()
    def run_again(self) -> None:
        """The interrupted verb, run again, ends at its goal."""
        verb = self.tenant.operation
        assert verb is not None
        after = carry_out(self.tenant, verb)
        assert (after.status, after.operation) == (COURSES[verb].goal, None)

    @precondition(lambda self: self.tenant.status is Status.ERROR and self.tenant.operation is None)
    @rule()
    def recover(self) -> None:
        """What is in error is made whole by hand: by provisioning at any time, by any verb once it was provisioned."""
        assert carry_out(self.tenant, Verb.PROVISION).status is Status.RUNNING
        if self.tenant.provisioning_status is Provisioning.READY:
            for verb in _VERBS_OF_READY:
                assert carry_out(self.tenant, verb).status is COURSES[verb].goal

    @rule()
    def terminable(self) -> None:
        """Terminating is possible from anywhere (nothing here migrates)."""
        assert carry_out(self.tenant, Verb.TERMINATE).status is Status.TERMINATED

    @invariant()
    def never_leaves_the_table(self) -> None:
        pairs = {(a.status, b.status) for a, b in zip(self.seen, self.seen[1:], strict=False) if a.status is not b.status}
        assert pairs <= transitions()

    @invariant()
    def is_consistent(self) -> None:
        tenant = self.tenant
        if tenant.status is Status.TERMINATED:
            assert (tenant.operation, tenant.http_port, tenant.terminated_at) == (None, None, NOW)
            assert tenant.provisioning_status is Provisioning.TERMINATED
        if tenant.status in {Status.STOPPED, Status.PAUSED}:
            assert tenant.provisioning_status is Provisioning.READY
        assert (tenant.billing_status, tenant.desired_state) == (NEW.billing_status, NEW.desired_state), (
            "only the sync writes them"
        )


TestLife = Life.TestCase


@pytest.mark.parametrize("verb", _VERBS_OF_READY)
def test_what_was_never_provisioned_can_only_be_provisioned_or_terminated(verb: Verb) -> None:
    for status in (Status.CREATING, Status.ERROR):
        with pytest.raises(Conflict, match=f"cannot {verb}"):
            begun(replace(NEW, status=status), verb)


def test_begin_at_the_goal_only_converges_and_its_stages_change_nothing() -> None:
    assert begun(RUNNING, Verb.PROVISION) == ()
    assert advanced(RUNNING, Verb.PROVISION, Status.WAITING_FOR_DATABASE) == ()
    assert finished(RUNNING, Verb.PROVISION, NOW) == ()
    assert failed(RUNNING, Verb.PROVISION, "not healthy")[-1].status is Status.ERROR


def test_restart_of_a_running_tenant_is_never_nothing() -> None:
    assert admit(Verb.RESTART, Status.RUNNING, Provisioning.READY, None) is Admission.BEGIN


def test_a_refused_verb_says_what_was_found_and_cannot_fail_the_tenant() -> None:
    with pytest.raises(Conflict, match=r"cannot resume a tenant that is stopped.*expected: one of error, paused, running"):
        begun(replace(RUNNING, status=Status.STOPPED), Verb.RESUME)
    with pytest.raises(Conflict, match="resume is not under way on tenant acme"):
        failed(replace(RUNNING, status=Status.STOPPED), Verb.RESUME, "refused")


def test_another_verb_records_the_dead_one_as_failed_before_it_begins() -> None:
    dying = advanced(begun(RUNNING, Verb.STOP)[-1], Verb.STOP, Status.STOPPING)[-1]
    lost, begins = begun(dying, Verb.SUSPEND)
    assert (lost.status, lost.status_message) == (Status.ERROR, "stop was interrupted")
    assert (begins.operation, begins.status_message) == (Verb.SUSPEND, "")


def test_only_a_termination_may_follow_a_dead_termination() -> None:
    dying = begun(RUNNING, Verb.TERMINATE)[-1]
    with pytest.raises(Conflict, match=r"unfinished terminate.*run terminate again"):
        begun(dying, Verb.START)
    assert carry_out(dying, Verb.TERMINATE).status is Status.TERMINATED


@pytest.mark.parametrize("verb", Verb)
def test_nothing_begins_while_a_database_migrates(verb: Verb) -> None:
    for under_way in (None, *set(Verb) - {verb}):
        with pytest.raises(Conflict):
            begun(replace(RUNNING, status=Status.MIGRATING, operation=under_way), verb)


def test_what_is_terminated_stays_so() -> None:
    gone = carry_out(RUNNING, Verb.TERMINATE)
    assert not [pair for pair in transitions() if pair[0] is Status.TERMINATED]
    assert failed(gone, Verb.TERMINATE, "folder in use")[-1].status is Status.TERMINATED
    for verb in set(Verb) - {Verb.TERMINATE}:
        with pytest.raises(Conflict):
            begun(gone, verb)
    with pytest.raises(Conflict):
        check_step(Verb.TERMINATE, Status.TERMINATED, Status.ERROR)


def test_provisioning_marks_the_tenant_ready_and_terminating_frees_its_port() -> None:
    assert begun(NEW, Verb.PROVISION)[-1].provisioning_status is Provisioning.PROVISIONING
    ready = carry_out(NEW, Verb.PROVISION)
    assert (ready.status, ready.provisioning_status, ready.http_port) == (Status.RUNNING, Provisioning.READY, 22000)
    gone = carry_out(ready, Verb.TERMINATE)
    assert (gone.provisioning_status, gone.http_port, gone.terminated_at) == (Provisioning.TERMINATED, None, NOW)


@given(verb=_verbs, stage=st.sampled_from(Stage))
def test_a_prediction_is_what_then_happens(verb: Verb, stage: Stage) -> None:
    """Check mode, which leaves no trace of begun, ends each stage where the real run does."""
    start = replace(RUNNING, status=min(COURSES[verb].origins - {Status.ERROR}))
    if stage not in {Stage.BEGUN, Stage.FINISHED, Stage.FAILED, *map(str, COURSES[verb].path)}:
        return
    real = begun(start, verb)[-1]
    assert predicted(start, verb, stage, NOW, "m")[-1] == (
        real if stage is Stage.BEGUN else reached(real, verb, stage, NOW, "m")[-1]
    )


@pytest.mark.parametrize("verb", Verb)
def test_every_course_is_made_of_allowed_transitions(verb: Verb) -> None:
    course = COURSES[verb]
    for origin in course.origins:
        for current, to in zip((origin, *course.steps), course.steps, strict=False):
            check_step(verb, current, to)
            assert current is to or (current, to) in transitions()
