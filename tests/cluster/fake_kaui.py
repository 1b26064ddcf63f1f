"""A fake of Kaui's war, which can't be had here: a schema where Kaui's war has it, pages where Kaui answers, no console."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

VERSION = "0.0.1-fake"
_WAR = "org/kill-bill/billing/kaui/kaui-standalone/{0}/kaui-standalone-{0}.war"
_FILES = {
    "WEB-INF/web.xml": '<web-app xmlns="http://java.sun.com/xml/ns/javaee" version="2.5"></web-app>',
    "WEB-INF/gems/gems/kaui-0.0.1/db/ddl.sql": """\
create table `kaui_users` (`id` int not null auto_increment, `kb_username` varchar(255) not null, primary key (`id`));
create table `kaui_tenants` (`id` int not null auto_increment, `name` varchar(255), primary key (`id`));
create unique index kaui_users_name on kaui_users(kb_username);
""",
    "health": "well",
    "users/sign_in": "the page of a fake Kaui",
}


def fake_kaui(cache: Path) -> dict[str, str]:
    """Have it in the cache where the real one would be after it was fetched; return the variables that ask for it."""
    file = cache / "killbill/maven" / _WAR.format(VERSION)
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(".new")
        with zipfile.ZipFile(new, "w") as war:
            for name, content in _FILES.items():
                war.writestr(name, content)
        new.rename(file)
    return {"saasodoo_kaui_version": VERSION, "saasodoo_kaui_sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
