# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may have a trial: one per customer for life, none beside a paid subscription, none in doubt (mission: trials)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a trial may or may not be had."""

    ELIGIBLE = "eligible"
    HAD_TRIAL = "had_trial"
    PAID_SUBSCRIPTION = "paid_subscription"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Eligibility:
    """The one answer. ``trial_days`` is 0 without a trial; ``show_trials`` says whether plans may speak of trials at all."""

    reason: Reason
    trial_days: int

    @property
    def eligible(self) -> bool:
        """Whether the customer may have a trial now."""
        return self.reason is Reason.ELIGIBLE

    @property
    def show_trials(self) -> bool:
        """Customers who may not have a trial see plans without any word of trials."""
        return self.eligible


def eligibility(*, had_trial: bool, paid_active: bool, trial_days: int) -> Eligibility:
    """Decide from the two facts that matter; ``trial_days`` is the length of a trial in days."""
    if had_trial:
        return Eligibility(Reason.HAD_TRIAL, 0)
    if paid_active:
        return Eligibility(Reason.PAID_SUBSCRIPTION, 0)
    return Eligibility(Reason.ELIGIBLE, trial_days)


def in_doubt() -> Eligibility:
    """Return the answer when the facts can't be had: no trial."""
    return Eligibility(Reason.UNKNOWN, 0)
