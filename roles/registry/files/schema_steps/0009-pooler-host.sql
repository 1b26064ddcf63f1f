-- On one machine a server and its PgBouncer have one address; in a cluster each is a service of its own.
ALTER TABLE database.servers ADD COLUMN pooler_host text NOT NULL DEFAULT '127.0.0.1';
