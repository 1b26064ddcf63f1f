SELECT subscription_id FROM billing.trials WHERE customer_id = %(customer_id)s
