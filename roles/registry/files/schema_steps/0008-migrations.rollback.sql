-- Where a tenant still has two databases this fails at the old primary key, and changes nothing: end those migrations first.
DROP TABLE ops.migration_steps, ops.migrations;
DROP FUNCTION ops.record_migration();
DELETE FROM tenant.allowed_transitions WHERE 'migrating' IN (from_status, to_status) AND to_status <> 'error';
ALTER TABLE tenant.tenants DROP COLUMN applied_plan, DROP COLUMN failed_plan;
ALTER TABLE database.allocations
    DROP CONSTRAINT allocations_pkey,
    DROP CONSTRAINT allocations_tenant_id_server_name_key,
    ADD PRIMARY KEY (tenant_id),
    DROP COLUMN purpose;
