# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kill Bill's overdue states of an account, as they follow from the days in the inventory (saasodoo_overdue_days)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as xml

from ...errors import InvalidInput
from .catalog import parse, to_text


@dataclass(frozen=True)
class OverdueState:
    """One state: what its name means to Kill Bill. ``blocks`` withholds entitlements, and Kill Bill stops charging for them."""

    name: str
    message: str
    blocks: bool
    cancels: bool


#: From the mildest to the last; each begins after its number of days. Kill Bill wants them written the other way round.
STATES = (
    OverdueState("WARNING", "an invoice is unpaid", blocks=False, cancels=False),
    OverdueState("BLOCKED", "suspended, since an invoice stays unpaid", blocks=True, cancels=False),
    OverdueState("CANCELLATION", "cancelled, since an invoice stays unpaid", blocks=True, cancels=True),
)


def read_days(data: Mapping[str, Any]) -> dict[str, int]:
    """Return the days of each state by its name. Raises InvalidInput unless there are all three, rising from 1."""
    names = [state.name for state in STATES]
    days = [data.get(name.lower()) for name in names]
    whole = all(isinstance(day, int) and not isinstance(day, bool) for day in days)
    if set(data) != {name.lower() for name in names} or not whole or not 1 <= days[0] < days[1] < days[2]:  # type: ignore[operator]
        raise InvalidInput(
            "illegal overdue days",
            found=", ".join(f"{name}: {day}" for name, day in data.items()),
            expected="warning, blocked and cancellation, whole numbers from 1 on, each more than the one before",
        )
    return {name: int(day) for name, day in zip(names, days, strict=True) if day is not None}


def overdue_xml(days: Mapping[str, int]) -> str:
    """Return the overdue configuration with the states beginning after ``days`` (see read_days)."""
    root = xml.Element("overdueConfig")
    states = xml.SubElement(root, "accountOverdueStates")
    _add_days(states, "initialReevaluationInterval", 1)
    for state in reversed(STATES):
        _add_state(states, state, days[state.name])
    return to_text(root)


def _add_state(states: xml.Element, state: OverdueState, days: int) -> None:
    element = xml.SubElement(states, "state", name=state.name)
    _add_days(xml.SubElement(element, "condition"), "timeSinceEarliestUnpaidInvoiceEqualsOrExceeds", days)
    blocks = str(state.blocks).lower()
    texts = {"externalMessage": state.message, "blockChanges": blocks, "disableEntitlementAndChangesBlocked": blocks}
    if state.cancels:
        texts["subscriptionCancellationPolicy"] = "IMMEDIATE"
    for tag, text in texts.items():
        xml.SubElement(element, tag).text = text
    if not state.cancels:
        _add_days(element, "autoReevaluationInterval", 1)


def _add_days(parent: xml.Element, tag: str, days: int) -> None:
    element = xml.SubElement(parent, tag)
    xml.SubElement(element, "unit").text = "DAYS"
    xml.SubElement(element, "number").text = str(days)


def read_states(text: str) -> dict[str, str]:
    """Return what an overdue configuration says, by the name of each state; the state clear, always there, is left out."""
    found = {}
    for state in parse(text).findall("accountOverdueStates/state"):
        if state.findtext("isClearState") != "true":
            found[state.get("name", "")] = _describe(state)
    return found


def _describe(state: xml.Element) -> str:
    condition = state.find("condition/timeSinceEarliestUnpaidInvoiceEqualsOrExceeds")
    after = "never" if condition is None else f"after {condition.findtext('number')} {condition.findtext('unit', '').lower()}"
    policy = state.findtext("subscriptionCancellationPolicy", "NONE")
    again = state.findtext("autoReevaluationInterval/number")
    parts = [
        after,
        "blocks entitlements" if state.findtext("disableEntitlementAndChangesBlocked") == "true" else "",
        "blocks changes" if state.findtext("blockChanges") == "true" else "",
        "" if policy == "NONE" else f"cancels {policy.lower()}",
        f"looked at every {again} days" if again else "",
        f"message: {state.findtext('externalMessage')}",
    ]
    return ", ".join(part for part in parts if part)
