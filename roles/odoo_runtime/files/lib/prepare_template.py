"""Read by `odoo shell` on a new template database: sets country and language, and makes what a first
page would otherwise wait for.

Environment: SAASODOO_COUNTRY, an ISO code or empty; SAASODOO_LANGUAGE, already loaded.
"""

import os

env = globals()["env"]  # Odoo's shell puts it there
BUNDLES = (
    "web.assets_frontend",
    "web.assets_frontend_minimal",
    "web.assets_frontend_lazy",
    "web.assets_web",
    "web.assets_web_print",
)

country = os.environ.get("SAASODOO_COUNTRY", "")
if country:
    found = env["res.country"].search([("code", "=ilike", country)])
    if not found:
        raise SystemExit(f"no country has the code {country!r}")
    env["res.company"].browse(1).write({"country_id": found.id, "currency_id": found.currency_id.id})
language = os.environ.get("SAASODOO_LANGUAGE", "en_US")
if language != "en_US":
    env["res.users"].with_context(active_test=False).search([]).write({"lang": language})
    env["ir.default"].set("res.partner", "lang", language)
qweb = env["ir.qweb"]
for bundle in BUNDLES:
    if hasattr(qweb, "_get_asset_bundle"):  # not in 11.0, whose bundles are small and made when first asked for
        made = qweb._get_asset_bundle(bundle, css=True, js=True)
        made.css()
        made.js()
env.cr.commit()
