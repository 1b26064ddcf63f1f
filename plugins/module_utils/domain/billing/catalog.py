# Copyright: (c) 2026, SaaSOdoo developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kill Bill's catalog as it follows from the plans in the inventory, so that price list and entitlements can't disagree.

The XML is what Kill Bill 0.22 and 0.24 take; element order is fixed by its CatalogSchema.xsd. To compare, both what is
wanted and what Kill Bill returns (which it writes anew, with defaults spelled out) are read into plain content.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from xml.etree import ElementTree as xml

from ...errors import InvalidInput
from ..change import Change
from .plan import read_plan

#: The catalog's name; Kill Bill wants the same one in every version.
CATALOG_NAME = "SaaSOdoo"

_PRODUCT = re.compile(r"^[A-Za-z][A-Za-z0-9]{0,49}$")
_CURRENCY = re.compile(r"^[A-Z]{3}$")

#: Section, case, what the case says. In a trial a change applies at once; otherwise too, Kill Bill prorates. A cancellation
#: takes effect at the end of what is paid. Each subscription is billed by its account's day.
_RULES: tuple[tuple[str, str, tuple[tuple[tuple[str, str], ...], ...]], ...] = (
    ("changePolicy", "changePolicyCase", ((("policy", "IMMEDIATE"),),)),
    ("changeAlignment", "changeAlignmentCase", ((("alignment", "START_OF_SUBSCRIPTION"),),)),
    ("cancelPolicy", "cancelPolicyCase", ((("policy", "END_OF_TERM"),),)),
    ("createAlignment", "createAlignmentCase", ((("alignment", "START_OF_BUNDLE"),),)),
    ("billingAlignment", "billingAlignmentCase", ((("alignment", "ACCOUNT"),),)),
    ("priceList", "priceListCase", ((("toPriceList", "DEFAULT"),),)),
)


@dataclass(frozen=True)
class PricedPlan:
    """One plan as Kill Bill sells it: ``price`` per month, after ``trial_days`` days free of charge (0: no trial)."""

    name: str
    product: str
    price: Decimal
    trial_days: int


def read_priced_plans(plans: Iterable[Mapping[str, Any]]) -> tuple[PricedPlan, ...]:
    """Return the plans of the inventory (saasodoo_plans) with price, product and trial, sorted by name.

    Raises InvalidInput, naming the plan, for one that can't be sold or entitles to nothing, and for a name or product
    that is given twice: Kill Bill changes from product to product, so two plans of one product could not be told apart.
    """
    found = sorted((_read_plan(plan) for plan in plans), key=lambda plan: plan.name)
    if not found:
        raise InvalidInput("there are no plans", expected="at least one in saasodoo_plans")
    for what in ("name", "product"):
        values = [getattr(plan, what) for plan in found]
        if twice := sorted({value for value in values if values.count(value) > 1}):
            raise InvalidInput(f"plans share a {what}", found=", ".join(twice), expected=f"a {what} of its own for each plan")
    return tuple(found)


def _read_plan(data: Mapping[str, Any]) -> PricedPlan:
    read_plan(data)  # name and entitlements are legal, or it says why not
    name, product, days = data["name"], data.get("product"), data.get("trial_days", 0)
    if not isinstance(product, str) or not _PRODUCT.match(product):
        raise InvalidInput(f"illegal product of plan '{name}'", found=product, expected="letters and digits, a letter first")
    if isinstance(days, bool) or not isinstance(days, int) or not 0 <= days <= 365:
        raise InvalidInput(f"illegal trial_days of plan '{name}'", found=days, expected="a whole number from 0 to 365")
    return PricedPlan(name, product, _read_price(name, data.get("price")), days)


def _read_price(name: str, value: object) -> Decimal:
    try:
        price = Decimal(str(value))
        if not isinstance(value, bool) and price > 0 and price == price.quantize(Decimal("0.01")):
            return price.quantize(Decimal("0.01"))
    except InvalidOperation:
        pass
    raise InvalidInput(f"illegal price of plan '{name}'", found=value, expected="a number above 0 with at most two decimals")


def catalog_xml(plans: Iterable[PricedPlan], currency: str, effective: datetime) -> str:
    """Return the catalog of ``plans``, in force from ``effective`` on. Raises InvalidInput for an illegal currency."""
    if not _CURRENCY.match(currency):
        raise InvalidInput("illegal currency", found=currency, expected="three capital letters (ISO 4217)")
    plans = list(plans)
    root = xml.Element("catalog")
    _add(root, "effectiveDate", effective.astimezone(UTC).isoformat(timespec="seconds"))
    _add(root, "catalogName", CATALOG_NAME)
    _add(_add(root, "currencies"), "currency", currency)
    products = _add(root, "products")
    for plan in plans:
        _add(_add(products, "product", name=plan.product), "category", "BASE")
    _add_rules(_add(root, "rules"))
    listed = _add(root, "plans")
    for plan in plans:
        _add_plan(listed, plan, currency)
    prices = _add(_add(_add(root, "priceLists"), "defaultPriceList", name="DEFAULT"), "plans")
    for plan in plans:
        _add(prices, "plan", plan.name)
    return to_text(root)


def _add_rules(rules: xml.Element) -> None:
    for section, case, cases in _RULES:
        listed = _add(rules, section)
        for content in cases:
            entry = _add(listed, case)
            for tag, value in content:
                _add(entry, tag, value)


def _add_plan(plans: xml.Element, plan: PricedPlan, currency: str) -> None:
    element = _add(plans, "plan", name=plan.name)
    _add(element, "product", plan.product)
    _add(element, "recurringBillingMode", "IN_ADVANCE")
    if plan.trial_days:
        trial = _add(_add(element, "initialPhases"), "phase", type="TRIAL")
        duration = _add(trial, "duration")
        _add(duration, "unit", "DAYS")
        _add(duration, "number", str(plan.trial_days))
        _add_price(_add(_add(trial, "fixed"), "fixedPrice"), currency, Decimal("0.00"))
    final = _add(element, "finalPhase", type="EVERGREEN")
    _add(_add(final, "duration"), "unit", "UNLIMITED")
    recurring = _add(final, "recurring")
    _add(recurring, "billingPeriod", "MONTHLY")
    _add_price(_add(recurring, "recurringPrice"), currency, plan.price)


def _add_price(prices: xml.Element, currency: str, value: Decimal) -> None:
    price = _add(prices, "price")
    _add(price, "currency", currency)
    _add(price, "value", str(value))


def _add(parent: xml.Element, tag: str, text: str = "", **attributes: str) -> xml.Element:
    element = xml.SubElement(parent, tag, attributes)
    element.text = text or None
    return element


def to_text(root: xml.Element) -> str:
    """Return the document as indented text with an XML declaration."""
    xml.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{xml.tostring(root, encoding="unicode")}\n'


def parse(text: str) -> xml.Element:
    """Return the root of a document Kill Bill sent. Raises InvalidInput when it is no XML, or declares entities."""
    try:
        if "<!" in text.replace("<!--", ""):
            raise InvalidInput("the XML declares a document type", expected="plain XML")
        return xml.fromstring(text)
    except xml.ParseError as error:
        raise InvalidInput("not XML", found=str(error)) from None


@dataclass(frozen=True)
class Version:
    """One version of a catalog: in force from ``effective`` on, with its ``content``."""

    effective: datetime
    content: Mapping[str, Any]


def read_versions(text: str) -> tuple[Version, ...]:
    """Return the versions in a catalog document, oldest first, but none without plans, as Kill Bill begins with."""
    root = parse(text)
    catalogs = [root] if root.tag == "catalog" else root.findall("versions/version")
    versions = [Version(read_moment(catalog.findtext("effectiveDate", "")), _content(catalog)) for catalog in catalogs]
    return tuple(sorted((each for each in versions if each.content["plans"]), key=lambda each: each.effective))


def read_moment(text: str) -> datetime:
    """Return an ISO 8601 date or moment; without a time zone it is UTC. Raises InvalidInput."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput("not a moment", found=text, expected="ISO 8601, such as 2026-01-31T12:00:00Z") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _content(catalog: xml.Element) -> dict[str, Any]:
    """Return what a catalog says, without its date and apart from how it is written."""
    return {
        "currencies": sorted(each.text or "" for each in catalog.findall("currencies/currency")),
        "plans": {plan.get("name", ""): _plan_content(plan) for plan in catalog.findall("plans/plan")},
        "price_list": sorted(each.text or "" for each in catalog.findall("priceLists/defaultPriceList/plans/plan")),
        "rules": {section: _cases(catalog, section, case) for section, case, _rule in _RULES},
    }


def _plan_content(plan: xml.Element) -> dict[str, Any]:
    phases = [*plan.findall("initialPhases/phase"), *plan.findall("finalPhase")]
    return {"product": plan.findtext("product"), "phases": [_phase_content(phase) for phase in phases]}


def _phase_content(phase: xml.Element) -> str:
    number, unit = phase.findtext("duration/number", "-1"), phase.findtext("duration/unit", "")
    length = unit if number == "-1" else f"{number} {unit}"
    prices = [
        f"{price.findtext('currency')} {Decimal(price.findtext('value', '0')):.2f} {period}"
        for path, period in (("fixed/fixedPrice/price", "once"), ("recurring/recurringPrice/price", ""))
        for price in phase.findall(path)
        for period in [period or phase.findtext("recurring/billingPeriod", "")]
    ]
    return " ".join([phase.get("type", ""), length, *prices]).lower()


def _cases(catalog: xml.Element, section: str, case: str) -> list[str]:
    found = catalog.findall(f"rules/{section}/{case}")
    return [", ".join(f"{part.tag} {(part.text or '').strip()}" for part in each) for each in found]


@dataclass(frozen=True)
class CatalogChange(Change[Mapping[str, Any]]):
    """What bringing Kill Bill's catalog to the plans means: ``upload`` is the new version's XML, '' when nothing differs."""

    effective: datetime | None
    upload: str


def catalog_change(
    present: Iterable[Version], plans: Iterable[PricedPlan], currency: str, *, first: datetime, at: datetime
) -> CatalogChange:
    """Return the version to add so that the newest one says what ``plans`` say: from ``first`` on if it is the only one.

    A later version takes effect ``at`` (Kill Bill's present), for new subscriptions; those that exist keep their price.
    Raises InvalidInput when the newest version is not in force yet, since Kill Bill takes versions only in order.
    """
    plans = list(plans)
    newest = max(present, key=lambda version: version.effective, default=None)
    wanted = read_versions(catalog_xml(plans, currency, first))[0].content
    if newest is not None and newest.content == wanted:
        return CatalogChange(newest.content, wanted, newest.effective, "")
    effective = (first if newest is None else at).replace(microsecond=0)
    if newest is not None and newest.effective >= effective:
        raise InvalidInput(
            "Kill Bill has a catalog that is not in force yet",
            found=f"a version from {newest.effective.isoformat()}",
            expected=f"none after {effective.isoformat()}",
            action="wait until then and run it again",
        )
    return CatalogChange(newest.content if newest else {}, wanted, effective, catalog_xml(plans, currency, effective))
