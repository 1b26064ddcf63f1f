SELECT EXISTS (SELECT FROM billing.trials WHERE customer_id = %(customer_id)s) AS had_trial,
    EXISTS (SELECT FROM tenant.tenants WHERE customer_id = %(customer_id)s AND status <> 'terminated'
            AND desired_state <> 'terminated' AND billing_status IN ('paid', 'overdue', 'suspended')) AS paid_active
