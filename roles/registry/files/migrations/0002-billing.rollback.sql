DROP TABLE billing.trials, billing.accounts, billing.plan_entitlements;
