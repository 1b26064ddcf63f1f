DROP SCHEMA communication, auth, ops, tenant, database, billing CASCADE;
