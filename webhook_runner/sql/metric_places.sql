SELECT s.name AS server, s.server_type AS type, s.health_status AS health, p.state, p.value FROM database.servers s
CROSS JOIN LATERAL (
    SELECT 'taken' AS state, count(a.slot) AS value FROM database.allocations a WHERE a.server_name = s.name
    UNION ALL SELECT 'kept', count(*) FROM database.allocations a WHERE a.server_name = s.name AND a.purpose = 'kept'
    UNION ALL SELECT 'all', s.max_instances
) p WHERE s.status <> 'retired'
