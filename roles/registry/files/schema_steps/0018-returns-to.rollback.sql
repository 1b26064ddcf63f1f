ALTER TABLE tenant.tenants DROP COLUMN returns_to;
