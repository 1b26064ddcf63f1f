"""A tenant who leaves functions wherever a name, a row or an index could call one: nobody but itself ever runs them.

Each function writes into the server's log who it runs as. So what ran is seen even where the transaction was rolled back, or
could write nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration import publication
from ansible_collections.saasodoo.platform.plugins.module_utils.database_migration.strays import find_strays
from ansible_collections.saasodoo.platform.plugins.module_utils.domain.tenant.tenant import Tenant
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import Conflict
from ansible_collections.saasodoo.platform.plugins.module_utils.odoo import database as odoo_database
from ansible_collections.saasodoo.platform.plugins.module_utils.odoo.database import TenantDatabase
from ansible_collections.saasodoo.platform.plugins.module_utils.postgres.deputy import deputy_of
from ansible_collections.saasodoo.platform.plugins.module_utils.registry.connection import connect
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.tenant import tenant_secrets
from tests.fixtures.bare_moves import BareMoves
from tests.fixtures.pools import KEY

#: Says who runs it, after it has tried to become more: whoever logged in as the superuser would be that again.
_TRAP = """
CREATE FUNCTION public.trap(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    BEGIN EXECUTE 'RESET ROLE'; EXCEPTION WHEN OTHERS THEN NULL; END;
    BEGIN EXECUTE 'RESET SESSION AUTHORIZATION'; EXCEPTION WHEN OTHERS THEN NULL; END;
    RAISE LOG 'sprung % by % as % super %', $1, session_user, current_user, current_setting('is_superuser');
    RETURN true;
END $$
"""
#: Wherever a row can call a function: check, default, generated column, domain, index, policy, trigger, rule.
_ROWS = """
CREATE DOMAIN public.trapped AS int CHECK (public.trap('domain'));
CREATE FUNCTION public.trap_value(int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT $1 + public.trap('value')::int $$;
CREATE TABLE public.rows (id int PRIMARY KEY, name text DEFAULT 'x' || public.trap('default')::text,
    d public.trapped, g int GENERATED ALWAYS AS (public.trap_value(id)) STORED, CHECK (public.trap('check')));
CREATE INDEX by_trap ON public.rows (public.trap_value(id));
CREATE INDEX where_trap ON public.rows (id) WHERE public.trap('predicate');
ALTER TABLE public.rows ENABLE ROW LEVEL SECURITY;
CREATE POLICY trap ON public.rows USING (public.trap('policy'));
CREATE FUNCTION public.trap_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.trap('trigger'); RETURN NEW; END $$;
CREATE TRIGGER trap BEFORE INSERT OR UPDATE ON public.rows FOR EACH ROW EXECUTE FUNCTION public.trap_row();
INSERT INTO public.rows (id, d) SELECT n, n FROM generate_series(1, 50) AS n
"""
#: Each operator and function that a look at catalogs may use, once more in public: the exact match wins over pg_catalog's.
_OPERATORS = """
DO $$
DECLARE each record; made int := 0;
BEGIN
    FOR each IN SELECT DISTINCT o.oprname, format_type(o.oprleft, NULL) AS l, format_type(o.oprright, NULL) AS r
        FROM pg_operator o
        WHERE o.oprleft::regtype::text IN ('name', 'text', 'oid', 'integer', 'bigint', '"char"', 'boolean', 'regclass', 'pg_lsn')
        AND o.oprright::regtype::text IN ('name', 'text', 'oid', 'integer', 'bigint', '"char"', 'boolean', 'regclass', 'pg_lsn')
        UNION SELECT oprname, 'name', 'name' FROM pg_operator WHERE oprleft = 'name'::regtype AND oprright = 'text'::regtype
    LOOP
        EXECUTE format('CREATE FUNCTION public.operator_%s(%s, %s) RETURNS boolean LANGUAGE sql IMMUTABLE AS
            $f$ SELECT public.trap(''operator'') $f$', made, each.l, each.r);
        EXECUTE format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = public.operator_%s)',
            each.oprname, each.l, each.r, made);
        made := made + 1;
    END LOOP;
    FOR each IN SELECT DISTINCT p.proname, pg_get_function_identity_arguments(p.oid) AS arguments, p.prorettype::regtype AS type
        FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND p.pronargs BETWEEN 1 AND 3
        AND NOT p.proretset AND p.prorettype::regtype::text IN ('text', 'boolean', 'oid', 'bigint', 'integer', 'name')
        AND p.proargtypes::oidvector::text ~ '^((19|25|26|20|23|16|2205)( |$))+$'
    LOOP
        EXECUTE format('CREATE OR REPLACE FUNCTION public.%I(%s) RETURNS %s LANGUAGE plpgsql IMMUTABLE AS
            $f$ BEGIN PERFORM public.trap(''function''); RETURN NULL; END $f$', each.proname, each.arguments, each.type);
        made := made + 1;
    END LOOP;
    IF made < 400 THEN RAISE EXCEPTION 'only % objects were made', made; END IF;
END $$
"""
#: What the superuser's own search path would find first, were it the default one: "$user" is before public and after nothing.
_FIRST = """
CREATE SCHEMA saasodoo_admin;
CREATE VIEW saasodoo_admin.ir_config_parameter AS SELECT 'web.base.url'::text AS key, public.trap('parameter')::text AS value;
CREATE VIEW saasodoo_admin.res_users AS SELECT 1 AS id WHERE public.trap('users');
CREATE VIEW saasodoo_admin.ir_model_data AS SELECT 1 AS res_id WHERE public.trap('data')
"""
_SPRUNG = re.compile(r"sprung (\w+) by (\w+) as (\w+) super (\w+)")


def hostile(bare_moves: BareMoves) -> Tenant:
    """Make a tenant with all of it; names of its own tables lead to views over its functions."""
    tenant = bare_moves.tenant(_TRAP, _ROWS, _FIRST)
    with bare_moves.session(tenant) as session:
        session.execute(
            "CREATE VIEW public.ir_module_module AS SELECT 'sale'::text AS name, 'installed'::text AS state WHERE trap('module');"
            "CREATE VIEW public.ir_config_parameter AS SELECT 'web.base.url'::text AS key, trap('parameter')::text AS value"
        )
        session.execute(_OPERATORS.encode())
    return tenant


def sprung(bare_moves: BareMoves) -> set[tuple[str, ...]]:
    """Return what ran on either server: which trap, who had logged in, who it was at the time, whether that was a superuser."""
    return {found for pool in bare_moves.pools for found in _SPRUNG.findall(pool.log())}


def by_others(bare_moves: BareMoves, tenant: Tenant) -> list[tuple[str, ...]]:
    """Return what ran as anybody who is not the tenant or its deputy, or as a superuser."""
    own = (tenant.database_name, deputy_of(tenant.database_name))
    found = [each for each in sprung(bare_moves) if tenant.short_id in each[1] + each[2] or "saasodoo" in each[1] + each[2]]
    return [each for each in found if each[1] not in own or each[2] not in own or each[3] != "off"]


@pytest.fixture
def tenant(bare_moves: BareMoves) -> Iterator[Tenant]:
    made = hostile(bare_moves)
    yield made
    assert by_others(bare_moves, made) == []


def test_a_look_for_leftovers_runs_nothing_of_a_tenants(bare_moves: BareMoves, tenant: Tenant) -> None:
    """``pubname LIKE 'saasodoo...'``, asked in each database, made a superuser of whoever had an operator of that name."""
    before = sprung(bare_moves)
    with connect(bare_moves.registry, autocommit=True) as connection:
        find_strays(connection, [pool.address for pool in bare_moves.pools], bare_moves.home)
    assert sprung(bare_moves) == before


def test_parameters_are_read_as_the_tenant_whose_views_they_may_be(bare_moves: BareMoves, tenant: Tenant) -> None:
    secrets = tenant_secrets(KEY, str(tenant.id), 1)
    wanted = TenantDatabase(tenant.database_name, "no_template", {"web.base.url": "http://acme.localhost"}, 20)
    found = odoo_database.converge(bare_moves.pools[0].address, wanted, secrets, check=True)
    assert found.before["parameters"] == {"web.base.url": "true"}
    with pytest.raises(Conflict, match="can't be read or written by its own role"):
        odoo_database.converge(bare_moves.pools[0].address, wanted, secrets, check=False)
    assert ("parameter", tenant.database_name, tenant.database_name, "off") in sprung(bare_moves), "the view was read"


@pytest.mark.parametrize("strategy", ["online", "offline"])
def test_a_whole_move_runs_it_as_nobody_else(bare_moves: BareMoves, tenant: Tenant, strategy: str) -> None:
    deputy = deputy_of(tenant.database_name)
    facts = bare_moves.move(tenant, strategy=strategy).facts["migration"]
    assert facts["report"]["equal"], facts
    loaded = {each[0] for each in sprung(bare_moves) if each[1] == deputy}
    assert {"check", "value", "domain"} <= loaded, "a load evaluates what the tenant has put there"
    with bare_moves.session(tenant) as session:
        session.execute("INSERT INTO rows (id, d) SELECT n, n FROM generate_series(1000, 1050) AS n")
        session.execute("UPDATE rows SET name = 'changed' WHERE id % 3 = 0")
    if strategy == "online":
        bare_moves.do(tenant, "switched_back", "returned")
        assert bare_moves.home_of(tenant) is bare_moves.pools[0]
    else:
        bare_moves.do(tenant, "settled")
    left = [each for each in bare_moves.remains(tenant) if "database" not in each and "role" not in each]
    assert left == []


def test_what_is_named_like_the_platforms_and_is_not_stops_a_move_and_stays(bare_moves: BareMoves, tenant: Tenant) -> None:
    """The sentinel's default would have been called by whoever writes it."""
    with bare_moves.session(tenant) as session:
        session.execute(
            "CREATE SCHEMA saasodoo_migration; CREATE TABLE saasodoo_migration.sentinel (token uuid PRIMARY KEY,"
            " written_at timestamptz NOT NULL DEFAULT CASE WHEN public.trap('sentinel') THEN now() END)"
        )
    with pytest.raises(Conflict, match="schema saasodoo_migration is not the platform's"):
        bare_moves.move(tenant)
    with bare_moves.session(tenant) as session:
        session.execute("DROP SCHEMA saasodoo_migration CASCADE; CREATE PUBLICATION saasodoo_migration")
    with pytest.raises(Conflict, match="publication saasodoo_migration is not the platform's"):
        bare_moves.move(tenant)
    with bare_moves.session(tenant) as session:
        session.execute("DROP PUBLICATION saasodoo_migration")
    assert bare_moves.move(tenant).facts["migration"]["report"]["equal"]


def test_nothing_can_be_put_into_what_the_platform_has_made(bare_moves: BareMoves, tenant: Tenant) -> None:
    with bare_moves.pools[0].address.inside(tenant.database_name) as database:
        publication.publish(database)
        for statement in (
            "CREATE TABLE saasodoo_migration.mine (id int)",
            "CREATE TRIGGER mine BEFORE INSERT ON saasodoo_migration.sentinel FOR EACH ROW EXECUTE FUNCTION trap_row()",
            "ALTER TABLE public.rows SET SCHEMA saasodoo_migration",
            "INSERT INTO saasodoo_migration.replica_identity VALUES ('public', 'rows', 'NOTHING')",
            "ALTER PUBLICATION saasodoo_migration ADD TABLE public.rows",
            "CREATE TABLE public.child () INHERITS (saasodoo_migration.sentinel)",
        ):
            with bare_moves.session(tenant) as session, pytest.raises(Exception, match=r"permission denied|must be owner"):
                session.execute(statement.encode())
        publication.unpublish(database)


def test_the_log_would_show_a_superuser(bare_moves: BareMoves, tenant: Tenant) -> None:
    """What all these tests rest on: asked with the default search path, the server runs the tenant's functions."""
    with bare_moves.pools[0].superuser(tenant.database_name) as naive:
        naive.execute("SELECT 1 FROM pg_namespace WHERE nspname LIKE 'saasodoo%'")
    assert ("operator", "saasodoo_admin", "saasodoo_admin", "on") in set(by_others(bare_moves, tenant))
    for pool in bare_moves.pools:  # or the fixture would find it
        Path(pool.cluster.folder / "log").write_text("")
