{
    "name": "SaaSOdoo isolation",
    "summary": "Keeps the bus and cron of one tenant out of the hearing of the others",
    "version": "1.0",
    "author": "SaaSOdoo developers",
    "license": "GPL-3",
    "category": "Hidden",
    "depends": ["base"],
    "installable": True,
    "auto_install": False,
    "post_load": "lead_home",
}
