SELECT plan_name AS plan, status, billing_status AS billing, count(*) AS value FROM tenant.tenants GROUP BY 1, 2, 3
