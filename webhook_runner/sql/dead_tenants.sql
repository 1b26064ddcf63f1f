SELECT short_id FROM tenant.tenants
WHERE short_id = ANY(%(short_ids)s) AND status = 'terminated' AND updated_at < clock_timestamp() - make_interval(days => %(days)s)
