"""GET /api/billing/trial-eligibility/<customer>: the one source of truth on trials."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, current_app, jsonify

from ansible_collections.saasodoo.platform.plugins.module_utils.domain import trial
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Unavailable
from webhook_runner.services import Core
from webhook_runner.sql import query


def blueprint(core: Core) -> APIBlueprint:
    """Return the route."""
    bp = APIBlueprint("trials", __name__, tag="Billing")

    @bp.get("/api/billing/trial-eligibility/<customer_id>")
    @bp.doc(summary="Whether a customer may have a trial; in doubt, not")
    def eligibility(customer_id: str) -> Response:
        answer = _answer(core, customer_id)
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
            facts = connection.execute(query("trial_facts"), {"customer_id": customer_id}).fetchone()
    except Unavailable:
        current_app.logger.warning("trial eligibility can't be known: the registry is away")
        return trial.in_doubt()
    assert facts is not None
    days = core.settings.trial_days
    return trial.eligibility(had_trial=facts["had_trial"], paid_active=facts["paid_active"], trial_days=days)
