"""domain/migration/steps.py: what the journal of a dead run leads the noun database_migration to do."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.record import Entry, MigrationCourse, StepState
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.migration.steps import (
    EXPLAINED,
    STEPS,
    WHILE_FROZEN,
    Decision,
    Phase,
    Step,
    standing,
    take_up,
    to_do,
    to_undo,
)

ONLINE, OFFLINE, RETURN = MigrationCourse.ONLINE, MigrationCourse.OFFLINE, MigrationCourse.RETURN
LAST = {ONLINE: Phase.VERIFIED, OFFLINE: Phase.SWITCHED, RETURN: Phase.RETURNED}


def journal(course: MigrationCourse, done: int, *, begun: bool = False) -> list[Entry]:
    """The journal of a run that did the first ``done`` steps, and perhaps died in the next."""
    lines = [(step, state) for step in STEPS[course][:done] for state in (StepState.BEGUN, StepState.DONE)]
    lines += [(STEPS[course][done], StepState.BEGUN)] if begun and done < len(STEPS[course]) else []
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return [Entry(number, course, step, state, at) for number, (step, state) in enumerate(lines)]


@st.composite
def deaths(draw: st.DrawFn) -> tuple[MigrationCourse, list[Entry]]:
    course = draw(st.sampled_from(tuple(STEPS)))
    return course, journal(course, draw(st.integers(0, len(STEPS[course]))), begun=draw(st.booleans()))


@given(deaths())
def test_a_run_that_goes_on_does_every_step_that_is_left_and_freezes_anew_while_the_home_has_not_changed(
    death: tuple[MigrationCourse, list[Entry]],
) -> None:
    course, entries = death
    at = standing(course, entries)
    left = to_do(at, LAST[course])
    assert set(left) | at.done == set(STEPS[course])
    repeated = [step for step in left if step in at.done]
    assert repeated == ([Step.FREEZE] if Step.FREEZE in at.done and not at.switched and left else [])
    assert [step for step in left if step not in repeated] == [step for step in STEPS[course] if step not in at.done]


@given(deaths(), st.booleans())
def test_what_has_changed_the_home_only_goes_forward_and_nothing_is_repeated_unasked(
    death: tuple[MigrationCourse, list[Entry]], again: bool
) -> None:
    at = standing(*death)
    decision = take_up(at, again=again)
    assert (decision is Decision.FORWARD) == at.switched
    assert decision is not Decision.RESUME or (again and Step.BACK_UP in at.done)


@given(deaths())
def test_what_is_half_undone_is_never_gone_on_with(death: tuple[MigrationCourse, list[Entry]]) -> None:
    course, entries = death
    entries += [Entry(1000, MigrationCourse.UNDO, course, StepState.BEGUN, datetime(2026, 1, 1, tzinfo=UTC))]
    assert take_up(standing(course, entries), again=True) is not Decision.RESUME


@given(deaths())
def test_undoing_takes_all_that_was_begun_and_lets_the_tenant_work_first(death: tuple[MigrationCourse, list[Entry]]) -> None:
    at = standing(*death)
    undone = to_undo(at)
    assert set(undone) == at.begun
    assert Step.FREEZE not in undone or undone[0] is Step.FREEZE
    rest = [step for step in undone if step is not Step.FREEZE]
    assert rest == [step for step in reversed(STEPS[at.course]) if step in rest]


@given(deaths())
def test_what_is_undone_is_as_if_never_begun(death: tuple[MigrationCourse, list[Entry]]) -> None:
    course, entries = death
    at = datetime(2026, 1, 1, tzinfo=UTC)
    entries += [Entry(1000, course, step, StepState.UNDONE, at) for step in to_undo(standing(course, entries))]
    assert not standing(course, entries).begun


@pytest.mark.parametrize("course", STEPS)
def test_each_phase_ends_after_the_one_before(course: MigrationCourse) -> None:
    nothing = standing(course, [])
    lengths = [len(to_do(nothing, phase)) for phase in (Phase.COPIED, Phase.FOLLOWING, Phase.SWITCHED, LAST[course])]
    steps = [length for length in lengths if length]
    assert steps == sorted(steps)
    assert steps[-1] == len(STEPS[course])


def test_every_step_is_explained() -> None:
    assert set(EXPLAINED) == set(Step)


def test_the_role_explains_the_steps_in_these_words() -> None:
    readme = (Path(__file__).parents[4] / "roles/odoo_tenant/README.md").read_text(encoding="utf-8")
    for step in STEPS[ONLINE]:
        name = f"**{step}**" if step in WHILE_FROZEN | {Step.FREEZE} else step
        words = EXPLAINED[step]
        assert f"\n| {name} | {words.checks} | {words.does} | {words.undoes} |" in readme, step
