SELECT s.server_type, count(*) AS servers, count(*) FILTER (WHERE s.health_status = 'healthy') AS healthy,
    sum(s.max_instances)::bigint AS max_instances, coalesce(sum(a.taken), 0)::bigint AS current_instances
FROM database.servers s
LEFT JOIN (SELECT server_name, count(slot) AS taken FROM database.allocations GROUP BY server_name) a ON a.server_name = s.name
WHERE s.status IN ('active', 'draining') GROUP BY s.server_type ORDER BY s.server_type
