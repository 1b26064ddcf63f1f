-- What came before the account was read is answered by that reading.
UPDATE ops.events SET handled_at = clock_timestamp(), outcome = %(outcome)s
WHERE account_id = %(account_id)s AND handled_at IS NULL AND received_at <= %(read_at)s
