{
    "name": "SaaSOdoo isolation",
    "summary": "Keeps the bus, the cron and the sessions of one tenant from the others",
    "version": "1.0",
    "author": "SaaSOdoo developers",
    "license": "GPL-3",
    "category": "Hidden",
    "depends": ["base"],
    "installable": True,
    "auto_install": False,
    "post_load": "isolate",
}
