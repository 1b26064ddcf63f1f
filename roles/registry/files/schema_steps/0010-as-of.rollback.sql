CREATE OR REPLACE FUNCTION tenant.tenants_as_of(p_moment timestamptz) RETURNS SETOF tenant.tenants
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT (jsonb_populate_record(NULL::tenant.tenants, row)).* FROM tenant.tenant_versions WHERE valid @> p_moment
$$;
