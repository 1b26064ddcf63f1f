DROP TABLE tenant.storage;
DROP FUNCTION tenant.journal_storage();
