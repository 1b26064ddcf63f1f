DROP TABLE billing.trials, billing.accounts, billing.plan_entitlements;
DROP FUNCTION billing.record_plan();
