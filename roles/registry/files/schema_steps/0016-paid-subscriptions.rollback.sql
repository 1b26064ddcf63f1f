ALTER TABLE billing.accounts DROP COLUMN paid_active;
