INSERT INTO billing.trials (customer_id, subscription_id) VALUES (%(customer_id)s, %(subscription_id)s)
ON CONFLICT DO NOTHING
