DROP INDEX ops.journal_subject;
DROP TRIGGER check_transition ON tenant.tenants;
DROP FUNCTION tenant.check_transition();
DROP TABLE tenant.allowed_transitions;
