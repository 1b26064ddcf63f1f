-- A customer has one account; a Kill Bill set up anew gives it another id.
INSERT INTO billing.accounts (account_id, customer_id, overdue_state, balance)
VALUES (%(account_id)s, %(customer_id)s, %(overdue_state)s, %(balance)s)
ON CONFLICT (customer_id) DO UPDATE SET account_id = EXCLUDED.account_id, overdue_state = EXCLUDED.overdue_state,
    balance = EXCLUDED.balance, synced_at = now()
