INSERT INTO ops.events (event_type, account_id, object_type, object_id, body)
VALUES (%(event_type)s, %(account_id)s, %(object_type)s, %(object_id)s, %(body)s)
RETURNING id, correlation_id
