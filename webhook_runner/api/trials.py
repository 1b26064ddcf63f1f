"""GET /api/billing/trial-eligibility/<customer>: the one source of truth on trials."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, current_app, jsonify

from ansible_collections.saasodoo.platform.plugins.module_utils.domain.billing import trial
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import check_customer
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Unavailable
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.connection import one
from webhook_runner.api.operators import under_token
from webhook_runner.refusal import Refusals
from webhook_runner.services import Core

_TRIAL_FACTS = """
SELECT EXISTS (SELECT FROM billing.trials WHERE customer_id = %(customer_id)s) AS had_trial,
    EXISTS (SELECT FROM billing.accounts WHERE customer_id = %(customer_id)s AND paid_active) AS paid_active
"""


def blueprint(core: Core, token: str, refusals: Refusals) -> APIBlueprint:
    """Return the route; nobody without ``token`` learns who is a customer."""
    bp = APIBlueprint("trials", __name__, tag="Billing")
    auth = under_token(bp, token, refusals)

    @bp.get("/api/billing/trial-eligibility/<customer_id>")
    @bp.doc(summary="Whether a customer may have a trial; in doubt, not", security=auth.name)
    def eligibility(customer_id: str) -> Response:
        answer = _answer(core, check_customer(customer_id))
        return jsonify(
            customer_id=customer_id,
            eligible=answer.eligible,
            reason=answer.reason,
            trial_days=answer.trial_days,
            show_trials=answer.show_trials,
        )

    return bp


def _answer(core: Core, customer_id: str) -> trial.Eligibility:
    try:
        with core.registry.transaction() as connection:
            facts = one(connection.execute(_TRIAL_FACTS, {"customer_id": customer_id}))
    except Unavailable:
        current_app.logger.warning("trial eligibility can't be known: the registry is away")
        return trial.in_doubt()
    days = core.settings.trial_days
    return trial.eligibility(had_trial=facts["had_trial"], paid_active=facts["paid_active"], trial_days=days)
