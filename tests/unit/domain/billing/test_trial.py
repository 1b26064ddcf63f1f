"""Who may have a trial."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing.trial import Reason, eligibility, in_doubt


@given(had_trial=st.booleans(), paid_active=st.booleans(), trial_days=st.integers(0, 60))
def test_only_who_never_had_one_and_pays_nothing_may(had_trial: bool, paid_active: bool, trial_days: int) -> None:
    answer = eligibility(had_trial=had_trial, paid_active=paid_active, trial_days=trial_days)
    assert answer.eligible is not (had_trial or paid_active)
    assert answer.show_trials is answer.eligible
    assert answer.trial_days == (trial_days if answer.eligible else 0)


def test_in_doubt_there_is_none() -> None:
    assert (in_doubt().eligible, in_doubt().show_trials, in_doubt().reason) == (False, False, Reason.UNKNOWN)
