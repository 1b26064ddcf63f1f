DROP TABLE database.allocations, database.servers;
DROP FUNCTION database.record_change();
