DROP TRIGGER check_changed_look_alike ON tenant.tenants;
DROP TRIGGER check_look_alike ON tenant.tenants;
DROP FUNCTION tenant.check_look_alike();
