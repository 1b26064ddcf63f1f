-- Whether a customer pays for something, as the last reading of the account at Kill Bill says: no trial beside it. Until an account is
-- read again, what its tenants say counts.
ALTER TABLE billing.accounts ADD COLUMN paid_active boolean NOT NULL DEFAULT false;
UPDATE billing.accounts a SET paid_active = true WHERE EXISTS (
    SELECT FROM tenant.tenants t WHERE t.customer_id = a.customer_id AND t.status <> 'terminated'
    AND t.desired_state <> 'terminated' AND t.billing_status IN ('paid', 'overdue', 'suspended'));
