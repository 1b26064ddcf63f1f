"""The filter by which playbooks read the table of verbs."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.saasodoo.platform.plugins.filter.verb_rule import FilterModule
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.verb import VERBS, Verb

verb_rule = FilterModule().filters()["verb_rule"]


@pytest.mark.parametrize("verb", Verb)
def test_it_says_what_the_table_says(verb: Verb) -> None:
    rule = VERBS[verb]
    assert verb_rule(str(verb)) == {
        "moves_database": rule.moves_database,
        "makes_record": rule.makes_record,
        "writes_record": rule.writes_record,
    }


def test_what_is_given_by_hand_is_written_down_for_those_that_take_it() -> None:
    assert {verb for verb in Verb if verb_rule(str(verb))["writes_record"]} == {Verb.PROVISION, Verb.RESIZE}


def test_what_is_no_verb_is_said_to_be_none() -> None:
    with pytest.raises(AnsibleFilterError, match=r"there is no verb 'settle'; expected: one of provision, start"):
        verb_rule("settle")
