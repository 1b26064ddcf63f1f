ALTER TABLE database.servers DROP COLUMN pooler_host;
