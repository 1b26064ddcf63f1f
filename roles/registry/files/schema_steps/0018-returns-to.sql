-- Where a verb that ends where it began is to end (domain/tenant/tenant.py: returns_to), whatever becomes of its run.
ALTER TABLE tenant.tenants ADD COLUMN returns_to text CHECK (returns_to IN ('running', 'stopped'));
UPDATE tenant.tenants t SET returns_to = CASE WHEN t.status IN ('running', 'stopped') THEN t.status ELSE coalesce(
    (SELECT m.tenant_status FROM ops.migrations m WHERE m.tenant_id = t.id ORDER BY m.started_at DESC LIMIT 1), 'running') END
WHERE t.operation IN ('resize', 'migrate');
