"""What the soak test will do follows from its seed alone, and asks for nothing that a tenant can't do."""

from __future__ import annotations

from itertools import islice, pairwise

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.status import Status
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.verb import VERBS, Verb
from tests.soak import content, plan

_ROUNDS = 40


def of(seed: int) -> list[plan.Round]:
    return list(islice(plan.rounds(seed), _ROUNDS))


def test_the_same_seed_gives_the_same_plan_and_another_one_another() -> None:
    assert of(7) == of(7)
    assert [str(each) for each in of(7)] != [str(each) for each in of(8)]


@pytest.mark.parametrize("seed", range(5))
def test_a_round_begins_with_what_the_one_before_ended_with_and_asks_each_tenant_for_one_thing(seed: int) -> None:
    made = of(seed)
    assert made[0].before == plan.first()
    for each, following in pairwise(made):
        assert each.after == following.before
    for each in made:
        asked = [step.whom for step in each.steps if step.by in ("hand 0", "hand 1", "billing")]
        assert len(asked) == len(set(asked))
        assert all(0 <= step.at <= plan.WINDOW for step in each.steps)
        assert list(each.steps) == sorted(each.steps, key=lambda step: step.at)


@pytest.mark.parametrize("seed", range(5))
def test_each_verb_may_be_begun_and_leads_to_what_the_plan_says(seed: int) -> None:
    seen = set()
    for each in of(seed):
        for step in each.of("hand 0") + each.of("hand 1"):
            if step.what not in set(Verb):
                continue
            before, after = each.before[int(step.whom)].status, each.after[int(step.whom)].status
            course = VERBS[Verb(step.what)]
            assert before in course.origins, step
            assert after in course.goals, step
            assert after is before or len(course.goals) == 1, step
            seen.add(step.what)
    assert seen >= {"suspend", "resume", "restart", "resize", "stop", "start", "migrate"}


def test_all_there_is_comes_up_within_half_an_hour() -> None:
    steps = [step for each in of(1) for step in each.steps]
    assert {step.what for step in steps} >= {"replace", "drain", "back", "offline", "let go", "pause", "unpause", "change"}
    assert {step.what for step in steps if step.by == "reboot"} == {"kill", "restart"}
    assert {step.whom for step in steps if step.by == "reboot"} >= {"registry", "caddy", "runner-worker", "postgres-soak-1"}


def test_no_more_run_than_a_small_machine_can() -> None:
    most = max(sum(tenant.status is Status.RUNNING for tenant in each.after) for each in of(3))
    assert plan.CUSTOMERS <= most <= 10


def test_content_follows_from_its_seed_and_names_no_table_twice() -> None:
    works = [content.work(str(seed), seed) for seed in range(200)]
    assert works == [content.work(str(seed), seed) for seed in range(200)]
    tables = [work.table for work in works if work.table]
    assert len(tables) == len(set(tables)) > 50
    assert any("PARTITION OF" in statement for work in works for statement in work.statements)
    assert {work.change.split()[0] for work in works if work.change} >= {"ALTER", "DROP", "TRUNCATE", "INSERT"}
