SELECT s.name, s.server_type, s.status, s.health_status, s.health_message, s.health_checked_at, s.host, s.port, s.pooler_host,
    s.pooler_port, s.max_instances, s.cpu_limit::float8 AS cpu_limit, s.memory_limit,
    (SELECT count(a.slot) FROM database.allocations a WHERE a.server_name = s.name) AS current_instances,
    (SELECT count(*) FROM database.allocations a WHERE a.server_name = s.name AND a.purpose = 'kept') AS kept_databases
FROM database.servers s WHERE %(name)s::text IS NULL OR s.name = %(name)s ORDER BY s.name
