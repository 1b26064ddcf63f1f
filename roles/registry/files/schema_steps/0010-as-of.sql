-- One reading of each version: what is expanded from a function's result in the list of columns calls it once for every column.
CREATE OR REPLACE FUNCTION tenant.tenants_as_of(p_moment timestamptz) RETURNS SETOF tenant.tenants
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT t.* FROM tenant.tenant_versions v CROSS JOIN LATERAL jsonb_populate_record(NULL::tenant.tenants, v.row) t
    WHERE v.valid @> p_moment
$$;
