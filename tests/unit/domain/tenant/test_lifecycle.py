"""The lifecycle: no sequence of verbs, interruptions and failures leaves the table, and none is a dead end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.lifecycle import (
    Admission,
    admit,
    check_step,
    is_moving,
    transitions,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.operation import (
    Details,
    Stage,
    advanced,
    begun,
    failed,
    finished,
    lost,
    predicted,
    reached,
    undone,
)
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Billing, Desired, Provisioning, Status
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.verb import AT_REST, MOVING, VERBS, Verb
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
_VERBS_OF_READY = (Verb.START, Verb.STOP, Verb.RESTART, Verb.RESIZE, Verb.MIGRATE, Verb.SUSPEND, Verb.RESUME)
_verbs = st.sampled_from(Verb)


def carry_out(tenant: Tenant, verb: Verb) -> Tenant:
    """Take the verb through its whole path, as its playbook does."""
    stages = (Stage.BEGUN, *map(Stage, VERBS[verb].path), Stage.FINISHED)
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
        self.rest = Status.RUNNING

    def record(self, versions: tuple[Tenant, ...]) -> None:
        self.seen += versions
        self.tenant = self.seen[-1]

    def goal_of(self, verb: Verb) -> Status:
        """Return where the verb is to end; those that end where they began do so whatever has become of runs before."""
        return self.tenant.rest if verb in MOVING else next(iter(VERBS[verb].goals))

    @rule(verb=_verbs)
    def begin(self, verb: Verb) -> None:
        """A new run begins; whatever run was under way is dead, since it does not hold the lock any more."""
        before = self.tenant
        try:
            self.record(begun(before, verb))
        except Conflict:
            assert verb is not self.tenant.operation, "a verb that was interrupted may always go on"
            return
        if verb not in MOVING:
            self.rest = Status.RUNNING
        elif before.status in AT_REST:
            self.rest = before.status

    @rule(verb=_verbs, to=st.sampled_from(Status))
    def step(self, verb: Verb, to: Status) -> None:
        try:
            self.record(advanced(self.tenant, verb, to))
        except Conflict:
            assert self.tenant.operation is not verb or to not in VERBS[verb].path

    @rule(verb=_verbs)
    def finish(self, verb: Verb) -> None:
        try:
            self.record(finished(self.tenant, verb, NOW))
        except Conflict:
            assert self.tenant.operation is not verb

    @rule(verb=st.sampled_from(sorted(MOVING)))
    def undo(self, verb: Verb) -> None:
        """The verb failed and left nothing: the tenant is at rest, never in error, and its plan is not tried by itself again."""
        before, goal = self.tenant, self.goal_of(verb)
        try:
            self.record(undone(self.tenant, verb, Details("no room")))
        except Conflict:
            assert before.operation is not verb
        else:
            assert (self.tenant.status, self.tenant.operation, self.tenant.status_message) == (goal, None, "no room")
            assert self.tenant.failed_plan == ("basic-monthly" if verb is Verb.RESIZE else before.failed_plan)

    @rule(verb=_verbs)
    def fail(self, verb: Verb) -> None:
        before = self.tenant
        try:
            self.record(failed(self.tenant, verb, Details("no disk")))
        except Conflict:
            assert before.operation is not verb
        else:
            assert self.tenant.operation is (verb if before.status is Status.MIGRATING else None)
            assert self.tenant.status_message == "no disk"

    @rule()
    def run_is_lost(self) -> None:
        """Somebody finds that the run is dead; nothing is under way any more, but a move that was begun."""
        before = self.tenant
        moving = is_moving(before.status, before.operation)
        self.record(lost(before, "killed", before.operation))
        assert self.tenant.operation is (before.operation if moving else None)
        stays = before.status is Status.MIGRATING or (before.status in VERBS[Verb.MIGRATE].goals and before.operation in MOVING)
        ends = {before.status} if stays else {Status.ERROR, Status.TERMINATED}
        assert self.tenant.status in ends
        assert stays or lost(self.tenant, "killed again") == ()

    @precondition(lambda self: self.tenant.operation is not None)
    @rule()
    def run_again(self) -> None:
        """The interrupted verb, run again, ends at its goal."""
        verb = self.tenant.operation
        assert verb is not None
        after = carry_out(self.tenant, verb)
        assert (after.status, after.operation, after.returns_to) == (self.goal_of(verb), None, None)

    @precondition(lambda self: self.tenant.status is Status.ERROR and self.tenant.operation is None)
    @rule()
    def recover(self) -> None:
        """What is in error is made whole by hand: by provisioning at any time, by any verb once it was provisioned."""
        assert carry_out(self.tenant, Verb.PROVISION).status is Status.RUNNING
        if self.tenant.provisioning_status is Provisioning.READY:
            for verb in _VERBS_OF_READY:
                assert carry_out(self.tenant, verb).status is self.goal_of(verb)

    @precondition(lambda self: is_moving(self.tenant.status, self.tenant.operation))
    @rule(verb=_verbs)
    def a_move_is_taken_up_by_a_move_alone(self, verb: Verb) -> None:
        """... whether its run died or could not undo what it did; and then it can be ended."""
        if verb in MOVING:
            taken_up = begun(self.tenant, verb)[-1]
            assert (taken_up.status, taken_up.operation) == (Status.MIGRATING, verb)
            assert carry_out(self.tenant, verb).status is self.rest, "where it was before anybody moved it"
        else:
            with pytest.raises(Conflict, match=f"cannot {verb} a tenant with an unfinished .*found: {self.tenant.status}"):
                begun(self.tenant, verb)

    @precondition(lambda self: not is_moving(self.tenant.status, self.tenant.operation))
    @rule()
    def terminable(self) -> None:
        """Terminating is possible from anywhere but in the middle of a move."""
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
        if tenant.status in {Status.STOPPED, Status.PAUSED, Status.MIGRATING}:
            assert tenant.provisioning_status is Provisioning.READY
        if tenant.status is Status.MIGRATING:
            assert tenant.operation in MOVING
        if tenant.provisioning_status is not Provisioning.TERMINATED:
            assert (tenant.applied_plan is not None) == (tenant.provisioning_status is Provisioning.READY)
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
    assert failed(RUNNING, Verb.PROVISION, Details("not healthy"))[-1].status is Status.ERROR


@pytest.mark.parametrize("verb", [Verb.RESTART, *sorted(MOVING)])
def test_what_ends_where_it_began_is_never_nothing(verb: Verb) -> None:
    assert admit(verb, Status.RUNNING, Provisioning.READY, None) is Admission.BEGIN


def test_a_refused_verb_says_what_was_found_and_cannot_fail_the_tenant() -> None:
    with pytest.raises(Conflict, match=r"cannot resume a tenant that is stopped.*expected: one of error, paused, running"):
        begun(replace(RUNNING, status=Status.STOPPED), Verb.RESUME)
    with pytest.raises(Conflict, match="resume is not under way on tenant acme"):
        failed(replace(RUNNING, status=Status.STOPPED), Verb.RESUME, Details("refused"))


def test_another_verb_records_the_dead_one_as_failed_before_it_begins() -> None:
    dying = advanced(begun(RUNNING, Verb.STOP)[-1], Verb.STOP, Status.STOPPING)[-1]
    lost, begins = begun(dying, Verb.SUSPEND)
    assert (lost.status, lost.status_message) == (Status.ERROR, "stop was interrupted")
    assert (begins.operation, begins.status_message) == (Verb.SUSPEND, "")


def test_a_plan_whose_resize_was_superseded_is_not_tried_again_unasked() -> None:
    wished = replace(RUNNING, plan_name="premium", applied_plan="basic-monthly")
    moving = advanced(begun(wished, Verb.RESIZE)[-1], Verb.RESIZE, Status.MIGRATING)[-1]
    assert begun(moving, Verb.MIGRATE)[-1].failed_plan == "premium"
    assert begun(moving, Verb.RESIZE)[-1].failed_plan is None, "this is the try"


def test_only_a_termination_may_follow_a_dead_termination() -> None:
    dying = begun(RUNNING, Verb.TERMINATE)[-1]
    with pytest.raises(Conflict, match=r"unfinished terminate.*run terminate again"):
        begun(dying, Verb.START)
    assert carry_out(dying, Verb.TERMINATE).status is Status.TERMINATED


@pytest.mark.parametrize("verb", Verb)
@pytest.mark.parametrize("under_way", sorted(MOVING))
@pytest.mark.parametrize("status", [Status.MIGRATING, Status.ERROR])
def test_nothing_but_a_move_begins_while_a_database_is_moved(verb: Verb, under_way: Verb, status: Status) -> None:
    moving = replace(RUNNING, status=status, operation=under_way)
    if verb in MOVING:
        assert begun(moving, verb)[-1].status is Status.MIGRATING
        return
    with pytest.raises(
        Conflict, match=rf"cannot {verb} a tenant with an unfinished {under_way}; found: {status}; run {under_way}"
    ):
        begun(moving, verb)


@pytest.mark.parametrize("verb", sorted(MOVING))
@pytest.mark.parametrize("status", sorted(set(Status) - {Status.RUNNING, Status.STOPPED, Status.ERROR}))
def test_only_what_runs_or_stands_still_is_moved_and_the_refusal_names_the_state(verb: Verb, status: Status) -> None:
    with pytest.raises(Conflict, match=f"cannot {verb} a tenant that is {status}; expected: one of error, running, stopped"):
        begun(replace(RUNNING, status=status), verb)


@pytest.mark.parametrize("verb", sorted(MOVING))
@pytest.mark.parametrize("start", [Status.RUNNING, Status.STOPPED])
def test_a_move_ends_where_it_began(verb: Verb, start: Status) -> None:
    """... whether a run before died, or failed and could not undo what it did."""
    begins = begun(replace(RUNNING, status=start), verb)[-1]
    assert finished(begins, verb, NOW)[-1].status is start, "it never left"
    moving = advanced(begins, verb, Status.MIGRATING)[-1]
    for left in (moving, failed(moving, verb, Details("no server"))[-1], lost(moving, "killed")[-1]):
        again = begun(left, verb)[-1]
        for ended in (finished(again, verb, NOW)[-1], undone(again, verb, Details("no room"))[-1]):
            assert (ended.status, ended.returns_to) == (start, None)


@pytest.mark.parametrize("verb", sorted(MOVING))
def test_a_move_that_was_refused_leaves_no_more_than_its_message(verb: Verb) -> None:
    """Nothing was moved yet: even a tenant that was in error already is as free as before."""
    begins = begun(RUNNING, verb)[-1]
    assert undone(begins, verb, Details("no room"))[-1].status is Status.RUNNING
    broken = begun(replace(RUNNING, status=Status.ERROR), verb)[-1]
    after = failed(broken, verb, Details("no room"))[-1]
    assert (after.status, after.operation) == (Status.ERROR, None)
    assert begun(after, Verb.RESUME)


def test_a_move_whose_run_is_lost_stays_under_way() -> None:
    moving = advanced(begun(RUNNING, Verb.MIGRATE)[-1], Verb.MIGRATE, Status.MIGRATING)[-1]
    after = lost(moving, "killed", Verb.MIGRATE)[-1]
    assert (after.status, after.operation, after.status_message) == (Status.MIGRATING, Verb.MIGRATE, "killed")
    error = failed(moving, Verb.MIGRATE, Details("no way back"))[-1]
    assert (error.status, error.operation) == (Status.ERROR, Verb.MIGRATE)
    assert lost(error, "failed", Verb.MIGRATE) == (), "the first message says more"


@pytest.mark.parametrize("status", [Status.RUNNING, Status.STOPPED])
def test_a_lost_resize_that_moved_nothing_leaves_the_tenant_as_it_runs(status: Status) -> None:
    rests = replace(RUNNING, status=status)
    after = lost(begun(rests, Verb.RESIZE)[-1], "killed", Verb.RESIZE)[-1]
    assert (after.status, after.operation, after.status_message, after.failed_plan) == (status, None, "killed", "basic-monthly")
    assert lost(after, "killed again", Verb.RESIZE) == ()
    refused = lost(rests, "could not begin", Verb.RESIZE)[-1]
    assert (refused.status, refused.failed_plan) == (status, "basic-monthly"), "or it would be tried at every sync"
    said = undone(begun(rests, Verb.RESIZE)[-1], Verb.RESIZE, Details("no room", plan="premium"))[-1]
    assert lost(said, "failed", Verb.RESIZE) == (), "a plan wished for meanwhile may be tried"
    assert lost(begun(rests, Verb.MIGRATE)[-1], "killed", Verb.MIGRATE)[-1].failed_plan is None
    assert lost(rests, "failed", Verb.SUSPEND)[-1].status is Status.ERROR


def test_only_moves_can_be_undone() -> None:
    with pytest.raises(Conflict, match="stop can't be undone; expected: one of migrate, resize"):
        undone(begun(RUNNING, Verb.STOP)[-1], Verb.STOP, Details("no"))


def test_the_plan_that_is_applied_or_failed_is_the_one_the_verb_began_with() -> None:
    provisioned = carry_out(NEW, Verb.PROVISION)
    assert (provisioned.applied_plan, provisioned.failed_plan) == ("basic-monthly", None)
    wished = provisioned.with_plan("premium")
    later = begun(wished, Verb.RESIZE)[-1].with_plan("other")
    assert finished(later, Verb.RESIZE, NOW, Details(plan="premium"))[-1].applied_plan == "premium"
    for end in (
        undone(later, Verb.RESIZE, Details("no room", plan="premium")),
        failed(later, Verb.RESIZE, Details("no", plan="premium")),
    ):
        assert (end[-1].applied_plan, end[-1].failed_plan) == ("basic-monthly", "premium")
        assert end[-1].with_plan("other").failed_plan == "premium", "no change is no new wish"
        assert end[-1].with_plan("premium").failed_plan is None
        assert carry_out(end[-1], Verb.RESIZE).failed_plan is None
    moved = carry_out(wished, Verb.MIGRATE)
    assert moved.applied_plan == "basic-monthly", "a database moved elsewhere has no other limits"
    again = carry_out(replace(wished, status=Status.ERROR), Verb.PROVISION)
    assert again.applied_plan == "basic-monthly", "provisioning what is there leaves its database where it is"


def test_what_is_terminated_stays_so() -> None:
    gone = carry_out(RUNNING, Verb.TERMINATE)
    assert not [pair for pair in transitions() if pair[0] is Status.TERMINATED]
    assert failed(gone, Verb.TERMINATE, Details("folder in use"))[-1].status is Status.TERMINATED
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
    start = replace(RUNNING, status=min(VERBS[verb].origins - {Status.ERROR}))
    ends = {Stage.FINISHED, Stage.FAILED} | ({Stage.UNDONE} if verb in MOVING else set())
    if stage not in {Stage.BEGUN, *ends, *map(str, VERBS[verb].path)}:
        return
    real = begun(start, verb)[-1]
    assert predicted(start, verb, stage, NOW, Details("m"))[-1] == (
        real if stage is Stage.BEGUN else reached(real, verb, stage, NOW, Details("m"))[-1]
    )


@pytest.mark.parametrize("verb", Verb)
def test_every_course_is_made_of_allowed_transitions(verb: Verb) -> None:
    course = VERBS[verb]
    for origin, goal in product(course.origins, course.goals):
        steps = (*course.path, goal)
        for current, to in zip((origin, *steps), steps, strict=False):
            check_step(verb, current, to)
            assert current is to or (current, to) in transitions()


def test_the_failure_of_a_harmless_verb_leaves_the_tenant_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a backup's will: whether it failed, was interrupted by another verb, or nobody knows how it ended."""
    monkeypatch.setitem(VERBS, Verb.RESTART, replace(VERBS[Verb.RESTART], harmless=True, path=()))
    at = datetime.now(UTC)
    at_it = reached(RUNNING, Verb.RESTART, Stage.BEGUN, at)[-1]
    failed = reached(at_it, Verb.RESTART, Stage.FAILED, at, Details("no room"))[-1]
    for after in (failed, lost(at_it, "no room", Verb.RESTART)[-1]):
        assert (after.status, after.operation, after.status_message) == (Status.RUNNING, None, "no room")
    other = reached(at_it, Verb.STOP, Stage.BEGUN, at)
    assert [each.status for each in other] == [Status.RUNNING, Status.RUNNING]
    assert other[0].status_message == "restart was interrupted"
    assert other[-1].operation is Verb.STOP
